"""What a network says, and what can be seen of it."""

from __future__ import annotations

import copy
import pickle
import pickletools

import numpy as np
import pytest

import glassbox
from glassbox import Dense, Dropout, Network, ReLU, Tanh


def relu_by_hand(network: Network, X: np.ndarray) -> list[np.ndarray]:
    p = {name: value.astype(np.float64) for name, value in network.parameters.items()}
    hidden = X @ p["0.weight"].T + p["0.bias"]
    active = np.maximum(hidden, 0)
    return [hidden, active, active @ p["2.weight"].T + p["2.bias"]]


def test_outputs_and_activations_are_those_of_the_formula(network, batch):
    X, _ = batch
    expected = relu_by_hand(network, X)
    np.testing.assert_allclose(network.forward(X), expected[-1], atol=1e-5)
    outputs, activations = network.forward(X, capture=True)
    assert list(activations) == ["0.dense", "1.relu", "2.dense"]
    for found, value in zip(activations.values(), expected):
        np.testing.assert_allclose(found, value, atol=1e-5)
    assert (outputs == network.forward(X)).all()


def test_probabilities_and_classes(network, batch):
    X, _ = batch
    logits = network.forward(X).astype(np.float64)
    odds = np.exp(logits)
    np.testing.assert_allclose(network.predict_proba(X), odds / odds.sum(axis=1, keepdims=True), atol=1e-6)
    assert (network.predict(X) == logits.argmax(axis=1)).all()
    # Outputs that no exponential could take.
    assert np.isfinite(network.predict_proba(1e5 * X)).all()
    assert network.predict_proba(np.zeros((0, 4))).shape == (0, 3)
    with pytest.raises(ValueError, match="forward"):
        Network("4-1").predict(X)


def test_the_list_of_layers_is_the_text():
    layers = [Dense(784, 128), ReLU(), Dropout(0.2), Dense(128, 10), Tanh()]
    network = Network(layers, seed=3)
    assert str(network) == "784-128-relu-dropout0.2-10-tanh"
    assert network.sha256 == Network(str(network), seed=3).sha256
    assert (network.input_width, network.output_width) == (784, 10)


@pytest.mark.parametrize("layer, text", [
    (glassbox.LeakyReLU(0.2), "leaky0.2"), (glassbox.Sigmoid(), "sigmoid"), (glassbox.GELU(), "gelu"),
    (glassbox.Softmax(), "softmax"), (glassbox.LogSoftmax(), "logsoftmax"), (glassbox.LeakyReLU(1e-5), "leaky0.00001"),
    (Dropout(1e-7), "dropout0.0000001"), (glassbox.LeakyReLU(0), "leaky0"), (glassbox.LeakyReLU(2), "leaky2"),
])  # fmt: skip
def test_every_layer_has_its_text(layer, text):
    assert str(Network([Dense(4, 3), layer])) == f"4-3-{text}"


@pytest.mark.parametrize("layer", [glassbox.LeakyReLU(-0.2), Dropout(1.0), Dropout(-1), Dropout(float("nan"))])
def test_layers_that_cannot_be_are_named(layer):
    with pytest.raises(ValueError, match="(slope|p) cannot be"):
        Network([Dense(4, 3), layer])


def test_parameters_share_memory_and_stay_what_they_were(network, batch):
    first, second = network.parameters["0.weight"], network.parameters["0.weight"]
    assert first.shape == (8, 4) and np.shares_memory(first, second)
    before = first.copy()
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1
    network.train_batch(*batch)
    assert (first == before).all()
    assert not np.shares_memory(first, network.parameters["0.weight"])
    assert (network.parameters["0.weight"] != before).any()
    # What is written to is to be a copy.
    changed, now = network.parameters["0.weight"].copy(), network.sha256
    changed[:] = 0
    assert network.sha256 == now
    # They outlive the network.
    del network
    assert (first == before).all()


def test_parameters_are_taken_as_a_whole_or_not_at_all(network):
    before, other = network.sha256, Network("4-8-relu-3", seed=1)
    network.load_parameters(other.parameters)
    assert network.sha256 == other.sha256 != before
    turned = {**other.parameters, "0.weight": np.zeros((4, 8))}
    for wrong in [{}, turned, {**other.parameters, "9.weight": np.zeros(1)}, {**other.parameters, "0.bias": np.full(8, np.nan)}]:
        with pytest.raises(ValueError):
            network.load_parameters(wrong)
        assert network.sha256 == other.sha256
    # Of another type and order, the numbers are the same.
    network.load_parameters({name: np.asfortranarray(value.astype(np.float64)) for name, value in other.parameters.items()})
    assert network.sha256 == other.sha256


