"""Data sets: images as ``uint8`` (n, pixels), labels as ``int64`` (n,).

A set is looked for in ``folder``, or else in the folder that ``GLASSBOX_DATA`` names, and in Glassbox's cache; then it is
fetched, unless ``download=False``, and every file is checked before it gets its name.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _native


class Data(NamedTuple):
    """A training set and its test set: ``X_train, y_train, X_test, y_test = mnist()``."""

    X_train: NDArray[np.uint8]
    y_train: NDArray[np.int64]
    X_test: NDArray[np.uint8]
    y_test: NDArray[np.int64]

    def __repr__(self) -> str:
        sides = "×".join(map(str, self.X_train.shape))
        return f"Data({sides} training and {len(self.X_test)} test images)"


def _load(name: str, folder: str | os.PathLike[str] | None, download: bool) -> Data:
    pair: dict[str, Any] = _native.load(name, None if folder is None else os.fspath(folder), download)
    (X_train, y_train), (X_test, y_test) = pair["train"], pair["test"]
    # Labels of one byte would wrap around in the first subtraction.
    return Data(X_train, y_train.astype(np.int64), X_test, y_test.astype(np.int64))


def mnist(folder: str | os.PathLike[str] | None = None, download: bool = True) -> Data:
    """MNIST, handwritten digits: 60,000 images of 28×28 to learn from and 10,000 to be judged by."""
    return _load("mnist", folder, download)


def fashion(folder: str | os.PathLike[str] | None = None, download: bool = True) -> Data:
    """Fashion-MNIST, articles of clothing."""
    return _load("fashion", folder, download)


def kmnist(folder: str | os.PathLike[str] | None = None, download: bool = True) -> Data:
    """Kuzushiji-MNIST, cursive Japanese characters."""
    return _load("kmnist", folder, download)


def digits() -> Data:
    """Synthetic digits in MNIST's format, drawn by a seeded generator: always at hand, and not MNIST."""
    return _load("digits", None, False)


def idx(folder: str | os.PathLike[str]) -> Data:
    """The set of four IDX files in a folder, plain or gzip."""
    # As a whole path, so that a folder called mnist is not taken for the set of that name.
    return _load(os.path.abspath(folder), None, False)
