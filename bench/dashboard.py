"""What a dashboard costs: the headline job with one and without, in turn; make bench-dashboard

Eight viewers are on the dashboard, each an open page of its own, as crates/glassbox-dash/examples/viewers.rs has them: six
read the stream of events and fetch the picture that a laptop's or a phone's window shows, two have stopped reading. The jobs
are the ten epochs of the headline job, with both processors and with one thread, and a hundred epochs, for what a long
training sees and for the memory. There one more viewer opens every panel again and again, network and open step among them;
what memory that takes is told apart.

Each run is compared with a plain one right before or after it, as chance has it, and none is left out: the median of the
ratios tells, and of a run that costs nothing it is 0, whatever neighbours on the machine do. How it is where the plain run
was first, and where it was not, is told too: what a run leaves behind for the next would show there.

Needs GLASSBOX_DATA, and three quarters of an hour. TIMES=2 takes twice as many runs, TIMES=0.1 a tenth. Writes
bench/results/dashboard.json, unless there are too few. Exit code 0 if the 95 % interval of each job's median ends below
2 %, and the medians of memory are at most 16 MiB apart.
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
JOB = ["train", "--recipe", "brief", "--data", "mnist", "--device", "cpu", "--json"]
# The ten epochs take a third of a second: there a dashboard's beginning tells, and each millisecond of the viewers, where the
# training takes all processors. With one thread they have a processor of their own. So many runs have a dashboard.
JOBS = {
    "ten_epochs": {"epochs": 10, "words": [], "runs": 640},
    "ten_epochs_one_thread": {"epochs": 10, "words": ["--threads", "1"], "runs": 96},
    "a_hundred_epochs": {"epochs": 100, "words": [], "runs": 128},
}
LONG = "a_hundred_epochs"
TIMES = float(os.environ.get("TIMES", "1"))
LIVELY, STALLED = 6, 2
# How often the threads are looked at, in seconds: each look takes a processor for some hundred microseconds.
WATCH = 0.5
MOST_TIME, MOST_MEMORY = 0.02, 16 << 20
# Runs that only look inside explain what the others cost; there is one to so many with a dashboard.
DASHBOARDS_TO_INSIDE = 8
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
        got = self.process.stdout.read()
        _, status, used = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        assert self.process.returncode == 0, f"viewers: {self.process.returncode}"
        return json.loads(got) | {"cpu": used.ru_utime + used.ru_stime}


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


def train(programs, how, epochs, words=()):
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
        report = process.stdout.readline()
        is_over.set()
        assert report, f"the training failed: {process.wait()} (hint: is MNIST in GLASSBOX_DATA?)"
        report = json.loads(report)
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


def in_turn(runs, train, chance):
    """So many runs with a dashboard, and others, in an order by chance, each with a plain one before or after it:
    `{"kind", "run", "plain", "is_plain_first"}`."""
    kinds = ["dashboard"] * runs + ["inside"] * -(-runs // DASHBOARDS_TO_INSIDE)
    chance.shuffle(kinds)
    found = []
    for kind in kinds:
        order = chance.sample([kind, "plain"], 2)
        took = {how: train(how) for how in order}
        found.append({"kind": kind, "run": took[kind], "plain": took["plain"], "is_plain_first": order[0] == "plain"})
        print(", ".join(f"{how} {took[how]['seconds']:.3f} s" for how in order), flush=True)
    check_bits(one[which] for one in found for which in ("run", "plain"))
    return found


def check_bits(runs):
    """Whoever looks on changes no bit."""
    assert len({run["sha256"] for run in runs}) == 1, "the bits differ"


def costs(found):
    """What each kind costs of a plain run's time: the median, and where it lies.

    >>> found = [(1.0, 0), (1.5, 0), (1.25, 1), (1.25, 1), (9.0, 0), (1.0, 1)]
    >>> run = lambda x, is_first: {"kind": "inside", "run": {"seconds": x}, "plain": {"seconds": 1.0}, "is_plain_first": is_first}
    >>> costs([run(*one) for one in found])["inside"]
    {'median': 0.25, 'interval': [0.0, 8.0], 'runs': 6, 'median_after_plain': 0.25, 'median_before_plain': 0.5}
    """
    shares = {}
    for one in found:
        share = one["run"]["seconds"] / one["plain"]["seconds"] - 1
        shares.setdefault(one["kind"], []).append((share, one["is_plain_first"]))
    median = lambda some: statistics.median(some) if some else None
    return {
        kind: {
            "median": median([share for share, _ in found]),
            "interval": interval([share for share, _ in found]),
            "runs": len(found),
            "median_after_plain": median([share for share, is_plain_first in found if is_plain_first]),
            "median_before_plain": median([share for share, is_plain_first in found if not is_plain_first]),
        }
        for kind, found in shares.items()
    }


def seconds(found):
    """How long the runs took, in the order in which they ran.

    >>> seconds([{"kind": "inside", "run": {"seconds": 2}, "plain": {"seconds": 1.5}, "is_plain_first": True}])
    ['plain 1.5, inside 2']
    """
    pairs = []
    for one in found:
        pair = [f"plain {one['plain']['seconds']:.4g}", f"{one['kind']} {one['run']['seconds']:.4g}"]
        pairs.append(", ".join(pair if one["is_plain_first"] else pair[::-1]))
    return pairs


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
    low, high = (100 * end for end in spent["interval"] or (-math.inf, math.inf))
    apart = [spent[f"median_{when}_plain"] for when in ("after", "before")]
    apart = " and ".join("nothing" if one is None else f"{100 * one:+.1f}" for one in apart)
    return f"{100 * spent['median']:+.1f} % ({low:+.1f} to {high:+.1f}; {apart} after and before), {spent['runs']} runs"


def verdict(spent, memory):
    """Whether it costs as little as it may, as far as that is known."""
    if memory > MOST_MEMORY or any(one["interval"] and one["interval"][0] > MOST_TIME for one in spent):
        return "TOO MUCH"
    if all(one["interval"] and one["interval"][1] <= MOST_TIME for one in spent):
        return "good"
    return "NOBODY KNOWS: take more runs (TIMES=2), or a machine with fewer neighbours"


def main():
    if not os.environ.get("GLASSBOX_DATA"):
        sys.exit("GLASSBOX_DATA is not set (hint: set it to the folder of MNIST)")
    programs, chance, found = sys.argv[1:3], random.Random(0), {}
    for name, job in JOBS.items():
        print(f"{name}:", flush=True)
        count = max(1, math.ceil(TIMES * job["runs"]))
        found[name] = in_turn(count, lambda kind: train(programs, kind, job["epochs"], job["words"]), chance)
    panels = [train(programs, "panels", JOBS[LONG]["epochs"]) for _ in range(PANELS)]
    check_bits([*panels, found[LONG][0]["run"]])
    jobs = {name: costs(pairs) for name, pairs in found.items()}
    by_kind = {kind: [one["run"] for one in found[LONG] if one["kind"] == kind] for kind in ("inside", "dashboard")}
    by_kind |= {"plain": [one["plain"] for one in found[LONG]], "panels": panels}
    middle = lambda kind, what: statistics.median(run[what] for run in by_kind[kind])
    more = lambda kind, than, what: middle(kind, what) - middle(than, what)
    memory, with_panels = (more(kind, "plain", "memory") for kind in ("dashboard", "panels"))
    figures = {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "job": " ".join(JOB),
        "jobs": {name: f"--epochs {job['epochs']} {' '.join(job['words'])}".strip() for name, job in JOBS.items()},
        "viewers": {"lively": LIVELY, "stalled": STALLED, "pictures_of_each": 1},
        # Shares of the time of plain runs.
        "cost": jobs,
        LONG: {
            "cpu_seconds": {kind: middle(kind, "cpu") for kind in by_kind},
            "memory_bytes": {kind: middle(kind, "memory") for kind in by_kind},
            # The share of the time that a thread of the training was ready and had no processor.
            "lost_to_others": {kind: middle(kind, "lost") for kind in by_kind},
            "processor_share_of_dashboard": middle("dashboard", "share"),
            # The viewers run on the same processors, which is no cost of the dashboard.
            "processor_share_of_viewers": middle("dashboard", "viewers"),
            # Recording what is inside, and serving it: all that the plain run does not do.
            "memory_of_dashboard_bytes": memory,
            "memory_beside_inside_bytes": more("dashboard", "inside", "memory"),
            # A viewer that opens every panel has the server hold the network, the data and all that pictures need.
            "memory_with_every_panel_bytes": with_panels,
            "seconds_with_every_panel": [run["seconds"] for run in panels],
            "answers_to_panels": panels[-1]["panels"],
            "bytes_to_viewers": middle("dashboard", "bytes"),
            "pictures": middle("dashboard", "pictures"),
        },
        "seconds": {name: seconds(pairs) for name, pairs in found.items()},
    }
    for name, kinds in jobs.items():
        for kind, spent in kinds.items():
            print(f"{name}, {kind}: {told(spent)}")
    said = verdict([kinds["dashboard"] for kinds in jobs.values()], memory)
    print(f"memory +{memory / 2**20:.1f} MiB, with every panel open +{with_panels / 2**20:.1f} MiB: {said}")
    if all(spent["interval"] for kinds in jobs.values() for spent in kinds.values()):
        FILE.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    else:
        print(f"{FILE.name} is as it was: these were too few runs")
    return 0 if said == "good" else 1


if __name__ == "__main__":
    sys.exit(main())
