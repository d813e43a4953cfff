"""Optimizers: how gradients change weights. The learning rate is an argument of the training."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from ._numbers import at_least_0, share


@dataclass(frozen=True)
class SGD:
    """w −= lr · g. With a momentum μ: v = μ v + g; w −= lr · v, or, of Nesterov's kind, w −= lr · (g + μ v)."""

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def _checked(self) -> SGD:
        return replace(self, momentum=share("momentum", self.momentum), weight_decay=at_least_0("weight_decay", self.weight_decay))

    def _rule(self) -> dict[str, Any]:
        if self.nesterov and not self.momentum:
            raise ValueError("Nesterov's momentum needs a momentum (hint: SGD(momentum=0.9, nesterov=True))")
        if not self.momentum:
            return {"name": "sgd"}
        return {"name": "nesterov" if self.nesterov else "momentum", "momentum": self.momentum}


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma, Ba 2015), weight decay added to the gradient."""

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def _checked(self) -> Adam:
        return replace(self, **_checked_adam(self))

    def _rule(self) -> dict[str, Any]:
        return {"name": "adam", "betas": list(self.betas), "epsilon": self.epsilon}


@dataclass(frozen=True)
class AdamW:
    """Adam with weight decay apart from the gradient (Loshchilov, Hutter 2019)."""

    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.01

    def _checked(self) -> AdamW:
        return replace(self, **_checked_adam(self))

    def _rule(self) -> dict[str, Any]:
        return {"name": "adamw", "betas": list(self.betas), "epsilon": self.epsilon}


Optimizer = SGD | Adam | AdamW

_NAMED: dict[str, Optimizer] = {
    "sgd": SGD(),
    "momentum": SGD(momentum=0.9),
    "nesterov": SGD(momentum=0.9, nesterov=True),
    "adam": Adam(),
    "adamw": AdamW(),
}


def optimizer_of(optimizer: str | Optimizer) -> Optimizer:
    """The optimizer, its numbers checked, or the one of that name, with the numbers of its class and μ = 0.9."""
    if isinstance(optimizer, (SGD, Adam, AdamW)):
        return optimizer._checked()
    if optimizer in _NAMED:
        return _NAMED[optimizer]
    raise ValueError(f"there is no optimizer {optimizer!r} (hint: one of {', '.join(_NAMED)}, or an object of glassbox.optimizers)")


def _checked_adam(adam: Adam | AdamW) -> dict[str, Any]:
    if len(adam.betas) != 2:
        raise ValueError(f"betas cannot be {adam.betas!r}: they are two shares (hint: (0.9, 0.999))")
    return {
        "betas": tuple(share("betas", beta) for beta in adam.betas),
        "epsilon": at_least_0("epsilon", adam.epsilon), "weight_decay": at_least_0("weight_decay", adam.weight_decay),
    }  # fmt: skip


def rule_json(optimizer: Optimizer) -> str:
    """The rule as the native half reads it."""
    return json.dumps(optimizer._rule())
