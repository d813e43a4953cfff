"""What cargo built, as it tells programs that ask."""

import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def cargo(*arguments):
    """Builds in release, and returns what cargo tells: an object for each thing it built."""
    command = ["cargo", *arguments, "--release", "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8")
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed")
    return [json.loads(line) for line in done.stdout.splitlines()]


def executables(messages, kind):
    """{name: file} of the programs of a kind: test, example or bin."""
    found = {}
    for message in messages:
        if message.get("executable"):
            target = message["target"]
            if kind == ("test" if message["profile"]["test"] else target["kind"][0]):
                found["unit" if target["kind"][0] == "lib" else target["name"]] = message["executable"]
    return found
