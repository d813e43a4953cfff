"""What is given: converted, checked, never reinterpreted; wrong input is an error that names it."""

from __future__ import annotations

import array
import warnings

import numpy as np
import pytest

import glassbox
from glassbox import Network, NeuralNetwork


@pytest.mark.parametrize("convert", [
    lambda X: X.astype(np.float64), np.asfortranarray, lambda X: np.repeat(X, 2, axis=1)[:, ::2], lambda X: X[::-1][::-1],
    lambda X: X.tolist(), lambda X: X.astype(">f4"), lambda X: X.reshape(20, 2, 2), lambda X: memoryview(X),
])  # fmt: skip
def test_the_same_numbers_in_another_form_are_the_same(network, batch, convert):
    X, _ = batch
    assert (network.forward(convert(X)) == network.forward(X)).all()


def test_bytes_are_pixels_and_other_integers_are_numbers(network):
    X = np.arange(80).reshape(20, 4)
    as_floats = network.forward(X.astype(np.float32))
    assert (network.forward(X.astype(np.uint8)) == network.forward(X.astype(np.float32) / np.float32(255))).all()
    for kind in [np.int64, np.int8, np.uint16, np.float16]:
        assert (network.forward(X.astype(kind)) == as_floats).all()
    # All quotients of bytes, by way of float64 as well.
    X = np.arange(256).reshape(64, 4)
    assert (network.forward(X.astype(np.uint8)) == network.forward(X / 255.0)).all()


@pytest.mark.parametrize("X, error, text", [
    (np.zeros(4), ValueError, r"shape \(4,\).*reshape"),
    (np.zeros((2, 3)), ValueError, "takes 4 inputs, not 3"),
    (np.zeros((2, 5, 4)), ValueError, "takes 4 inputs, not 20"),
    (0.0, ValueError, "shape"),
    (np.full((1, 4), np.nan), ValueError, r"X\[0, 0\] is nan"),
    (np.array([[1, 2, np.inf, 4]]), ValueError, r"X\[0, 2\] is inf"),
    (np.full((1, 4), 1e300), ValueError, "beyond float32"),
    (np.zeros((1, 4), complex), TypeError, "complex128"),
    (np.array([["a", "b", "c", "d"]]), TypeError, "text"),
    ([[1, 2, 3, 4], [5]], ValueError, "equally long"),
    (None, TypeError, "object"),
    ({"a": 1}, TypeError, "object"),
    (np.ma.array(np.zeros((1, 4)), mask=True), TypeError, "mask"),
])  # fmt: skip
def test_wrong_inputs_are_named(network, X, error, text):
    for method in [network.forward, network.predict, lambda X: network.fit(X, [0], verbose=False)]:
        with pytest.raises(error, match=text) as caught, warnings.catch_warnings():
            warnings.simplefilter("error")
            method(X)
        assert "hint" in str(caught.value)


def test_class_indices_and_one_hot_rows_are_the_same(batch):
    X, y = batch
    forms = [y, y.tolist(), y.astype(np.uint8), y.astype(">i2"), np.eye(3)[y], np.eye(3, dtype=bool)[y], np.eye(3, dtype=int)[y].tolist()]
    losses = {Network("4-8-relu-3").train_batch(X, form) for form in forms}
    assert len(losses) == 1


def test_ten_samples_of_ten_classes_are_not_broadcast():
    """Ten labels beside ten rows of ten outputs fit each other, silently, where broadcasting is allowed."""
    X, y = np.random.default_rng(0).normal(size=(10, 4)), np.arange(10)
    network = Network("4-10")
    assert network.gradients(X, y)[1]["0.bias"].tolist() == network.gradients(X, np.eye(10)[y])[1]["0.bias"].tolist()


@pytest.mark.parametrize("y, error, text", [
    (np.arange(20), ValueError, "label 3 of sample 3 is not from 0 to 2"),
    (-np.ones(20, int), ValueError, "label -1 of sample 0"),
    (np.zeros(20), TypeError, "float64"),
    (np.zeros(19, int), ValueError, "20 rows and y 19"),
    (np.zeros((20, 1), int), ValueError, "ravel"),
    (np.zeros((20, 4), int), ValueError, "3 outputs"),
    (np.zeros((20, 3), int), ValueError, "row 0 of y is no one-hot row"),
    (np.ones((20, 3), int), ValueError, "row 0 of y is no one-hot row"),
    (np.full((20, 3), 1 / 3), ValueError, "row 0 of y is no one-hot row"),
    (np.full((20, 3), np.nan), ValueError, "row 0 of y is no one-hot row"),
    (0, ValueError, "y none"),
    (["a"] * 20, TypeError, "text"),
])  # fmt: skip
def test_wrong_labels_are_named(network, batch, y, error, text):
    before = network.sha256
    for method in [network.train_batch, network.evaluate, lambda X, y: network.fit(X, y, verbose=False)]:
        with pytest.raises(error, match=text):
            method(batch[0], y)
    assert network.sha256 == before


