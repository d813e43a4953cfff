"""Glassbox: a neural-network library with no black boxes.

>>> import glassbox
>>> X_train, y_train, X_test, y_test = glassbox.datasets.mnist()        # doctest: +SKIP
>>> network = glassbox.Network("784-128-relu-10")
>>> history = network.fit(X_train, y_train)                             # doctest: +SKIP
>>> network.evaluate(X_test, y_test).accuracy                           # doctest: +SKIP
0.983
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _native, callbacks, datasets, gpuarray, layers, losses, optimizers, schedules
from ._numbers import whole
from ._native import DeviceError, DivergedError, Matrix, __version__
from .brief import NeuralNetwork, NeuralNetworkGPU
from .callbacks import StopTraining
from .datasets import mnist as load_mnist
from .history import Epoch, History, html_table
from .layers import GELU, Dense, Dropout, LeakyReLU, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from .losses import CrossEntropy, MeanSquaredError
from .network import Evaluation, GradientCheck, Network, Summary
from .optimizers import SGD, Adam, AdamW

if TYPE_CHECKING:
    from .sklearn import GlassboxClassifier as GlassboxClassifier
    from .sklearn import GlassboxRegressor as GlassboxRegressor

# The estimators are not among them: without scikit-learn, `from glassbox import *` would fail.
__all__ = [
    "GELU", "SGD", "Adam", "AdamW", "CrossEntropy", "Dense", "DeviceError", "DivergedError", "Dropout", "Epoch",
    "Evaluation", "GradientCheck", "History", "LeakyReLU", "LogSoftmax",
    "Matrix", "MeanSquaredError", "Network", "NeuralNetwork", "NeuralNetworkGPU", "ReLU", "Sigmoid", "Softmax", "StopTraining",
    "Summary", "Tanh", "__version__", "callbacks", "datasets", "doctor", "gpuarray", "layers", "load_mnist", "losses",
    "matrix_multiply", "optimizers", "schedules", "shuffled",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    # scikit-learn takes a second to import, and most do not need it.
    if name in ("GlassboxClassifier", "GlassboxRegressor"):
        from . import sklearn

        return getattr(sklearn, name)
    raise AttributeError(f"module 'glassbox' has no attribute {name!r}")


def matrix_multiply(A: Any, B: Any) -> Any:
    """The product (m, n) of A (m, k) and B (k, n), in float32, native.

    Lists of lists give a list of lists; arrays, buffers and tensors give a NumPy array. NaN and infinities are numbers
    here, as in any product.
    """
    if isinstance(A, list) and isinstance(B, list):
        return Matrix(A).dot(Matrix(B)).data
    a, b = (_arrays.as_float32(_arrays.on_host(value, name), name, finite=False) for value, name in ((A, "A"), (B, "B")))
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ValueError(f"A has shape {a.shape} and B {b.shape} (hint: (m, k) and (k, n))")
    product: NDArray[np.float32] = _native.matmul(a, b)
    return product


def shuffled(n: int, seed: int = 0, epoch: int = 0) -> NDArray[np.uint32]:
    """The order (n,) in which a training of this seed takes n samples in an epoch, counted from 0."""
    return _native.shuffled(whole("n", n, 0, 2**32 - 1), whole("seed", seed), whole("epoch", epoch, 0, 2**32 - 1))


class Doctor:
    """What this machine has, and what Glassbox makes of it: rows of a name and a text."""

    def __init__(self, rows: list[tuple[str, str]]) -> None:
        self.rows = rows

    def __repr__(self) -> str:
        return "\n".join(f"{name:<14} {text}" for name, text in self.rows)

    def _repr_html_(self) -> str:
        return html_table(["", ""], [list(row) for row in self.rows], "glassbox doctor")


def doctor() -> Doctor:
    """Processor, instruction sets, GPU driver and GPUs, the device that ``auto`` takes and why, and the data sets."""
    return Doctor(_native.doctor())
