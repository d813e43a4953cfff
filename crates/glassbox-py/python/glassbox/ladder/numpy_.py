"""Rung 2: the same network with NumPy. What pure.py does in loops is here one operation on whole arrays.

The names are those of pure.py, so read the two side by side: @ is dot, * is element by element, X.T is the transpose,
and a row of biases is added to every sample without being asked to. One thing is new: mini-batches of all of MNIST.

    python -m glassbox.ladder.numpy_                          learns XOR
    python -m glassbox.ladder.numpy_ --data DIR --epochs 2    and MNIST, whose four IDX files DIR holds
"""

from __future__ import annotations

import argparse
import gzip
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Class indices (n,), or one-hot rows (n, classes).
Labels = NDArray[Any] | Sequence[int]

# -------------------------------------------------------------------------------- week 2: activations and losses


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + e⁻ˣ), with an exponential that cannot overflow: its argument is never positive."""
    small = np.exp(-np.abs(x))
    values: Floats = np.where(x >= 0.0, 1.0, small) / (1.0 + small)
    return values


def sigmoid_derivative(x: Floats) -> Floats:
    return sigmoid(x) * (1.0 - sigmoid(x))


def relu(x: Floats) -> Floats:
    return np.maximum(0.0, x)


def relu_derivative(x: Floats) -> Floats:
    return (x > 0.0).astype(x.dtype)


def softmax(z: Floats) -> Floats:
    """Each row becomes probabilities: positive, and 1 in sum."""
    # Subtracting the largest of the row changes no quotient, and keeps every exponential at 1 or below.
    exponentials = np.exp(z - np.max(z, axis=-1, keepdims=True))
    probabilities: Floats = exponentials / np.sum(exponentials, axis=-1, keepdims=True)
    return probabilities


def mean_squared_error(y_true: Floats, y_pred: Floats) -> float:
    if y_true.shape != y_pred.shape:  # NumPy would stretch the smaller one, and return a number that means nothing.
        raise ValueError(f"{y_true.shape} - {y_pred.shape} (hint: both need the same shape)")
    return float(np.mean((y_true - y_pred) ** 2))


def cross_entropy_loss(y_true: Floats, y_pred: Floats) -> float:
    """The sum over all samples, not their mean: a batch twice as large has a loss, and gradients, twice as large."""
    if y_true.shape != y_pred.shape:
        raise ValueError(f"{y_true.shape} * {y_pred.shape} (hint: both need the same shape)")
    epsilon = 1e-10  # A probability may have been rounded to 0, which has no logarithm.
    return float(-np.sum(y_true * np.log(y_pred + epsilon)))


def softmax_cross_entropy_backward(y_true: Floats, y_pred: Floats) -> Floats:
    """The gradient with respect to what softmax was given. The two derivatives, multiplied, cancel to this."""
    return y_pred - y_true


def one_hot(labels: Labels, classes: int) -> Floats:
    """A row for each label: a one in the label's column, and zeros."""
    labels = np.asarray(labels)
    wrong = labels[~np.isin(labels, np.arange(classes))]
    if wrong.size > 0:
        raise ValueError(f"label {wrong[0]} (hint: a label is a class, one of 0 to {classes - 1})")
    rows: Floats = np.eye(classes)[labels.astype(np.intp)]
    return rows


def targets(y: Labels, samples: int, classes: int) -> Floats:
    """One-hot rows, from labels or from one-hot rows. What is neither is refused, since it would train nonsense."""
    y = np.asarray(y)
    y = one_hot(y, classes) if y.ndim == 1 else y.astype(np.float64)
    if y.shape != (samples, classes):
        raise ValueError(f"y is {y.shape} (hint: {samples} samples of {classes} classes need {(samples, classes)})")
    wrong = np.flatnonzero((np.sum(y == 1.0, axis=1) != 1) | (np.sum(y == 0.0, axis=1) != classes - 1))
    if wrong.size > 0:
        raise ValueError(f"row {wrong[0]} of y is {y[wrong[0]]} (hint: a one-hot row has a single 1, and zeros)")
    return y


# ------------------------------------------------------------------------------ week 3: a layer, then the network


class DenseLayer:
    """z = X @ W + b, where b is one row that is added to every sample."""

    def __init__(self, input_size: int, output_size: int, rng: np.random.Generator) -> None:
        # Xavier: what comes out varies about as much as what went in, however wide the layer is.
        limit = math.sqrt(6.0 / (input_size + output_size))
        self.W: Floats = rng.uniform(-limit, limit, (input_size, output_size))
        self.b: Floats = np.zeros(output_size)

    def forward(self, X: Floats) -> Floats:
        self.X = X  # Backward needs it.
        return X @ self.W + self.b

    def backward(self, dz: Floats) -> Floats:
        """Keeps the gradients dW and db, and returns dX. No weight moves yet, so that gradients can be looked at."""
        self.dW: Floats = self.X.T @ dz
        self.db: Floats = np.sum(dz, axis=0)
        return dz @ self.W.T

    def update(self, learning_rate: float) -> None:
        """A step downhill: against the gradient."""
        self.W -= learning_rate * self.dW
        self.b -= learning_rate * self.db


