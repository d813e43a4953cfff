"""The headline job against NumPy, in turn, A B A B: python bench/headline.py PATH_TO_GLASSBOX

784-128-10, ReLU, batches of 64, plain SGD, real MNIST from GLASSBOX_DATA. Both run with one thread and with two. What
counts is the median time of an epoch without each run's first, and the ratio of the two medians. Written to
bench/results/headline-cpu.json, with the machine, its load and the date, since a busy machine is unfair to threads.
"""

import datetime
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from results import processor

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "bench/results/headline-cpu.json"
EPOCHS, ROUNDS, THREADS = 4, 3, [1, 2]


def run(command, **environment):
    # An inherited choice of BLAS kernel would slow the peer down.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=inherited | environment)
    if done.returncode != 0:
        sys.exit(f"{command[0]} exited with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def ours(program, threads):
    with tempfile.TemporaryDirectory() as scratch:
        command = [program, "train", "--data", "mnist", "--recipe", "brief", "--epochs", EPOCHS, "--threads", threads]
        return run([*command, "--json", "--quiet", "--out", pathlib.Path(scratch, "run")])


def numpys(threads):
    return run([sys.executable, ROOT / "bench/numpy_mlp.py", "--epochs", EPOCHS], OPENBLAS_NUM_THREADS=str(threads))


def measure(program, threads):
    """Times of epochs, without each run's first, of ours and of NumPy."""
    times = {"glassbox": [], "numpy": []}
    for _ in range(ROUNDS):
        report, peer = ours(program, threads), numpys(threads)
        times["glassbox"] += report["epoch_seconds"][1:]
        times["numpy"] += peer["epoch_seconds"][1:]
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {
        "threads": threads,
        "simd": report["simd"],
        "plan": report["plan"],
        "blas": peer["blas"],
        "median_epoch_seconds": medians,
        "lowest_epoch_seconds": {name: min(values) for name, values in times.items()},
        "ratio_of_medians": round(medians["numpy"] / medians["glassbox"], 3),
        "epoch_seconds": times,
    }


def main(program):
    load = os.getloadavg()[0]
    rows = [measure(program, threads) for threads in THREADS]
    date = datetime.date.today().isoformat()
    data = {"date": date, "processor": processor(), "cores": os.cpu_count(), "load_before": load, "rows": rows}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps(data, indent=1) + "\n")
    for row in rows:
        medians, ratio = row["median_epoch_seconds"], row["ratio_of_medians"]
        times = f"glassbox {medians['glassbox']:.3f} s, numpy {medians['numpy']:.3f} s an epoch"
        print(f"{row['threads']} threads: {times}, {ratio:.2f} times as fast")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} PATH_TO_GLASSBOX")
    main(pathlib.Path(sys.argv[1]).resolve())
