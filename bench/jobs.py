"""The jobs of the comparison. Each takes the peers, the size and the folders of data, and returns rows."""

import pathlib
import tempfile

from measure import THREADS, child, in_turn, loud, row
from peers import SCRATCH, help_mentions, rust, with_arguments

# Peers that compute the same job end this close to our accuracy.
SAME_ACCURACY = 0.01


def command_line(peers, data, epochs):
    """Glassbox as its users start it; the folder of the run is gone afterwards."""
    folder = tempfile.TemporaryDirectory(dir=SCRATCH)

    def command(threads):
        run = pathlib.Path(tempfile.mkdtemp(dir=folder.name), "run")
        words = [peers.glassbox, "train", "--data", data, "--recipe", "brief", "--epochs", epochs]
        return [*words, "--threads", threads, "--json", "--quiet", "--out", run]

    # The function keeps the folder alive as long as itself.
    command.folder = folder
    return command


def first_point(report):
    """A peer's report of a single network, in the words of ours."""
    point = report.get("points", [{}])[0]
    return {
        "epoch_seconds": report.get("epoch_seconds") or point["epoch_seconds"],
        "accuracy": report.get("test_accuracy", point.get("accuracy")),
        "version": report.get("version", "this commit"),
    }


def training(peers, data, title, names, epochs, rounds, is_judged):
    """Seconds an epoch, without each run's first. Where `is_judged`, a peer with another accuracy is no peer."""
    contestants = {"glassbox": command_line(peers, data, epochs)}
    contestants |= with_arguments(peers.training(names), data=data, epochs=epochs)
    found, ours = [], None
    for (name, threads), reports in in_turn(contestants, rounds, peers.threads).items():
        points = [first_point(report) for report in reports]
        accuracy = points[0]["accuracy"]
        ours = accuracy if name == "glassbox" else ours
        if is_judged and (ours is None or abs(accuracy - ours) > SAME_ACCURACY):
            loud(f"{name} ends with an accuracy of {accuracy}, not {ours}: another job, and not compared with")
            continue
        values = [seconds for point in points for seconds in point["epoch_seconds"][1:]]
        one = {"name": name, "threads": threads, "values": values, "accuracy": accuracy}
        found.append(one | {"version": points[0]["version"]})
    return [row(title, "s", found, epochs=epochs)]


def whole_process(peers, data, rounds):
    """From the start of the process to its accuracy, one epoch: seconds, and mebibytes at the peak."""
    contestants = {"glassbox": command_line(peers, data, 1)}
    contestants |= with_arguments(peers.training(["numpy", "pytorch eager"]), data=data, epochs=1)
    reports = in_turn(contestants, rounds, peers.threads)
    rows = []
    for title, unit, key in [
        ("the whole process, one epoch", "s", "wall_seconds"),
        ("its peak memory", "MiB", "peak_mebibytes"),
    ]:
        found = [
            {"name": name, "threads": threads, "values": [report[key] for report in several]}
            for (name, threads), several in reports.items()
        ]
        rows.append(row(title, unit, found))
    return rows


SQUARES = [256, 512, 1024, 2048]
LAYERS = [("n", 64, 784, 128), ("at", 784, 64, 128), ("n", 64, 128, 10), ("bt", 64, 10, 128)]
KINDS = {"n": "a·b", "at": "aᵀ·b", "bt": "a·bᵀ"}


def products(peers, is_quick, rounds):
    """GFLOP/s of matrix products."""
    squares = SQUARES[:3] if is_quick else SQUARES
    shapes = [("n", n, n, n) for n in squares] + LAYERS
    texts = [":".join(map(str, shape)) for shape in shapes]
    contestants = {
        "glassbox": rust(peers.ours, "products", "--library", "glassbox"),
        "gemm": rust(peers.ours, "products", "--library", "gemm"),
        **peers.libraries("products.py", ["numpy", "torch"]),
    }
    contestants = with_arguments(contestants, shapes=",".join(texts), samples=5 if is_quick else 9)
    reports, rows = in_turn(contestants, rounds, peers.threads), []
    for text, (kind, *sizes) in zip(texts, shapes):
        found = []
        for (name, threads), several in reports.items():
            parts = [part for report in several for part in report["shapes"] if part["shape"] == text]
            values = [gflops for part in parts for gflops in part["gflops"]]
            found.append({"name": name, "threads": threads, "values": values, "version": several[0]["version"]})
        title = f"{KINDS[kind]}, {sizes[0]} × {sizes[1]} × {sizes[2]}"
        rows.append(row(title, "GFLOP/s", found, higher_is_better=True, sizes=sizes))
    return rows


