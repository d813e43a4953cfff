"""Rung 1: a neural network made of lists. No NumPy, nothing but the standard library.

Read it from top to bottom: a matrix, activations, losses, a layer, a network, and what it learns.
Everywhere, a row of X is a sample, W and b are the weights and biases of a layer, z is what a layer gives before its
activation, and dW is the gradient of the loss with respect to W: how much the loss grows where W grows.

    python -m glassbox.ladder.pure                            learns XOR
    python -m glassbox.ladder.pure --data DIR --images 300    and some of MNIST, whose four IDX files DIR holds
"""

from __future__ import annotations

import argparse
import gzip
import math
import operator
import os
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# ---------------------------------------------------------------------------------------------- week 1: a matrix


class Matrix:
    """Rows and columns of numbers. Every operation makes a new matrix, and none changes an old one."""

    def __init__(self, data: Sequence[Sequence[float]]) -> None:
        self.data = [list(map(float, row)) for row in data]
        if not self.data or not self.data[0]:
            raise ValueError("a matrix has no numbers (hint: give it at least one row and one column)")
        for number, row in enumerate(self.data):
            if len(row) != len(self.data[0]):
                found = f"row {number} has length {len(row)} where row 0 has {len(self.data[0])}"
                raise ValueError(f"{found} (hint: make all rows equally long)")

    def shape(self) -> tuple[int, int]:
        """(rows, columns)"""
        return len(self.data), len(self.data[0])

    def __repr__(self) -> str:
        return f"Matrix({self.data})"

    def __add__(self, other: Matrix) -> Matrix:
        return self._with(other, operator.add, "+")

    def __sub__(self, other: Matrix) -> Matrix:
        return self._with(other, operator.sub, "-")

    def __mul__(self, other: Matrix) -> Matrix:
        """Element by element; the matrix product is dot."""
        return self._with(other, operator.mul, "*")

    def _with(self, other: Matrix, func: Callable[[float, float], float], sign: str) -> Matrix:
        if self.shape() != other.shape():
            raise ValueError(f"{self.shape()} {sign} {other.shape()} (hint: both need the same shape)")
        return Matrix([list(map(func, row, others)) for row, others in zip(self.data, other.data)])

    def dot(self, other: Matrix) -> Matrix:
        """The matrix product (m,k) · (k,n) = (m,n): each row of this one with each column of the other."""
        if self.shape()[1] != other.shape()[0]:
            hint = "the left one needs as many columns as the right one has rows"
            raise ValueError(f"{self.shape()} dot {other.shape()} (hint: {hint})")
        columns = list(zip(*other.data))
        # All the time of this file is spent in the next line: m·n·k multiplications, one after another.
        return Matrix([[sum(map(operator.mul, row, column)) for column in columns] for row in self.data])

    def T(self) -> Matrix:
        """The transpose: rows become columns."""
        return Matrix(list(zip(*self.data)))

    def apply(self, func: Callable[[float], float]) -> Matrix:
        """func of each element."""
        return Matrix([[func(value) for value in row] for row in self.data])


# -------------------------------------------------------------------------------- week 2: activations and losses


def sigmoid(x: float) -> float:
    """1 / (1 + e⁻ˣ), from the side on which the exponential cannot overflow."""
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x))


def sigmoid_derivative(x: float) -> float:
    return sigmoid(x) * (1.0 - sigmoid(x))


def relu(x: float) -> float:
    return max(x, 0.0)  # In this order a NaN stays one, and is noticed.


def relu_derivative(x: float) -> float:
    return 1.0 if x > 0.0 else 0.0


def softmax(z: Matrix) -> Matrix:
    """Each row becomes probabilities: positive, and 1 in sum."""
    # Subtracting the largest of the row changes no quotient, and keeps every exponential at 1 or below.
    exponentials = [[math.exp(value - max(row)) for value in row] for row in z.data]
    return Matrix([[value / sum(row) for value in row] for row in exponentials])


def mean_squared_error(y_true: Matrix, y_pred: Matrix) -> float:
    difference = y_true - y_pred
    rows, columns = difference.shape()
    return sum(map(sum, (difference * difference).data)) / (rows * columns)


def cross_entropy_loss(y_true: Matrix, y_pred: Matrix) -> float:
    """The sum over all samples, not their mean: a batch twice as large has a loss, and gradients, twice as large."""
    epsilon = 1e-10  # A probability may have been rounded to 0, which has no logarithm.
    return -sum(map(sum, (y_true * y_pred.apply(lambda p: math.log(p + epsilon))).data))


