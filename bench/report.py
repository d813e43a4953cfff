"""What `make bench` records, and the table that it makes of it for the README: python bench/report.py writes it again."""

import datetime
import json
import os
import pathlib
import platform
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
from results import ROOT, output, processor, put

FILE, PLOT = "bench/results/cpu-bench.json", "docs/bench-cpu.svg"

# The rows of the README's table, by job. Of the products only these; all of them are in the file.
SHOWN_PRODUCTS = [[1024, 1024, 1024], [64, 784, 128]]


def machine(peers, load):
    """Where and with what it was measured."""
    caches = output("lscpu", "-B", "-C=NAME,ONE-SIZE").split()[2:]
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "cache_bytes": {name: int(size) for name, size in zip(caches[::2], caches[1::2]) if size.isdigit()},
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "rustc": output("rustc", "--version"),
        "load_before": load,
        "load_after": os.getloadavg(),
        "threads_tried": peers.threads,
        "glassbox": output(peers.glassbox, "--version"),
        "rust_peers_flags": "-C target-cpu=native",
    }


def shown(value, unit):
    """A value with the unit and the decimals that a reader wants: (number, text)."""
    if unit == "s":
        factor, unit = next(((f, u) for f, u in [(1, "s"), (1e3, "ms"), (1e6, "µs")] if value * f >= 1), (1e6, "µs"))
        value *= factor
    decimals = 0 if value >= 100 else 1 if value >= 10 else 2
    return round(value, decimals), f"{value:.{decimals}f} {unit}"


def table_row(row):
    """One line of the table, with the numbers in it: glassbox, the fastest peer, and PyTorch as users write it."""
    best = {one["name"]: one for one in row["best"]}
    ours = best.pop("glassbox")
    if not best:
        return None
    fastest = next(iter(best.values()))
    eager = best.get("pytorch eager") or best.get("torch")
    cells, numbers = [row["title"]], []
    for one in [ours, fastest, eager]:
        if one is None:
            cells.append("–")
            continue
        number, text = shown(one["median"], row["unit"])
        numbers.append(number)
        if one is ours:
            cells.append(text)
            continue
        ratio = round(one["ratio"], 2)
        numbers.append(ratio)
        name = f"{one['name']}, " if one is fastest else ""
        cells.append(f"{name}{text}: **{ratio:.2f} ×**")
    return {"line": "| " + " | ".join(cells) + " |", "numbers": numbers}


def sentences(data):
    """What stands under the table."""
    steps = [row for row in data["rows"]["sweep"] if row]
    lost = []
    for row in steps:
        fastest = row["best"][0]
        if fastest["name"] != "glassbox":
            ratio = fastest["ratio"]
            lost.append(f"width {row['width']} with batch {row['batch']} ({fastest['name']}, {ratio:.2f} ×)")
    where = f"A peer is faster in a step of {', '.join(lost)}." if lost else "No peer is faster in any of these steps."
    now, bests = data["machine"], [one for row in data["rows"]["headline"] if row for one in row["settings"]]
    accuracies = sorted(one["accuracy"] for one in bests)
    epochs = data["rows"]["headline"][0]["epochs"]
    return [
        "Medians, each contestant with its better number of threads; × says how many times as fast Glassbox is, and for memory "
        "how many times as small.",
        f"All of them end the {epochs} epochs with {100 * accuracies[0]:.2f} to {100 * accuracies[-1]:.2f} % right.",
        f"![The time of a training step per image, by width and by batch, with the bounds of the machine]({PLOT})",
        where,
        f"Recorded on {data['date']} with {now['glassbox']} on {now['processor']}, {now['cores']} cores; "
        f"the load was {now['load_before'][0]:.1f} before and {now['load_after'][0]:.1f} after.",
    ]


def complete(rows, limits, peers, load):
    """Everything that the file holds."""
    date, commit = datetime.date.today().isoformat(), output("git", "-C", ROOT, "rev-parse", "HEAD")
    data = {"date": date, "commit": commit, "machine": machine(peers, load), "limits": limits, "rows": rows}
    listed = [row for job, found in rows.items() if job != "sweep" for row in found if row]
    listed = [row for row in listed if row.get("sizes") in [None, *SHOWN_PRODUCTS]]
    data["table"] = [line for row in listed if (line := table_row(row))]
    data["sentences"] = sentences(data)
    return data


def table(data):
    """The README's table with its sentences."""
    head = "| job | Glassbox | the fastest other | PyTorch, eager |\n|---|---|---|---|\n"
    return head + "\n".join(row["line"] for row in data["table"]) + "\n\n" + "\n\n".join(data["sentences"])


def record(data):
    """Writes the file."""
    path = ROOT / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def main():
    """Writes the table again."""
    put(FILE, table(json.loads((ROOT / FILE).read_text())))
    print(f"wrote the table of README.md from {FILE}")


if __name__ == "__main__":
    main()
