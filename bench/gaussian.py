"""Writes a set like MNIST without a zero in it: python bench/gaussian.py FOLDER

Pixels are bytes from a normal distribution (mean 128, standard deviation 40), clipped to 1..255, and labels are random:
for the time of training where no product can be skipped.
"""

import pathlib
import struct
import sys

import numpy as np


def main(folder):
    """60,000 images to train on and 10,000 to test, as plain IDX files."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in [("train", 60000), ("t10k", 10000)]:
        pixels = rng.normal(128, 40, (count, 784)).clip(1, 255).astype(np.uint8)
        labels = rng.integers(0, 10, count, np.uint8)
        header = struct.pack(">IIII", 0x803, count, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, count) + labels.tobytes())


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
