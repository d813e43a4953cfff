"""What a dashboard costs: the headline job with one and without, in turn; make bench-dashboard

With eight viewers on the dashboard, each in a browser of its own: six read the stream of events and fetch what the
page shows first as it does, two have stopped reading. In a further kind of run one more opens every panel again and again,
network and open step among them, whose memory is told apart. That is a hundred epochs, for the memory, and for what a
long training sees; and the ten of the headline job, several times as often.

Each run is compared with a plain one right before or after it, as chance has it. On a shared machine neighbours take a
tenth of the speed for seconds, and a third for minutes, now of a plain run and now of another: so there are hundreds, none is
left out, and the median tells. Of a run that costs nothing it is 0, however the neighbours are; compared with the mean of two
plain ones it is less, since more often one run is disturbed by far than all of them by a little.

Writes bench/results/dashboard.json. Exit code 0 if it is known to cost no more than
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
JOB = ["train", "--recipe", "brief", "--data", "mnist", "--device", "cpu", "--json"]
# Jobs: epochs, more words, and so many runs with a dashboard. The ten epochs of the headline job take a third of a second:
# there a dashboard's beginning tells, and each millisecond of the viewers, where the training takes all processors. With one
# thread they have a processor of their own.
JOBS = {
    "ten_epochs": (10, [], 480),
    "ten_epochs_one_thread": (10, ["--threads", "1"], 160),
    "a_hundred_epochs": (100, [], 160),
}
LONG = "a_hundred_epochs"
# Of each, so many times as many.
SHARE = float(os.environ.get("SHARE", "1"))
LIVELY, STALLED = 6, 2
# How often the threads are looked at, in seconds: each look takes a processor for some hundred microseconds.
WATCH = 0.5
MOST_TIME, MOST_MEMORY = 0.02, 16 << 20
# For a run that only looks inside, which explains, so many with a dashboard.
EACH_INSIDE = 4
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


def in_turn(runs, train):
    """So many runs with a dashboard, and others, in an order by chance, each with a plain one: `{"kind", "run", "plain",
    "is_first"}`, where it may be the first of the two."""
    kinds, chance = ["dashboard"] * runs + ["inside"] * -(-runs // EACH_INSIDE), random.Random(0)
    chance.shuffle(kinds)
    found = []
    for kind in kinds:
        order = chance.sample([kind, "plain"], 2)
        took = {how: train(how) for how in order}
        found.append({"kind": kind, "run": took[kind], "plain": took["plain"], "is_first": order[0] == kind})
        print(", ".join(f"{how} {took[how]['seconds']:.3f} s" for how in order), flush=True)
    check_bits(one[which] for one in found for which in ("run", "plain"))
    return found


def check_bits(runs):
    """Whoever looks on changes no bit."""
    assert len({run["sha256"] for run in runs}) == 1, "the bits differ"


def costs(found):
    """What each kind costs of a plain run's time: the median, and where it lies.

    >>> found = [{"kind": "inside", "run": {"seconds": x}, "plain": {"seconds": 1.0}} for x in (1.0, 1.5, 1.25, 1.25, 9.0, 1.0)]
    >>> costs(found)["inside"]
    {'median': 0.25, 'interval': [0.0, 8.0], 'runs': 6}
    """
    by_kind = {}
    for one in found:
        by_kind.setdefault(one["kind"], []).append(one["run"]["seconds"] / one["plain"]["seconds"] - 1)
    return {
        kind: {"median": statistics.median(shares), "interval": interval(shares), "runs": len(shares)}
        for kind, shares in by_kind.items()
    }


def in_words(found):
    """How long the runs took, in seconds, in the order in which they ran.

    >>> in_words([{"kind": "inside", "run": {"seconds": 2}, "plain": {"seconds": 1.5}, "is_first": False}])
    'plain 1.5000, inside 2.0000'
    """
    runs = []
    for one in found:
        both = [f"{one['kind']} {one['run']['seconds']:.4f}", f"plain {one['plain']['seconds']:.4f}"]
        runs += both if one["is_first"] else both[::-1]
    return ", ".join(runs)


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
    return f"{100 * spent['median']:+.1f} % ({low:+.1f} to {high:+.1f}), {spent['runs']} runs"


def verdict(spent, memory):
    """Whether it costs as little as it may, as far as that is known."""
    if memory > MOST_MEMORY or any(one["interval"] and one["interval"][0] > MOST_TIME for one in spent):
        return "TOO MUCH"
    if all(one["interval"] and one["interval"][1] <= MOST_TIME for one in spent):
        return "good"
    return "NOBODY KNOWS: take more runs (SHARE=2), or a machine with fewer neighbours"


def main():
    programs = sys.argv[1:3]
    found = {}
    for name, (epochs, words, runs) in JOBS.items():
        print(f"{name}:", flush=True)
        found[name] = in_turn(math.ceil(SHARE * runs), lambda kind: train(programs, kind, epochs, words))
    panels = [train(programs, "panels", JOBS[LONG][0]) for _ in range(PANELS)]
    check_bits([*panels, found[LONG][0]["run"]])
    jobs = {name: costs(runs) for name, runs in found.items()}
    runs = {kind: [one["run"] for one in found[LONG] if one["kind"] == kind] for kind in ("inside", "dashboard")}
    runs |= {"plain": [one["plain"] for one in found[LONG]], "panels": panels}
    middle = lambda kind, what: statistics.median(run[what] for run in runs[kind])
    more = lambda kind, than, what: middle(kind, what) - middle(than, what)
    figures = {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "job": " ".join(JOB),
        "viewers": {"lively": LIVELY, "stalled": STALLED},
        # Shares of the time of plain runs. What follows the seconds is of a hundred epochs.
        "cost": jobs,
        "seconds_in_turn": {name: in_words(runs) for name, runs in found.items()},
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
    memory, with_panels = figures["memory_of_dashboard_bytes"], figures["memory_with_every_panel_bytes"]
    said = verdict([kinds["dashboard"] for kinds in jobs.values()], memory)
    print(f"memory +{memory / 2**20:.1f} MiB, with every panel open +{with_panels / 2**20:.1f} MiB: {said}")
    FILE.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if said == "good" else 1


if __name__ == "__main__":
    sys.exit(main())
