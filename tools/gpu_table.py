"""Puts the figures of a GPU's report into the README: python tools/gpu_table.py bench/results/gpu-NAME.json

The report is that of `make gpu`. What the table shows is written into it too, so that a test can compare the two.
"""

import json
import pathlib
import sys

from results import ROOT, put

SQUARE = "4096x4096x4096"


def figures(rows):
    """(what, ours, theirs) of each line: texts, from the rows of the report by name."""
    # PyTorch without a graph is left to the report: it says how busy the host was, not how fast the GPU is.
    step, graph = (found(rows, name)["seconds"] for name in ["step fused", "CUDA graph"])
    yield "a training step, 784-128-10, 64 images", micros(step), f"PyTorch, CUDA graph a step, {micros(graph)}: {times(graph, step)}"
    whole = found(rows, "recipe brief, cuda")
    accuracy = f"{100 * whole['test_accuracy']:.2f} %"
    yield f"{whole['epochs']} epochs of MNIST, {accuracy}", f"{whole['seconds_training']:.3f} s", "–"
    theirs = found(rows, "cuBLAS fp32", SQUARE)["gflops"]
    for what, rung in [("a·b, 4096 × 4096 × 4096, bits of the definition", "08_double_buffered"), ("the same, as accurate as f32", "11_split")]:
        ours = found(rows, rung, SQUARE)["gflops"]
        yield what, rate(ours), f"cuBLAS, f32, {rate(theirs)}: {times(ours, theirs)}"


def found(rows, *words):
    """The row whose name has all words."""
    for row in rows:
        if row["status"] == "passed" and all(word in row["name"] for word in words):
            return row
    sys.exit(f"the report has no row of {' and '.join(words)} that passed (hint: was PyTorch there?)")


def micros(seconds):
    return f"{1e6 * seconds:.{2 if seconds < 1e-5 else 1 if seconds < 1e-4 else 0}f} µs"


def rate(gflops):
    return f"{gflops / 1000:.1f} TFLOP/s"


def times(more, less):
    return f"**{more / less:.2f} ×**"


def sentences(about, rows):
    gains = found(rows, "gains", SQUARE)
    yield (
        f"The ladder at 4096: coalesced reads are {gains['coalesced_over_naive']:.1f} times as fast as naive ones, "
        f"and tiles in shared memory {gains['tiled_over_coalesced']:.2f} times as fast as those."
    )
    yield (
        f"Recorded on {about['date']} with {about['version']} on one {about['device']}, driver {about['driver']}; "
        "× says how many times as fast Glassbox is. Everything else is in the report beside the JSON."
    )


def main():
    file = pathlib.Path(sys.argv[1]).resolve()
    report = json.loads(file.read_text("utf-8"))
    table = list(figures(report["rows"]))
    report["sentences"] = list(sentences(report["about"], report["rows"]))
    words = [word.strip("*:,×") for line in table for text in line for word in text.split()]
    report["shown"] = sorted({float(word) for word in words if word.replace(".", "", 1).isdigit()})
    file.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    lines = ["| job | Glassbox | others |", "|---|---|---|", *(f"| {' | '.join(line)} |" for line in table)]
    body = "\n".join(lines) + "".join(f"\n\n{sentence}" for sentence in report["sentences"])
    put(file.relative_to(ROOT).as_posix(), body)
    print(f"wrote {file.relative_to(ROOT)} and the table of README.md")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} bench/results/gpu-NAME.json")
    main()
