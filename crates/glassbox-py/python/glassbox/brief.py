"""The classes of the course: a network with one hidden layer, on the CPU and on a GPU.

The loss is the sum of the cross-entropies of a batch, as week 2 has it, so the learning rate is small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._numbers import whole
from .losses import CrossEntropy
from .network import Network

_LOSS = CrossEntropy(reduction="sum")


class NeuralNetwork:
    """Inputs, a hidden layer with relu, and outputs with softmax; weights of Xavier's kind.

    ``network`` is the :class:`~glassbox.Network` underneath.
    """

    def __init__(self, input_size: int, hidden_size: int, output_size: int, *, seed: int = 0, device: str = "cpu") -> None:
        sizes = {"input_size": input_size, "hidden_size": hidden_size, "output_size": output_size}
        inputs, hidden, outputs = (whole(name, size, 1) for name, size in sizes.items())
        text = f"{inputs}-{hidden}-relu-{outputs}"
        self.network = Network(text, init="xavier", seed=seed, device=device)

    def train_batch(self, X: Any, y: Any, learning_rate: float) -> float:
        """One step on X (n, inputs) and y: class indices (n,) or one-hot rows (n, outputs).

        Returns the summed cross-entropy before it.
        """
        return self.network.train_batch(X, y, learning_rate, loss=_LOSS)

    def predict(self, X: Any) -> NDArray[np.float32]:
        """The probability of each class (n, outputs)."""
        return self.network.predict_proba(X)

    def evaluate(self, X: Any, y: Any) -> float:
        """The accuracy: the share of samples that are classified rightly."""
        return self.network.evaluate(X, y).accuracy or 0.0


class NeuralNetworkGPU(NeuralNetwork):
    """The same on a GPU, where its weights stay; ``batch_size`` is the largest batch that it has room for.

    ``X`` and ``y`` may be device arrays, of CuPy, PyTorch, Numba, PyCUDA or ``glassbox.gpuarray``, or host arrays.
    Inputs of ``float32`` are read where they lie. Anything else is converted, by way of the host.

    Without a GPU this is a :class:`~glassbox.DeviceError` that says why; with ``device="cpu"`` it computes there.
    """

    def __init__(
        self, input_size: int, hidden_size: int, output_size: int, batch_size: int, *, seed: int = 0, device: str = "cuda"
    ) -> None:
        super().__init__(input_size, hidden_size, output_size, seed=seed, device=device)
        self.batch_size = whole("batch_size", batch_size, 1)
        self.network._room = self.batch_size

    def train_batch(self, X: Any, y: Any, learning_rate: float) -> float:
        """One step on X (n, inputs) and y, class indices (n,) or one-hot rows (n, outputs), with n ≤ ``batch_size``.

        Returns the summed cross-entropy before it.
        """
        shape = np.shape(X)
        rows = int(shape[0]) if shape else 0
        if rows > self.batch_size:
            raise ValueError(f"a batch of {rows} for batch_size={self.batch_size} (hint: a network with a larger batch_size)")
        return super().train_batch(X, y, learning_rate)
