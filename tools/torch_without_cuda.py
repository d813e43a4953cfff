"""Makes an installed PyPI torch importable for CPU work without gigabytes of CUDA packages (Linux, needs cc and nm).

The wheel links against cuBLAS, cuDNN and others even when no GPU is used. The loader wants every such file to exist,
and every symbol whose address is taken to resolve; nothing is called until a tensor is moved to a GPU. So this writes
empty stand-ins beside torch's own libraries, inside the virtual environment only. The CUDA runtime is the one library
that torch calls while it is imported, so that one is real (it is in requirements-torch.txt).
"""

import importlib.util
import pathlib
import re
import subprocess
import sys
import tempfile


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def missing_libraries(folder):
    """Maps each CUDA library that torch wants and nobody has to the version its symbols must carry ("" for none)."""
    wanted = {}
    for library in folder.glob("*.so*"):
        needed = re.findall(r"NEEDED.*\[(lib(?:cu|nv|nccl)[^]]*)\]", output("readelf", "-dW", str(library)))
        versions = dict(re.findall(r"File: (\S+)\s+Cnt: 1\n.*?Name: (\S+)", output("readelf", "-VW", str(library))))
        for name in needed:
            if not (folder / name).exists() and not name.startswith(("libcudart", "libcuda.")):
                wanted[name] = versions.get(name) or wanted.get(name, "")
    return wanted


def write_stand_in(folder, name, version, undefined):
    """Compiles a library in which every function that torch may take the address of exists and does nothing."""
    prefix = re.match(r"lib([a-z]+)", name, re.I)[1].lower()
    symbols = sorted(s for s in undefined if s.lower().startswith(prefix))
    with tempfile.TemporaryDirectory() as scratch:
        source, versions = pathlib.Path(scratch, "s.c"), pathlib.Path(scratch, "s.map")
        source.write_text("".join(f"void {s}(void) {{}}\n" for s in symbols))
        versions.write_text(f"{version} {{ global: *; }};\n")
        flags = [f"-Wl,--version-script={versions}"] if version else []
        output("cc", "-w", "-shared", "-nostdlib", "-o", str(folder / name), str(source), f"-Wl,-soname,{name}", *flags)


def torch_works():
    program = "import torch; torch.nn.Linear(2, 2)(torch.ones(1, 2)).sum().backward()"
    return subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0


def main():
    spec = importlib.util.find_spec("torch")
    if spec is None:
        sys.exit("torch is not installed here; hint: pip install --no-deps -r tools/requirements-torch.txt")
    if sys.prefix == sys.base_prefix:
        sys.exit(
            "this changes the installed torch, so it runs only in a virtual environment; hint: python3 -m venv DIR"
        )
    if torch_works():
        return print("torch is ready for CPU work; nothing was changed")
    folder = pathlib.Path(spec.origin).parent / "lib"
    table = output("nm", "-D", "--undefined-only", *map(str, folder.glob("lib*.so")))
    undefined = set(re.findall(r" U (\w+)", table))
    for name, version in sorted(missing_libraries(folder).items()):
        write_stand_in(folder, name, version, undefined)
    if not torch_works():
        sys.exit("torch still does not import; hint: run python -c 'import torch' and see, or install all of torch")
    print("torch is ready for CPU work")


if __name__ == "__main__":
    main()
