"""Elementwise functions of K and its activations, choices among them.

What does not live here: losses (losses.py).
"""

import numpy as np

from graphc.frontend_keras import backend as K
from tests.frontend_keras.backend_samples.sample import normal, positive, row

X, Y, P = normal(3, 4), normal(3, 4, seed=1), positive(3, 4)
WHOLE = np.array([[1, -2, 3], [0, 2, -5]], np.int32)
BOOLS = np.array([[True, False, True, True], [False, False, True, False], [True, True, False, False]])


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ROWS = [
    row("abs", K.abs, np.abs, X), row("abs", K.abs, np.abs, WHOLE), row("square", K.square, np.square, X),
    row("sqrt", K.sqrt, np.sqrt, P), row("exp", K.exp, np.exp, X), row("log", K.log, np.log, P),
    row("sin", K.sin, np.sin, X), row("cos", K.cos, np.cos, X), row("round", K.round, np.round, X),
    row("sign", K.sign, np.sign, X), row("pow", lambda x: K.pow(x, 3), lambda x: x ** 3, X),
    row("pow", K.pow, np.power, P, Y), row("clip", lambda x: K.clip(x, -0.7, 0.9), lambda x: np.clip(x, -0.7, 0.9), X),
    row("cast", lambda x: K.cast(x, "int32"), lambda x: x.astype(np.int32), 3 * X),
    row("cast", lambda x: K.cast(x, K.floatx()), lambda x: x.astype(float), WHOLE),
    row("equal", K.equal, np.equal, WHOLE, WHOLE.T.reshape(2, 3)),
    row("not_equal", K.not_equal, np.not_equal, WHOLE, WHOLE.T.reshape(2, 3)),
    row("greater", K.greater, np.greater, X, Y), row("greater_equal", K.greater_equal, np.greater_equal, X, Y),
    row("less", K.less, np.less, X, Y), row("less_equal", K.less_equal, np.less_equal, X, Y[:1]),
    row("maximum", K.maximum, np.maximum, X, Y), row("minimum", K.minimum, np.minimum, X, Y),
    row("relu", K.relu, lambda x: np.maximum(x, 0), X),
    row("relu", lambda x: K.relu(x, 0.2, 1.1, 0.3), lambda x: np.where(x >= 1.1, 1.1, np.where(x > 0.3, x, 0.2 * (x - 0.3))),
        X),
    row("elu", K.elu, lambda x: np.where(x > 0, x, np.exp(x) - 1), X),
    row("elu", lambda x: K.elu(x, 0.4), lambda x: np.where(x > 0, x, 0.4 * (np.exp(x) - 1)), X),
    row("softmax", K.softmax, softmax, X), row("softmax", lambda x: K.softmax(x, 1), lambda x: softmax(x, 1), normal(2, 3, 4)),
    row("softplus", K.softplus, lambda x: np.log(1 + np.exp(x)), X),
    row("softsign", K.softsign, lambda x: x / (1 + np.abs(x)), X), row("sigmoid", K.sigmoid, sigmoid, X),
    row("hard_sigmoid", K.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1), 3 * X), row("tanh", K.tanh, np.tanh, X),
    row("switch", K.switch, np.where, BOOLS, X, Y),
    row("switch", lambda c, x, y: K.switch(c, lambda: x, lambda: y * 2), lambda c, x, y: np.where(c[:, None], x, 2 * y),
        BOOLS[:, 0], X, Y),
    row("in_train_phase", lambda x: K.in_train_phase(lambda: 2 * x, x), lambda x: x, X),
    row("in_train_phase", lambda x: K.in_train_phase(2 * x, lambda: x, training=True), lambda x: 2 * x, X),
    row("in_test_phase", lambda x: K.in_test_phase(lambda: 2 * x, x), lambda x: 2 * x, X),
    row("in_test_phase", lambda x: K.in_test_phase(2 * x, x, training=1), lambda x: x, X),
    row("identity", K.identity, lambda x: x, X),
    row("zeros_like", K.zeros_like, np.zeros_like, X), row("zeros_like", lambda x: K.zeros_like(x, "int32"),
                                                           lambda x: np.zeros(x.shape, np.int32), X),
    row("ones_like", K.ones_like, np.ones_like, X), row("ones_like", lambda x: K.ones_like(x, "bool"),
                                                        lambda x: np.ones(x.shape, bool), X),
    row("to_dense", K.to_dense, lambda x: x, X),
]
