"""What a dashboard costs: the headline job with one and without, in turn; make bench-dashboard

With eight viewers on the dashboard, each in a browser of its own: six read the stream of events and fetch what the
page shows first as it does, two have stopped reading. In a further kind of round one more opens every panel again and again,
network and open step among them, whose memory is told apart. That is a hundred epochs, for the memory, and for what a
long training sees; and the ten of the headline job, three times as often. Writes bench/results/dashboard.json, unless the
plain runs of a job are too far apart to tell; exit code 1 then, and if the dashboard costs more than the plain run by too much
of any job's time, or too much memory.
"""

import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from results import ROOT, processor

FILE = ROOT / "bench/results/dashboard.json"
ROUNDS = int(os.environ.get("ROUNDS", "15"))
JOB = ["train", "--recipe", "brief", "--data", "mnist", "--device", "cpu", "--json"]
EPOCHS = 100
# The ten epochs of the headline job take a third of a second: there a dashboard's beginning tells, and each millisecond of
# the viewers, where the training takes all processors. With one thread they have a processor of their own.
SHORT = {"ten_epochs": [], "ten_epochs_one_thread": ["--threads", "1"]}
LIVELY, STALLED = 6, 2
# How often the threads are looked at, in seconds: each look takes a processor for some hundred microseconds.
WATCH = 0.5
MOST_TIME, MOST_MEMORY = 0.02, 16 << 20
# If the quartiles of a job's plain runs are further apart, the machine's neighbours decide, and nothing is told.
QUIET = 0.04


class Viewers:
    """Browsers, as far as a server sees them: crates/glassbox-dash/examples/viewers.rs, which waits for the link."""

    def __init__(self, program, opens_panels):
        command = [program, str(LIVELY), str(STALLED), *(["panels"] if opens_panels else [])]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def open(self, link):
        self.process.stdin.write(link + "\n")
        self.process.stdin.flush()

    def stay_away(self):
        self.process.stdin.close()
        assert self.process.wait() == 0

    def close(self):
        """What they got, and how long they had a processor, in seconds."""
        self.process.stdin.close()
        got = json.loads(self.process.stdout.read())
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        assert self.process.returncode == 0, self.process.returncode
        return got | {"cpu": used.ru_utime + used.ru_stime}


def busy(threads):
    """How long the dashboard's threads have had a processor, in seconds: what it costs also where others disturb."""
    return sum(ran for name, ran, _ in threads if name == "dashboard")


def waited(threads):
    """How long a thread that trains was ready and had no processor, in seconds; the one that waited most. That is what the
    training lost to the dashboard and its viewers, whatever other machines on the same processors do."""
    return max((waited for name, _, waited in threads if name.startswith("glassbox")), default=0)


def threads(process):
    """The threads of a process: their names, and how long they ran and waited, in seconds."""
    found = []
    for task in pathlib.Path(f"/proc/{process}/task").glob("*"):
        try:
            ran, waited, _ = map(int, (task / "schedstat").read_text().split())
            found.append(((task / "comm").read_text(encoding="utf-8").strip(), ran / 1e9, waited / 1e9))
        except OSError:
            pass
    return found


