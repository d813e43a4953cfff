"""Turns every kernel into PTX, and says what it takes on each chip: tools/venv.sh kernels tools/kernels.py [--check]

The PTX goes to crates/glassbox-cuda/ptx, so that users need a driver and no compiler, and the table to docs/kernels.md.
With --check nothing is written: what would be has to be there already, byte for byte. Either way each kernel is
assembled for each chip, and one that spills registers, or takes more than its budget, is an error. No GPU is needed.
"""

import functools
import multiprocessing
import pathlib
import re
import sys
import tempfile

import nvrtc
import ptxas

ROOT = pathlib.Path(__file__).resolve().parent.parent
CRATE, DOCUMENT, BUDGETS = pathlib.Path("crates/glassbox-cuda"), pathlib.Path("docs/kernels.md"), "tools/kernel-budgets.txt"
PTX = CRATE / "ptx"
# Where texts lie, and where under PTX theirs goes.
FOLDERS = {CRATE / "src/ops": ".", CRATE / "src/train": "train", CRATE / "ladder": "ladder"}
CHIPS = ["75", "80", "86", "89", "90", "90a", "100", "120"]
# A multiply-add is one where the text says `fmaf`, and nowhere else: results are those of the CPU. The macro keeps out
# a header of the compiler's own, which would put 40 unused variables into each file.
OPTIONS = ["--std=c++17", "--fmad=false", "-D__NV_TARGET_H"]
# What a block of threads shares on every chip, and the most that a thread can have.
REGISTERS, MOST_REGISTERS, MOST_THREADS = 65536, 255, 1024


class Source:
    """A text of kernels, with the oldest chip that it is for: X.cu is for all, X.sm80.cu needs sm_80."""

    def __init__(self, path, folder):
        self.path = path
        self.ptx = PTX / FOLDERS[folder] / path.relative_to(folder).with_suffix(".ptx")
        needed = re.search(r"\.sm(\d+a?)$", path.stem)
        self.is_base, self.oldest = needed is None, needed[1] if needed else CHIPS[0]

    def chips(self):
        """An `a` means that chip and no other; a plain number means it and all after it."""
        if self.oldest.endswith("a"):
            return [self.oldest]
        return [chip for chip in CHIPS if int(chip.rstrip("a")) >= int(self.oldest)]

    def compile(self):
        """The PTX, or a Refused with the compiler's message."""
        files = [*(ROOT / CRATE / "src/ops").glob("*.cuh"), *(ROOT / self.path.parent).glob("*.cuh")]
        headers = {file.name: (str(file.relative_to(ROOT)), file.read_text("utf-8")) for file in files}
        options = [*OPTIONS, f"--gpu-architecture=compute_{self.oldest}"]
        text = nvrtc.compile_text((ROOT / self.path).read_text("utf-8"), str(self.path), headers, options)
        return f"// Made of {self.path} by `make kernels`; not to be edited.\n{text.rstrip()}\n"


