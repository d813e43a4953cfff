"""What the tests share: data, networks, the command line."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import glassbox

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def batch() -> tuple[np.ndarray, np.ndarray]:
    """Twenty samples of four numbers, and their classes of three."""
    random = np.random.default_rng(0)
    return random.normal(size=(20, 4)).astype(np.float32), random.integers(0, 3, 20)


@pytest.fixture
def network() -> glassbox.Network:
    return glassbox.Network("4-8-relu-3", device="cpu", threads=1)


@pytest.fixture(scope="session")
def digits() -> glassbox.datasets.Data:
    return glassbox.datasets.digits()


@pytest.fixture(scope="session")
def mnist() -> glassbox.datasets.Data:
    if "GLASSBOX_DATA" not in os.environ:
        pytest.skip("GLASSBOX_DATA is not set, so MNIST is not at hand")
    return glassbox.datasets.mnist(download=False)


@pytest.fixture(scope="session")
def command_line() -> Run:
    """The program `glassbox`, whose results Python has to match."""
    program = os.environ.get("GLASSBOX_CLI")
    if not program:
        pytest.skip("GLASSBOX_CLI does not name the program glassbox")

    def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([program, *arguments], cwd=cwd, capture_output=True, text=True, check=True)

    return run
