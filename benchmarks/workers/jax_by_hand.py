"""JAX written by hand: the whole RMSprop step as one jitted function with donated buffers.

Each model is a list of weights and a function of (weights, inputs, key); key is None at inference.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.models import case_of, data
from benchmarks.workers.protocol import DEVICE, PRECISION, LeftOut, Prepared, repeated, serve

_random = np.random.default_rng(2)


class Net(NamedTuple):
    weights: Any
    forward: Callable[..., Any]


def normal(*shape: int) -> Any:
    """Weights of a deviation of one over the root of what each output adds up."""
    fan_in = int(np.prod(shape[:-1]))
    return jnp.asarray(_random.standard_normal(shape, dtype="float32") / fan_in**0.5)


def layer(*shape: int) -> tuple[Any, Any]:
    """A kernel and a bias."""
    return normal(*shape), jnp.zeros(shape[-1])


def cell(inputs: int, units: int) -> tuple[Any, Any, Any]:
    """The weights of an LSTM; the forget gate starts open."""
    bias = jnp.concatenate([jnp.zeros(units), jnp.ones(units), jnp.zeros(2 * units)])
    return normal(inputs, 4 * units), normal(units, 4 * units), bias


def dense(weights: Any, x: Any) -> Any:
    return x @ weights[0] + weights[1]


def dropout(x: Any, key: Any, rate: float, stream: int = 0) -> Any:
    if key is None:
        return x
    kept = jax.random.bernoulli(jax.random.fold_in(key, stream), 1 - rate, x.shape)
    return jnp.where(kept, x / (1 - rate), 0)


def lstm_steps(weights: Any, x: Any) -> Any:
    """All outputs, time first; the inputs of all steps are projected at once."""
    kernel, recurrent, bias = weights
    units = recurrent.shape[0]
    start = jnp.zeros((x.shape[0], units))

    def advance(state: Any, projected: Any) -> Any:
        output, memory = state
        gates = projected + output @ recurrent
        enter, keep, leave = (jax.nn.sigmoid(gates[:, i * units:(i + 1) * units]) for i in (0, 1, 3))
        memory = keep * memory + enter * jnp.tanh(gates[:, 2 * units:3 * units])
        output = leave * jnp.tanh(memory)
        return (output, memory), output

    return lax.scan(advance, (start, start), jnp.swapaxes(x @ kernel + bias, 0, 1))[1]


def convolved(weights: Any, x: Any) -> Any:
    """relu of a convolution without padding; channels last, one or two dimensions."""
    letters = "H" if x.ndim == 3 else "HW"
    out = lax.conv_general_dilated(x, weights[0], (1,) * len(letters), "VALID",
                                   dimension_numbers=(f"N{letters}C", f"{letters}IO", f"N{letters}C"))
    return jax.nn.relu(out + weights[1])


def pooled(x: Any, size: int) -> Any:
    """The largest of each window, which must divide the axes; faster than lax.reduce_window on a CPU."""
    cut = [part for length in x.shape[1:-1] for part in (length // size, size)]
    return x.reshape(x.shape[0], *cut, x.shape[-1]).max(range(2, 2 * x.ndim - 3, 2))


def _mlp(weights: Any, xs: Any, key: Any) -> Any:
    x = dropout(jax.nn.relu(dense(weights[0], xs[0])), key, 0.5, 0)
    return dense(weights[2], dropout(jax.nn.relu(dense(weights[1], x)), key, 0.5, 1))


def _func784(weights: Any, xs: Any, key: Any) -> Any:
    return _mlp(weights, xs, None)


def _stacked(weights: Any, xs: Any, key: Any) -> Any:
    x = xs[0]
    for one in weights[:2]:
        x = jnp.swapaxes(lstm_steps(one, x), 0, 1)
    return dense(weights[3], lstm_steps(weights[2], x)[-1])


def _conv1d(weights: Any, xs: Any, key: Any) -> Any:
    x = pooled(convolved(weights[1], convolved(weights[0], xs[0])), 3)
    x = convolved(weights[3], convolved(weights[2], x)).mean(1)
    return dense(weights[4], dropout(x, key, 0.5))


def _lstm(weights: Any, xs: Any, key: Any) -> Any:
    return dense(weights[2], dropout(lstm_steps(weights[1], weights[0][xs[0]])[-1], key, 0.5))


def _shared(weights: Any, xs: Any, key: Any) -> Any:
    return dense(weights[1], jnp.concatenate([lstm_steps(weights[0], x)[-1] for x in xs], 1))


def _vgg(weights: Any, xs: Any, key: Any) -> Any:
    x = pooled(convolved(weights[1], convolved(weights[0], xs[0])), 2)
    x = dropout(x, key, 0.25, 0)
    x = pooled(convolved(weights[3], convolved(weights[2], x)), 2)
    x = dropout(x, key, 0.25, 1).reshape(len(x), -1)
    return dense(weights[5], dropout(jax.nn.relu(dense(weights[4], x)), key, 0.5, 2))


NETS = {
    "mlp": lambda: Net([layer(20, 64), layer(64, 64), layer(64, 10)], _mlp),
    "func784": lambda: Net([layer(784, 64), layer(64, 64), layer(64, 10)], _func784),
    "stacked": lambda: Net([cell(16, 32), cell(32, 32), cell(32, 32), layer(32, 10)], _stacked),
    "conv1d": lambda: Net([layer(3, 100, 64), layer(3, 64, 64), layer(3, 64, 128), layer(3, 128, 128),
                           layer(128, 1)], _conv1d),
    "lstm": lambda: Net([normal(20000, 256), cell(256, 128), layer(128, 1)], _lstm),
    "shared": lambda: Net([cell(256, 64), layer(128, 1)], _shared),
    "vgg": lambda: Net([layer(3, 3, 3, 32), layer(3, 3, 32, 32), layer(3, 3, 32, 64), layer(3, 3, 64, 64),
                        layer(22 * 22 * 64, 256), layer(256, 10)], _vgg),
}


def crossentropy(out: Any, y: Any) -> Any:
    """Of logits: categorical for several classes, binary for one."""
    if y.shape[1] > 1:
        return -(y * jax.nn.log_softmax(out)).sum(1).mean()
    return (jax.nn.softplus(out) - y * out).mean()


def rmsprop_step(forward: Callable[..., Any]) -> Callable[..., Any]:
    """(weights, squares, key, xs, y) -> the same three a step later, and the loss; both buffers are donated."""
    def step(weights: Any, squares: Any, key: Any, xs: Any, y: Any) -> Any:
        key, mine = jax.random.split(key)
        loss, grads = jax.value_and_grad(lambda w: crossentropy(forward(w, xs, mine), y))(weights)
        squares = jax.tree.map(lambda s, g: 0.9 * s + 0.1 * g * g, squares, grads)
        weights = jax.tree.map(lambda w, g, s: w - 1e-3 * g / (jnp.sqrt(s) + 1e-7), weights, grads, squares)
        return weights, squares, key, loss

    return jax.jit(step, donate_argnums=(0, 1))


def prepare(name: str) -> Prepared:
    plain = name.partition("@")[0]
    if plain not in NETS:
        raise LeftOut("not written by hand")
    case, net = case_of(name), NETS[plain]()
    arrays, targets = data(case, case.batch)
    xs, y = [jnp.asarray(a) for a in arrays], jnp.asarray(targets)
    squash = jax.nn.softmax if case.classes > 1 else jax.nn.sigmoid
    compiled, infer = rmsprop_step(net.forward), jax.jit(lambda w, xs: squash(net.forward(w, xs, None)))
    add_one = jax.jit(lambda x: x + 1)
    state = [net.weights, jax.tree.map(jnp.zeros_like, net.weights), jax.random.PRNGKey(0)]
    one, number = [x[:1] for x in xs], jnp.zeros(1)
    learnt = sum(w.size for w in jax.tree.leaves(net.weights))

    @functools.cache
    def frozen() -> Any:
        """Weights that no step donates; made when they are first needed, so that a first step does not hold them."""
        return jax.tree.map(jnp.copy, state[0])

    def train() -> Any:
        *state[:], loss = compiled(*state, xs, y)
        return loss

    calls = {"train": train, "infer": lambda: infer(frozen(), xs), "infer_one": lambda: infer(frozen(), one),
             "call": lambda: add_one(number)}
    waiting = {key: repeated(call, lambda value: value.block_until_ready()) for key, call in calls.items()}
    return Prepared(lambda: train().block_until_ready(), waiting, learnt)


if __name__ == "__main__":
    if DEVICE == "cuda":
        jax.config.update("jax_default_matmul_precision", {"float32": "float32", "tf32": "tensorfloat32"}[PRECISION])
    serve(prepare, jax.__version__)
