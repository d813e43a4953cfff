"""Matrix products in NumPy or PyTorch: GFLOP/s of each shape. Kinds: n is a·b, at is aᵀ·b, bt is a·bᵀ."""

import json
import time

import common
import numpy as np


def timed(work, samples):
    """Seconds a call, several times; a sample repeats the call until it takes about 20 ms."""
    work()
    start = time.perf_counter()
    work()
    count = max(1, round(0.02 / max(time.perf_counter() - start, 1e-7)))
    seconds = []
    for _ in range(samples):
        start = time.perf_counter()
        for _ in range(count):
            work()
        seconds.append((time.perf_counter() - start) / count)
    return seconds


def main():
    args = common.arguments()
    torch = common.torch_with_threads(args.threads) if args.library == "torch" else None
    rng, shapes = np.random.default_rng(0), []
    for shape in args.shapes.split(","):
        kind, m, k, n = shape.split(":")[0], *map(int, shape.split(":")[1:])
        a = rng.standard_normal((k, m) if kind == "at" else (m, k), np.float32)
        b = rng.standard_normal((n, k) if kind == "bt" else (k, n), np.float32)
        out = np.empty((m, n), np.float32)
        multiply = np.matmul
        if torch:
            a, b, out, multiply = torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(out), torch.mm
        a, b = a.T if kind == "at" else a, b.T if kind == "bt" else b
        seconds = timed(lambda: multiply(a, b, out=out), args.samples)
        shapes.append({"shape": shape, "gflops": [2e-9 * m * k * n / t for t in seconds]})
    print(json.dumps({"version": f"torch {torch.__version__}" if torch else f"numpy {np.__version__}", "shapes": shapes}))


if __name__ == "__main__":
    main()
