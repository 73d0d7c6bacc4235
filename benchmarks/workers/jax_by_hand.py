"""JAX written by hand: the whole RMSprop step as one jitted function with donated buffers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.measure import fastest
from benchmarks.models import SIZES
from benchmarks.workers.protocol import serve


def forward(weights, x, key):
    """key is None at inference and without dropout."""
    for i, (w, b) in enumerate(weights):
        x = x @ w + b
        if i + 1 < len(weights):
            x = jax.nn.relu(x)
            if key is not None:
                key, mine = jax.random.split(key)
                x = jnp.where(jax.random.bernoulli(mine, 0.5, x.shape), x * 2, 0)
    return x


def prepare(name):
    sizes, batch, dropout = SIZES[name]
    random = np.random.RandomState(0)
    weights = [(jnp.asarray(random.randn(m, n) * 0.1, "float32"), jnp.zeros(n)) for m, n in zip(sizes, sizes[1:])]
    x = jnp.asarray(random.rand(batch, sizes[0]), "float32")
    y = jnp.asarray(np.eye(sizes[-1])[random.randint(sizes[-1], size=batch)], "float32")

    def step(weights, squares, key, x, y):
        key, mine = jax.random.split(key)

        def loss(weights):
            out = forward(weights, x, mine if dropout else None)
            return -(y * jax.nn.log_softmax(out)).sum(1).mean()

        value, grads = jax.value_and_grad(loss)(weights)
        squares = jax.tree.map(lambda s, g: 0.9 * s + 0.1 * g * g, squares, grads)
        weights = jax.tree.map(lambda w, g, s: w - 1e-3 * g / (jnp.sqrt(s) + 1e-7), weights, grads, squares)
        return weights, squares, key, value

    compiled = jax.jit(step, donate_argnums=(0, 1))
    infer = jax.jit(lambda weights, x: jax.nn.softmax(forward(weights, x, None)))
    frozen = jax.tree.map(lambda a: a + 0, weights)
    state = [weights, jax.tree.map(jnp.zeros_like, weights), jax.random.PRNGKey(0)]

    def train():
        *state[:], value = compiled(*state, x, y)
        value.block_until_ready()

    calls = {"train_on_batch": train,
             "predict_on_batch": lambda: infer(frozen, x).block_until_ready(),
             "predict_one": lambda: infer(frozen, x[:1]).block_until_ready()}
    first = x[:1]
    calls["predict_one"] = lambda: infer(frozen, first).block_until_ready()
    for call in calls.values():
        call()
    return lambda seconds: {key: fastest(call, seconds / len(calls)) for key, call in calls.items()}


serve(prepare, jax.__version__)