def sources():
    found = [(path, folder) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.cu"))]
    return [Source(path.relative_to(ROOT), folder) for path, folder in found]


def attempt(source):
    try:
        return source.compile()
    except nvrtc.Refused as refused:
        return refused


def compile_all(pool, all_sources):
    """{source: its PTX}. All that the compiler refuses is printed, and ends the program."""
    texts = pool.map(attempt, all_sources, chunksize=1)
    refused = [str(text) for text in texts if isinstance(text, nvrtc.Refused)]
    if refused:
        sys.exit("\n".join([*refused, f"{len(refused)} of {len(texts)} files of kernels do not compile; nothing was written"]))
    return dict(zip(all_sources, texts))


def entries(ptx):
    """{kernel: the most threads that a block of it may have}."""
    kernels = {}
    for name, directives in re.findall(r"\.entry (\w+)\(.*?\)\s*(.*?)\{", ptx, re.DOTALL):
        bounds = re.search(r"\.(?:max|req)ntid (\d+)(?:, (\d+))?(?:, (\d+))?", directives)
        threads = [int(number or 1) for number in bounds.groups()] if bounds else [MOST_THREADS]
        kernels[name] = functools.reduce(int.__mul__, threads)
    return kernels


def assemble_all(pool, texts, scratch):
    """{source: {chip: what each kernel takes, or a complaint}}."""
    jobs = [(source, chip) for source in texts for chip in source.chips()]
    for number, source in enumerate(texts):
        (scratch / f"{number}.ptx").write_text(texts[source], "utf-8")
    numbers = {source: number for number, source in enumerate(texts)}
    files = [scratch / f"{numbers[source]}.ptx" for source, _ in jobs]
    results = pool.starmap(ptxas.assemble, zip(files, [f"sm_{chip}" for _, chip in jobs]))
    taken = {source: {} for source in texts}
    for (source, chip), result in zip(jobs, results):
        taken[source][chip] = result
    return taken


def budgets():
    """{kernel: registers} of the file of budgets."""
    lines = [line.split() for line in (ROOT / BUDGETS).read_text("utf-8").splitlines() if not line.startswith("#")]
    return {words[0]: int(words[1]) for words in lines if words}


def complaints_of_texts(texts):
    """What is wrong with the kernels themselves, whatever the chip."""
    owners = {}
    for source, ptx in texts.items():
        kernels = entries(ptx)
        if not kernels:
            yield f"{source.path}: there is no kernel in it"
        for name in kernels:
            if name.startswith("_Z"):
                yield f'{source.path}: {name} is not extern "C"'
            if name in owners:
                yield f"{source.path}: {name} is also in {owners[name]}; names of kernels are unique"
            owners[name] = source.path
        # Exact results need the operations that IEEE 754 rounds correctly, and subnormal numbers.
        for instruction in sorted(set(re.findall(r"\b[\w.]+\.(?:approx|ftz)\b[\w.]*|\bdiv\.full\.f32", ptx))):
            if source.is_base:
                yield f"{source.path}: {instruction} is not exact (hint: exp, ln, tanh and the like are in math.cuh)"
    for name in budgets().keys() - owners.keys():
        yield f"{BUDGETS}: there is no kernel {name}"


def complaints_of_chips(texts, taken):
    """What is wrong with what the kernels take."""
    limits = budgets()
    for source, chips in taken.items():
        refusals = {}
        for chip, kernels in chips.items():
            if isinstance(kernels, str):
                refusals.setdefault(kernels, []).append(f"sm_{chip}")
        for message, names in refusals.items():
            yield f"{source.ptx}: {', '.join(names)}: {message}"
        for name, threads in entries(texts[source]).items():
            has = {chip: kernels[name] for chip, kernels in chips.items() if not isinstance(kernels, str)}
            most = limits.get(name, min(MOST_REGISTERS, REGISTERS // threads // 8 * 8))
            excesses = [(f"more than {most} registers (see {BUDGETS})", "registers", most)]
            if source.is_base:
                excesses += [("bytes of spilled registers", "spills", 0), ("bytes of stack", "stack", 0)]
            for what, field, limit in excesses:
                over = [f"{getattr(on, field)} on sm_{chip}" for chip, on in has.items() if getattr(on, field) > limit]
                if over:
                    yield f"{source.path}: {name} has {what}: {', '.join(over)}"


def document(texts, taken):
    """The table of all kernels."""
    heads = ["kernel", "threads", *(f"sm_{chip}" for chip in CHIPS), "shared", "stack", "spills"]
    lines = [
        "# What each kernel takes",
        "",
        "Written by `make kernels` from what ptxas 13.0 says of the PTX; `make kernels-check` compares.",
        "Under each chip stand the registers that a thread takes.",
        "`threads` is the most that a block may have, `shared` its bytes of static shared memory.",
        "`stack` and `spills` are bytes a thread keeps in memory for want of registers.",
        "Where chips differ, the last three columns show the most.",
    ]
    for source, chips in taken.items():
        lines += ["", f"## `{source.path}`", "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for name, threads in entries(texts[source]).items():
            on = {chip: kernels[name] for chip, kernels in chips.items() if not isinstance(kernels, str)}
            registers = [str(on[chip].registers) if chip in on else "" for chip in CHIPS]
            most = [max((getattr(has, what) for has in on.values()), default=0) for what in ("shared", "stack", "spills")]
            lines.append(f"| {' | '.join([f'`{name}`', str(threads), *registers, *map(str, most)])} |")
    return "\n".join(lines) + "\n"


def stale(files):
    """What differs between the files as they are and as they should be, and files that nothing makes."""
    for path, text in files.items():
        there = ROOT / path
        if not there.exists():
            yield f"{path} is missing; run `make kernels`"
        elif there.read_bytes() != text.encode():
            yield f"{path} is stale; run `make kernels`"
    for path in orphans(files):
        yield f"{path} is made of no text any more; run `make kernels`"


def orphans(files):
    there = [path.relative_to(ROOT) for path in sorted((ROOT / PTX).rglob("*")) if path.is_file()]
    return [path for path in there if path not in files]


def write(files):
    for path in orphans(files):
        (ROOT / path).unlink()
    for path, text in files.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, "utf-8")


def main(is_check):
    # A fresh process for each text: the compiler counts calls of functions, from one text to the next.
    with multiprocessing.Pool(maxtasksperchild=1) as pool:
        texts = compile_all(pool, sources())
    with multiprocessing.Pool() as pool, tempfile.TemporaryDirectory() as scratch:
        taken = assemble_all(pool, texts, pathlib.Path(scratch))
    files = {source.ptx: text for source, text in texts.items()} | {DOCUMENT: document(texts, taken)}
    complaints = list(stale(files)) if is_check else []
    if not is_check:
        write(files)
    complaints += [*complaints_of_texts(texts), *complaints_of_chips(texts, taken)]
    if complaints:
        sys.exit("\n".join(complaints))
    kernels = sum(len(entries(text)) for text in texts.values())
    state = "up to date" if is_check else "written"
    print(f"{kernels} kernels in {len(texts)} files: {state}, within budget on sm_{', '.join(CHIPS)}")


if __name__ == "__main__":
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(f"usage: {sys.argv[0]} [--check]")
    main(sys.argv[1:] == ["--check"])