def test_files_and_pickles_bring_the_network_back(network, batch, tmp_path):
    network.save(tmp_path / "net.safetensors")
    copies = [
        Network.load(tmp_path / "net.safetensors"),
        pickle.loads(pickle.dumps(network)),
        copy.deepcopy(network),
        copy.copy(network),
    ]
    for other in copies:
        assert str(other) == str(network) and other.sha256 == network.sha256
        other.train_batch(*batch)
        assert other.sha256 != network.sha256


def test_a_pickle_carries_bytes_and_calls_nothing_but_the_class(network):
    calls = [arg for op, arg, _ in pickletools.genops(pickle.dumps(network, protocol=2)) if op.name == "GLOBAL"]
    assert set(calls) <= {"copy_reg _reconstructor", "copyreg __newobj__", "glassbox.network Network", "_codecs encode"}


def test_a_damaged_pickle_is_an_error_and_no_panic(network):
    state = network.__getstate__()
    for at in range(0, len(state["safetensors"]), 7):
        damaged = bytearray(state["safetensors"])
        damaged[at] ^= 0x55
        other = Network.__new__(Network)
        with pytest.raises(ValueError):
            other.__setstate__({**state, "safetensors": bytes(damaged)})


def test_the_evaluation_is_that_of_the_outputs(network, batch):
    X, y = batch
    found = network.evaluate(X, y)
    assert found == network.evaluate(X, y)
    said = network.predict(X)
    assert found.accuracy == (said == y).mean()
    assert found.confusion.sum() == len(y) and np.trace(found.confusion) == (said == y).sum()
    probabilities = network.predict_proba(X).astype(np.float64)
    assert found.loss == pytest.approx(-np.log(probabilities[np.arange(len(y)), y]).mean(), abs=1e-5)
    values = np.ones((len(X), 3))
    found = network.evaluate(X, values, loss="mean-squared-error")
    assert found.accuracy is None and found.confusion is None
    assert found.loss == pytest.approx(((network.forward(X) - 1) ** 2).mean(), rel=1e-5)


@pytest.mark.parametrize("loss", ["cross-entropy", glassbox.CrossEntropy("sum"), "mean-squared-error"])
def test_gradients_are_what_the_loss_does(loss):
    network, random = Network("3-5-tanh-2", device="cpu", threads=1), np.random.default_rng(1)
    X, y = random.normal(size=(6, 3)), random.integers(0, 2, 6)
    if loss == "mean-squared-error":
        y = random.normal(size=(6, 2))
    value, gradients = network.gradients(X, y, loss=loss)
    weight, step = network.parameters["0.weight"], 1e-2
    for place in [(0, 0), (4, 2), (2, 1)]:
        sides = []
        for sign in (1, -1):
            moved = weight.copy()
            moved[place] += sign * step
            network.load_parameters({**network.parameters, "0.weight": moved})
            sides.append(network.gradients(X, y, loss=loss)[0])
        assert gradients["0.weight"][place] == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=5e-3, abs=1e-4)
        network.load_parameters({**network.parameters, "0.weight": weight})
    assert network.gradients(X, y, loss=loss)[0] == value
    found = network.check_gradients(X, y, loss=loss)
    assert found.passed and found.checked > 20 and found.worst["error"] < 1e-7


def test_tables_are_escaped(network):
    assert "4-8-relu-3: 67 parameters" in repr(network.summary())
    assert network.summary().parameters == 67
    page = glassbox.history.html_table(["<b>"], [["<script>alert(1)</script>"]], "a & b")
    assert "<script>" not in page and "&lt;script&gt;" in page and "a &amp; b" in page
    for page in [network._repr_html_(), network.summary()._repr_html_(), glassbox.doctor()._repr_html_()]:
        assert page.startswith("<table>") and "src=" not in page and "href=" not in page


def test_the_device_is_named_and_never_another(monkeypatch):
    assert Network("4-3", device="reference").device.startswith("reference")
    assert Network("4-3", device="cpu", threads=1).device.startswith("cpu")
    with pytest.raises(ValueError, match="hint"):
        Network("4-3", device="gpu")


def test_the_doctor_tells_what_is_here():
    report = glassbox.doctor()
    assert {"glassbox", "processor", "device", "data mnist"} <= {name for name, _ in report.rows}
    assert glassbox.__version__ in repr(report)
