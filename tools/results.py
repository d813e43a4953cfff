"""Records how good the networks are, and writes the README's table: python tools/results.py [PATH_TO_GLASSBOX]

With the program, both recipes are trained on MNIST with seeds 0 to 4 and what came out is written to
bench/results/mnist-cpu.json. Without it, only the table is written again, from that file. Times are those of the
machine that the file names; the accuracies and the models' hashes are the same on every machine.
"""

import datetime
import json
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = "bench/results/mnist-cpu.json"
END = "<!-- end of results -->"
RECIPES, SEEDS = ["brief", "best"], range(5)
KEPT = ["seed", "test_accuracy", "test_interval", "test_loss", "train_loss", "epochs", "steps", "seconds_training"]


def train(program, recipe, seed, folder):
    """One run: the report of `glassbox train --json`."""
    command = [program, "train", "--data", "mnist", "--recipe", recipe, "--seed", seed, "--out", folder, "--json"]
    done = subprocess.run([str(word) for word in [*command, "--quiet"]], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"training exited with {done.returncode}:\n{done.stderr}hint: set GLASSBOX_DATA to MNIST's folder")
    report = json.loads(done.stdout)
    if report["dataset"] != "mnist":
        sys.exit(f"this is {report['dataset']}, not mnist")
    print(f"{recipe} seed {seed}: {100 * report['test_accuracy']:.2f} %, {report['seconds_training']:.2f} s", flush=True)
    return report


def record(program):
    """Trains, and returns everything that the file holds."""
    recipes, report = [], {}
    for recipe in RECIPES:
        with tempfile.TemporaryDirectory() as scratch:
            reports = [train(program, recipe, seed, pathlib.Path(scratch, str(seed))) for seed in SEEDS]
        report, accuracies = reports[0], [report["test_accuracy"] for report in reports]
        runs = [{key: report[key] for key in [*KEPT, "model_sha256"]} for report in reports]
        recipes.append(
            {
                "recipe": recipe,
                "lowest": min(accuracies),
                "mean": round(statistics.mean(accuracies), 6),
                "highest": max(accuracies),
                "median_seconds_training": statistics.median(report["seconds_training"] for report in reports),
                "runs": runs,
            }
        )
    machine = {
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
        "threads": report["threads"],
        "simd": report["simd"],
    }
    date = datetime.date.today().isoformat()
    version = output(program, "--version")
    caption = (
        f"{report['network']} on the {report['test_samples']} test images of MNIST, seeds {SEEDS[0]} to {SEEDS[-1]}; "
        f"recorded on {date} with {version} on {machine['processor']}, "
        f"{machine['threads']} threads, {machine['simd']}."
    )
    commit = output("git", "-C", ROOT, "rev-parse", "HEAD")
    return {"caption": caption, "date": date, "commit": commit, "machine": machine, "recipes": recipes}


def processor():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines() if pathlib.Path("/proc/cpuinfo").exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "an unknown processor"


def output(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def table(data):
    rows = ["| recipe | epochs | lowest | mean | highest | training | model of the first seed |", "|---|---|---|---|---|---|---|"]
    for recipe in data["recipes"]:
        percent = " | ".join(f"{100 * recipe[key]:.2f} %" for key in ["lowest", "mean", "highest"])
        seconds, model = recipe["median_seconds_training"], recipe["runs"][0]["model_sha256"][:16]
        rows.append(f"| {recipe['recipe']} | {recipe['runs'][0]['epochs']} | {percent} | {seconds:.2f} s | `{model}` |")
    return "\n".join(rows) + f"\n\n{data['caption']}"


def put(file, body):
    """Puts a text between the README's markers of that file."""
    readme, begin = ROOT / "README.md", f"<!-- results: {file} -->"
    before, found, rest = readme.read_text().partition(begin)
    _, end, after = rest.partition(END)
    if not found or not end:
        sys.exit(f"README.md needs the markers `{begin}` and `{END}`")
    readme.write_text(f"{before}{begin}\n{body}\n{END}{after}")


def main():
    file = ROOT / FILE
    if len(sys.argv) == 2:
        data = record(pathlib.Path(sys.argv[1]).resolve())
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    put(FILE, table(json.loads(file.read_text())))
    print(f"wrote {FILE} and the table of README.md")


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(f"usage: {sys.argv[0]} [PATH_TO_GLASSBOX]")
    main()
