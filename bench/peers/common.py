"""What all training peers share: their arguments, their data, the clock, and the JSON object that they print.

A peer is a class: Peer(x, y, width, batch, rate, rng), epoch(order), which trains, and classes(x), which predicts. The
time of an epoch covers shuffling and training, and neither loading nor the test. `--points 128:64,16:1` names networks
784-WIDTH-10 and batches.
"""

import argparse
import json
import os
import pathlib
import time

import numpy as np


def arguments():
    """The arguments that every peer takes, those in Rust too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=pathlib.Path, help="a folder with four plain IDX files")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--images", type=int, help="train on the first so many images")
    parser.add_argument("--points", default="128:64")
    parser.add_argument("--shapes", default="", help="products, as KIND:M:K:N, joined by commas")
    parser.add_argument("--samples", type=int, default=7, help="timings of each kind")
    parser.add_argument("--library", choices=["numpy", "torch", "jax"])
    return parser.parse_args()


def read(folder, part):
    """Images as float32 between 0 and 1, and labels as int64."""
    pixels = np.fromfile(folder / f"{part}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 784)
    labels = np.fromfile(folder / f"{part}-labels-idx1-ubyte", np.uint8)[8:]
    return pixels.astype(np.float32) / np.float32(255), labels.astype(np.int64)


def rate(batch):
    """The rate on the summed loss: 0.01 at batch 64, and no larger step for larger batches, which would diverge."""
    return min(0.01, 0.64 / batch)


def xavier(rng, fan_in, fan_out):
    """Xavier uniform, as the recipe `brief` has it."""
    bound = np.sqrt(6 / (fan_in + fan_out))
    return rng.uniform(-bound, bound, (fan_in, fan_out)).astype(np.float32)


def run(peer, version):
    """Trains every point and prints what came out."""
    args = arguments()
    (x, y), (x_test, y_test) = (read(args.data, part) for part in ("train", "t10k"))
    x, y = x[: args.images], y[: args.images]
    points = []
    for point in args.points.split(","):
        width, batch = map(int, point.split(":"))
        rng = np.random.default_rng(0)
        network, seconds = peer(x, y, width, batch, rate(batch), rng), []
        for _ in range(args.epochs):
            start = time.perf_counter()
            network.epoch(rng.permutation(len(x)))
            seconds.append(time.perf_counter() - start)
        accuracy = float((network.classes(x_test) == y_test).mean())
        points.append({"width": width, "batch": batch, "epoch_seconds": seconds, "accuracy": accuracy})
    print(json.dumps({"version": version, "points": points}))


def keep_to_cores(threads):
    """Keeps this process to that many cores, for libraries whose thread pool is as large as the machine."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def torch_with_threads(threads):
    """PyTorch, which takes its threads from a call."""
    import torch

    torch.set_num_threads(threads)
    return torch
