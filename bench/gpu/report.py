"""Makes files of the rows: one JSON for programs, one Markdown to read."""

import json
import re

TITLES = {
    "tests": "Tests on the driver",
    "examples": "Examples",
    "exact": "The CPU's bits",
    "training": "Whole trainings",
    "looking": "Trainings that are looked at",
    "products": "Products, the rungs beside cuBLAS",
    "steps": "A training step, 784-128-10, batch 64",
    "sanitizer": "compute-sanitizer",
}
# In each row of the JSON, and said once for each table.
COMMON = {"job", "name", "status", "why", "device", "driver", "date"}


# What a chip does at most, as its maker states it: multiply-adds counted as two, tensor cores without sparsity.
STATED = {
    "NVIDIA H100 80GB HBM3": {
        "source": "NVIDIA's data sheet of the H100 SXM",
        "gigabytes_per_second": 3350,
        "gflops": {"fp32": 67000, "tf32": 494500, "bf16": 989500},
    },
}


def limits(device):
    """The roofs that products are measured against, one for each arithmetic; none for a chip that is not stated."""
    stated = STATED.get(device)
    if stated is None:
        return []
    common = {key: stated[key] for key in ["gigabytes_per_second", "source"]}
    return [{"arithmetic": name, "gflops": rate} | common for name, rate in stated["gflops"].items()]


def line(row):
    """A row in one line, for whoever watches."""
    figures = ", ".join(f"{key} {shown(value)}" for key, value in row.items() if key not in COMMON)
    why = (row.get("why") or "").replace("\n", " ")[:300]
    return f"{row['job']}: {row['name']}: {row['status']}" + (f", {figures}" if figures else "") + (f": {why}" if why else "")


def shown(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write(folder, about, rows):
    """Writes both files and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "gpu-" + re.sub(r"[^a-z0-9]+", "-", about["device"].lower()).strip("-")
    data = folder / f"{name}.json"
    report = {"about": about, "limits": limits(about["device"]), "rows": rows}
    data.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page = folder / f"{name}.md"
    page.write_text(markdown(about, rows), encoding="utf-8")
    return data, page


def markdown(about, rows):
    stamp = f"{about['device']}, driver {about['driver']}, {about['date']}"
    lines = [f"# Glassbox on {about['device']}", "", f"Written by `run.py` of `make gpu-bundle` on {about['date']}.", ""]
    if about["driver"] == "simulated":
        lines += ["This was a dry run: it shows that everything runs, and its times say nothing of any GPU.", ""]
    lines += [f"- {key.replace('_', ' ')}: {value}" for key, value in about.items()]
    for job in dict.fromkeys(row["job"] for row in rows):
        lines += ["", f"## {TITLES[job]}", "", *table([row for row in rows if row["job"] == job]), "", f"{stamp}."]
    reasons = [row for row in rows if row.get("why")]
    if reasons:
        lines += ["", "## What did not run or did not pass"]
    for row in reasons:
        lines += ["", f"### {row['job']}: {row['name']}: {row['status']}", "", "```text", row["why"], "```"]
    return "\n".join(lines) + "\n"


def table(rows):
    """One column for each figure that any of the rows has."""
    columns = list(dict.fromkeys(key for row in rows for key in row if key not in COMMON))
    heads = ["name", "status", *(column.replace("_", " ") for column in columns)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [row["name"], row["status"], *(shown(row[column]) if column in row else "" for column in columns)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
