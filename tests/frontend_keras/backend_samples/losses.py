"""Cross-entropies of K and what counts hits.

What does not live here: CTC against all paths (tests/frontend_keras/test_backend_ctc.py).
"""

import numpy as np

from graphc.frontend_keras import backend as K
from tests.frontend_keras.backend_samples.elementwise import sigmoid, softmax
from tests.frontend_keras.backend_samples.sample import normal, positive, row, shares

LOGITS, SHARES, TARGETS, NUMBERS = normal(4, 5), shares(4, 5), shares(4, 5, seed=1), np.array([0, 3, 4, 3], np.int32)
CHANCES, HITS = sigmoid(LOGITS), (normal(4, 5, seed=1) > 0).astype(float)
IMAGES, WANTED = positive(2, 3, 4), shares(2, 4, 3).transpose(0, 2, 1)


def categorical(t, p, axis=-1):
    return -(t * np.log(p / p.sum(axis, keepdims=True))).sum(axis)


def binary(t, p):
    return -t * np.log(p) - (1 - t) * np.log(1 - p)


def ctc(y, p, n, m):
    """One label each: blanks, then the label, then blanks, over all places where the label may begin and end."""
    p = (p + K.epsilon()) / (p + K.epsilon()).sum(-1, keepdims=True)
    costs = []
    for (label,), row_p, (steps,), _ in zip(y, p, n, m, strict=True):
        total = sum(row_p[:i, -1].prod() * row_p[i:j, label].prod() * row_p[j:steps, -1].prod()
                    for i in range(steps) for j in range(i + 1, steps + 1))
        costs.append([-np.log(total)])
    return np.array(costs)


def best_path(p, n):
    """For samples whose likeliest classes at their steps all differ and are no blanks."""
    best, counted = p.argmax(-1), np.arange(p.shape[1]) < n[:, None]
    return [np.where(counted, best, -1), -(np.log(p.max(-1) + K.epsilon()) * counted).sum(1, keepdims=True)]


LABELS, STEPS_COUNTED = np.array([[1], [0]], np.int32), np.array([[4], [3]], np.int32)
PATHS = np.array([[[.6, .2, .1, .1], [.1, .7, .1, .1], [.2, .1, .5, .2]], [[.1, .2, .6, .1], [.8, .1, .05, .05], [.1, .2, .1, .6]]])

ROWS = [
    row("categorical_crossentropy", K.categorical_crossentropy, categorical, TARGETS, positive(4, 5)),
    row("categorical_crossentropy", lambda t, x: K.categorical_crossentropy(t, x, from_logits=True),
        lambda t, x: categorical(t, softmax(x)), TARGETS, LOGITS),
    row("categorical_crossentropy", lambda t, p: K.categorical_crossentropy(t, p, axis=1),
        lambda t, p: categorical(t, p, 1), WANTED, IMAGES),
    row("sparse_categorical_crossentropy", K.sparse_categorical_crossentropy,
        lambda t, p: -np.log(p[np.arange(4), t] / p.sum(-1)), NUMBERS, 0.8 * SHARES),
    row("sparse_categorical_crossentropy", lambda t, x: K.sparse_categorical_crossentropy(t, x, from_logits=True),
        lambda t, x: -np.log(softmax(x)[np.arange(4), t]), NUMBERS, LOGITS),
    row("binary_crossentropy", K.binary_crossentropy, binary, HITS, CHANCES),
    row("binary_crossentropy", lambda t, x: K.binary_crossentropy(t, x, from_logits=True),
        lambda t, x: binary(t, sigmoid(x)), HITS, LOGITS),
    row("in_top_k", lambda p, t: K.in_top_k(p, t, 2), lambda p, t: (p > p[np.arange(4), t][:, None]).sum(1) < 2, SHARES,
        NUMBERS),
    row("ctc_batch_cost", K.ctc_batch_cost, ctc, LABELS, shares(2, 4, 3), STEPS_COUNTED, np.ones((2, 1), np.int32)),
    row("ctc_decode", lambda p, n: [K.ctc_decode(p, n)[0][0], K.ctc_decode(p, n)[1]], best_path, PATHS,
        np.array([3, 2], np.int32)),
]
