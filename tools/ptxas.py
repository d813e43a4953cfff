"""NVIDIA's assembler: what each kernel of a file of PTX takes on a chip."""

import dataclasses
import re
import subprocess
import tempfile

from nvrtc import packages


@dataclasses.dataclass
class Taken:
    """What a kernel takes: registers a thread, bytes of static shared memory a block, bytes of memory a thread."""

    registers: int = 0
    shared: int = 0
    stack: int = 0
    spills: int = 0


def assemble(file, chip):
    """{kernel: what it takes}, or the assembler's complaint as a text."""
    program = packages() / "nvidia/cu13/bin/ptxas"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as cubin:
        command = [program, f"-arch={chip}", "--verbose", "--output-file", cubin.name, file]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    return parse(done.stderr + done.stdout) if done.returncode == 0 else done.stderr.replace(f"{file}, ", "").strip()


def parse(log):
    """What `--verbose` prints. A function that kernels call counts for each of them, since any may call it."""
    kernels, called, current = {}, Taken(), Taken()
    for line in log.splitlines():
        if found := re.search(r"Compiling entry function '(\w+)'", line):
            kernels[found[1]] = Taken()
        elif found := re.search(r"Function properties for (\w+)", line):
            current = kernels.get(found[1], called)
        elif "bytes stack frame" in line:
            stack, stores, loads = (int(number) for number in re.findall(r"(\d+) bytes", line))
            current.stack, current.spills = max(current.stack, stack), max(current.spills, stores + loads)
        elif found := re.search(r"Used (\d+) registers", line):
            shared, total = re.search(r"(\d+) bytes smem", line), re.search(r"(\d+) bytes cumulative stack", line)
            current.registers, current.shared = int(found[1]), int(shared[1]) if shared else 0
            current.stack = max(current.stack, int(total[1]) if total else 0)
    for taken in kernels.values():
        taken.stack, taken.spills = max(taken.stack, called.stack), max(taken.spills, called.spills)
    return kernels
