"""What a dashboard costs: the headline job with one and without, in turn; make bench-dashboard

With eight clients on the dashboard, as many as tabs that are open elsewhere: six read the stream of events and fetch the
learning curves twice a second, two have stopped reading. In a further kind of round one of the six opens every panel as
well, network and open step among them, whose memory is told apart. That is a hundred epochs, for the memory, and for what a
long training sees; and the ten of the headline job, three times as often. Writes bench/results/dashboard.json; exit code 1 if
the dashboard costs more than the plain run by too much of any job's time, or too much memory.
"""

import datetime
import json
import os
import pathlib
import re
import selectors
import socket
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
# the clients, where the training takes all processors. With one thread they have a processor of their own.
SHORT = {"ten_epochs": [], "ten_epochs_one_thread": ["--threads", "1"]}
LIVELY, STALLED, PERIOD = 6, 2, 0.5
MOST_TIME, MOST_MEMORY = 0.02, 16 << 20


# What the panels ask for when they are opened.
PICTURES = ["curves", "rate", "throughput", "flow", "weights", "activations", "gradients", "stuck",
            "first-layer", "classes", "dead", "image", "confusion", "errors"]
NETWORK = ["", "/unit?layer=1&unit=3", "/image?row=0", "/image?row=0&go=next&wrong=1", "/step?what=dL/dW2[17,3]&first=0&test=0"]


class Clients:
    """Browsers, as far as a server sees them, in one thread that does little itself."""

    def __init__(self, link, process, opens_panels):
        self.process, self.opens_panels = process, opens_panels
        self.busy = self.own = 0.0
        self.address = link.split("/")[2]
        self.token = link.rsplit("=", 1)[1]
        self.selector = selectors.DefaultSelector()
        self.bytes = self.pictures = 0
        self.panels = {}
        self.is_over = False
        self.run = json.loads(self.ask("/api/runs"))["runs"][0]["id"]
        self.streams = [self.open("/api/events") for _ in range(LIVELY + STALLED)]
        for stream in self.streams[:LIVELY]:
            stream.setblocking(False)
            self.selector.register(stream, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self.read)
        self.thread.start()

    def open(self, path):
        host, port = self.address.split(":")
        # A small buffer is full soon, so that those who stall do.
        stream = socket.socket()
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        stream.connect((host, int(port)))
        head = f"GET {path} HTTP/1.1\r\nhost: {self.address}\r\nauthorization: Bearer {self.token}\r\nconnection: close\r\n\r\n"
        stream.sendall(head.encode())
        return stream

    def ask(self, path):
        with self.open(path) as stream:
            text = b""
            while more := stream.recv(65536):
                text += more
        return text.split(b"\r\n\r\n", 1)[1]

    def read(self):
        due = time.monotonic()
        while not self.is_over:
            for key, _ in self.selector.select(0.05):
                self.bytes += len(key.fileobj.recv(65536))
            if time.monotonic() >= due:
                due += PERIOD
                self.busy = max(self.busy, busy(self.process))
                self.own = time.thread_time()
                for _ in range(LIVELY):
                    try:
                        self.pictures += bool(self.ask(f"/api/pictures/curves?runs={self.run}&width=900"))
                    except OSError:
                        return
                if self.opens_panels:
                    self.open_panels()

    def open_panels(self):
        """Asks for what the panels show, one after the other, each again as soon as all were there."""
        base = f"/api/runs/{self.run}"
        paths = [f"/api/pictures/{name}?runs={self.run}&width=900" for name in PICTURES]
        paths += [base, *(f"{base}/network{path}" for path in NETWORK)]
        for path in paths:
            try:
                is_told = b'"why"' not in self.ask(path)[:200]
            except (OSError, IndexError):
                return
            name = path.removeprefix(base).split("?")[0].removeprefix("/api/").strip("/") or "run"
            self.panels[name] = self.panels.get(name, 0) + is_told

    def close(self):
        self.is_over = True
        self.thread.join()
        for stream in self.streams:
            stream.close()


def busy(process):
    """How long the dashboard's threads have had a processor, in seconds: what it costs also where others disturb."""
    return sum(ran for name, ran, _ in threads(process) if name == "dashboard")


def waited(process):
    """How long a thread that trains was ready and had no processor, in seconds; the one that waited most. That is what the
    training lost to the dashboard and its clients, whatever other machines on the same processors do."""
    return max((waited for name, _, waited in threads(process) if name.startswith("glassbox")), default=0)


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


