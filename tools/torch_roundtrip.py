"""Checks that glassbox and PyTorch read each other's weights: python tools/torch_roundtrip.py PATH_TO_GLASSBOX

Both ways, with no renaming and no transposing in between: a network that glassbox trained is loaded by PyTorch, and one
that PyTorch wrote is evaluated by glassbox. In both, PyTorch's loss and accuracy on the same digits must be glassbox's.
Exits 1 with a sentence when they are not. Needs tools/requirements-torch.txt.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors.torch import load_file, save_file

MODEL, TOLERANCE = "784-128-relu-10", 1e-4


def glassbox(*arguments):
    """Runs the program and returns the last line of its standard output, which --json makes an object."""
    command = [sys.argv[1], *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(command)}` exited with {done.returncode}:\n{done.stderr}")
    return done.stdout.strip().rpartition("\n")[2]


def network():
    return torch.nn.Sequential(torch.nn.Linear(784, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10))


def test_digits(folder):
    """The test half of the four IDX files: a header of 4 + 4 * rank bytes, then one byte a value."""
    images, labels = (
        np.frombuffer((folder / f"t10k-{kind}-ubyte").read_bytes(), np.uint8, offset=offset)
        for kind, offset in [("images-idx3", 16), ("labels-idx1", 8)]
    )
    return torch.from_numpy(images.reshape(-1, 784) / np.float32(255)), torch.from_numpy(labels.astype(np.int64))


def compare(what, file, model, images, labels):
    """Glassbox's loss and accuracy of the network in a file against PyTorch's of the same network."""
    seen = json.loads(glassbox("eval", file, "--data", "digits", "--model", MODEL, "--json"))
    with torch.no_grad():
        logits = model(images)
    loss = torch.nn.functional.cross_entropy(logits, labels).item()
    accuracy = (logits.argmax(1) == labels).double().mean().item()
    for name, ours, theirs in [("loss", seen["test_loss"], loss), ("accuracy", seen["test_accuracy"], accuracy)]:
        if not abs(ours - theirs) <= TOLERANCE:
            sys.exit(f"{what}: glassbox's test {name} is {ours}, PyTorch's is {theirs}; they may differ by {TOLERANCE}")
    print(f"{what}: loss {loss:.6f}, accuracy {accuracy:.4f}, on {len(labels)} digits, the same in both")


def main(folder):
    glassbox("train", "--data", "digits", "--max-steps", 20, "--out", folder / "run", "--model", MODEL, "--json")
    glassbox("data", "get", "digits", "--out", folder / "digits")
    images, labels = test_digits(folder / "digits")
    model, file = network(), folder / "run/model.safetensors"
    try:
        model.load_state_dict(load_file(file), strict=True)
    except RuntimeError as error:
        sys.exit(f"PyTorch does not take the names or shapes in glassbox's file: {error}")
    compare("glassbox to PyTorch", file, model, images, labels)
    torch.manual_seed(1)  # A loss that misses the digits is as good a witness as a trained one; only sameness counts.
    model, file = network(), folder / "torch.safetensors"
    save_file(model.state_dict(), file)
    compare("PyTorch to glassbox", file, model, images, labels)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} PATH_TO_GLASSBOX")
    with tempfile.TemporaryDirectory() as scratch:
        main(pathlib.Path(scratch))
