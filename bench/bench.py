"""Glassbox against its peers on a CPU, in turn: python bench/bench.py PATH_TO_GLASSBOX [--quick]

The whole comparison is written to bench/results/cpu-bench.json, and from there into the README and docs/bench-cpu.svg.
With --quick it is smaller, only printed, with one number of threads, and good for seeing that all of it runs.
"""

import argparse
import gzip
import os
import pathlib
import subprocess
import sys
import time

import jobs
import plot
import report
from measure import THREADS, check_peaks, loud, say
from peers import EVERYONE, HERE, SCRATCH, Peers

PARTS = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def mnist():
    """MNIST as plain IDX files, which every contestant reads."""
    source = pathlib.Path(os.environ.get("GLASSBOX_DATA") or sys.exit("set GLASSBOX_DATA to the folder of MNIST"))
    folder = SCRATCH / "mnist"
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        plain, packed = source / name, source / (name + ".gz")
        if not plain.exists() and not packed.exists():
            sys.exit(f"{name}[.gz] is not in {source} (hint: set GLASSBOX_DATA to the folder of MNIST)")
        data = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
        (folder / name).write_bytes(data)
    return folder


def gaussian():
    """The set without zeros; made by another process, so that this one stays as small as a fork should be."""
    folder = SCRATCH / "gaussian"
    subprocess.run([sys.executable, HERE / "gaussian.py", folder], check=True)
    return folder


def share_of_nonzero(folder):
    """The share of the training pixels that are not zero."""
    pixels = (folder / PARTS[0]).read_bytes()[16:]
    return 1 - pixels.count(0) / len(pixels)


def measure(peers, is_quick, only):
    """All jobs, as {job: rows}, with the time that each took; the limits stand apart."""
    real, dense = mnist(), gaussian()
    # By now this process is larger than what it starts, so it would be seen if its own peak counted.
    check_peaks()
    rounds, epochs = (1, 2) if is_quick else (3, 10)
    all_jobs = {
        "headline": lambda: jobs.training(peers, real, "an epoch of MNIST", EVERYONE, epochs, rounds, not is_quick),
        "gaussian": lambda: jobs.training(peers, dense, "an epoch without a zero", EVERYONE, min(epochs, 4), rounds, False),
        "whole_process": lambda: jobs.whole_process(peers, real, rounds),
        "inference": lambda: jobs.inference(peers, real, is_quick, rounds),
        "products": lambda: jobs.products(peers, is_quick, rounds),
        "sweep": lambda: jobs.sweep(peers, real, is_quick, rounds),
        "many_seeds": lambda: jobs.many_seeds(peers, real),
    }
    rows = {}
    for name, job in all_jobs.items():
        if only and name not in only:
            continue
        start = time.perf_counter()
        rows[name] = job()
        for row in rows[name]:
            say(row)
        print(f"  ({name} took {time.perf_counter() - start:.0f} s)", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("glassbox", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", help="jobs, to be printed and not recorded")
    args = parser.parse_args()
    load, threads = os.getloadavg(), [count for count in THREADS if count <= os.cpu_count()]
    peers = Peers(args.glassbox.resolve(), threads[-1:] if args.quick else threads)
    if load[0] > 0.5:
        loud(f"the load is {load[0]:.1f}: other programs run here, and threads that wait for each other suffer most")
    start = time.perf_counter()
    rows = measure(peers, args.quick, args.only)
    limits = jobs.limits(peers, args.quick)
    for limit in limits:
        speeds = f"{limit['gflops']:.0f} GFLOP/s, {limit['gigabytes_per_second']:.1f} GB/s"
        print(f"the machine, {limit['threads']} threads: {speeds} ({limit['instructions']})")
    if "sweep" in rows:
        is_drawn = not args.quick and not args.only
        path = report.ROOT / report.PLOT if is_drawn else SCRATCH / "bench-cpu.svg"
        share = share_of_nonzero(SCRATCH / "mnist")
        bounds = plot.draw(path, [row for row in rows["sweep"] if row], limits, share)
        print(f"drew {path.relative_to(report.ROOT)}")
    print(f"measured in {time.perf_counter() - start:.0f} s")
    if args.only:
        return
    data = report.complete(rows, limits, peers, load) | {"bounds": bounds, "share_of_nonzero_pixels": share}
    print(report.table(data))
    if not args.quick:
        report.record(data)
        report.main()


if __name__ == "__main__":
    main()
