"""The headline job in NumPy, the peer to beat: 784-128-10, ReLU, cross-entropy, batch 64, plain SGD, real MNIST.

  GLASSBOX_DATA=DIR OPENBLAS_NUM_THREADS=1 python bench/numpy_mlp.py --epochs 10

Prints one JSON object. The time of an epoch covers shuffling and training, not loading and not the test; its CPU time
stands beside it, because on a busy machine the two part. All is float32, and the large arrays of a step are allocated
once: four fifths of a step are then its BLAS products, so this is as fast as NumPy honestly goes.
"""

import argparse
import gzip
import json
import os
import pathlib
import sys
import time

import numpy as np

BATCH, SHAPE = 64, (784, 128, 10)


def idx(folder, name):
    plain, packed = folder / name, folder / (name + ".gz")
    if not plain.exists() and not packed.exists():
        sys.exit(f"{name}[.gz] is not in {folder}; hint: set GLASSBOX_DATA to the folder that holds MNIST")
    data = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    header = 4 + 4 * data[3]
    return np.frombuffer(data, np.uint8, offset=header)


def mnist(folder, part):
    pixels = idx(folder, part + "-images-idx3-ubyte").reshape(-1, 784)
    return pixels.astype(np.float32) / np.float32(255), idx(folder, part + "-labels-idx1-ubyte").astype(np.int64)


def blas():
    """Which BLAS answers, which kernel it chose, and how many threads it uses."""
    try:
        import threadpoolctl
    except ImportError:
        config = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{config.get('name')} {config.get('version')}", int(
            os.environ.get("OPENBLAS_NUM_THREADS", os.cpu_count())
        )
    pool = next(p for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas")
    return f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}", pool["num_threads"]


class Network:
    """Weights are (in, out), so that every product of a step runs on arrays as they lie."""

    def __init__(self, rng):
        i, h, o = SHAPE
        self.w1, self.b1 = self.uniform(rng, i, h), np.zeros(h, np.float32)
        self.w2, self.b2 = self.uniform(rng, h, o), np.zeros(o, np.float32)
        self.dw1, self.dw2 = np.empty_like(self.w1), np.empty_like(self.w2)
        self.x = np.empty((BATCH, i), np.float32)
        self.h, self.dh = np.empty((BATCH, h), np.float32), np.empty((BATCH, h), np.float32)
        self.z = np.empty((BATCH, o), np.float32)
        self.mask = np.empty((BATCH, h), bool)
        self.rows = np.arange(BATCH)

    @staticmethod
    def uniform(rng, fan_in, fan_out):
        bound = 1 / np.sqrt(fan_in)
        return rng.uniform(-bound, bound, (fan_in, fan_out)).astype(np.float32)

    def step(self, images, labels, order, rate):
        """One batch. The mean's 1/b and the learning rate are one factor, applied to the smallest array."""
        b = len(order)
        x, h, dh, z, mask = self.x[:b], self.h[:b], self.dh[:b], self.z[:b], self.mask[:b]
        np.take(images, order, axis=0, out=x, mode="clip")
        np.matmul(x, self.w1, out=h)
        h += self.b1
        np.maximum(h, 0, out=h)
        np.matmul(h, self.w2, out=z)
        z += self.b2
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
        z[self.rows[:b], labels[order]] -= 1
        z *= np.float32(rate / b)
        np.matmul(z, self.w2.T, out=dh)
        np.greater(h, 0, out=mask)
        dh *= mask
        np.matmul(h.T, z, out=self.dw2)
        np.matmul(x.T, dh, out=self.dw1)
        self.w1 -= self.dw1
        self.b1 -= dh.sum(axis=0)
        self.w2 -= self.dw2
        self.b2 -= z.sum(axis=0)

    def accuracy(self, images, labels):
        hidden = np.maximum(images @ self.w1 + self.b1, 0)
        return float(((hidden @ self.w2 + self.b2).argmax(axis=1) == labels).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument(
        "--rate", type=float, default=0.5, help="learning rate of the mean loss, falling to 0 in a line"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    folder = os.environ.get("GLASSBOX_DATA") or sys.exit("set GLASSBOX_DATA to the folder that holds MNIST")
    (x, y), (x_test, y_test) = (mnist(pathlib.Path(folder), part) for part in ("train", "t10k"))
    rng = np.random.default_rng(args.seed)
    network = Network(rng)
    steps, step, seconds, cpu = args.epochs * -(-len(x) // BATCH), 0, [], []
    for _ in range(args.epochs):
        start, cpu_start = time.perf_counter(), time.process_time()
        order = rng.permutation(len(x))
        for first in range(0, len(x), BATCH):
            network.step(x, y, order[first : first + BATCH], args.rate * (1 - step / steps))
            step += 1
        seconds.append(round(time.perf_counter() - start, 4))
        cpu.append(round(time.process_time() - cpu_start, 4))
    name, threads = blas()
    result = {"epoch_seconds": seconds, "epoch_cpu_seconds": cpu, "test_accuracy": network.accuracy(x_test, y_test)}
    print(json.dumps({**result, "threads": threads, "blas": name}))


if __name__ == "__main__":
    main()
