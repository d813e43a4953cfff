"""The native network, the rung of lists and the rung of NumPy: forward, loss, gradients and steps within 1e-5."""

from __future__ import annotations

import numpy as np
import pytest

import glassbox
from glassbox import Matrix, NeuralNetwork, matrix_multiply
from glassbox.ladder import numpy_, pure

SHAPES = [(1, 2, 3, 2), (7, 5, 4, 3), (13, 11, 17, 5), (10, 8, 6, 10), (64, 30, 16, 10)]
SUM = glassbox.CrossEntropy("sum")


def alike(shape: tuple[int, int, int, int]):
    """The same weights in all three, and a batch."""
    rows, inputs, hidden, outputs = shape
    random = np.random.default_rng(rows)
    X, y = random.normal(size=(rows, inputs)).astype(np.float32), random.integers(0, outputs, rows)
    arrays, native = numpy_.NeuralNetwork(inputs, hidden, outputs), NeuralNetwork(inputs, hidden, outputs)
    lists = pure.NeuralNetwork(inputs, hidden, outputs)
    for layer, other in [(arrays.layer1, lists.layer1), (arrays.layer2, lists.layer2)]:
        layer.W, layer.b = layer.W.astype(np.float32).astype(float), random.normal(size=layer.b.shape).astype(np.float32).astype(float)
        other.W, other.b = pure.Matrix(layer.W.tolist()), pure.Matrix([layer.b.tolist()])
    native.network.load_parameters({
        "0.weight": arrays.layer1.W.T, "0.bias": arrays.layer1.b, "2.weight": arrays.layer2.W.T, "2.bias": arrays.layer2.b,
    })  # fmt: skip
    return X, y, native, arrays, lists


def arrays_of(rung, weight: str, bias: str) -> dict[str, np.ndarray]:
    """What a rung's layers have under these names, as the native network names and shapes it."""
    found = {}
    for name, layer in [("0", rung.layer1), ("2", rung.layer2)]:
        W, b = (np.array(getattr(value, "data", value), float) for value in (getattr(layer, weight), getattr(layer, bias)))
        found |= {f"{name}.weight": W.T, f"{name}.bias": b.reshape(-1)}
    return found


def close(found, expected) -> None:
    """Within 1e-5, relative where numbers are large: gradients of a summed loss grow with the batch."""
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_loss_and_gradients(shape):
    X, y, native, arrays, lists = alike(shape)
    close(native.network.forward(X), arrays.forward(X.astype(float)))
    close(native.network.forward(X), lists.forward(pure.Matrix(X.tolist())).data)
    close(native.predict(X), arrays.predict(X.astype(float)))
    loss, found = native.network.gradients(X, y, loss=SUM)
    for rung, rows in [(arrays, X.astype(float)), (lists, pure.Matrix(X.tolist()))]:
        close(loss, rung.loss_and_gradients(rows, y.tolist()))
        for name, gradient in arrays_of(rung, "dW", "db").items():
            close(found[name], gradient)
    assert native.evaluate(X, y) == arrays.evaluate(X.astype(float), y) == lists.evaluate(pure.Matrix(X.tolist()), y.tolist())


@pytest.mark.parametrize("shape", SHAPES)
def test_steps(shape):
    X, y, native, arrays, lists = alike(shape)
    for _ in range(5):
        losses = [
            native.train_batch(X, y, 0.01),
            arrays.train_batch(X.astype(float), y, 0.01),
            lists.train_batch(pure.Matrix(X.tolist()), y.tolist(), 0.01),
        ]
        close(losses[0], losses[1])
        close(losses[0], losses[2])
    for rung in (arrays, lists):
        for name, weight in arrays_of(rung, "W", "b").items():
            close(native.network.parameters[name], weight)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 4), (17, 13, 5)])
def test_the_matrix(shape):
    m, k, n = shape
    random = np.random.default_rng(m)
    a, b = random.normal(size=(m, k)).tolist(), random.normal(size=(k, n)).tolist()
    close(matrix_multiply(a, b), pure.Matrix(a).dot(pure.Matrix(b)).data)
    mine, theirs = Matrix(a), pure.Matrix(a)
    for found, expected in [
        (mine + mine, theirs + theirs), (mine - mine, theirs - theirs), (mine * mine, theirs * theirs), (mine.T(), theirs.T()),
        (mine.apply(pure.sigmoid), theirs.apply(pure.sigmoid)), (mine.dot(Matrix(b)), theirs.dot(pure.Matrix(b))),
    ]:  # fmt: skip
        assert found.shape() == expected.shape()
        close(found.data, expected.data)
