"""PyTorch's tensors and ours: the same memory on the CPU, the same numbers everywhere."""

from __future__ import annotations

import numpy as np
import pytest

import glassbox
from glassbox import Network

torch = pytest.importorskip("torch", reason="PyTorch is not installed here: NOT RUN")


@pytest.fixture
def module():
    """The network 4-8-relu-3, as PyTorch has it."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))


def test_weights_go_to_pytorch_without_a_copy_and_give_its_outputs(network, batch, module):
    parameters = network.parameters
    tensors = {name: torch.from_dlpack(value) for name, value in parameters.items()}
    for name, tensor in tensors.items():
        assert tensor.data_ptr() == parameters[name].ctypes.data
        assert tuple(tensor.shape) == parameters[name].shape
    module.load_state_dict(tensors)
    X, _ = batch
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(X)).numpy(), network.forward(X), atol=1e-5)


def test_weights_come_back_from_pytorch_and_are_the_same(network, batch, module):
    state = module.state_dict()
    # The array that NumPy sees is the tensor's memory.
    for tensor in state.values():
        assert np.from_dlpack(tensor).ctypes.data == tensor.data_ptr()
    network.load_parameters(state)
    for name, value in network.parameters.items():
        assert (value == state[name].numpy()).all()
    back = {name: torch.from_dlpack(value) for name, value in network.parameters.items()}
    before = network.sha256
    network.load_parameters(back)
    assert network.sha256 == before
    X, _ = batch
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(X)).numpy(), network.forward(X), atol=1e-5)


def test_activations_and_outputs_are_read_by_pytorch_where_they_lie(network, batch):
    outputs, activations = network.forward(batch[0], capture=True)
    for array in [outputs, *activations.values(), network.forward(batch[0])]:
        assert torch.from_dlpack(array).data_ptr() == array.ctypes.data


def test_tensors_are_inputs_and_labels(batch):
    X, y = batch
    tensors = [torch.from_numpy(X), torch.from_numpy(X).double(), torch.from_numpy(np.ascontiguousarray(X.T)).T]
    losses = {Network("4-8-relu-3").train_batch(tensor, torch.from_numpy(y)) for tensor in tensors}
    assert losses == {Network("4-8-relu-3").train_batch(X, y)}
    assert glassbox.matrix_multiply(torch.eye(4), torch.from_numpy(X.T.copy())).tolist() == X.T.tolist()


def test_the_gradients_are_those_of_autograd(network, batch, module):
    network.load_parameters(module.state_dict())
    X, y = batch
    for loss, reduction in [(glassbox.CrossEntropy(), "mean"), (glassbox.CrossEntropy("sum"), "sum")]:
        module.zero_grad()
        expected = torch.nn.functional.cross_entropy(module(torch.from_numpy(X)), torch.from_numpy(y), reduction=reduction)
        expected.backward()
        value, gradients = network.gradients(X, y, loss=loss)
        assert value == pytest.approx(expected.item(), rel=1e-5)
        for name, parameter in module.named_parameters():
            np.testing.assert_allclose(gradients[name], parameter.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_a_step_is_pytorchs(network, batch, module):
    network.load_parameters(module.state_dict())
    X, y = batch
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for _ in range(5):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(torch.from_numpy(X)), torch.from_numpy(y)).backward()
        optimizer.step()
        network.train_batch(X, y, 0.1, optimizer="nesterov")
    for name, parameter in module.state_dict().items():
        np.testing.assert_allclose(network.parameters[name], parameter.numpy(), atol=1e-5)


def test_tensors_that_cannot_be_read_are_errors_with_a_hint(network):
    X = torch.zeros(2, 4)
    with pytest.raises(ValueError, match=r"gradient.*detach\(\)"):
        network.forward(X.clone().requires_grad_())
    with pytest.raises(ValueError, match=r"float\(\)"):
        network.forward(X.bfloat16())
    with pytest.raises(TypeError, match="complex"):
        network.forward(X.to(torch.complex64))
    with pytest.raises((ValueError, TypeError)):
        network.forward(X.to_sparse())


def test_a_file_of_pytorchs_weights_is_a_network(module, batch, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    safetensors.save_file(module.state_dict(), tmp_path / "torch.safetensors")
    with pytest.raises(ValueError, match="model"):
        Network.load(tmp_path / "torch.safetensors")
    network = Network.load(tmp_path / "torch.safetensors", model="4-8-relu-3")
    network.save(tmp_path / "ours.safetensors")
    for name, tensor in safetensors.load_file(tmp_path / "ours.safetensors").items():
        assert torch.equal(tensor, module.state_dict()[name])


def test_a_sign_that_is_kept_apart_is_not_lost(network):
    """PyTorch negates the imaginary part of a conjugate by a bit beside the numbers."""
    X = torch.complex(torch.ones(3, 4), torch.rand(3, 4)).conj().imag
    assert X.is_neg()
    np.testing.assert_array_equal(network.forward(X), network.forward(X.resolve_neg().numpy()))
