"""What is done with the GPU: tests, checks of memory, training, and timings beside the peers.

A job takes the bundle and yields rows: a name, a status (passed, failed, missing, skipped), why, and figures.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# Longer than anything should take. Under compute-sanitizer everything is slower by far.
SECONDS = {"test": 600, "sanitizer": 300, "program": 300, "peer": 300}

# Tests of what only the simulated driver does when it is told to.
WITHOUT_DRIVER = ["failures"]


class Bundle:
    """The folder, and how its programs meet the driver."""

    def __init__(self, folder, is_dry):
        self.folder, self.is_dry = folder, is_dry
        self.simulator = folder / "simulator/libcuda.so.1"
        self.manifest = json.loads((folder / "manifest.json").read_text("utf-8"))

    def files(self, kind):
        """The programs of a kind by name, in order."""
        there = self.folder / kind
        return {path.name: path for path in sorted(there.iterdir())} if there.is_dir() else {}

    def environment(self):
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("GLASSBOX_")}
        if not self.is_dry:
            return inherited | {"GLASSBOX_CUDA_REAL": "1"}
        simulator = str(self.simulator)
        # Tests ask for the library by the first; programs find it, as they find any driver, by the second.
        return inherited | {"GLASSBOX_CUDA_LIBRARY": simulator, "LD_LIBRARY_PATH": str(self.simulator.parent)}

    def data(self):
        """Arguments for real MNIST if the bundle has it, else for what is built in."""
        folder = self.folder / "mnist"
        return ["--data", "mnist", "--data-dir", folder] if folder.is_dir() else ["--data", "digits"]

    def run(self, command, seconds, env=None):
        """(status, output, errors, seconds); the status is None if the time was over."""
        words, start = [str(word) for word in command], time.monotonic()
        try:
            # A group of its own, so that what a launcher has started ends with it and does not keep the GPU.
            started = subprocess.Popen(
                words,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                env=env or self.environment(),
                start_new_session=True,
            )
        except OSError as error:
            return 127, "", str(error), 0.0
        try:
            output, errors = started.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            return None, *started.communicate(), seconds
        return started.returncode, output, errors, time.monotonic() - start


def passed(name, **figures):
    return {"name": name, "status": "passed", **figures}


def failed(name, why, **figures):
    return {"name": name, "status": "failed", "why": why, **figures}


def missing(name, why):
    return {"name": name, "status": "missing", "why": why}


def skipped(name, why):
    return {"name": name, "status": "skipped", "why": why}


def ended(status, output, errors):
    """Why a program failed, in its own last words."""
    how = "ran out of time" if status is None else f"exited with {status}"
    return f"{how}: {(errors.strip() or output.strip())[-1500:]}"


def tests(bundle):
    """Every test binary, on the driver."""
    binaries = bundle.files("tests")
    if not binaries:
        yield missing("tests", "the bundle has no tests")
    for name, path in binaries.items():
        status, output, errors, seconds = bundle.run([path], SECONDS["test"])
        counts = [sum(map(int, column)) for column in zip(*re.findall(r"(\d+) passed; (\d+) failed; (\d+) ignored", output))]
        figures = {"seconds": round(seconds, 1)}
        if counts:
            figures |= dict(zip(["tests_passed", "tests_failed", "tests_ignored"], counts))
        if status == 0:
            yield passed(name, **figures)
        else:
            yield failed(name, ended(status, output, errors) + names_of_failures(output), **figures)


def examples(bundle):
    """Every example but those that measure."""
    for name, path in bundle.files("examples").items():
        if not name.startswith("bench_"):
            status, output, errors, seconds = bundle.run([path], SECONDS["program"])
            if status == 0:
                yield passed(name, seconds=round(seconds, 1), last_line=(output.strip().splitlines() or [""])[-1])
            else:
                yield failed(name, ended(status, output, errors))


def names_of_failures(output):
    return "".join(f"\n{name}" for name in re.findall(r"^test (\S+) \.\.\. FAILED", output, re.MULTILINE))


def sanitizer(bundle):
    """The tests of the kernels again, under compute-sanitizer."""
    program = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if bundle.is_dry or not program:
        why = "there is no GPU" if bundle.is_dry else "compute-sanitizer is not on the PATH"
        yield skipped("memcheck and racecheck", why)
        return
    # Of a program that does not meet the driver the tools have nothing to say, and they exit with a number of their own.
    programs = {name: path for name, path in bundle.files("tests").items() if name not in WITHOUT_DRIVER}
    # Tests ask for what the driver has to refuse, and that is no error of theirs.
    tools = {"memcheck": ["--tool", "memcheck", "--report-api-errors", "no"], "racecheck": ["--tool", "racecheck"]}
    for tool, flags in tools.items():
        for name, path in programs.items():
            command = [program, *flags, "--error-exitcode", "99", path, "--test-threads=1"]
            # Buffers of their own length, not rounded up by a pool.
            checked = bundle.environment() | {"GLASSBOX_CUDA_SIM": "check"}
            status, output, errors, seconds = bundle.run(command, SECONDS["sanitizer"], checked)
            found = re.findall(r"(?:ERROR SUMMARY|RACECHECK SUMMARY): (\d+)", output + errors)
            figures = {"seconds": round(seconds, 1), "errors": sum(map(int, found))}
            if status == 0 and found:
                yield passed(f"{tool}: {name}", **figures)
            elif status == 0:
                yield skipped(f"{tool}: {name}", "it launched no kernel")
            else:
                yield failed(f"{tool}: {name}", ended(status, output, errors), **figures)


def train(bundle, name, *arguments, out=None):
    """One training by the program, as a row; into `out`/run, if that is to stay."""
    program = bundle.folder / "bin/glassbox"
    if not program.exists():
        return missing(name, "the bundle has no glassbox")
    with contextlib.nullcontext(out) if out else tempfile.TemporaryDirectory() as folder:
        command = [program, "train", *bundle.data(), *arguments, "--out", f"{folder}/run", "--json", "--quiet"]
        status, output, errors, seconds = bundle.run(command, SECONDS["program"])
    if status != 0:
        return failed(name, ended(status, output, errors))
    told = json.loads(output)
    kept = ["dataset", "network", "epochs", "steps", "test_accuracy", "train_loss", "seconds_training", "model_sha256"]
    return passed(name, **{key: told.get(key) for key in kept}, seconds_process=round(seconds, 3))


def exact(bundle):
    """Fifty steps on the GPU end with the bits of the CPU."""
    rows = {}
    for device in ("cpu", "cuda"):
        rows[device] = train(bundle, f"50 steps, {device}", "--device", device, "--max-steps", 50, "--seed", 0)
        yield rows[device]
    yield same_bits(rows)


def same_bits(rows):
    """Whether trainings ended with the same model: their rows, by what differs in how they were carried out.

    >>> same_bits({"cpu": {"model_sha256": "a"}, "cuda": {"model_sha256": "b"}})["why"]
    'the models differ: cpu a, cuda b'
    >>> [same_bits({"cpu": {"model_sha256": "a"}, "cuda": row})["status"] for row in ({}, {"model_sha256": "a"})]
    ['skipped', 'passed']
    """
    name, hashes = "the same bits", {how: row.get("model_sha256") for how, row in rows.items()}
    if None in hashes.values():
        return skipped(name, "one of them did not run")
    first, *others = hashes.values()
    if all(other == first for other in others):
        return passed(name, model_sha256=first)
    return failed(name, f"the models differ: {', '.join(f'{how} {sha256}' for how, sha256 in hashes.items())}")


def training(bundle):
    """Whole trainings, on the GPU and on the CPU beside it."""
    few = ["--max-steps", 3] if bundle.is_dry else []
    for recipe in ("brief", "best"):
        for device in ("cuda", "cpu"):
            yield train(bundle, f"recipe {recipe}, {device}", "--recipe", recipe, "--device", device, "--seed", 0, *few)


def looking(bundle):
    """A training that a dashboard shows has the bits of one that nobody looks at, and knows how its GPU is doing."""
    short = ["--device", "cuda", "--seed", 0, *(["--max-steps", 3] if bundle.is_dry else ["--epochs", 100])]
    plain = train(bundle, "not looked at", *short)
    with tempfile.TemporaryDirectory() as out:
        seen = train(bundle, "with a dashboard", *short, "--dashboard", "--port", 0, out=out)
        log = pathlib.Path(out, "run/events.jsonl")
        events = [json.loads(line) for line in log.read_text("utf-8").splitlines()] if log.exists() else []
    yield plain
    yield seen
    yield same_bits({"not looked at": plain, "with a dashboard": seen})
    if seen["status"] == "passed":
        yield told_of_gpu([event["gpu"] for event in events if event["event"] == "system"], bundle.is_dry)


def told_of_gpu(readings, is_dry):
    """What a run was told of its GPU, in its last reading.

    >>> told_of_gpu([], False)["why"]
    'the run has no reading of its GPU'
    >>> told_of_gpu([{"power_watts": 170.0, "missing": {}}], False)
    {'name': 'readings of the GPU', 'status': 'passed', 'power_watts': 170.0}
    >>> told_of_gpu([{"power_watts": None, "missing": {"power_watts": "nobody knows"}}], False)["why"]
    'power_watts: nobody knows'
    >>> told_of_gpu([{"power_watts": None, "missing": {"power_watts": "nobody knows"}}], True)["status"]
    'passed'
    """
    name = "readings of the GPU"
    if not readings:
        return failed(name, "the run has no reading of its GPU")
    figures = {key: value for key, value in readings[-1].items() if key != "missing" and value is not None}
    reasons = readings[-1].get("missing", {})
    # A simulated GPU is known to nobody else.
    if reasons and not is_dry:
        return failed(name, ", ".join(f"{key}: {why}" for key, why in reasons.items()), **figures)
    return passed(name, **figures)


def ours(bundle, example):
    """The rows of one of our programs that measure: an object of JSON a line."""
    path = bundle.files("examples").get(example)
    if not path:
        yield missing(example, f"the bundle has no example {example}")
        return
    command = [path, "--json", *(["--quick"] if bundle.is_dry else [])]
    yield from measured(example, *bundle.run(command, SECONDS["program"]))


def peer(bundle, script):
    """The rows of a peer's script, which needs PyTorch and a GPU."""
    if bundle.is_dry:
        yield skipped(script, "PyTorch is measured on a GPU only")
        return
    status, output, errors, seconds = bundle.run([sys.executable, bundle.folder / script], SECONDS["peer"], dict(os.environ))
    if status != 0 and "No module named 'torch'" in errors:
        yield skipped(script, "PyTorch is not installed")
    else:
        yield from measured(script, status, output, errors, seconds)


