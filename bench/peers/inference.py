"""What 784-128-10 says about one image, and about 10,000, in NumPy, PyTorch or JAX: seconds, weights in place."""

import json
import time

import common
import numpy as np

CHUNKS = [500, 10000]


def library(args, w1, b1, w2, b2):
    """How numbers become the library's own, the network, and a version."""
    if args.library == "torch":
        torch = common.torch_with_threads(args.threads)
        w1, b1, w2, b2 = map(torch.from_numpy, (w1, b1, w2, b2))
        # PyTorch's own layout: (out, in).
        v1, v2 = w1.t().contiguous(), w2.t().contiguous()
        linear = torch.nn.functional.linear
        forward = torch.inference_mode()(lambda x: linear(linear(x, v1, b1).relu_(), v2, b2))
        return torch.from_numpy, forward, f"torch {torch.__version__}"
    if args.library == "jax":
        common.keep_to_cores(args.threads)
        import jax
        import jax.numpy as jnp

        weights = jax.device_put((w1, b1, w2, b2))
        compiled = jax.jit(lambda w, x: jax.nn.relu(x @ w[0] + w[1]) @ w[2] + w[3])
        return jnp.asarray, lambda x: compiled(weights, x).block_until_ready(), f"jax {jax.__version__}"
    return np.asarray, lambda x: np.maximum(x @ w1 + b1, 0) @ w2 + b2, f"numpy {np.__version__}"


def timed(work, samples):
    work()
    seconds = []
    for _ in range(samples):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def main():
    args, rng = common.arguments(), np.random.default_rng(0)
    w1, w2 = common.xavier(rng, 784, 128), common.xavier(rng, 128, 10)
    own, forward, version = library(args, w1, np.zeros(128, np.float32), w2, np.zeros(10, np.float32))
    x, _ = common.read(args.data, "t10k")
    one = own(x[:1])
    many = {}
    for chunk in CHUNKS:
        parts = [own(x[first : first + chunk]) for first in range(0, len(x), chunk)]
        many[chunk] = timed(lambda parts=parts: [forward(part) for part in parts], args.samples)
    # A single image is short, so there are many of them.
    result = {"version": version, "one": timed(lambda: forward(one), 100 * args.samples), "many": many}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