def test_values_are_not_broadcast(batch):
    X, y = batch
    one, three = Network("4-1"), Network("4-3")
    assert one.train_batch(X, np.ones(20), loss="mean-squared-error") > 0
    assert one.train_batch(X, np.ones((20, 1)), loss="mean-squared-error") > 0
    for network, wrong in [(three, np.ones(20)), (three, np.ones((20, 1))), (three, np.ones((3, 20))), (one, np.ones((1, 20)))]:
        with pytest.raises(ValueError, match="needed|rows"):
            network.train_batch(X, wrong, loss="mean-squared-error")


@pytest.mark.parametrize("arguments, error, text", [
    ({"lr": -1}, ValueError, "lr cannot be -1"), ({"lr": "0.1"}, TypeError, "lr cannot be '0.1'"), ({"lr": float("nan")}, ValueError, "lr cannot be nan"),
    ({"epochs": 0}, ValueError, "epochs cannot be 0"), ({"epochs": 1.5}, TypeError, "epochs is 1.5"),
    ({"batch_size": 0}, ValueError, "batch_size cannot be 0"), ({"batch_size": 2**70}, ValueError, "batch_size"),
    ({"recipe": "x"}, ValueError, "brief or best"), ({"schedule": "x"}, ValueError, "one-cycle"),
    ({"optimizer": "x"}, ValueError, "adamw"), ({"loss": "x"}, ValueError, "cross-entropy"),
    ({"validation": 1.5}, ValueError, "validation cannot be 1.5"), ({"patience": 3}, ValueError, "validation=0.1"),
    ({"clip": 0}, ValueError, "clip cannot be 0"), ({"seed": -1}, ValueError, "seed cannot be -1"),
    ({"weight_decay": -1}, ValueError, "weight_decay cannot be -1"), ({"max_steps": 0}, ValueError, "max_steps"),
    ({"lr": 1e300}, ValueError, "lr cannot be 1e.300"), ({"clip": 10**400}, ValueError, "clip cannot be 1000"),
    ({"validation": 0.01}, ValueError, "of 20 samples none is held out"),
])  # fmt: skip
def test_wrong_settings_are_named_as_python_names_them(network, batch, arguments, error, text):
    with pytest.raises(error, match=text) as caught:
        network.fit(*batch, verbose=False, **arguments)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize("optimizer, text", [
    (glassbox.SGD(weight_decay=-1), "weight_decay cannot be -1"), (glassbox.Adam(weight_decay=float("nan")), "weight_decay cannot be nan"),
    (glassbox.SGD(momentum=-0.5), "momentum cannot be -0.5"), (glassbox.SGD(momentum=1), "momentum cannot be 1"),
    (glassbox.Adam(betas=(2, 0.999)), "betas cannot be 2"), (glassbox.AdamW(betas=(0.9,)), "two shares"),
    (glassbox.AdamW(epsilon=-1e-8), "epsilon cannot be -1e-08"),
])  # fmt: skip
def test_optimizers_that_cannot_be_are_named_and_change_nothing(network, batch, optimizer, text):
    before = network.sha256
    with pytest.raises(ValueError, match=text):
        network.train_batch(*batch, optimizer=optimizer)
    with pytest.raises(ValueError, match=text):
        network.fit(*batch, optimizer=optimizer, verbose=False)
    assert network.sha256 == before


@pytest.mark.parametrize("lr", [0, -1, 1e-300, 1e300, float("inf"), float("nan")])
def test_a_rate_that_float32_cannot_hold_makes_no_step(network, batch, lr):
    before = network.sha256
    with pytest.raises(ValueError, match="lr cannot be"):
        network.train_batch(*batch, lr)
    assert network.sha256 == before


def test_numbers_of_numpy_are_numbers(network, batch):
    network.train_batch(*batch, optimizer=glassbox.SGD(momentum=np.float32(0.5), weight_decay=np.float64(0.1)))
    network.fit(*batch, optimizer=glassbox.Adam(np.array([0.9, 0.99]), epsilon=np.float32(1e-6)), epochs=1, verbose=False)
    history = network.fit(*batch, epochs=np.int64(2), lr=np.float32(0.1), batch_size=np.uint8(7), seed=np.int32(1), verbose=False)
    assert len(history) == 2


def test_a_matrix_of_other_things_is_an_error():
    with pytest.raises(ValueError, match="row 1 has length 1"):
        glassbox.Matrix([[1, 2], [3]])
    for wrong in [[["a"]], [1, 2], 3, None, [[None]]]:
        with pytest.raises(TypeError, match="list of rows"):
            glassbox.Matrix(wrong)
    with pytest.raises(ValueError, match="1e300 is beyond float32"):
        glassbox.Matrix([[1e300]])


