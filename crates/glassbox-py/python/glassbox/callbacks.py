"""Listeners of a training.

A callback is a function of one event, or an object with such a method ``event``. Events are dictionaries, the objects
of a run's ``events.jsonl``: ``{"event": "started", ...}``, ``"step"``, ``"epoch"``, ``"system"`` (a GPU), ``"warning"``
(a loss that is no longer a number) and ``"finished"``. All steps are heard up to the hundredth, then every tenth. A callback that raises :class:`StopTraining`
ends the training as an interrupt would, without an error, once all have heard the event; whatever else it raises ends it too, and is passed on.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Callable
from typing import IO, Any, Protocol, runtime_checkable

Event = dict[str, Any]


class StopTraining(Exception):
    """Raised by a callback that has seen enough. The network keeps what it has learned."""


@runtime_checkable
class Sink(Protocol):
    """A listener."""

    def event(self, event: Event) -> object:
        """Hears an event."""


Callback = Sink | Callable[[Event], object]


# JSON has neither NaN nor infinities: in a file they are these words.
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def event_of(text: str) -> Event:
    """The event that a line of ``events.jsonl`` tells of."""

    def number(value: Any) -> Any:
        if isinstance(value, list):
            return [number(one) for one in value]
        return _WORDS.get(value, value) if isinstance(value, str) else value

    event: Event = json.loads(text, object_hook=lambda found: {name: number(value) for name, value in found.items()})
    return event


def line_of(event: Event) -> str:
    """The line that tells of it."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        if isinstance(value, list):
            return [plain(one) for one in value]
        if isinstance(value, float) and not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        return value

    return json.dumps(plain(event), allow_nan=False)


def hear(callback: Callback, event: Event) -> None:
    """Tells a callback of an event."""
    if isinstance(callback, Sink):
        callback.event(event)
    else:
        callback(event)


class EventLog:
    """Writes each event of a training as a line of JSON into a file, as the command line does. It begins anew with each."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path

    def event(self, event: Event) -> None:
        """Writes it at once, so that nothing is lost however the training ends."""
        mode = "w" if event["event"] == "started" else "a"
        with open(self.path, mode, encoding="utf-8") as file:
            file.write(line_of(event) + "\n")


class Progress:
    """Shows how a training goes: a live line in a terminal or a notebook, a line for each epoch elsewhere."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        # A program without a console has no stderr.
        self._stream = sys.stderr if stream is None else stream
        self._notebook = _notebook() if stream is None else None
        self._is_terminal = _is_terminal(self._stream)
        self._epochs = self._steps = 0
        self._lines: list[str] = []
        self._drawn = 0.0

    def event(self, event: Event) -> None:
        """Shows it, at most ten times a second."""
        kind = event["event"]
        if kind == "started":
            self._epochs, self._steps = event["epochs"], event["steps"]
        elif kind == "step" and time.monotonic() - self._drawn >= 0.1:
            self._drawn = time.monotonic()
            done = event["step"] / max(self._steps, 1)
            left = event["seconds"] * (1 - done) / max(done, 1e-9)
            accuracy = _percent(event["epoch_accuracy"])
            self._live(f"epoch {event['epoch']:>2}/{self._epochs}  loss {event['epoch_loss']:.4f}{accuracy}  {100 * done:.0f} %  {left:.0f} s left")
        elif kind == "epoch":
            line = f"epoch {event['epoch']:>2}/{self._epochs}  loss {event['train_loss']:.4f}{_percent(event['train_accuracy'])}"
            if event["validation_loss"] is not None:
                line += f"  validation loss {event['validation_loss']:.4f}{_percent(event['validation_accuracy'])}"
            self._keep(f"{line}  {event['seconds']:.2f} s")

    def close(self) -> None:
        """Leaves the last line clean."""
        if self._is_terminal and self._notebook is None:
            self._write("\r\x1b[K")

    def _live(self, line: str) -> None:
        if self._notebook is not None:
            self._notebook.update(_Text("\n".join([*self._lines, line])))
        elif self._is_terminal:
            self._write(f"\r\x1b[K{line}")

    def _keep(self, line: str) -> None:
        self._lines.append(line)
        if self._notebook is not None:
            self._notebook.update(_Text("\n".join(self._lines)))
        else:
            self._write(f"\r\x1b[K{line}\n" if self._is_terminal else f"{line}\n")

    def _write(self, text: str) -> None:
        # Training does not end because nobody reads its progress any more.
        try:
            if self._stream is not None:
                self._stream.write(text)
                self._stream.flush()
        except (OSError, ValueError):
            self._is_terminal = False


def _is_terminal(stream: IO[str] | None) -> bool:
    try:
        return stream is not None and stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:
        # It is closed.
        return False


class _Text:
    """What a notebook shows as it is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _percent(share: float | None) -> str:
    return "" if share is None else f"  accuracy {100 * share:.2f} %"


def _notebook() -> Any:
    """A place in a notebook that can be drawn anew, if this is one."""
    shell = sys.modules.get("IPython")
    if shell is None or type(shell.get_ipython()).__name__ != "ZMQInteractiveShell":
        return None
    from IPython.display import display  # type: ignore[import-not-found, unused-ignore]

    return display(_Text(""), display_id=True)
