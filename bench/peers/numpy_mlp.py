"""The headline job in NumPy: 784-128-10, ReLU, summed cross-entropy, batches of 64, plain SGD.

All is float32, and the large arrays of a step are allocated once: four fifths of a step are then its BLAS products, so
this is as fast as NumPy honestly goes.
"""

import common
import numpy as np


def blas():
    """Which BLAS answers, and which kernel it chose."""
    try:
        import threadpoolctl
    except ImportError:
        return "an unknown BLAS"
    pool = next(pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas")
    return f"{pool['internal_api']} {pool['version']} {pool.get('architecture', '')}"


class Network:
    """Weights are (in, out), so that every product of a step runs on arrays as they lie."""

    def __init__(self, x, y, width, batch, rate, rng):
        self.images, self.labels, self.batch, self.rate = x, y, batch, np.float32(rate)
        self.w1, self.b1 = common.xavier(rng, 784, width), np.zeros(width, np.float32)
        self.w2, self.b2 = common.xavier(rng, width, 10), np.zeros(10, np.float32)
        self.dw1, self.dw2 = np.empty_like(self.w1), np.empty_like(self.w2)
        self.x, self.z = np.empty((batch, 784), np.float32), np.empty((batch, 10), np.float32)
        self.h, self.dh = np.empty((batch, width), np.float32), np.empty((batch, width), np.float32)
        self.mask = np.empty((batch, width), bool)
        self.rows = np.arange(batch)

    def epoch(self, order):
        for first in range(0, len(order), self.batch):
            self.step(order[first : first + self.batch])

    def step(self, order):
        """One batch. The learning rate is applied to the smallest array."""
        b = len(order)
        x, h, dh, z, mask = self.x[:b], self.h[:b], self.dh[:b], self.z[:b], self.mask[:b]
        np.take(self.images, order, axis=0, out=x, mode="clip")
        np.matmul(x, self.w1, out=h)
        h += self.b1
        np.maximum(h, 0, out=h)
        np.matmul(h, self.w2, out=z)
        z += self.b2
        z -= z.max(axis=1, keepdims=True)
        np.exp(z, out=z)
        z /= z.sum(axis=1, keepdims=True)
        z[self.rows[:b], self.labels[order]] -= 1
        z *= self.rate
        np.matmul(z, self.w2.T, out=dh)
        np.greater(h, 0, out=mask)
        dh *= mask
        np.matmul(h.T, z, out=self.dw2)
        np.matmul(x.T, dh, out=self.dw1)
        self.w1 -= self.dw1
        self.b1 -= dh.sum(axis=0)
        self.w2 -= self.dw2
        self.b2 -= z.sum(axis=0)

    def classes(self, x):
        return (np.maximum(x @ self.w1 + self.b1, 0) @ self.w2 + self.b2).argmax(axis=1)


if __name__ == "__main__":
    common.run(Network, f"numpy {np.__version__}, {blas()}")