def test_products_take_lists_buffers_and_arrays():
    A, B = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [[1.0, 0.5], [-1.0, 2.0]]
    expected = (np.array(A) @ np.array(B)).tolist()
    assert glassbox.matrix_multiply(A, B) == expected
    buffer = memoryview(array.array("d", [1, 2, 3, 4, 5, 6])).cast("B").cast("d", (3, 2))
    for a in [np.array(A), np.array(A, np.float32), buffer, np.asfortranarray(A), np.array(A, int)]:
        product = glassbox.matrix_multiply(a, B)
        assert product.dtype == np.float32 and product.tolist() == expected
    with pytest.raises(ValueError, match=r"\(3, 2\) and B \(3, 2\)"):
        glassbox.matrix_multiply(np.array(A), np.array(A))
    with pytest.raises(ValueError, match="3 x 2 and 3 x 2"):
        glassbox.matrix_multiply(A, A)
    # NaN is a number here, in whatever form; what float32 has not is none.
    for form in [list, np.array]:
        assert np.isnan(glassbox.matrix_multiply(form([[np.nan]]), form([[1.0]]))).all()
        with pytest.raises(ValueError, match="beyond float32"):
            glassbox.matrix_multiply(form([[1e300]]), form([[1.0]]))
    assert glassbox.matrix_multiply(np.zeros((2, 0)), np.zeros((0, 3))).tolist() == np.zeros((2, 3)).tolist()


def test_the_matrix_of_week_one():
    A, B = glassbox.Matrix([[1, 2], [3, 4]]), glassbox.Matrix([[5, 6], [7, 8]])
    assert (A.data, A.shape()) == ([[1.0, 2.0], [3.0, 4.0]], (2, 2))
    assert ((A + B).data, (A - B).data) == ([[6, 8], [10, 12]], [[-4, -4], [-4, -4]])
    assert ((A * B).data, A.dot(B).data) == ([[5, 12], [21, 32]], [[19, 22], [43, 50]])
    assert A.T() == glassbox.Matrix([[1, 3], [2, 4]]) != A
    assert A.apply(lambda x: x * x).data == [[1, 4], [9, 16]]
    with pytest.raises(ZeroDivisionError):
        A.apply(lambda x: 1 / (x - 2))
    with pytest.raises(ValueError, match="same shape"):
        A + glassbox.Matrix([[1]])
    with pytest.raises(ValueError, match="2 x 2 and 1 x 1"):
        A.dot(glassbox.Matrix([[1]]))
    with pytest.raises(TypeError):
        A + 1


def test_files_that_are_none_are_errors(tmp_path):
    (tmp_path / "junk").write_bytes(b"junk" * 10)
    for path, error in [(tmp_path / "none", FileNotFoundError), (tmp_path / "junk", ValueError), (tmp_path, FileNotFoundError)]:
        with pytest.raises(error):
            Network.load(path)
    with pytest.raises(FileNotFoundError):
        Network("4-3").save(tmp_path / "none" / "net")
    for folder in [tmp_path, tmp_path / "none"]:
        with pytest.raises(OSError):
            glassbox.datasets.mnist(folder)
    with pytest.raises((OSError, ValueError)):
        glassbox.datasets.idx(tmp_path)
    # A name with what looks like an option is the name that it is.
    with pytest.raises(FileNotFoundError, match="my--batch/net--lr"):
        Network.load(tmp_path / "my--batch" / "net--lr")


def test_a_folder_is_not_taken_for_a_set_of_its_name(tmp_path, monkeypatch):
    (tmp_path / "digits").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises((OSError, ValueError)):
        glassbox.datasets.idx("digits")


def test_what_nothing_can_be_said_of_is_refused(network, batch):
    none = np.zeros((0, 4)), np.zeros(0, int)
    for method in [network.evaluate, network.gradients, network.check_gradients, network.train_batch]:
        with pytest.raises(ValueError, match="at least one"):
            method(*none)
    with pytest.raises(ValueError, match="elements"):
        network.check_gradients(*batch, elements=0)
    for call in [
        lambda: glassbox.schedules.Constant().rates(0.1, 2**62), lambda: glassbox.schedules.Constant().rates(0.1, -1),
        lambda: glassbox.shuffled(2**33), lambda: glassbox.shuffled(-1), lambda: network.check_gradients(*batch, seed=-1),
        lambda: network.fit(*batch, epochs=2**40, verbose=False), lambda: glassbox.Dense(4, -5), lambda: NeuralNetwork(4, 0, 3),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match="cannot be"):
            call()
    with pytest.raises(TypeError, match="hidden_size is 8.5"):
        NeuralNetwork(4, 8.5, 3)
