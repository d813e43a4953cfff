"""The peers: which there are, how they are installed and built, and which are missing on this machine."""

import json
import os
import pathlib
import re
import subprocess
import sys

from measure import loud

ROOT = pathlib.Path(__file__).resolve().parent.parent
HERE, SCRATCH = ROOT / "bench", ROOT / "target/bench"

# Rust peers may use every instruction of this machine; Glassbox is built as its users build it.
NATIVE = {"RUSTFLAGS": "-C target-cpu=native"}
PROJECTS = {
    "ours": ("rust/ours/main.rs", {"glassbox": {"path": str(ROOT / "crates/glassbox")}, "gemm": "=0.19.0"}, {}),
    "candle": ("rust/candle.rs", {"candle-core": "=0.11.1", "candle-nn": "=0.11.1"}, NATIVE),
    "burn": ("rust/burn.rs", {"burn": {"version": "=0.22.0", "features": ["flex", "simd", "rayon"]}}, NATIVE),
}
# What has the version of a peer, where its crate is named otherwise.
VERSIONED = {"ours": "glassbox", "candle": "candle-core"}

# The training peers in Python: what they import, and their script.
SCRIPTS = {
    "numpy": ("numpy", "numpy_mlp.py"),
    "pytorch eager": ("torch", "torch_eager.py"),
    "pytorch by hand": ("torch", "torch_manual.py"),
    "jax": ("jax", "jax_scan.py"),
}

EVERYONE = [*SCRIPTS, "candle", "burn"]


def install():
    """Installs what is not there yet, group by group: what cannot be had is left out."""
    for group in (HERE / "requirements.txt").read_text().splitlines():
        words = [] if group.startswith("#") else group.split()
        if words and run("-m", "pip", "freeze", wanted=words) is None:
            print(f"installing {group}", flush=True)
            pip = run("-m", "pip", "install", "--disable-pip-version-check", "--quiet", "--no-deps", *words)
            if pip is None:
                loud(f"{words[0]} could not be installed and is not compared with (hint: is there a network?)")


def run(*arguments, wanted=()):
    """The output of this Python, or None if it fails or lacks a wanted line."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    return done.stdout if done.returncode == 0 and all(word in lines for word in wanted) else None


def importable(module):
    """Whether a peer's module works here; loud if not."""
    found = run("-c", f"import {module}") is not None
    if not found:
        loud(f"{module} cannot be imported and is not compared with")
    return found


def build(name):
    """Builds a scratch project beside the workspace: its program, or None, loudly, if that cannot be done."""
    source, dependencies, flags = PROJECTS[name]
    folder, target = SCRATCH / name, SCRATCH / ("native" if flags else "portable")
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["[package]", f'name = "bench-{name}"', 'version = "0.0.0"', 'edition = "2024"', "[workspace]"]
    lines += ["[[bin]]", f'name = "bench-{name}"', f"path = {json.dumps(str(HERE / source))}", "[dependencies]"]
    for crate, value in {**dependencies, "serde_json": "1"}.items():
        fields = [f"{key} = {json.dumps(field)}" for key, field in value.items()] if isinstance(value, dict) else []
        lines.append(f"{crate} = {{ {', '.join(fields)} }}" if fields else f"{crate} = {json.dumps(value)}")
    (folder / "Cargo.toml").write_text("\n".join(lines) + "\n")
    manifest = ["--manifest-path", str(folder / "Cargo.toml")]
    log = SCRATCH / f"{name}.log"
    print(f"building bench-{name}, the first time for minutes; the log is {log.relative_to(ROOT)}", flush=True)
    with log.open("w") as file:
        locked = subprocess.run(["cargo", "generate-lockfile", *manifest], stdout=file, stderr=file).returncode == 0
        versions = crate_versions(folder) if locked else {}
        found = {"PEER_VERSION": versions.get(VERSIONED.get(name, name), "unknown")}
        found |= {"GEMM_VERSION": versions.get("gemm", "unknown")}
        command = ["cargo", "build", "--release", *manifest, "--target-dir", str(target)]
        built = locked and subprocess.run(command, stdout=file, stderr=file, env=os.environ | flags | found)
    if not built or built.returncode != 0:
        return loud(f"{name} could not be built and is not compared with (hint: read {log})")
    return target / f"release/bench-{name}"


def crate_versions(folder):
    """The versions that cargo chose."""
    import tomllib  # From Python 3.11 on: only who builds the Rust programs needs it.

    packages = tomllib.loads((folder / "Cargo.lock").read_text())["package"]
    return {package["name"]: package["version"] for package in packages}


def python(module, script, *more):
    """The command of a Python peer, as a function of threads."""
    return lambda threads: [sys.executable, HERE / "peers" / script, "--threads", threads, *more]


def rust(program, *more):
    """The command of a Rust program, as a function of threads."""
    return lambda threads: [program, *more, "--threads", threads]


class Peers:
    """Everything that can be run here."""

    def __init__(self, glassbox, threads):
        install()
        self.glassbox, self.threads = glassbox, threads
        self.ours = build("ours") or sys.exit(f"the Rust part of the comparison does not build: {SCRATCH / 'ours.log'}")
        self.modules = {module for module in ["numpy", "torch", "jax"] if importable(module)}
        self.rust = {name: program for name in ["candle", "burn"] if (program := build(name))}

    def training(self, names):
        """The commands of the peers that train, of those that are here."""
        scripts = {name: SCRIPTS[name] for name in names if name in SCRIPTS and SCRIPTS[name][0] in self.modules}
        return {name: python(*script) for name, script in scripts.items()} | {
            name: rust(program) for name, program in self.rust.items() if name in names
        }

    def libraries(self, script, names):
        """The commands of one script that takes --library."""
        return {name: python(name, script, "--library", name) for name in names if name in self.modules}


def with_arguments(commands, **arguments):
    """The same commands with `--name value` for each argument."""
    words = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    return {name: lambda threads, c=command: [*c(threads), *words] for name, command in commands.items()}


def help_mentions(program, command, option):
    """Whether the program has an option already."""
    text = subprocess.run([program, command, "--help"], capture_output=True, text=True).stdout
    return re.search(rf"{option}\b", text) is not None