def inference(peers, data, is_quick, rounds):
    """One image, and 10,000 of them, in process. Who may choose a chunk takes its better one.

    The peers get 10,000 images as numbers; Glassbox gets the bytes of the file and divides them itself.
    """
    contestants = {
        "glassbox": rust(peers.ours, "inference"),
        **peers.libraries("inference.py", ["numpy", "torch", "jax"]),
    }
    contestants = with_arguments(contestants, data=data, samples=5 if is_quick else 15)
    one, many = [], []
    for (name, threads), reports in in_turn(contestants, rounds, peers.threads).items():
        same = {"name": name, "threads": threads, "version": reports[0]["version"]}
        one.append({**same, "values": [seconds for report in reports for seconds in report["one"]]})
        for chunk in reports[0]["many"]:
            values = [seconds for report in reports for seconds in report["many"][chunk]]
            many.append({**same, "chunk": int(chunk), "values": values})
    return [row("one image through the network", "s", one), row("10000 images through it, here from bytes, elsewhere from numbers", "s", many, images=10000)]


WIDTHS, BATCHES = [16, 32, 64, 128, 256, 512, 1024, 2048], [1, 4, 16, 64, 256, 1024]


def sweep(peers, data, is_quick, rounds):
    """Time per image of a training step by width and by batch, and what the machine allows at most."""
    widths, batches = (WIDTHS[::3], BATCHES[::3]) if is_quick else (WIDTHS, BATCHES)
    images = 1024 if is_quick else 4096
    points = [(width, 64) for width in widths] + [(128, batch) for batch in batches if batch != 64]
    text = ",".join(f"{width}:{batch}" for width, batch in points)
    contestants = {"glassbox": rust(peers.ours, "steps")}
    contestants |= peers.training(["numpy", "pytorch eager", "pytorch by hand"])
    contestants = with_arguments(contestants, data=data, images=images, epochs=4, points=text)
    reports, rows = in_turn(contestants, rounds, peers.threads), []
    for index, (width, batch) in enumerate(points):
        found = []
        for (name, threads), several in reports.items():
            seconds = [value for report in several for value in report["points"][index]["epoch_seconds"][1:]]
            found.append({"name": name, "threads": threads, "values": [value / images for value in seconds]})
        rows.append(row(f"a step, width {width}, batch {batch}", "s an image", found, width=width, batch=batch))
    return rows


def limits(peers, is_quick):
    """Multiply-adds and bytes a second, by threads."""
    found = []
    for threads in peers.threads:
        report = child(rust(peers.ours, "limits", "--samples", 3 if is_quick else 9)(threads), threads)
        if report is not None:
            # The best of several, since this is a bound.
            found.append({
                "threads": threads, "instructions": report["version"], "gflops": max(report["gflops"]),
                "gigabytes_per_second": max(report["gigabytes_per_second"]),
            })  # fmt: skip
    return found


def many_seeds(peers, data):
    """32 seeds side by side, against 32 runs one after the other with two threads each."""
    if not help_mentions(peers.glassbox, "train", "--seeds"):
        print("\nmany seeds: skipped, since `glassbox train` has no --seeds yet")
        return []
    threads, seeds = max(THREADS), 32
    single = command_line(peers, data, 1)
    together = child([*single(threads), "--seeds", f"0..{seeds - 1}"], threads)
    runs = [child([*single(threads), "--seed", seed], threads) for seed in range(seeds)]
    if together is None or None in runs:
        return []
    found = [
        {"name": "glassbox", "threads": threads, "values": [together["wall_seconds"]]},
        {"name": "glassbox, one by one", "threads": threads, "values": [sum(run["wall_seconds"] for run in runs)]},
    ]
    return [row("many seeds, one epoch each", "s", found, seeds=seeds)]
