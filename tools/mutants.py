"""Plants a fault in a kernel and looks whether its tests find it, on the simulated driver in check mode, fault by fault.

Usage: tools/mutants.py [WORD...]. Without words, all kernels, and the outcome goes to crates/glassbox-cuda/mutants.md;
with words, the files whose path has one of them, only printed. The faults are those of tools/mutations.py. One that no
test finds is listed; so is a comment `// mutant: why` on a line all of whose faults are found.
"""

import collections
import concurrent.futures
import datetime
import os
import pathlib
import queue
import re
import shutil
import subprocess
import sys
import time

import mutations
from built import ROOT, cargo, executables

CRATE = ROOT / "crates/glassbox-cuda"
SCRATCH, PAGE = ROOT / "target/mutants", CRATE / "mutants.md"
FOLDERS = ["src/ops", "src/train", "ladder"]
# A fault may keep a loop from ending: tests that take so many times what they take without it have found it.
PATIENCE, LEAST_SECONDS = 5, 10
FOUND, SURVIVED, REFUSED = "found", "survived", "did not compile"


def sources():
    """{path from the crate: text} of the kernels and what they include."""
    files = [file for folder in FOLDERS for file in sorted((CRATE / folder).rglob("*.cu*"))]
    return {str(file.relative_to(CRATE)): file.read_text("utf-8") for file in files}


def expanded(path, texts, seen):
    """A text with what it includes put in its place, once, so that a fault in a header changes only who includes it."""
    by_name = {pathlib.Path(other).name: other for other in texts}

    def included(match):
        name = match[1]
        if name in seen or name not in by_name:
            return "" if name in seen else match[0]
        seen.add(name)
        return expanded(by_name[name], texts, seen)

    # The simulator wants no shared memory of its own making, and has another in the place of what it leaves out.
    unwanted = r"^#pragma once$|^#ifndef GLASSBOX_SIM$.*?^#endif$"
    body = re.sub(unwanted, "", texts[path], flags=re.MULTILINE | re.DOTALL)
    return re.sub(r'^#include "([^"]+)".*$', included, body, flags=re.MULTILINE)


class Simulator:
    """Compiles kernels in check mode, and runs tests on the result. Unchanged files are compiled once."""

    def __init__(self, texts):
        self.texts = texts
        self.compiler = executables(cargo("build", "--package", "glassbox-cuda-sim", "--example", "library"), "example")["library"]
        self.tests = executables(cargo("test", "--package", "glassbox-cuda", "--no-run"), "test")
        self.seconds = {}
        self.folders = queue.Queue()
        for worker in range(os.cpu_count()):
            self.folders.put(SCRATCH / str(worker))

    def library(self, folder, changed):
        """A library of all kernels, with these {path: text} in place of what is there; None if the compiler refuses one."""
        texts = self.texts | changed
        kernels = [path for path in texts if path.endswith(".cu")]
        for path in kernels:
            file = folder / "kernels" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(expanded(path, texts, set()), "utf-8")
        command = [self.compiler, "check", folder, SCRATCH / "objects", folder / "kernels", *kernels]
        done = subprocess.run([str(word) for word in command], capture_output=True, encoding="utf-8")
        if done.returncode != 0 and not changed:
            sys.exit(f"the kernels do not compile:\n{done.stderr}")
        return folder / "libcuda.so.1" if done.returncode == 0 else None

    def passes(self, library, name):
        """Whether the tests of a binary pass."""
        environment = os.environ | {"GLASSBOX_CUDA_LIBRARY": str(library), "GLASSBOX_CUDA_SIM": "check"}
        command, known = [self.tests[name], "--test-threads=1"], self.seconds.get(name)
        limit, start = None if known is None else PATIENCE * known + LEAST_SECONDS, time.monotonic()
        try:
            done = subprocess.run(command, capture_output=True, cwd=CRATE, env=environment, timeout=limit)
        except subprocess.TimeoutExpired:
            return False
        if known is None:
            self.seconds[name] = time.monotonic() - start
            if done.returncode != 0:
                sys.exit(f"{name} fails without any fault:\n{done.stdout.decode()[-3000:]}")
        return done.returncode == 0

    def judge(self, mutant):
        """Whether any test finds a fault."""
        folder = self.folders.get()
        try:
            library = self.library(folder, {mutant.path: mutant.planted_in(self.texts[mutant.path])})
            if library is None:
                return REFUSED
            # The tests of a folder, as tests/ops.rs of src/ops, are the likeliest to find it.
            likeliest_first = sorted(self.tests, key=lambda name: name not in mutant.path)
            return SURVIVED if all(self.passes(library, name) for name in likeliest_first) else FOUND
        finally:
            self.folders.put(folder)