def measured(name, status, output, errors, _):
    """The rows of what a measuring program printed: an object of JSON a line, each with a time.

    >>> list(measured("bench", 0, '{"name": "a step", "seconds": 0.5}', "", 1))
    [{'name': 'a step', 'status': 'passed', 'seconds': 0.5}]
    >>> list(measured("bench", 0, '{"name": "a step", "way": "fused"}', "", 1))
    [{'name': 'a step', 'status': 'failed', 'why': 'it has no time', 'way': 'fused'}]
    >>> list(measured("bench", 0, "done", "", 1))
    [{'name': 'bench', 'status': 'failed', 'why': 'it printed no figure'}]
    """
    if status != 0:
        yield failed(name, ended(status, output, errors))
        return
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    for line in lines:
        row, seconds = line.pop("name"), line.get("seconds")
        is_time = isinstance(seconds, (int, float)) and seconds > 0
        yield passed(row, **line) if is_time else failed(row, "it has no time", **line)
    if not lines:
        yield failed(name, "it printed no figure")


def products(bundle):
    """The rungs of the matrix product beside cuBLAS, which PyTorch calls."""
    rows = [*ours(bundle, "bench_products"), *peer(bundle, "torch_products.py")]
    yield from rows
    by_shape = {}
    for row in rows:
        if "rung" in row and row["status"] == "passed":
            by_shape.setdefault("x".join(map(str, row["shape"])), {})[row["rung"]] = row["seconds"]
    for shape, seconds in by_shape.items():
        yield passed(f"gains {shape}", **gains(seconds))


