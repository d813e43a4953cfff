"""Pictures, which notebooks show and files keep: of trainings, of runs in their folders, of recorded benchmarks.

>>> from glassbox import plots
>>> plots.curves(history)                                                   # doctest: +SKIP
>>> plots.curves({"adam": one, "sgd": other}, log=True)                     # doctest: +SKIP
>>> plots.picture("runs/mnist-1", "weights", theme="dark").save("x.png")    # doctest: +SKIP

They are those of ``glassbox plot``: SVG, self-contained, the same bytes for the same numbers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any

from . import _native
from ._numbers import path as path_of
from ._numbers import real, share, whole, word
from .callbacks import line_of
from .history import History

#: What :func:`picture` draws of a run. The first three also compare several runs.
NAMES: tuple[str, ...] = tuple(_native.pictures())

Folder = str | os.PathLike[str]


@dataclass(frozen=True, repr=False)
class Picture:
    """A picture, as the text of an SVG."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def png(self, scale: float = 2) -> bytes:
        """The bytes of a PNG file, with ``scale`` pixels, from 0.25 to 8, for each of the picture's, across and down."""
        return _native.png(self.svg, real("scale", scale))

    def save(self, path: str | os.PathLike[str], scale: float | None = None) -> None:
        """Writes a file, which is an SVG or a PNG as its name says. ``scale`` is that of :meth:`png`.

        A file that is there is replaced when the new one is whole.
        """
        file = path_of("path", path)
        ending = os.path.splitext(file)[1].lower()
        if ending == ".png":
            data = self.png(2 if scale is None else scale)
        elif ending != ".svg":
            raise ValueError(f"{file!r} names no SVG and no PNG (hint: a name that ends in .svg or .png)")
        elif scale is not None:
            raise ValueError("an SVG has no pixels, so it has no scale (hint: a name that ends in .png)")
        else:
            data = self.svg.encode()
        _native.write(file, data)

    def __repr__(self) -> str:
        title = re.search("<title>(.*?)</title>", self.svg, re.DOTALL)
        return f"Picture({unescape(title[1]) if title else ''!r})"


def curves(
    runs: History | Folder | Iterable[History | Folder] | Mapping[str, History | Folder],
    *,
    smooth: float = 0.6,
    log: bool = False,
    width: int = 900,
    theme: str = "light",
) -> Picture:
    """Loss and accuracy over the steps.

    Args:
        runs: what ``fit`` returned, the folder of a run, several of them, or a mapping from names to them. Runs of
            folders that differ in their seed alone are drawn as their mean, in a band from the lowest to the highest.
        smooth: how much of the mean of earlier losses stays at each, from 0 on and below 1; epochs are not smoothed.
        log: logarithmic axes, and errors instead of accuracies.
        width: pixels, from 240 to 4000; below 600 pictures are laid out for a phone.
        theme: ``light`` or ``dark``.
    """
    smoothing, seen = share("smooth", smooth), _as_seen(width, theme)
    named: list[tuple[str | None, Any]]
    if isinstance(runs, Mapping):
        named = [(word("a name of runs", name, "its keys are names"), run) for name, run in runs.items()]
    else:
        several = _several(runs)
        if several and not any(isinstance(run, History) for run in several):
            return picture(several, "curves", smooth=smooth, log=log, width=width, theme=theme)
        names = [f"history {at}" if len(several) > 1 and isinstance(run, History) else None for at, run in enumerate(several, 1)]
        named = list(zip(names, several, strict=True))
    if not named:
        raise ValueError("runs has no run (hint: what fit returned, or the folder of a run)")
    trainings = [(name, *_training(run)) for name, run in named]
    return Picture(_native.curves(trainings, smoothing, bool(log), seen))


def picture(
    run: Folder | Iterable[Folder],
    name: str,
    *,
    smooth: float = 0.6,
    log: bool = False,
    row: int = 0,
    data_dir: Folder | None = None,
    width: int = 900,
    theme: str = "light",
) -> Picture:
    """A picture of a run in its folder, by its name, which is one of :data:`NAMES`.

    ``weights``, ``activations``, ``gradients``, ``flow`` and ``stuck`` are of runs that ``glassbox train --inside`` made.
    ``first-layer`` needs the model; ``classes``, ``dead``, ``image`` (of the test image ``row``), ``confusion`` and
    ``errors`` also need the test images, for which ``data_dir`` says where they lie. Nothing is fetched over the network.
    ``curves``, ``rate`` and ``throughput`` also take several runs.
    """
    folders = [path_of("run", one) for one in _several(run)]
    directory = None if data_dir is None else path_of("data_dir", data_dir)
    hint = ", ".join(NAMES)
    return Picture(
        _native.picture(
            folders, word("name", name, hint), _as_seen(width, theme), share("smooth", smooth), bool(log),
            whole("row", row), directory,
        )
    )  # fmt: skip


def roofline(file: Folder, *, width: int = 900, theme: str = "light") -> Picture:
    """How fast products of matrices are beside what the machine allows, as ``make bench`` or ``make gpu`` recorded it in a file."""
    return Picture(_native.roofline(path_of("file", file), _as_seen(width, theme)))


def _as_seen(width: Any, theme: Any) -> tuple[int, bool]:
    if theme not in ("light", "dark"):
        raise ValueError(f"theme cannot be {theme!r} (hint: 'light' or 'dark')")
    return whole("width", width, 240, 4000), theme == "dark"


def _several(runs: Any) -> list[Any]:
    if isinstance(runs, (str, bytes, os.PathLike, History)):
        return [runs]
    if isinstance(runs, Iterable):
        return list(runs)
    raise TypeError(f"runs is {runs!r} (hint: what fit returned, the folder of a run, or several of them)")


def _training(run: History | Folder) -> tuple[list[str], str | None]:
    """The events of a history, or the folder that has them."""
    if isinstance(run, History):
        return [line_of(event) for event in run._events()], None
    return [], path_of("runs", run)