def train(programs, how, epochs=EPOCHS, words=()):
    """What a training took, and how large its process became."""
    program, viewers = programs
    with tempfile.TemporaryDirectory() as folder:
        more = {"plain": [], "inside": ["--inside"]}.get(how, ["--dashboard", "--port", "0"])
        # Begun in each kind of run, so that its beginning is no part of what they differ by.
        viewers = Viewers(viewers, how == "panels")
        command = [program, *JOB, "--epochs", str(epochs), *words, "--out", f"{folder}/run", *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        is_seen = how in ("dashboard", "panels")
        if is_seen:
            said = ""
            while not (found := re.search(r"http://\S+", said)):
                line = process.stderr.readline()
                assert line, f"it ended without a link: {said}"
                said += line
            viewers.open(found.group(0))
        else:
            viewers.stay_away()
        seen, is_over = [(0.0, 0.0)], threading.Event()

        def watch():
            while not is_over.wait(WATCH):
                now = threads(process.pid)
                seen.append((waited(now), busy(now)))

        threading.Thread(target=watch, daemon=True).start()
        # Whoever does not read what a program says makes it wait.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        report = json.loads(process.stdout.readline())
        is_over.set()
        got = viewers.close() if is_seen else {"bytes": 0, "pictures": 0, "panels": {}, "cpu": 0.0}
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, process.returncode
        lost, share = (max(column) / report["seconds_total"] for column in zip(*seen))
        return {
            "seconds": report["seconds_total"],
            "cpu": used.ru_utime + used.ru_stime,
            "lost": lost,
            "memory": used.ru_maxrss << 10,
            "sha256": report["model_sha256"],
            "share": share,
            "viewers": got["cpu"] / report["seconds_total"],
            "bytes": got["bytes"],
            "pictures": got["pictures"],
            "panels": got["panels"],
        }


def in_turn(kinds, rounds, train):
    """Runs of each kind in turn, whose networks have the same bits."""
    runs = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind in kinds if number % 2 else kinds[::-1]:
            runs[kind].append(train(kind))
            print(f"{kind:10} {runs[kind][-1]['seconds']:.3f} s", flush=True)
    assert len({run["sha256"] for all_runs in runs.values() for run in all_runs}) == 1, "the bits differ"
    return runs


def ratios(runs, a, b, what="seconds"):
    """Neighbours in time have the same disturbances: ratios of neighbours, less 1."""
    return [x[what] / y[what] - 1 for x, y in zip(runs[a], runs[b])]


def cost(runs, kind):
    """What a kind costs beside the plain run: of the fastest quarter of the runs of each, and the median of the ratios of
    neighbours with its quartiles. `spread` is how far the quartiles of the plain runs lie apart."""
    seconds = {name: [run["seconds"] for run in runs[name]] for name in (kind, "plain")}
    fastest, plain = (fastest_quarter(seconds[name]) for name in (kind, "plain"))
    found = ratios(runs, kind, "plain")
    quarters, usual = statistics.quantiles(found, n=4), statistics.quantiles(seconds["plain"], n=4)
    return {
        "fastest": fastest / plain - 1,
        "median": statistics.median(found),
        "quartiles": [quarters[0], quarters[2]],
        "spread": usual[2] / usual[0] - 1,
    }


def fastest_quarter(seconds):
    """The mean of the least quarter.

    >>> fastest_quarter([9.0, 1.0, 8.0, 7.0, 3.0, 6.0, 5.0, 4.0])
    2.0
    """
    return statistics.mean(sorted(seconds)[: max(1, len(seconds) // 4)])


def main():
    programs = sys.argv[1:3]
    kinds = ["plain", "inside", "dashboard", "panels"]
    runs = in_turn(kinds, ROUNDS, lambda kind: train(programs, kind))
    middle = lambda kind, what: statistics.median(run[what] for run in runs[kind])
    short = {}
    for name, words in SHORT.items():
        found = in_turn(kinds[:3], 3 * ROUNDS, lambda kind: train(programs, kind, 10, words))
        short[name] = {kind: cost(found, kind) for kind in kinds[1:3]}
        short[name]["all_seconds"] = {kind: [run["seconds"] for run in found[kind]] for kind in found}
    found = {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "rounds": ROUNDS,
        "job": " ".join([*JOB, "--epochs", str(EPOCHS)]),
        "viewers": {"lively": LIVELY, "stalled": STALLED},
        "seconds": {kind: middle(kind, "seconds") for kind in kinds},
        "cpu_seconds": {kind: middle(kind, "cpu") for kind in kinds},
        "memory_bytes": {kind: middle(kind, "memory") for kind in kinds},
        "cost_of_dashboard": cost(runs, "dashboard"),
        "cost_of_inside": cost(runs, "inside"),
        "cpu_of_dashboard_beside_inside": statistics.median(ratios(runs, "dashboard", "inside", "cpu")),
        # The share of the time that a thread of the training was ready and had no processor.
        "lost_to_others": {kind: middle(kind, "lost") for kind in kinds},
        "processor_share_of_dashboard": middle("dashboard", "share"),
        # The viewers run on the same processors, which is no cost of the dashboard.
        "processor_share_of_viewers": middle("dashboard", "viewers"),
        # Recording what is inside, and serving it: all that the plain run does not do.
        "memory_of_dashboard_bytes": middle("dashboard", "memory") - middle("plain", "memory"),
        "memory_beside_inside_bytes": middle("dashboard", "memory") - middle("inside", "memory"),
        # A viewer that opens every panel has the server hold the network, the data and all that pictures need.
        "cost_with_every_panel": cost(runs, "panels"),
        "memory_with_every_panel_bytes": middle("panels", "memory") - middle("plain", "memory"),
        "answers_to_panels": runs["panels"][-1]["panels"],
        "bytes_to_viewers": middle("dashboard", "bytes"),
        "pictures": middle("dashboard", "pictures"),
        "short": short,
        "all_seconds": {kind: [run["seconds"] for run in runs[kind]] for kind in kinds},
        "all_cpu_seconds": {kind: [run["cpu"] for run in runs[kind]] for kind in kinds},
    }
    memory = found["memory_of_dashboard_bytes"]
    times = {"a hundred epochs": found["cost_of_dashboard"], **{name: short[name]["dashboard"] for name in short}}
    # Two ways to tell; the worse one counts.
    most = max(max(spent["fastest"], spent["median"]) for spent in times.values())
    is_quiet = all(spent["spread"] <= QUIET for spent in times.values())
    is_good = most <= MOST_TIME and memory <= MOST_MEMORY
    # Three in four rounds say so, however busy the machine is.
    is_bad = any(spent["quartiles"][0] > MOST_TIME for spent in times.values()) or memory > MOST_MEMORY
    panels = found["memory_with_every_panel_bytes"]
    print(f"with every panel open: time +{100 * found['cost_with_every_panel']['median']:.1f} %, memory +{panels / 2**20:.1f} MiB")
    for name, spent in times.items():
        told = f"{100 * spent['fastest']:+.1f} %, median of the ratios {100 * spent['median']:+.1f} %"
        print(f"{name}: time {told}; the quartiles of plain runs are {100 * spent['spread']:.1f} % apart")
    is_known = is_quiet or is_bad
    verdict = ("good" if is_good else "TOO MUCH") if is_known else "NOBODY KNOWS: the machine is too busy; nothing is recorded"
    print(f"time {100 * most:+.1f} %, memory +{memory / 2**20:.1f} MiB: {verdict}")
    if is_known:
        FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if is_good and is_quiet else 1


if __name__ == "__main__":
    sys.exit(main())
