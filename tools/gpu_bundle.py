"""Builds target/gpu-bundle, a folder that checks and measures Glassbox where there is a GPU and no cargo.

It holds the tests of glassbox-cuda, its examples, the program, the scripts of bench/gpu, the simulated driver for a dry
run, and MNIST if GLASSBOX_DATA is set. Nothing in it looks for a file of this machine. Copy it, and run its run.py.
"""

import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys

from built import ROOT, cargo, executables

MOST_BYTES = 60 << 20
MNIST = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def copy_programs(files, folder):
    """Copies them without what only a debugger reads."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        copied = pathlib.Path(shutil.copy(file, folder / name))
        if shutil.which("strip"):
            subprocess.run(["strip", "--strip-debug", copied], check=True)


def simulators(messages):
    """The folder that the build script of the simulator wrote."""
    built = [message for message in messages if message.get("reason") == "build-script-executed"]
    return [pathlib.Path(message["out_dir"]) for message in built if "glassbox-cuda-sim" in message["package_id"]]


def copy_data(folder):
    """MNIST, packed or not, as it lies in GLASSBOX_DATA."""
    source = os.environ.get("GLASSBOX_DATA")
    if not source:
        print("GLASSBOX_DATA is not set: the bundle trains on the built-in digits instead of MNIST")
        return
    folder.mkdir()
    for name in MNIST:
        files = [file for file in (pathlib.Path(source, name + ".gz"), pathlib.Path(source, name)) if file.exists()]
        if not files:
            sys.exit(f"{name}[.gz] is not in {source} (hint: set GLASSBOX_DATA to the folder of MNIST)")
        shutil.copy(files[0], folder)


def manifest():
    """Which Glassbox this is."""
    git = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, encoding="utf-8").stdout.strip()
    dirty = subprocess.run(["git", "-C", ROOT, "status", "--porcelain"], capture_output=True, encoding="utf-8").stdout.strip()
    version = subprocess.run([ROOT / "target/gpu-bundle/bin/glassbox", "--version"], capture_output=True, encoding="utf-8")
    commit = (git or "unknown") + (" with changes" if dirty else "")
    return {"version": version.stdout.strip(), "commit": commit, "built": datetime.date.today().isoformat()}


def main():
    bundle = ROOT / "target/gpu-bundle"
    shutil.rmtree(bundle, ignore_errors=True)
    messages = cargo("test", "--package", "glassbox-cuda", "--no-run")
    messages += cargo("build", "--package", "glassbox-cuda", "--examples") + cargo("build")
    # Unit tests meet no driver, and may read the sources.
    tests = {name: file for name, file in executables(messages, "test").items() if name != "unit"}
    copy_programs(tests, bundle / "tests")
    copy_programs(executables(messages, "example"), bundle / "examples")
    copy_programs(executables(messages, "bin"), bundle / "bin")
    for folder in simulators(messages):
        copy_programs({"libcuda.so.1": folder / "fast/libcuda.so.1"}, bundle / "simulator")
    for script in (ROOT / "bench/gpu").glob("*.py"):
        shutil.copy(script, bundle)
    copy_data(bundle / "mnist")
    (bundle / "manifest.json").write_text(json.dumps(manifest(), indent=1) + "\n", "utf-8")
    files = [file for file in bundle.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    print(f"target/gpu-bundle: {len(files)} files, {size / (1 << 20):.1f} MiB; run its run.py where there is a GPU")
    if size > MOST_BYTES:
        largest = max(files, key=lambda file: file.stat().st_size)
        sys.exit(f"that is more than {MOST_BYTES >> 20} MiB (hint: the largest is {largest})")


if __name__ == "__main__":
    main()
