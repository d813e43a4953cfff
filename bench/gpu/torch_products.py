"""Square products through PyTorch, that is cuBLAS: the peer of the ladder. Prints an object of JSON a line."""

import json
import statistics

import torch

SIZES = [256, 512, 1024, 2048, 4096]
SKINNY = [(64, 784, 128), (784, 64, 128), (64, 128, 10)]


def seconds(work):
    """The median of 15 timings, each of enough calls to last about 10 ms."""
    for _ in range(5):
        work()
    count = max(1, int(0.01 / max(timing(work, 3), 1e-6)))
    return statistics.median(timing(work, count) for _ in range(15))


def timing(work, count):
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(count):
        work()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1000 / count


def main():
    kinds = {"fp32": (torch.float32, False), "tf32": (torch.float32, True), "bf16": (torch.bfloat16, False)}
    for m, k, n in [(size,) * 3 for size in SIZES] + SKINNY:
        for kind, (dtype, is_tf32) in kinds.items():
            torch.backends.cuda.matmul.allow_tf32 = is_tf32
            a, b = (torch.randn(shape, device="cuda").to(dtype) for shape in [(m, k), (k, n)])
            out = torch.empty((m, n), device="cuda", dtype=dtype)
            took = seconds(lambda: torch.mm(a, b, out=out))
            row = {"name": f"cuBLAS {kind} (PyTorch {torch.__version__})", "shape": f"{m}x{k}x{n}", "seconds": took}
            print(json.dumps(row | {"tflops": 2e-12 * m * k * n / took}), flush=True)


if __name__ == "__main__":
    main()
