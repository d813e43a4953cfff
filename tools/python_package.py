"""Builds the Python package, installs it into the environment that runs this, and tests it.

    python_package.py GLASSBOX          builds the wheel; all tests, also on the simulated driver; types
    python_package.py --torch           the tests beside PyTorch, of the wheel that the other call built

GLASSBOX is the command line, whose bits the package has to match.
"""

import os
import pathlib
import subprocess
import sys

from built import ROOT, cargo
from gpu_bundle import simulators

PACKAGE = ROOT / "crates/glassbox-py"
WHEELS = ROOT / "target/wheels"
TESTS = PACKAGE / "tests"


def run(*command, **environment):
    """Runs a Python module with the environment's own tools first. One that fails ends this."""
    tools = f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # Threads of NumPy and of the tests' own processes would wait for each other on a small machine.
    settings = {**os.environ, "PATH": tools, "OPENBLAS_NUM_THREADS": "1", **environment}
    # Not in the repository's root, where `glassbox` might be found that was not installed.
    done = subprocess.run([sys.executable, "-m", *map(str, command)], cwd=ROOT / "target", env=settings)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}")


def build():
    """The wheel, by the way that `pip install ./crates/glassbox-py` takes, with the build tool that is installed."""
    for old in WHEELS.glob("glassbox_nn-*.whl"):
        old.unlink()
    run("pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "-w", WHEELS, PACKAGE)


def install():
    """The wheel, into this environment."""
    [wheel] = WHEELS.glob("glassbox_nn-*.whl")
    run("pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--force-reinstall", wheel)


def main():
    if sys.argv[1:] == ["--torch"]:
        install()
        run("pytest", "-q", "-rs", "-p", "no:cacheprovider", TESTS / "test_torch.py")
        return
    [program] = sys.argv[1:]
    build()
    install()
    [simulator] = simulators(cargo("build", "--package", "glassbox-cuda-sim"))
    simulated = {mode: str(simulator / mode) for mode in ("fast", "check")}
    pytest = ["pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    settings = {"GLASSBOX_CLI": str(ROOT / program), "GLASSBOX_SIM_DIR": simulated["fast"]}
    elsewhere = [f"--ignore={TESTS / name}" for name in ("test_torch.py", "test_gpu.py")]
    run(*pytest, *elsewhere, TESTS, **settings)
    for mode in simulated.values():
        run(*pytest, TESTS / "test_gpu.py", LD_LIBRARY_PATH=mode, **settings)
    configuration = ["--config-file", PACKAGE / "pyproject.toml"]
    run("mypy", *configuration, "--package", "glassbox")
    run("mypy", *configuration, PACKAGE / "examples/ten_lines.py")
    run("mypy.stubtest", "--mypy-config-file", PACKAGE / "pyproject.toml", "glassbox")


if __name__ == "__main__":
    main()
