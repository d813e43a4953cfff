"""Builds the Python package, installs it into the environment that runs this, and tests it.

    python_package.py GLASSBOX          builds the wheel; all tests, also on the simulated driver; types
    python_package.py --torch           the tests beside PyTorch, of the wheel that the other call built
    python_package.py --versions        the tests on every Python from 3.10 on that is at hand, of the same wheel

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


def versions():
    """The wheel on one Python after the other: those on the PATH, and pyenv's. Their environments are made anew."""
    folders = [pathlib.Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    folders += sorted(pathlib.Path.home().glob(".pyenv/versions/*/bin"))
    [wheel] = WHEELS.glob("glassbox_nn-*.whl")
    for minor in range(10, 16):
        found = [folder / f"python3.{minor}" for folder in folders if (folder / f"python3.{minor}").exists()]
        # What pyenv has on the PATH may only say that there is none.
        found = [python for python in found if subprocess.run([python, "-c", ""], capture_output=True).returncode == 0]
        if not found:
            print(f"Python 3.{minor}: NOT RUN, there is none")
            continue
        environment = ROOT / f"target/python-3.{minor}"
        python = environment / "bin/python"
        # The oldest Python has the oldest of what is promised to do, the others the newest that they can have.
        others = ["numpy==2.1.0", "scikit-learn==1.6.0"] if minor == 10 else ["scikit-learn"]
        for command in [
            [found[0], "-m", "venv", "--clear", environment],
            [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, *others, "pytest"],
            [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS],
        ]:
            if subprocess.run(command, cwd=ROOT / "target").returncode:
                sys.exit(f"Python 3.{minor}: {' '.join(map(str, command))} failed")
        print(f"Python 3.{minor}: passed")


def main():
    if sys.argv[1:] == ["--versions"]:
        return versions()
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
    # The others give X_train another type, as the course does.
    for example in ["ten_lines", "week03_xor", "week04_minibatches", "week08_native"]:
        run("mypy", *configuration, PACKAGE / f"examples/{example}.py")
    allowed = TESTS / "stubtest-allowlist.txt"
    run("mypy.stubtest", "--mypy-config-file", PACKAGE / "pyproject.toml", "--allowlist", allowed, "glassbox")


if __name__ == "__main__":
    main()
