"""Losses: what a network is to make small."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Reduction = Literal["mean", "sum"]


@dataclass(frozen=True)
class CrossEntropy:
    """−ln softmax(logits)[class].

    With ``reduction="sum"``, as week 2 of the course has it, the gradient, and so the step, grows with the batch.
    """

    reduction: Reduction = "mean"
    name: ClassVar[str] = "cross-entropy"

    def __post_init__(self) -> None:
        _check(self.reduction)


@dataclass(frozen=True)
class MeanSquaredError:
    """(y − t)², for values. The mean is over all outputs of all samples."""

    reduction: Reduction = "mean"
    name: ClassVar[str] = "mean-squared-error"

    def __post_init__(self) -> None:
        _check(self.reduction)


def _check(reduction: str) -> None:
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction cannot be {reduction!r} (hint: 'mean' or 'sum')")


Loss = CrossEntropy | MeanSquaredError


def loss_of(loss: str | Loss) -> Loss:
    """The loss, or the one of that name."""
    if isinstance(loss, (CrossEntropy, MeanSquaredError)):
        return loss
    for kind in (CrossEntropy, MeanSquaredError):
        if loss == kind.name:
            return kind()
    raise ValueError(f"there is no loss {loss!r} (hint: 'cross-entropy' or 'mean-squared-error', or an object of glassbox.losses)")