def softmax_cross_entropy_backward(y_true: Matrix, y_pred: Matrix) -> Matrix:
    """The gradient with respect to what softmax was given. The two derivatives, multiplied, cancel to this."""
    return y_pred - y_true


def one_hot(labels: Sequence[int], classes: int) -> Matrix:
    """A row for each label: a one in the label's column, and zeros."""
    for label in labels:
        if label not in range(classes):
            raise ValueError(f"label {label!r} (hint: a label is a class, one of 0 to {classes - 1})")
    return Matrix([[float(label == column) for column in range(classes)] for label in labels])


def targets(y: Sequence[int] | Matrix, samples: int, classes: int) -> Matrix:
    """One-hot rows, from labels or from one-hot rows. What is neither is refused, since it would train nonsense."""
    y = y if isinstance(y, Matrix) else one_hot(y, classes)
    if y.shape() != (samples, classes):
        raise ValueError(f"y is {y.shape()} (hint: {samples} samples of {classes} classes need {(samples, classes)})")
    for number, row in enumerate(y.data):
        if row.count(1.0) != 1 or row.count(0.0) != classes - 1:
            raise ValueError(f"row {number} of y is {row} (hint: a one-hot row has a single 1, and zeros)")
    return y


# ------------------------------------------------------------------------------ week 3: a layer, then the network


class DenseLayer:
    """z = X · W + b, where b is one row that is added to every sample."""

    def __init__(self, input_size: int, output_size: int, rng: random.Random) -> None:
        # Xavier: what comes out varies about as much as what went in, however wide the layer is.
        limit = math.sqrt(6.0 / (input_size + output_size))
        self.W = Matrix([[rng.uniform(-limit, limit) for _ in range(output_size)] for _ in range(input_size)])
        self.b = Matrix([[0.0] * output_size])

    def forward(self, X: Matrix) -> Matrix:
        self.X = X  # Backward needs it.
        # A column of ones times b is b once for each sample; backward, a row of ones adds the samples up.
        ones = Matrix([[1.0]] * X.shape()[0])
        return X.dot(self.W) + ones.dot(self.b)

    def backward(self, dz: Matrix) -> Matrix:
        """Keeps the gradients dW and db, and returns dX. No weight moves yet, so that gradients can be looked at."""
        ones = Matrix([[1.0]] * dz.shape()[0])
        self.dW = self.X.T().dot(dz)
        self.db = ones.T().dot(dz)
        return dz.dot(self.W.T())

    def update(self, learning_rate: float) -> None:
        """A step downhill: against the gradient."""
        self.W -= self.dW.apply(lambda dw: learning_rate * dw)
        self.b -= self.db.apply(lambda db: learning_rate * db)


class NeuralNetwork:
    """Dense → ReLU → dense, and softmax where probabilities are asked for."""

    def __init__(self, input_size: int, hidden_size: int, output_size: int, seed: int = 0) -> None:
        rng = random.Random(seed)
        self.layer1 = DenseLayer(input_size, hidden_size, rng)
        self.layer2 = DenseLayer(hidden_size, output_size, rng)

    def forward(self, X: Matrix) -> Matrix:
        """A row of scores for each sample."""
        self.z1 = self.layer1.forward(X)
        return self.layer2.forward(self.z1.apply(relu))

    def backward(self, dz2: Matrix) -> None:
        da1 = self.layer2.backward(dz2)
        self.layer1.backward(da1 * self.z1.apply(relu_derivative))

    def loss_and_gradients(self, X: Matrix, y: Sequence[int] | Matrix) -> float:
        """The summed cross-entropy. The gradients are in the layers then, and the weights are as they were."""
        y_true = targets(y, X.shape()[0], self.layer2.b.shape()[1])
        y_pred = self.predict(X)
        self.backward(softmax_cross_entropy_backward(y_true, y_pred))
        return cross_entropy_loss(y_true, y_pred)

    def train_batch(self, X: Matrix, y: Sequence[int] | Matrix, learning_rate: float) -> float:
        """One step of gradient descent. Returns the loss before it."""
        loss = self.loss_and_gradients(X, y)
        self.layer1.update(learning_rate)
        self.layer2.update(learning_rate)
        return loss

    def predict(self, X: Matrix) -> Matrix:
        """A row of probabilities for each sample."""
        return softmax(self.forward(X))

    def evaluate(self, X: Matrix, y: Sequence[int] | Matrix) -> float:
        """The accuracy: the share of samples whose most probable class is the right one."""
        answers = self.predict(X).data
        right = targets(y, len(answers), len(answers[0])).data
        hits = [answer.index(max(answer)) == row.index(1.0) for answer, row in zip(answers, right)]
        return sum(hits) / len(hits)


