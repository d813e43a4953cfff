"""Learning-rate schedules. The formulas are those of ``torch.optim.lr_scheduler``, a step being one call of ``step()``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import _native
from ._numbers import real, whole


class Schedule:
    """How the learning rate changes during a run."""

    def _text(self) -> str:
        raise NotImplementedError

    def rates(self, lr: float, steps: int) -> NDArray[np.float32]:
        """The learning rate of each step (steps,) around the rate ``lr``."""
        return _native.rates(self._text(), real("lr", lr), whole("steps", steps, 0, 10**8))


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate throughout."""

    def _text(self) -> str:
        return "constant"


@dataclass(frozen=True)
class Step(Schedule):
    """Multiplied by ``factor`` after every ``every`` steps (``StepLR``)."""

    every: int
    factor: float

    def _text(self) -> str:
        return f"step:{self.every}:{self.factor}"


@dataclass(frozen=True)
class Cosine(Schedule):
    """Half a cosine wave down to ``end_fraction`` of the rate (``CosineAnnealingLR``; Loshchilov, Hutter 2017)."""

    end_fraction: float = 0.0

    def _text(self) -> str:
        return f"cosine:{self.end_fraction}"


@dataclass(frozen=True)
class WarmUp(Schedule):
    """A straight line of ``steps`` steps up to the first rate of ``then``, which has the rest of the run."""

    steps: int
    then: Schedule

    def _text(self) -> str:
        return f"warmup:{self.steps}:{self.then._text()}"


@dataclass(frozen=True)
class OneCycle(Schedule):
    """Half a cosine wave up to the rate and another down to almost nothing (``OneCycleLR``; Smith, Topin 2018)."""

    warm_up_fraction: float = 0.3
    start_div: float = 25.0
    final_div: float = 1e4

    def _text(self) -> str:
        return f"one-cycle:{self.warm_up_fraction}:{self.start_div}:{self.final_div}"


def schedule_text(schedule: str | Schedule) -> str:
    """The schedule as the native half reads it."""
    return schedule._text() if isinstance(schedule, Schedule) else schedule
