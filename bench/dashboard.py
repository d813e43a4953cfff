"""What a dashboard costs: the headline job with one and without, in turn; make bench-dashboard

With eight viewers on the dashboard, each in a browser of its own: six read the stream of events and fetch what the
page shows first as it does, two have stopped reading. In a further kind of run one more opens every panel again and again,
network and open step among them, whose memory is told apart. That is a hundred epochs, for the memory, and for what a
long training sees; and the ten of the headline job, several times as often.

Each run stands between two plain ones and is compared with their mean. On a shared machine neighbours take a third of
the speed for minutes: where the two plain runs differ, that was so, and the run in between is not judged. Plain runs
that stand between plain ones are judged as well: what they seem to cost is the error of the others.

Writes bench/results/dashboard.json, unless too few runs could be judged. Exit code 0 if it is known to cost no more than
it may, of any job's time and of memory: if the 95 % interval of the median ends below.
"""

import datetime
import json
import math
import os
import pathlib
import random
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
# So many runs of a hundred epochs are judged, if so many plain ones around them agree before the tries are used up; of
# the short jobs, SHORTER times as many. Of other kinds than the dashboard, half: they explain.
JUDGED = int(os.environ.get("JUDGED", "14"))
SHORTER, TRIES = 4, 4
JOB = ["train", "--recipe", "brief", "--data", "mnist", "--device", "cpu", "--json"]
EPOCHS = 100
# The ten epochs of the headline job take a third of a second: there a dashboard's beginning tells, and each millisecond of
# the viewers, where the training takes all processors. With one thread they have a processor of their own.
SHORT = {"ten_epochs": [], "ten_epochs_one_thread": ["--threads", "1"]}
LIVELY, STALLED = 6, 2
# How often the threads are looked at, in seconds: each look takes a processor for some hundred microseconds.
WATCH = 0.5
MOST_TIME, MOST_MEMORY = 0.02, 16 << 20
# The run between two plain ones is judged if the slower took so much longer at most.
AGREE = 0.02
# The plain run is a kind too: it tells what is said of a run that costs nothing.
KINDS = ["plain", "inside", "dashboard"]
# What is wanted of these is their memory; how long they take is told, and not judged.
PANELS = 3
# How likely the interval of a median is to miss it.
MISSES = 0.05


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


