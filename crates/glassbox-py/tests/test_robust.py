"""Threads, forks, and memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import glassbox
from glassbox import Network, NeuralNetworkGPU


def resident() -> int:
    """The memory of this process, in bytes."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="this system does not tell how much memory is held")
def test_ten_thousand_lives_leave_memory_as_it_was(batch):
    def live(seed: int) -> None:
        network = Network("4-64-relu-3", seed=seed, device="cpu", threads=1)
        network.train_batch(*batch, optimizer="adam")
        network.forward(batch[0], capture=True)
        assert len(network.parameters) == 4
        if seed % 10 == 0:
            network.fit(*batch, epochs=1, verbose=False)
        with pytest.raises(ValueError):
            network.train_batch(batch[0], batch[1] + 3)

    for seed in range(2000):
        live(seed)
    gc.collect()
    before = resident()
    for seed in range(10_000):
        live(seed)
    gc.collect()
    # A network has 2 KB: one kept of every ten would be seen.
    assert resident() - before < 2 << 20


def test_eight_threads_at_once(batch):
    """On networks of their own the bits are those of one thread; on one network nothing is lost and nothing breaks."""
    X, y = batch

    def alone(seed: int) -> str:
        network = Network("4-8-relu-3", seed=seed, device="cpu")
        for _ in range(200):
            network.train_batch(X, y, 0.05)
            network.predict(X)
        return network.sha256

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(alone, range(8)))
    assert together == [alone(seed) for seed in range(8)]

    shared = Network("4-8-relu-3", device="cpu")

    def use(number: int) -> None:
        for _ in range(200):
            if number % 2:
                assert shared.train_batch(X, y, 0.01) > 0
            else:
                assert np.isfinite(shared.forward(X)).all()
                assert np.isfinite(shared.parameters["0.weight"]).all()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(use, range(8)))
    one = Network("4-8-relu-3", device="cpu")
    for _ in range(800):
        one.train_batch(X, y, 0.01)
    # All steps are the same, so those of four threads are those of one, if none is lost.
    assert shared.sha256 == one.sha256


FORK = """
    import os, numpy, glassbox
    X = numpy.random.default_rng(0).integers(0, 256, (2000, 784), dtype=numpy.uint8)
    y = numpy.arange(2000) % 10
    network = glassbox.Network("784-128-relu-10", device="cpu", threads=4)
    network.fit(X, y, epochs=1, verbose=False)
    children = []
    def fork(event):
        if event["event"] == "epoch" and not children:
            children.append(os.fork())
            if children == [0]:
                # In the child, nobody trains the network.
                network.fit(X, y, epochs=1, verbose=False)
                os._exit(0)
    network.fit(X, y, epochs=2, callbacks=[fork], verbose=False)
    assert os.waitpid(children[0], 0)[1] == 0
    child = os.fork()
    network.fit(X, y, epochs=1, verbose=False)
    if child == 0:
        open(os.environ["CHILD"], "w").write(network.sha256)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert open(os.environ["CHILD"]).read() == network.sha256
    print("same")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_computes_on_threads_of_its_own(tmp_path):
    environment = {**os.environ, "CHILD": str(tmp_path / "child")}
    command = [sys.executable, "-c", textwrap.dedent(FORK)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert (process.stdout, process.returncode) == ("same\n", 0), process.stderr


def test_without_a_gpu_it_says_why_and_what_to_do():
    try:
        Network("1-1", device="cuda")
    except glassbox.DeviceError:
        pass
    else:
        pytest.skip("there is a GPU")
    makes = [lambda: NeuralNetworkGPU(4, 8, 3, 10), lambda: glassbox.gpuarray.to_gpu([1.0]), lambda: Network("4-3", device="cuda:1")]
    for make in makes:
        with pytest.raises(glassbox.DeviceError, match="driver.*hint") as caught:
            make()
        assert isinstance(caught.value, RuntimeError)
    assert "device cpu: no NVIDIA driver" in Network("4-3").device
    network = NeuralNetworkGPU(4, 8, 3, batch_size=10, device="cpu")
    assert network.train_batch(np.zeros((10, 4)), np.zeros(10, int), 0.1) > 0
    with pytest.raises(ValueError, match="batch_size=10"):
        network.train_batch(np.zeros((11, 4)), np.zeros(11, int), 0.1)


def test_files_of_the_package_are_for_every_python_that_is_promised():
    import ast
    from pathlib import Path

    files = sorted(Path(glassbox.__file__).parent.rglob("*.py*"))
    files = [file for file in files if file.suffix in (".py", ".pyi")]
    assert len(files) > 10
    for file in files:
        ast.parse(file.read_text(encoding="utf-8"), feature_version=(3, 10))
