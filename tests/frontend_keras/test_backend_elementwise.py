"""Elementwise functions and activations of K against NumPy in float64."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K

X = np.array([[-30.0, -3.0, -1.5, -0.5], [0.0, 0.25, 0.5, 1.0], [1.5, 2.5, 4.0, 30.0]])
P = np.abs(X) + 0.1


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FUNCTIONS = [
    ("square", K.square, np.square, X), ("abs", K.abs, np.abs, X), ("sqrt", K.sqrt, np.sqrt, P),
    ("sqrt of negatives", K.sqrt, lambda x: np.sqrt(np.maximum(x, 0)), X), ("exp", K.exp, np.exp, X),
    ("log", K.log, np.log, P), ("round", K.round, np.round, X), ("sign", K.sign, np.sign, X),
    ("sin", K.sin, np.sin, X), ("cos", K.cos, np.cos, X), ("pow", lambda x: K.pow(x, 3), lambda x: x ** 3, X),
    ("pow half", lambda x: K.pow(x, 0.5), np.sqrt, P),
    ("clip", lambda x: K.clip(x, -1, 1), lambda x: np.clip(x, -1, 1), X),
    ("clip below", lambda x: K.clip(x, 0.3, None), lambda x: np.maximum(x, 0.3), X),
    ("clip turned", lambda x: K.clip(x, 2, 1), lambda x: np.full_like(x, 2), X),
    ("maximum", lambda x: K.maximum(x, 0.5), lambda x: np.maximum(x, 0.5), X),
    ("minimum", lambda x: K.minimum(0.5, x), lambda x: np.minimum(x, 0.5), X),
    ("relu", K.relu, lambda x: np.maximum(x, 0), X),
    ("leaky", lambda x: K.relu(x, alpha=0.3), lambda x: np.where(x > 0, x, 0.3 * x), X),
    ("steep leaky", lambda x: K.relu(x, alpha=2.0), lambda x: np.where(x > 0, x, 2 * x), X),
    ("relu6", lambda x: K.relu(x, max_value=6), lambda x: np.clip(x, 0, 6), X),
    ("relu to 1.2", lambda x: K.relu(x, max_value=1.2), lambda x: np.clip(x, 0, 1.2), X),
    ("relu from 1", lambda x: K.relu(x, threshold=1.0), lambda x: np.where(x > 1, x, 0), X),
    ("relu all", lambda x: K.relu(x, 0.1, 3.0, 0.5),
     lambda x: np.where(x > 3, 3, np.where(x > 0.5, x, 0.1 * np.minimum(x - 0.5, 0))), X),
    ("elu", K.elu, lambda x: np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1), X),
    ("elu 0.5", lambda x: K.elu(x, 0.5), lambda x: np.where(x > 0, x, 0.5 * (np.exp(np.minimum(x, 0)) - 1)), X),
    ("softplus", K.softplus, lambda x: np.logaddexp(x, 0), X),
    ("softsign", K.softsign, lambda x: x / (1 + np.abs(x)), X),
    ("sigmoid", K.sigmoid, sigmoid, X), ("tanh", K.tanh, np.tanh, X),
    ("hard_sigmoid", K.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1), X),
    ("softmax", K.softmax, lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True), X),
    ("softmax 0", lambda x: K.softmax(x, axis=0), lambda x: np.exp(x) / np.exp(x).sum(0), X),
    ("l2_normalize", lambda x: K.l2_normalize(x, axis=1), lambda x: x / np.linalg.norm(x, axis=1, keepdims=True), X),
    ("l2_normalize all", K.l2_normalize, lambda x: x / np.linalg.norm(x), X),
]
IDS = [f[0] for f in FUNCTIONS]


@pytest.mark.parametrize(("compute", "expected", "values"), [f[1:] for f in FUNCTIONS], ids=IDS)
def test_values(compute, expected, values):
    x = K.placeholder((None, 4))
    (found,) = K.function([x], [compute(x)])([values])
    np.testing.assert_allclose(found, expected(values), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize(("compute", "expected", "values"), [f[1:] for f in FUNCTIONS], ids=IDS)
def test_gradients(compute, expected, values):
    values = np.where(values == 0, 0.125, values)
    values = np.where(np.isin(values, [0.5, 1.0, 2.5, -0.5]), values + 0.0625, values)
    x = K.placeholder((None, 4))
    weights = np.cos(np.arange(12.0)).reshape(3, 4)
    (gradient,) = K.gradients(K.sum(compute(x) * weights), [x])
    if gradient is None:
        assert compute in (K.round, K.sign)
        return
    (found,) = K.function([x], [gradient])([values])
    step, wanted = 1e-5, np.empty_like(values)
    for place in np.ndindex(values.shape):
        up, down = values.copy(), values.copy()
        up[place] += step
        down[place] -= step
        wanted[place] = np.sum(weights * (expected(up) - expected(down))) / (2 * step)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=2e-5 * max(1.0, np.abs(wanted).max()))


@pytest.mark.parametrize(("compute", "slope"), [
    (K.softplus, 0.5), (lambda x: K.elu(x), 1.0), (K.sigmoid, 0.25),
    (lambda x: K.binary_crossentropy(K.zeros_like(x), x, from_logits=True), 0.5)])
def test_slopes_at_zero(compute, slope):
    x = K.placeholder((None,))
    (found,) = K.function([x], K.gradients(K.sum(compute(x)), [x]))([[0.0]])
    np.testing.assert_allclose(found, [slope])


@pytest.mark.parametrize("compute", [K.elu, K.softplus, K.softsign, K.sqrt, K.hard_sigmoid, lambda x: K.elu(x, 0.5)])
def test_slopes_far_out_are_finite(compute):
    x = K.placeholder((None,))
    (found,) = K.function([x], K.gradients(K.sum(compute(x)), [x]))([[-1e4, -200.0, 200.0, 1e4]])
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("compute", "expected"), [
    (K.equal, np.equal), (K.not_equal, np.not_equal), (K.greater, np.greater), (K.greater_equal, np.greater_equal),
    (K.less, np.less), (K.less_equal, np.less_equal)])
def test_comparisons_are_bools(compute, expected):
    x = K.placeholder((None, 4))
    found = K.function([x], [compute(x, 0.5), compute(0.5, x)])([X])
    np.testing.assert_array_equal(found[0], expected(X, 0.5))
    np.testing.assert_array_equal(found[1], expected(0.5, X))
    assert found[0].dtype == bool


def test_nan_goes_through():
    x = K.placeholder((None,))
    found = K.function([x], [K.relu(x), K.clip(x, 0, 1), K.maximum(x, 0.0), K.sigmoid(x), K.sqrt(x)])([[np.nan]])
    assert all(np.isnan(f).all() for f in found)


def test_casts():
    x = K.constant([-1.7, 0.0, 2.9])
    assert K.eval(K.cast(x, "int32")).tolist() == [-1, 0, 2]
    assert K.eval(K.cast(x, "bool")).tolist() == [True, False, True]
    assert K.eval(K.cast(x > 0, "float32")).tolist() == [0, 0, 1]
    assert K.cast(x, "float32") is x
    assert K.cast_to_floatx([1, 2]).dtype == np.float32