def judge_all(simulator, mutants):
    """[(mutant, outcome)], telling how it goes on."""
    outcomes, start = [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, outcome in zip(mutants, pool.map(simulator.judge, mutants)):
            outcomes.append((mutant, outcome))
            if outcome == SURVIVED or len(outcomes) % 25 == 0:
                print(f"{len(outcomes)}/{len(mutants)} after {time.monotonic() - start:.0f} s: {outcome}: {mutant}", flush=True)
    return outcomes


def needless(outcomes):
    """Lines that excuse their faults, all of which tests find."""
    lines = collections.defaultdict(list)
    for mutant, outcome in outcomes:
        if mutant.excuse:
            lines[f"{mutant.path}:{mutant.line}"].append(outcome)
    return [line for line, found in lines.items() if SURVIVED not in found]


def page(outcomes, minutes):
    """The outcome as Markdown."""
    excused = [mutant for mutant, outcome in outcomes if outcome == SURVIVED and mutant.excuse]
    survivors = [mutant for mutant, outcome in outcomes if outcome == SURVIVED and not mutant.excuse]
    lines = [
        "# Faults planted in the kernels",
        "",
        f"Written by `make mutants` on {datetime.date.today()}, in {minutes:.0f} minutes.",
        "One fault at a time was planted in the text of a kernel, and the tests of `glassbox-cuda` ran on the simulated driver in check mode.",
        "",
        f"**{summary(outcomes)}**",
        "",
        "| file | faults | found | changes nothing | survived |",
        "|---|---|---|---|---|",
    ]
    for path in dict.fromkeys(mutant.path for mutant, _ in outcomes):
        of = [(mutant, outcome) for mutant, outcome in outcomes if mutant.path == path and outcome != REFUSED]
        counts = [len(of), sum(outcome == FOUND for _, outcome in of)]
        counts += [sum(mutant.path == path for mutant in group) for group in (excused, survivors)]
        lines.append(f"| `{path}` | {' | '.join(map(str, counts))} |")
    if survivors:
        lines += ["", "## Survived", "", *(f"- {mutant}" for mutant in survivors)]
    if excused:
        lines += ["", "## Changes nothing", "", *(f"- {mutant}: {mutant.excuse}" for mutant in excused)]
    return "\n".join(lines) + "\n"


def summary(outcomes):
    counts = collections.Counter("excused" if outcome == SURVIVED and mutant.excuse else outcome for mutant, outcome in outcomes)
    kinds = collections.Counter(mutant.kind for mutant, outcome in outcomes if outcome != REFUSED)
    planted = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    return (
        f"{sum(kinds.values())} faults ({planted}): {counts[FOUND]} found, {counts['excused']} change nothing and say why, "
        f"{counts[SURVIVED]} survived. {counts[REFUSED]} more did not compile."
    )


def main(words):
    start, texts = time.monotonic(), sources()
    # The simulator has its own text in the place of inline assembly.
    chosen = [path for path in texts if not re.search(r"\basm\b", texts[path]) and (not words or any(word in path for word in words))]
    mutants = [mutant for path in chosen for mutant in mutations.mutants(path, texts[path])]
    simulator = Simulator(texts)
    folder = simulator.folders.get()
    library = simulator.library(folder, {})
    simulator.folders.put(folder)
    for name in simulator.tests:
        simulator.passes(library, name)
    print(f"all tests pass without a fault, in {time.monotonic() - start:.0f} s; now {len(mutants)} faults", flush=True)
    outcomes = judge_all(simulator, mutants)
    shutil.rmtree(SCRATCH, ignore_errors=True)
    written = page(outcomes, (time.monotonic() - start) / 60)
    if words:
        print(written)
    else:
        PAGE.write_text(written, "utf-8")
        print(f"wrote {PAGE.relative_to(ROOT)}")
    complaints = [str(mutant) for mutant, outcome in outcomes if outcome == SURVIVED and not mutant.excuse]
    complaints += [f"{line}: every fault of this line is found; take its `// mutant:` away" for line in needless(outcomes)]
    print(summary(outcomes))
    sys.exit("\n".join(complaints) or 0)


if __name__ == "__main__":
    main(sys.argv[1:])
