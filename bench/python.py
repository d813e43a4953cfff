"""Glassbox from Python beside its own command line and PyTorch, in turn (NumPy too, in the file): make bench-python

Writes bench/results/python.json and the README's table from it. The jobs: MNIST by the best recipe, as a whole process
and the training alone; and one step of 784-128-10 on a batch of 64 that is handed over as a NumPy array.
"""

import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from results import ROOT, output, processor, put

FILE = "bench/results/python.json"
ROUNDS, STEPS = 11, 300
EXAMPLE = ROOT / "crates/glassbox-py/examples/ten_lines.py"
RECIPE = ["--recipe", "best", "--data", "mnist", "--device", "cpu"]


def command_line(program, folder):
    """(seconds of the process, seconds of training) of `glassbox train`."""
    start = time.perf_counter()
    report = output(program, "train", *RECIPE, "--json", "--quiet", "--out", folder)
    return time.perf_counter() - start, json.loads(report)["seconds_training"]


def ten_lines():
    """Seconds of the process of the example that trains MNIST in ten lines."""
    start = time.perf_counter()
    text = output(sys.executable, EXAMPLE)
    seconds = time.perf_counter() - start
    if "Test accuracy = 98" not in text:
        sys.exit(f"the example says: {text}")
    return seconds


FIT = """
import time, glassbox
data = glassbox.datasets.mnist(download=False)
network = glassbox.Network("784-128-relu-10", device="cpu")
start = time.perf_counter()
network.fit(data.X_train, data.y_train, verbose=False)
print(time.perf_counter() - start)
"""


def fit():
    """Seconds of `fit` as its caller waits for it, in a process without the threads of others."""
    return float(output(sys.executable, "-c", FIT))


def steps(data):
    """{who: a function that takes a step} on the same batches of float32."""
    import numpy as np
    import torch

    import glassbox
    from glassbox.ladder import numpy_

    X = (data.X_train[: 64 * STEPS] / 255.0).astype(np.float32).reshape(STEPS, 64, 784)
    y = data.y_train[: 64 * STEPS].reshape(STEPS, 64)
    ours, arrays = glassbox.NeuralNetwork(784, 128, 10), numpy_.NeuralNetwork(784, 128, 10)
    # In float32, as the others have it: the rung as it stands computes in float64.
    for layer in (arrays.layer1, arrays.layer2):
        layer.W, layer.b = layer.W.astype(np.float32), layer.b.astype(np.float32)
    module = torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    tensors = [(torch.from_numpy(rows), torch.from_numpy(labels)) for rows, labels in zip(X, y)]

    def with_torch(i):
        rows, labels = tensors[i]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(module(rows), labels, reduction="sum").backward()
        optimizer.step()

    return {
        "glassbox": lambda i: ours.train_batch(X[i], y[i], 0.01),
        "numpy": lambda i: arrays.train_batch(X[i], y[i], 0.01),
        "pytorch": with_torch,
    }


def medians(measured):
    return {name: statistics.median(seconds) for name, seconds in measured.items()}


def record(program):
    """Everything in turn, round by round, and the medians."""
    import numpy
    import torch

    import glassbox

    data = glassbox.datasets.mnist(download=False)
    taking, measured = steps(data), {}
    for round_ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as scratch:
            whole, training = command_line(program, pathlib.Path(scratch, "run"))
        found = {"process, command line": whole, "training, command line": training, "process, Python": ten_lines()}
        found["training, Python"] = fit()
        for name, step in taking.items():
            start = time.perf_counter()
            for i in range(STEPS):
                step(i)
            found[f"step, {name}"] = (time.perf_counter() - start) / STEPS
        # The first round warms everybody up.
        if round_:
            for name, seconds in found.items():
                measured.setdefault(name, []).append(seconds)
        print(f"round {round_ + 1} of {ROUNDS}", flush=True)
    date, version = datetime.date.today().isoformat(), output(program, "--version")
    others = f"Python {sys.version.split()[0]}, NumPy {numpy.__version__}, PyTorch {torch.__version__}"
    caption = f"Medians of {ROUNDS - 1} rounds in turn, recorded on {date} with {version}, {others} on {processor()}, {os.cpu_count()} cores."
    commit = output("git", "-C", ROOT, "rev-parse", "HEAD")
    return {"caption": caption, "date": date, "commit": commit, "seconds": medians(measured), "all": measured}


def lines(data):
    """(job, who the other is, unit, ours, the other's, the ratio): numbers in the unit."""
    s = data["seconds"]
    jobs = [
        ("12 epochs of MNIST, as its caller waits for `fit`", "training, Python", "training, command line", "the command line", "s", 1),
        ("the whole process, data and evaluation too", "process, Python", "process, command line", "the command line", "s", 1),
        ("a step on a batch of 64 from NumPy", "step, glassbox", "step, pytorch", "PyTorch, eager", "µs", 1e6),
    ]
    for job, ours, theirs, who, unit, scale in jobs:
        yield job, who, unit, scale * s[ours], scale * s[theirs], s[theirs] / s[ours]


def text(job, who, unit, ours, theirs, ratio):
    digits = 3 if unit == "s" else 0
    return f"| {job} | {ours:.{digits}f} {unit} | {who}, {theirs:.{digits}f} {unit}: **{ratio:.2f} ×** |"


def main():
    file = ROOT / FILE
    if len(sys.argv) == 2:
        data = record(pathlib.Path(sys.argv[1]).resolve())
        # What the table shows, so that a test can compare the two.
        data["table"] = {"epochs": 12, "batch": 64, "lines": list(lines(data))}
        file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    data = json.loads(file.read_text())
    head = "| job | Glassbox, from Python | the other |\n|---|---|---|\n"
    put(FILE, head + "\n".join(text(*line) for line in data["table"]["lines"]) + f"\n\n{data['caption']}")
    print(f"wrote {FILE} and the table of README.md")


if __name__ == "__main__":
    main()
