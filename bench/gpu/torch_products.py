"""Products through PyTorch, that is cuBLAS: the peer of the ladder. Prints an object of JSON a line."""

import json
import statistics

import torch

# Those of the example bench_products.
SHAPES = [(size,) * 3 for size in (512, 1024, 2048, 4096)] + [(64, 784, 128), (1024, 784, 128)]


def seconds(work):
    """The median of 5 timings, each of enough calls to last about 50 ms, as the example has it."""
    for _ in range(5):
        work()
    count = max(1, int(0.05 / max(timing(work, 3), 1e-6)))
    return statistics.median(timing(work, count) for _ in range(5))


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
    for m, k, n in SHAPES:
        for kind, (dtype, is_tf32) in kinds.items():
            torch.backends.cuda.matmul.allow_tf32 = is_tf32
            a, b = (torch.randn(shape, device="cuda").to(dtype) for shape in [(m, k), (k, n)])
            out = torch.empty((m, n), device="cuda", dtype=dtype)
            took = seconds(lambda: torch.mm(a, b, out=out))
            row = {"name": f"cuBLAS {kind} (PyTorch {torch.__version__}) {m}x{k}x{n}", "rung": f"cuBLAS {kind}"}
            figures = {"shape": [m, k, n], "seconds": took, "gflops": 2e-9 * m * k * n / took}
            print(json.dumps(row | figures), flush=True)


if __name__ == "__main__":
    main()