class NeuralNetwork:
    """Dense → ReLU → dense, and softmax where probabilities are asked for."""

    def __init__(self, input_size: int, hidden_size: int, output_size: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.layer1 = DenseLayer(input_size, hidden_size, rng)
        self.layer2 = DenseLayer(hidden_size, output_size, rng)

    def forward(self, X: Floats) -> Floats:
        """A row of scores for each sample."""
        self.z1 = self.layer1.forward(X)
        return self.layer2.forward(relu(self.z1))

    def backward(self, dz2: Floats) -> None:
        da1 = self.layer2.backward(dz2)
        self.layer1.backward(da1 * relu_derivative(self.z1))

    def loss_and_gradients(self, X: Floats, y: Labels) -> float:
        """The summed cross-entropy. The gradients are in the layers then, and the weights are as they were."""
        y_pred = self.predict(X)
        y_true = targets(y, len(X), len(self.layer2.b)).astype(y_pred.dtype)  # In one precision, or all becomes the larger.
        self.backward(softmax_cross_entropy_backward(y_true, y_pred))
        return cross_entropy_loss(y_true, y_pred)

    def train_batch(self, X: Floats, y: Labels, learning_rate: float) -> float:
        """One step of gradient descent. Returns the loss before it."""
        loss = self.loss_and_gradients(X, y)
        self.layer1.update(learning_rate)
        self.layer2.update(learning_rate)
        return loss

    def predict(self, X: Floats) -> Floats:
        """A row of probabilities for each sample."""
        return softmax(self.forward(X))

    def evaluate(self, X: Floats, y: Labels) -> float:
        """The accuracy: the share of samples whose most probable class is the right one."""
        answers = self.predict(X)
        right = targets(y, *answers.shape)
        return float(np.mean(np.argmax(answers, axis=1) == np.argmax(right, axis=1)))


# --------------------------------------------------------------------- weeks 4 and 5: mini-batches, and MNIST


def get_batches(
    X: NDArray[Any], y: NDArray[Any], batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Every sample once, in a new order. The last batch is as small as what is left."""
    order = rng.permutation(len(X))
    for start in range(0, len(X), batch_size):
        batch = order[start : start + batch_size]
        yield X[batch], y[batch]


def read_idx(folder: Path, name: str, sides: int) -> NDArray[np.uint8]:
    """An IDX file: two zeros, 8 for bytes, how many sizes, the sizes, the bytes."""
    path = folder / name
    content = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(name + ".gz").read_bytes())
    start = 4 + 4 * sides
    sizes = [int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4)]
    if content[:4] != bytes([0, 0, 8, sides]) or math.prod(sizes) != len(content) - start:
        raise ValueError(f"{path} is no whole IDX file with {sides} sizes (hint: fetch it again)")
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)


def load_mnist(folder: Path) -> tuple[NDArray[np.uint8], ...]:
    """X_train (60000, 784), y_train (60000,), X_test (10000, 784), y_test (10000,), all of bytes."""
    folder = folder / "mnist" if (folder / "mnist").is_dir() else folder
    X_train, X_test = (read_idx(folder, f"{part}-images-idx3-ubyte", 3) for part in ("train", "t10k"))
    y_train, y_test = (read_idx(folder, f"{part}-labels-idx1-ubyte", 1) for part in ("train", "t10k"))
    return X_train.reshape(len(y_train), -1), y_train, X_test.reshape(len(y_test), -1), y_test


def train_mnist(folder: Path, epochs: int) -> NeuralNetwork:
    X_train, y_train, X_test, y_test = load_mnist(folder)
    nn, rng = NeuralNetwork(784, 128, 10), np.random.default_rng(0)
    for epoch in range(epochs):
        # Divided batch by batch, since all images as float64 would take 376 MB.
        batches = get_batches(X_train, y_train, 64, rng)
        loss = sum(nn.train_batch(X / 255.0, y, learning_rate=0.01) for X, y in batches)
        print(f"MNIST, epoch {epoch + 1}: loss {loss / len(X_train):.4f} an image")
    print(f"accuracy {nn.evaluate(X_test / 255.0, y_test):.2%} on {len(X_test)} images it has not seen")
    return nn


def train_xor(hidden_size: int = 16, seed: int = 0, steps: int = 1000) -> NeuralNetwork:
    """XOR: 1 where exactly one of two inputs is. Two hidden units would do, but most first weights lead them astray."""
    X, y = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
    nn = NeuralNetwork(2, hidden_size, 2, seed)
    for step in range(steps):
        loss = nn.train_batch(X, y, learning_rate=0.1)
    print(f"XOR: accuracy {nn.evaluate(X, y):.0%}, loss {loss:.4f} after {steps} steps")
    return nn


def main() -> None:
    parser = argparse.ArgumentParser(description="A neural network made of arrays learns XOR, and MNIST.")
    parser.add_argument("--data", type=Path, default=os.environ.get("GLASSBOX_DATA") or None)
    parser.add_argument("--epochs", type=int, default=2)
    arguments = parser.parse_args()
    train_xor()
    if arguments.data:
        train_mnist(arguments.data, arguments.epochs)


if __name__ == "__main__":
    main()