def train(program, how, epochs=EPOCHS, words=()):
    """What a training took, and how large its process became."""
    with tempfile.TemporaryDirectory() as folder:
        more = {"plain": [], "inside": ["--inside"]}.get(how, ["--dashboard", "--port", "0"])
        command = [program, *JOB, "--epochs", str(epochs), *words, "--out", f"{folder}/run", *more]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        clients = None
        if how in ("dashboard", "panels"):
            said = ""
            while not (found := re.search(r"http://\S+", said)):
                line = process.stderr.readline()
                assert line, f"it ended without a link: {said}"
                said += line
            clients = Clients(found.group(0), process.pid, how == "panels")
        lost, is_over = [0.0], threading.Event()

        def watch():
            while not is_over.wait(PERIOD / 5):
                lost.append(waited(process.pid))

        threading.Thread(target=watch, daemon=True).start()
        # Whoever does not read what a program says makes it wait.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        report = json.loads(process.stdout.readline())
        is_over.set()
        if clients:
            clients.close()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, process.returncode
        return {
            "seconds": report["seconds_total"],
            "cpu": used.ru_utime + used.ru_stime,
            "lost": max(lost) / report["seconds_total"],
            "memory": used.ru_maxrss << 10,
            "sha256": report["model_sha256"],
            "share": clients.busy / report["seconds_total"] if clients else 0,
            "clients": clients.own / report["seconds_total"] if clients else 0,
            "bytes": clients.bytes if clients else 0,
            "pictures": clients.pictures if clients else 0,
            "panels": clients.panels if clients else {},
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
    """What a kind costs beside the plain run: of the fastest quarter of the runs of each, since neighbours on the machine only
    ever slow a run, by far more than what is looked for here. Beside it, the median of the ratios and their quartiles."""
    fastest, plain = (fastest_quarter([run["seconds"] for run in runs[name]]) for name in (kind, "plain"))
    found = ratios(runs, kind, "plain")
    quarters = statistics.quantiles(found, n=4)
    return {"fastest": fastest / plain - 1, "median": statistics.median(found), "quartiles": [quarters[0], quarters[2]]}


def fastest_quarter(seconds):
    """The mean of the least quarter.

    >>> fastest_quarter([9.0, 1.0, 8.0, 7.0, 3.0, 6.0, 5.0, 4.0])
    2.0
    """
    return statistics.mean(sorted(seconds)[: max(1, len(seconds) // 4)])


def main():
    program = sys.argv[1]
    kinds = ["plain", "inside", "dashboard", "panels"]
    runs = in_turn(kinds, ROUNDS, lambda kind: train(program, kind))
    middle = lambda kind, what: statistics.median(run[what] for run in runs[kind])
    short = {}
    for name, words in SHORT.items():
        found = in_turn(kinds[:3], 3 * ROUNDS, lambda kind: train(program, kind, 10, words))
        short[name] = {kind: cost(found, kind) for kind in kinds[1:3]}
        short[name]["all_seconds"] = {kind: [run["seconds"] for run in found[kind]] for kind in found}
    found = {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "processors": len(os.sched_getaffinity(0)),
        "rounds": ROUNDS,
        "job": " ".join([*JOB, "--epochs", str(EPOCHS)]),
        "clients": {"lively": LIVELY, "stalled": STALLED, "pictures_per_second": LIVELY / PERIOD},
        "seconds": {kind: middle(kind, "seconds") for kind in kinds},
        "cpu_seconds": {kind: middle(kind, "cpu") for kind in kinds},
        "memory_bytes": {kind: middle(kind, "memory") for kind in kinds},
        "cost_of_dashboard": cost(runs, "dashboard"),
        "cost_of_inside": cost(runs, "inside"),
        "cpu_of_dashboard_beside_inside": statistics.median(ratios(runs, "dashboard", "inside", "cpu")),
        # The share of the time that a thread of the training was ready and had no processor.
        "lost_to_others": {kind: middle(kind, "lost") for kind in kinds},
        "processor_share_of_dashboard": middle("dashboard", "share"),
        # The clients run on the same processors, which is no cost of the dashboard.
        "processor_share_of_clients": middle("dashboard", "clients"),
        # Recording what is inside, and serving it: all that the plain run does not do.
        "memory_of_dashboard_bytes": middle("dashboard", "memory") - middle("plain", "memory"),
        "memory_beside_inside_bytes": middle("dashboard", "memory") - middle("inside", "memory"),
        # A client that opens every panel has the server hold the network, the data and all that pictures need.
        "cost_with_every_panel": cost(runs, "panels"),
        "memory_with_every_panel_bytes": middle("panels", "memory") - middle("plain", "memory"),
        "answers_to_panels": runs["panels"][-1]["panels"],
        "bytes_to_clients": middle("dashboard", "bytes"),
        "pictures": middle("dashboard", "pictures"),
        "short": short,
        "all_seconds": {kind: [run["seconds"] for run in runs[kind]] for kind in kinds},
        "all_cpu_seconds": {kind: [run["cpu"] for run in runs[kind]] for kind in kinds},
    }
    assert all(run["pictures"] for run in runs["dashboard"]), "the clients got nothing"
    FILE.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))
    memory = found["memory_of_dashboard_bytes"]
    times = {"a hundred epochs": found["cost_of_dashboard"], **{name: short[name]["dashboard"] for name in short}}
    most = max(spent["fastest"] for spent in times.values())
    is_good = most <= MOST_TIME and memory <= MOST_MEMORY
    panels = found["memory_with_every_panel_bytes"]
    print(f"with every panel open: time +{100 * found['cost_with_every_panel']['median']:.1f} %, memory +{panels / 2**20:.1f} MiB")
    for name, spent in times.items():
        print(f"{name}: time {100 * spent['fastest']:+.1f} % (median of the ratios {100 * spent['median']:+.1f} %)")
    print(f"time {100 * most:+.1f} %, memory +{memory / 2**20:.1f} MiB: {'good' if is_good else 'TOO MUCH'}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
