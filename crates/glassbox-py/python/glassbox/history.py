"""What a training came to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any


@dataclass(frozen=True)
class Epoch:
    """An epoch in numbers. Losses are means over samples; accuracies are shares, and ``None`` where answers are values."""

    epoch: int
    step: int
    train_loss: float
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


@dataclass
class History:
    """The epochs of a training, in order, and how it ended.

    ``ending`` is ``complete``, ``max-steps``, ``early-stop`` or ``interrupted``; ``None`` while it runs, and after an
    exception. ``plan`` is how steps were carried out, and ``why`` the reason.
    """

    epochs: list[Epoch] = field(default_factory=list)
    ending: str | None = None
    plan: str | None = None
    why: str | None = None

    def __iter__(self) -> Iterator[Epoch]:
        return iter(self.epochs)

    def __len__(self) -> int:
        return len(self.epochs)

    def __getitem__(self, index: int) -> Epoch:
        return self.epochs[index]

    @property
    def train_loss(self) -> list[float]:
        """The mean loss of each epoch, each sample before it was learned from."""
        return [epoch.train_loss for epoch in self.epochs]

    @property
    def train_accuracy(self) -> list[float | None]:
        """The accuracy of each epoch, each sample before it was learned from."""
        return [epoch.train_accuracy for epoch in self.epochs]

    @property
    def validation_loss(self) -> list[float | None]:
        """The mean loss on the validation samples after each epoch."""
        return [epoch.validation_loss for epoch in self.epochs]

    @property
    def validation_accuracy(self) -> list[float | None]:
        """The accuracy on the validation samples after each epoch."""
        return [epoch.validation_accuracy for epoch in self.epochs]

    @property
    def seconds(self) -> float:
        """Time in training steps, without validation."""
        return sum(epoch.seconds for epoch in self.epochs)

    def _rows(self) -> list[list[str]]:
        def number(value: float | None) -> str:
            return "" if value is None else f"{value:.4f}"

        def percent(value: float | None) -> str:
            return "" if value is None else f"{100 * value:.2f} %"

        return [
            [
                str(e.epoch), number(e.train_loss), percent(e.train_accuracy),
                number(e.validation_loss), percent(e.validation_accuracy), f"{e.seconds:.3f}",
            ]
            for e in self.epochs
        ]  # fmt: skip

    def __repr__(self) -> str:
        head = f"History({len(self.epochs)} epochs, {self.ending or 'not ended'}"
        if not self.epochs:
            return head + ")"
        return f"{head}, loss {self.epochs[-1].train_loss:.4f}, {self.seconds:.2f} s)"

    def _repr_html_(self) -> str:
        names = ["epoch", "loss", "accuracy", "validation loss", "validation accuracy", "seconds"]
        rows = self._rows()
        # Columns that nothing stands in are left out.
        kept = [i for i, _ in enumerate(names) if any(row[i] for row in rows)]
        return html_table([names[i] for i in kept], [[row[i] for i in kept] for row in rows], repr(self))


def html_table(names: list[str], rows: list[list[str]], caption: str) -> str:
    """A table for notebooks: self-contained, every text escaped."""

    def line(cells: list[str], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table><caption>{escape(caption)}</caption><thead>{line(names, 'th')}</thead><tbody>{body}</tbody></table>"


def epoch_of(event: dict[str, Any]) -> Epoch:
    """The epoch of an event."""
    return Epoch(**{name: value for name, value in event.items() if name != "event"})
