"""Runs the contestants of a job in turn, and makes medians and spreads of what they print."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

THREADS = [1, 2]

LAUNCHER = pathlib.Path(__file__).resolve().parent / "launch.py"

# MiB at the peak of a program that does nothing: about what the launcher takes.
MOST_OF_NOTHING = 30


def loud(text):
    """What is missing in a comparison is said where nobody overlooks it."""
    print(f"!!! {text}", flush=True)


def environment(threads):
    """However a library counts its threads, it gets that many."""
    # An inherited choice of a BLAS kernel would slow a peer down.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    names = ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"]
    return inherited | {name: str(threads) for name in names}


def launched(command, threads):
    """Runs a program: what it printed, what it complained of, and its exit code, wall time and peak memory."""
    words = [str(word) for word in command]
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors, tempfile.TemporaryFile() as usage:
        launcher = [sys.executable, "-I", "-S", LAUNCHER, str(usage.fileno())]
        pipes = {"stdout": output, "stderr": errors, "pass_fds": [usage.fileno()]}
        subprocess.run([*launcher, *words], **pipes, env=environment(threads), check=True)
        for file in (output, errors, usage):
            file.seek(0)
        return output.read().decode(), errors.read().decode(), json.loads(usage.read())


def child(command, threads):
    """What a program prints as JSON, with its wall time and its peak memory; None, loudly, if it fails."""
    output, errors, usage = launched(command, threads)
    code = usage.pop("exit_code")
    if code != 0:
        loud(f"{' '.join(map(str, command))} exited with {code}:\n{errors[-1500:]}")
        return None
    return json.loads(output) | usage


def check_peaks():
    """Ends the bench if a program that needs no memory is said to need some: then the figure is another process's."""
    *_, usage = launched(["true"], 1)
    if usage["peak_mebibytes"] > MOST_OF_NOTHING:
        sys.exit(f"`true` took {usage['peak_mebibytes']:.0f} MiB at its peak, so peaks of memory are not those of the programs")


def in_turn(contestants, rounds, threads=THREADS):
    """The reports of {name: command of a number of threads}, A B A B: {(name, threads): [report, ...]}."""
    reports = {}
    for _ in range(rounds):
        for count in threads:
            for name, command in contestants.items():
                report = child(command(count), count)
                if report is not None:
                    reports.setdefault((name, count), []).append(report)
    return reports


def summary(values):
    """The median with its spread, and all that it is made of unless that is very much."""
    values = sorted(values)
    quartiles = statistics.quantiles(values, n=4) if len(values) > 1 else [values[0]] * 3
    found = {"median": statistics.median(values), "lowest": values[0], "highest": values[-1]}
    found["quartiles"] = [quartiles[0], quartiles[2]]
    return found | ({"values": values} if len(values) <= 50 else {"count": len(values)})


def row(title, unit, found, higher_is_better=False, **more):
    """One comparison. `found` is [{name, threads, values, …}]; each name keeps all its settings and says its best."""
    settings = [{key: value for key, value in one.items() if key != "values"} | summary(one["values"]) for one in found]
    best = best_of(settings, higher_is_better)
    if "glassbox" not in best:
        return loud(f"{title}: glassbox has no result, so there is nothing to compare")
    contestants = [
        {key: one[key] for key in ["name", "threads", "median"]} | {"ratio": ratio(best, one["name"], higher_is_better)}
        for one in best.values()
    ]
    by_threads = [one for count in THREADS if (one := fastest_peer(settings, count, higher_is_better))]
    return {"title": title, "unit": unit, **more, "best": contestants, "by_threads": by_threads, "settings": settings}


def best_of(settings, higher_is_better):
    """The best setting of each name, the best name first."""
    best = {}
    for one in sorted(settings, key=lambda one: one["median"], reverse=higher_is_better):
        best.setdefault(one["name"], one)
    return best


def ratio(best, name, higher_is_better):
    """How many times as fast Glassbox is."""
    ours, theirs = best["glassbox"]["median"], best[name]["median"]
    return round(ours / theirs if higher_is_better else theirs / ours, 3)


def fastest_peer(settings, threads, higher_is_better):
    """The fastest peer with this number of threads, and how many times as fast Glassbox is with as many."""
    best = best_of([one for one in settings if one["threads"] == threads], higher_is_better)
    peers = [name for name in best if name != "glassbox"]
    if "glassbox" not in best or not peers:
        return None
    return {"threads": threads, "name": peers[0], "ratio": ratio(best, peers[0], higher_is_better)}


def say(found):
    """A row on the terminal, the best first. A ratio above 1 says that Glassbox is better."""
    if found is None:
        return
    print(f"\n{found['title']} ({found['unit']})")
    for one in found["best"]:
        ours = "" if one["name"] == "glassbox" else f"   ratio {one['ratio']:.2f}"
        print(f"  {one['name']:<16} {one['median']:>12.4g}  with {one['threads']} threads{ours}")
    for one in found["by_threads"]:
        print(f"  with {one['threads']} threads each: {one['ratio']:.2f} times {one['name']}, the fastest")
    sys.stdout.flush()
