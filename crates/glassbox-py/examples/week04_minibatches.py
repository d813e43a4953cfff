"""Week 4: the same network vectorised with NumPy, trained on shuffled mini-batches.

What differs from the course, and why:
- ``train_batch`` stands in ``glassbox/ladder/numpy_.py``. It takes labels and one-hot rows, and checks both.
- The learning rate is divided by the size of the batch, because the loss of week 2 is a sum: four times the samples
  give gradients four times as large, and a step that was right for 64 diverges at 512.
- The promised speedup is measured here, for one step of the network of week 5, with one thread for both.
"""

import os
from time import perf_counter
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # NumPy reads it when it is imported.

import numpy as np

from glassbox.ladder import numpy_, pure
from glassbox.ladder.numpy_ import NeuralNetwork, get_batches

print("ten samples in batches of four, a new order each epoch and a smaller last batch:")
rng = np.random.default_rng(0)
for epoch in range(3):
    print(f"  epoch {epoch}:", [y_batch.tolist() for _, y_batch in get_batches(np.eye(10), np.arange(10), 4, rng)])

# Three spiral arms, which no straight lines divide.
y = np.arange(1000) % 3
radius = rng.uniform(0.1, 1.0, 1000)
angle = 4.0 * radius + y * (2.0 * np.pi / 3.0) + rng.normal(0.0, 0.1, 1000)
X = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1)

print("\n30 epochs on 1000 points of three spirals:")
for batch_size in (1000, 300, 64, 16):
    nn, steps = NeuralNetwork(2, 64, 3), 0
    for epoch in range(30):
        for X_batch, y_batch in get_batches(X, y, batch_size, rng):
            nn.train_batch(X_batch, y_batch, learning_rate=0.5 / batch_size)
            steps += 1
    print(f"  batches of {batch_size:>4}: {steps:>4} steps, accuracy {nn.evaluate(X, y):.1%}")
print("all have seen the same points; small batches have made more steps with them")


def seconds(nn: Any, X: Any, y: Any, repeats: int) -> float:
    """The time of the fastest of some steps: what else the machine does only makes them slower."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        nn.train_batch(X, y, 0.01)
        times.append(perf_counter() - start)
    return min(times)


X, y = rng.random((64, 784)), rng.integers(0, 10, 64)
lists = seconds(pure.NeuralNetwork(784, 128, 10), pure.Matrix(X.tolist()), y.tolist(), 2)
arrays = seconds(numpy_.NeuralNetwork(784, 128, 10), X, y, 20)
print(f"\none step of 784-128-10 on 64 images: {lists * 1e3:.0f} ms with lists, {arrays * 1e3:.2f} ms with arrays")
print(f"NumPy is {lists / arrays:.0f} times as fast")
