"""The headline job in JAX: a whole epoch is one compiled lax.scan; its compilation falls into the first epoch."""

import common

# XLA has as many threads as the process may use cores, so this stands before JAX is imported.
common.keep_to_cores(common.arguments().threads)

import jax
import jax.numpy as jnp


def logits(parameters, x):
    """The network."""
    w1, b1, w2, b2 = parameters
    return jax.nn.relu(x @ w1 + b1) @ w2 + b2


def loss(parameters, x, y):
    """The summed cross-entropy."""
    return -jnp.take_along_axis(jax.nn.log_softmax(logits(parameters, x)), y[:, None], axis=1).sum()


class Network:
    """The images are arguments of the compiled epoch: as constants, they would be compiled into it."""

    def __init__(self, x, y, width, batch, rate, rng):
        self.x, self.y = jnp.asarray(x), jnp.asarray(y, jnp.int32)
        zeros = [jnp.zeros(width), jnp.zeros(10)]
        weights = [jnp.asarray(common.xavier(rng, *shape)) for shape in ((784, width), (width, 10))]
        self.parameters = (weights[0], zeros[0], weights[1], zeros[1])

        def step(parameters, picked, x, y):
            gradients = jax.grad(loss)(parameters, x[picked], y[picked])
            return jax.tree.map(lambda w, dw: w - rate * dw, parameters, gradients)

        def epoch(parameters, order, x, y):
            full = len(order) // batch * batch
            batches = order[:full].reshape(-1, batch)
            parameters, _ = jax.lax.scan(lambda p, picked: (step(p, picked, x, y), None), parameters, batches)
            return step(parameters, order[full:], x, y) if full < len(order) else parameters

        self.compiled = jax.jit(epoch, donate_argnums=0)

    def epoch(self, order):
        order = jnp.asarray(order, jnp.int32)
        self.parameters = jax.block_until_ready(self.compiled(self.parameters, order, self.x, self.y))

    def classes(self, x):
        return logits(self.parameters, jnp.asarray(x)).argmax(axis=1).__array__()


if __name__ == "__main__":
    common.run(Network, f"jax {jax.__version__}")