# ----------------------------------------------------------------------------------------------- what it learns


def train_xor(hidden_size: int = 16, seed: int = 0, steps: int = 1000) -> NeuralNetwork:
    """XOR: 1 where exactly one of two inputs is. Two hidden units would do, but most first weights lead them astray."""
    X, y = Matrix([[0, 0], [0, 1], [1, 0], [1, 1]]), [0, 1, 1, 0]
    nn = NeuralNetwork(2, hidden_size, 2, seed)
    for step in range(steps):
        loss = nn.train_batch(X, y, learning_rate=0.1)
    print(f"XOR: accuracy {nn.evaluate(X, y):.0%}, loss {loss:.4f} after {steps} steps")
    for inputs, probabilities in zip(X.data, nn.predict(X).data):
        print(f"  {inputs[0]:.0f} xor {inputs[1]:.0f}: the probability of 1 is {probabilities[1]:.3f}")
    return nn


def get_batches(
    X: Matrix, y: Sequence[int], batch_size: int, rng: random.Random
) -> Iterator[tuple[Matrix, list[int]]]:
    """Every sample once, in a new order. The last batch is as small as what is left."""
    order = rng.sample(range(len(y)), len(y))
    for start in range(0, len(y), batch_size):
        batch = order[start : start + batch_size]
        yield Matrix([X.data[i] for i in batch]), [y[i] for i in batch]


def read_idx(folder: Path, name: str, sides: int) -> tuple[list[int], bytes]:
    """The sizes and the bytes of an IDX file: two zeros, 8 for bytes, how many sizes, the sizes, the bytes."""
    path = folder / name
    content = path.read_bytes() if path.exists() else gzip.decompress(path.with_name(name + ".gz").read_bytes())
    start = 4 + 4 * sides
    sizes = [int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4)]
    if content[:4] != bytes([0, 0, 8, sides]) or math.prod(sizes) != len(content) - start:
        raise ValueError(f"{path} is no whole IDX file with {sides} sizes (hint: fetch it again)")
    return sizes, content[start:]


def load_mnist(folder: Path, part: str, images: int) -> tuple[Matrix, list[int]]:
    """The first images of a part, "train" or "t10k", with values from 0 to 1, and their labels."""
    folder = folder / "mnist" if (folder / "mnist").is_dir() else folder
    (_, rows, columns), pixels = read_idx(folder, f"{part}-images-idx3-ubyte", 3)
    _, labels = read_idx(folder, f"{part}-labels-idx1-ubyte", 1)
    size, images = rows * columns, min(images, len(labels))
    X = Matrix([list(pixels[i * size : (i + 1) * size]) for i in range(images)])
    return X.apply(lambda pixel: pixel / 255.0), list(labels[:images])


def train_mnist(folder: Path, images: int, epochs: int = 5) -> NeuralNetwork:
    X, y = load_mnist(folder, "train", images)
    nn, rng = NeuralNetwork(784, 32, 10), random.Random(0)
    for epoch in range(epochs):
        loss = sum(nn.train_batch(*batch, learning_rate=0.02) for batch in get_batches(X, y, 16, rng))
        print(f"MNIST, epoch {epoch + 1}: loss {loss / len(y):.4f} an image")
    print(f"accuracy {nn.evaluate(X, y):.1%} on the {len(y)} images it learned from")
    print(f"accuracy {nn.evaluate(*load_mnist(folder, 't10k', 300)):.1%} on 300 others")
    return nn


def main() -> None:
    parser = argparse.ArgumentParser(description="A neural network made of lists learns XOR, and some of MNIST.")
    parser.add_argument("--data", type=Path, default=os.environ.get("GLASSBOX_DATA") or None)
    parser.add_argument("--images", type=int, default=300)
    arguments = parser.parse_args()
    train_xor()
    if arguments.data:
        train_mnist(arguments.data, arguments.images)


if __name__ == "__main__":
    main()
