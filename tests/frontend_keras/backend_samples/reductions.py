"""Reductions of K, normalisations made of them, positions, running sums.

What does not live here: pooling (sliding.py).
"""

import numpy as np

from graphc.frontend_keras import backend as K
from tests.frontend_keras.backend_samples.sample import normal, positive, row

X = normal(2, 3, 4)
BOOLS = normal(2, 3, 4, seed=1) > 0
WHOLE = np.array([[1, -2, 3], [4, 2, -5]], np.int32)


def all_options(name, call, expected, x):
    """Without an axis, with one, with two, and with axes kept."""
    return [row(name, call, expected, x),
            row(name, lambda t: call(t, axis=-1), lambda a: expected(a, axis=-1), x),
            row(name, lambda t: call(t, axis=[0, 2], keepdims=True), lambda a: expected(a, axis=(0, 2), keepdims=True), x),
            row(name, lambda t: call(t, 1, True), lambda a: expected(a, axis=1, keepdims=True), x)]


def logsumexp(x, axis=None, keepdims=False):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def normalized(x, gamma, beta, axes):
    mean, var = x.mean(axes), x.var(axes)
    back = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    gamma, beta = (v.reshape(back) for v in (gamma, beta))
    out = (x - mean.reshape(back)) / np.sqrt(var.reshape(back) + 0.01) * gamma + beta
    return [out, mean, var]


def normalized_by(x, mean, var, beta, gamma, axis=-1, epsilon=1e-3):
    back = [1] * x.ndim
    back[axis] = -1
    mean, var, beta, gamma = (v.reshape(back) for v in (mean, var, beta, gamma))
    return gamma * (x - mean) / np.sqrt(var + epsilon) + beta


def vectors(size):
    """mean, var, beta, gamma"""
    return normal(size, seed=2), positive(size, seed=3), normal(size, seed=4), normal(size, seed=5)


ROWS = [
    *all_options("sum", K.sum, np.sum, X), *all_options("mean", K.mean, np.mean, X), *all_options("max", K.max, np.max, X),
    *all_options("min", K.min, np.min, X), *all_options("prod", K.prod, np.prod, X), *all_options("var", K.var, np.var, X),
    *all_options("std", K.std, np.std, X), *all_options("logsumexp", K.logsumexp, logsumexp, X),
    *all_options("any", K.any, np.any, BOOLS), *all_options("all", K.all, np.all, BOOLS),
    row("mean", K.mean, lambda x: np.mean(x.astype(float)), BOOLS), row("sum", K.sum, lambda x: np.int32(x.sum()), WHOLE),
    row("argmax", K.argmax, lambda x: x.argmax(-1), X), row("argmax", lambda x: K.argmax(x, 0), lambda x: x.argmax(0), X),
    row("argmin", K.argmin, lambda x: x.argmin(-1), X), row("argmin", lambda x: K.argmin(x, 1), lambda x: x.argmin(1), X),
    row("cumsum", K.cumsum, lambda x: x.cumsum(0), X), row("cumsum", lambda x: K.cumsum(x, -1), lambda x: x.cumsum(-1), X),
    row("cumprod", K.cumprod, lambda x: x.cumprod(0), X, known=True),
    row("cumprod", lambda x: K.cumprod(x, -1), lambda x: x.cumprod(-1), X),
    row("l2_normalize", K.l2_normalize, lambda x: x / np.sqrt((x ** 2).sum()), X),
    row("l2_normalize", lambda x: K.l2_normalize(x, -1), lambda x: x / np.sqrt((x ** 2).sum(-1, keepdims=True)), X),
    row("normalize_batch_in_training", lambda x, g, b: list(K.normalize_batch_in_training(x, g, b, [0, 1], 0.01)),
        lambda x, g, b: normalized(x, g, b, (0, 1)), normal(5, 3, 4), normal(4), normal(4, seed=1)),
    row("normalize_batch_in_training", lambda x, g, b: list(K.normalize_batch_in_training(x, g, b, (0, 2, 3), 0.01)),
        lambda x, g, b: normalized(x, g, b, (0, 2, 3)), normal(5, 3, 2, 2), normal(3), normal(3, seed=1)),
    row("batch_normalization", K.batch_normalization, normalized_by, X, *vectors(4)),
    row("batch_normalization", lambda *t: K.batch_normalization(*t, axis=1, epsilon=0.1),
        lambda *a: normalized_by(*a, axis=1, epsilon=0.1), X, *vectors(3)),
    row("batch_normalization", lambda x, mean, var: K.batch_normalization(x, mean, var, None, None),
        lambda x, mean, var: (x - mean) / np.sqrt(var + 1e-3), X, *vectors(4)[:2]),
]
