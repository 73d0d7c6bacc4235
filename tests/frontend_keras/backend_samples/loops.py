"""Loops of K: rnn with every option, map_fn, folds.

What does not live here: loops that draw random numbers (tests/frontend_keras/test_random_in_loops.py).
"""

from itertools import product

import numpy as np

from graphc.frontend_keras import backend as K
from tests.frontend_keras.backend_samples.sample import normal, row

X, FIRST, W = normal(3, 4, 2), normal(3, 2), normal(2, 2, seed=1)
MASK = np.array([[True, True, False, True], [True, False, False, False], [True, True, True, True]])


def step(x, states):
    """tanh(x + state w), w being a constant of the loop."""
    new = K.tanh(x + K.dot(states[0], states[1]))
    return new, [new]


def looped(x, first, w, mask=None, backwards=False, unroll=False):
    """The same in NumPy: where the mask is False the state stays; the output is the state, or if unrolled that before."""
    state, outputs, before = first, [], np.zeros_like(first) if unroll else first
    for t in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
        new = np.tanh(x[:, t] + state @ w)
        kept = np.ones((len(x), 1), bool) if mask is None else mask[:, t, None]
        before, state = np.where(kept, new, before), np.where(kept, new, state)
        outputs.append(before)
    return [outputs[-1], np.stack(outputs, 1), state]


def rnn(x, first, w, mask=None, **options):
    last, outputs, states = K.rnn(step, x, [first], constants=[w], mask=mask, **options)
    return [last, outputs, *states]


def options():
    for backwards, unroll in product((False, True), repeat=2):
        given = {"go_backwards": backwards, "unroll": unroll}
        same = {"backwards": backwards, "unroll": unroll}
        yield row("rnn", lambda x, s, w, o=given: rnn(x, s, w, **o), lambda x, s, w, o=same: looped(x, s, w, **o), X, FIRST, W)
        yield row("rnn", lambda x, s, w, m, o=given: rnn(x, s, w, m, **o),
                  lambda x, s, w, m, o=same: looped(x, s, w, m, **o), X, FIRST, W, MASK)


ROWS = [
    *options(),
    row("rnn", lambda x, s, w, m: rnn(x, s, w, m, zero_output_for_mask=True)[1],
        lambda x, s, w, m: looped(x, s, w, m)[1] * m[..., None], X, FIRST, W, MASK),
    row("map_fn", lambda x: K.map_fn(lambda r: K.exp(r) * K.sum(r), x), lambda x: np.exp(x) * x.sum(-1, keepdims=True), W),
    row("map_fn", lambda x, y: K.map_fn(lambda pair: pair[0] * pair[1], (x, y)), np.multiply, W, FIRST[:2]),
    row("map_fn", lambda x: K.map_fn(lambda r: K.cast(r, "int32"), x, dtype="int32"), lambda x: x.astype(np.int32), 5 * W),
    row("foldl", lambda x: K.foldl(lambda held, r: held * 2 + r, x), lambda x: (x[0] * 2 + x[1]) * 2 + x[2], FIRST),
    row("foldl", lambda x, s: K.foldl(lambda held, r: held * r, x, initializer=s), lambda x, s: s * x.prod(0), FIRST, FIRST[0]),
    row("foldr", lambda x: K.foldr(lambda held, r: held * 2 + r, x), lambda x: (x[2] * 2 + x[1]) * 2 + x[0], FIRST),
    row("foldr", lambda x, s: K.foldr(lambda held, r: held + r, x, initializer=s, name="sum"), lambda x, s: s + x.sum(0), FIRST,
        FIRST[0]),
]