def gains(seconds):
    """How many times faster rungs are than the ones before, and than cuBLAS; `seconds` by rung."""
    exact = {name: took for name, took in seconds.items() if "01" <= name < "09"}
    figures = {}
    for slower, faster in [("01_naive", "02_coalesced"), ("02_coalesced", "03_tiled")]:
        if slower in seconds and faster in seconds:
            figures[f"{faster[3:]}_over_{slower[3:]}"] = seconds[slower] / seconds[faster]
    if exact:
        figures["best_exact"] = min(exact, key=exact.get)
    kinds = {"fp32": exact.values(), "tf32": [seconds.get("09_tf32")], "bf16": [seconds.get("10_bf16")]}
    for kind, of_ours in kinds.items():
        of_ours, theirs = [took for took in of_ours if took], seconds.get(f"cuBLAS {kind}")
        if theirs and of_ours:
            figures[f"{kind}_share_of_cublas"] = theirs / min(of_ours)
    return figures


def steps(bundle):
    """A training step of 784-128-10 at batch 64, ours beside PyTorch's, eager and as a CUDA graph."""
    rows = [*ours(bundle, "bench_steps"), *peer(bundle, "torch_steps.py")]
    yield from rows
    seconds = {row["name"]: row["seconds"] for row in rows if row["status"] == "passed"}
    for name, took in seconds.items():
        if name.startswith("PyTorch") and "step fused" in seconds:
            yield passed(f"step fused over {name}", times_faster=took / seconds["step fused"])


JOBS = {
    "tests": tests,
    "examples": examples,
    "exact": exact,
    "training": training,
    "looking": looking,
    "products": products,
    "steps": steps,
    "sanitizer": sanitizer,
}