def wanted(judged):
    """How many of each kind are to be judged."""
    return {kind: judged if kind == "dashboard" else -(-judged // 2) for kind in KINDS}


def in_turn(wanted, train):
    """Runs of kinds, each `{"before", "run", "after"}`, until so many of each kind are judged as are wanted."""
    found = {kind: [] for kind in wanted}
    is_open = lambda kind: len(judged(found[kind])) < wanted[kind] and len(found[kind]) < TRIES * wanted[kind]
    before, order = train("plain"), random.Random(0)
    while kinds := [kind for kind in wanted if is_open(kind)]:
        # What one kind leaves behind for the next falls on each of them.
        order.shuffle(kinds)
        for kind in kinds:
            run, after = train(kind), train("plain")
            found[kind].append({"before": before, "run": run, "after": after})
            before = after
            print(f"{kind:10} {', '.join(f'{time:.3f}' for time in times(found[kind][-1]))} s", flush=True)
    check_bits(one for triples in found.values() for triple in triples for one in triple.values())
    return found


def check_bits(runs):
    """Whoever looks on changes no bit."""
    assert len({run["sha256"] for run in runs}) == 1, "the bits differ"


def times(triple):
    """How long its runs took, in seconds."""
    return [triple[which]["seconds"] for which in ("before", "run", "after")]


def judged(triples):
    """Those whose plain runs agree, as far as plain runs do here.

    >>> [judged([{"before": {"seconds": 1.0}, "run": {"seconds": 9.0}, "after": {"seconds": x}}]) != [] for x in (0.95, 1.01)]
    [False, True]
    """
    around = lambda triple: times(triple)[::2]
    return [triple for triple in triples if max(around(triple)) <= (1 + AGREE) * min(around(triple))]


def cost(triples):
    """What a kind costs of the time: the median of the runs that are judged, and where it lies.

    >>> run = lambda *times: {name: {"seconds": time} for name, time in zip(["before", "run", "after"], times)}
    >>> cost([run(1.0, 1.5, 1.0), run(1.0, 1.25, 1.0), run(1.0, 1.0, 1.0), run(1.0, 1.25, 3.0)])["median"]
    0.25
    """
    found = [2 * run / (before + after) - 1 for before, run, after in map(times, judged(triples))]
    return {
        "median": statistics.median(found) if found else None,
        "interval": interval(found),
        "judged": len(found),
        "runs": len(triples),
        "seconds": [times(triple) for triple in triples],
    }


def interval(numbers):
    """Where the median of what the numbers are drawn from lies: so many of them are below it as of tosses of a coin are
    heads. Nothing, if they are too few to tell.

    >>> interval(range(14)), interval(range(5))
    ([2, 11], None)
    """
    numbers, heads, below = sorted(numbers), 0, 0.0
    while (below := below + math.comb(len(numbers), heads) / 2 ** len(numbers)) <= MISSES / 2:
        heads += 1
    return [numbers[heads - 1], numbers[-heads]] if heads > 0 else None


def told(spent):
    """What a kind costs, in words."""
    if not spent["interval"]:
        return f"{spent['judged']} of {spent['runs']} runs could be judged, too few"
    low, high = (100 * end for end in spent["interval"])
    return f"{100 * spent['median']:+.1f} % ({low:+.1f} to {high:+.1f}), {spent['judged']} of {spent['runs']} runs"


def verdict(spent, memory):
    """Whether it costs as little as it may, as far as that is known."""
    if memory > MOST_MEMORY or any(one["interval"] and one["interval"][0] > MOST_TIME for one in spent):
        return "TOO MUCH"
    if all(one["interval"] and one["interval"][1] <= MOST_TIME for one in spent):
        return "good"
    return "NOBODY KNOWS: take more runs (JUDGED=30), or a machine with fewer neighbours"


def main():
    programs = sys.argv[1:3]
    long = in_turn(wanted(JUDGED), lambda kind: train(programs, kind))
    panels = [train(programs, "panels") for _ in range(PANELS)]
    check_bits([*panels, long["plain"][0]["run"]])
    jobs = {"a_hundred_epochs": {kind: cost(long[kind]) for kind in KINDS}}
    for name, words in SHORT.items():
        runs = in_turn(wanted(SHORTER * JUDGED), lambda kind: train(programs, kind, 10, words))
        jobs[name] = {kind: cost(runs[kind]) for kind in KINDS}
    runs = {kind: [triple["run"] for triple in long[kind]] for kind in KINDS} | {"panels": panels}
    middle = lambda kind, what: statistics.median(run[what] for run in runs[kind])
    more = lambda kind, than, what: middle(kind, what) - middle(than, what)
    found = {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "wanted": wanted(JUDGED),
        "job": " ".join([*JOB, "--epochs", str(EPOCHS)]),
        "viewers": {"lively": LIVELY, "stalled": STALLED},
        # Shares of the time of plain runs; those around a run that is judged differ by so much at most.
        "agree": AGREE,
        "cost": jobs,
        "cpu_seconds": {kind: middle(kind, "cpu") for kind in runs},
        "memory_bytes": {kind: middle(kind, "memory") for kind in runs},
        # The share of the time that a thread of the training was ready and had no processor.
        "lost_to_others": {kind: middle(kind, "lost") for kind in runs},
        "processor_share_of_dashboard": middle("dashboard", "share"),
        # The viewers run on the same processors, which is no cost of the dashboard.
        "processor_share_of_viewers": middle("dashboard", "viewers"),
        # Recording what is inside, and serving it: all that the plain run does not do.
        "memory_of_dashboard_bytes": more("dashboard", "plain", "memory"),
        "memory_beside_inside_bytes": more("dashboard", "inside", "memory"),
        # A viewer that opens every panel has the server hold the network, the data and all that pictures need.
        "memory_with_every_panel_bytes": more("panels", "plain", "memory"),
        "seconds_with_every_panel": [run["seconds"] for run in panels],
        "answers_to_panels": panels[-1]["panels"],
        "bytes_to_viewers": middle("dashboard", "bytes"),
        "pictures": middle("dashboard", "pictures"),
    }
    for name, kinds in jobs.items():
        for kind, spent in kinds.items():
            print(f"{name}, {kind}: {told(spent)}")
    memory, with_panels = found["memory_of_dashboard_bytes"], found["memory_with_every_panel_bytes"]
    said = verdict([kinds["dashboard"] for kinds in jobs.values()], memory)
    print(f"memory +{memory / 2**20:.1f} MiB, with every panel open +{with_panels / 2**20:.1f} MiB: {said}")
    if all(spent["interval"] for kinds in jobs.values() for spent in kinds.values()):
        FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0 if said == "good" else 1


if __name__ == "__main__":
    sys.exit(main())
