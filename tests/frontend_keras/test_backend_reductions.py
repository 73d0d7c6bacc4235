"""Reductions of K against NumPy in float64."""

import numpy as np
import pytest

from graphc.errors import ShapeError
from graphc.frontend_keras import backend as K

X = np.random.default_rng(1).normal(size=(3, 4, 5))


def logsumexp(x, axis=None, keepdims=False):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


def value(compute, x=X):
    t = K.placeholder((None, *x.shape[1:]))
    return K.function([t], [compute(t)])([x])[0]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (1, 2), [0, -1]])
@pytest.mark.parametrize(("compute", "expected"), [
    (K.sum, np.sum), (K.mean, np.mean), (K.max, np.max), (K.min, np.min), (K.prod, np.prod), (K.var, np.var),
    (K.std, np.std), (K.logsumexp, logsumexp)])
def test_reductions(compute, expected, axis, keepdims):
    found = value(lambda x: compute(x, axis=axis, keepdims=keepdims))
    numpy_axis = tuple(axis) if isinstance(axis, list) else axis
    np.testing.assert_allclose(found, expected(X, axis=numpy_axis, keepdims=keepdims), rtol=1e-5, atol=1e-6)


def test_shapes_of_reductions_keep_the_unknown_batch():
    x = K.placeholder((None, 4, 5))
    assert K.int_shape(K.sum(x, axis=1)) == (None, 5)
    assert K.int_shape(K.mean(x, axis=(1, 2), keepdims=True)) == (None, 1, 1)
    assert K.int_shape(K.max(x)) == ()


def test_axes_may_be_an_array():
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(K.eval(K.sum(K.variable(x), axis=np.arange(1, 3))), x.sum(axis=(1, 2)))


def test_reductions_over_no_axis():
    np.testing.assert_allclose(value(lambda t: K.sum(t, axis=[])), X, rtol=1e-6)
    np.testing.assert_allclose(value(lambda t: K.mean(t, axis=[])), X, rtol=1e-6)
    np.testing.assert_array_equal(value(lambda t: K.var(t, axis=[])), np.zeros_like(X))
    np.testing.assert_array_equal(value(lambda t: K.std(t, axis=())), np.zeros_like(X))


def test_logic():
    x = np.array([[0.0, 1.0], [0.0, 0.0], [2.0, 3.0]])
    assert value(lambda t: K.any(t, axis=1), x).tolist() == [True, False, True]
    assert value(lambda t: K.all(t, axis=1), x).tolist() == [False, False, True]
    assert value(K.any, x).tolist() is True


def test_the_mean_of_bools_and_integers_is_a_float():
    x = np.array([[0.0, 1.0], [3.0, 4.0]])
    assert value(lambda t: K.mean(t > 0.5), x) == 0.75
    assert value(lambda t: K.mean(K.cast(t, "int32")), x) == 2.0
    assert value(lambda t: K.mean(K.equal(K.argmax(t, axis=-1), K.argmin(t, axis=-1))), x) == 0


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_positions_of_extremes(axis):
    np.testing.assert_array_equal(value(lambda t: K.argmax(t, axis=axis)), X.argmax(axis))
    np.testing.assert_array_equal(value(lambda t: K.argmin(t, axis=axis)), X.argmin(axis))
    assert value(lambda t: K.argmax(t, axis=axis)).dtype == np.int64


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_running_sums_and_products(axis):
    np.testing.assert_allclose(value(lambda t: K.cumsum(t, axis=axis)), X.cumsum(axis), rtol=1e-5, atol=1e-6)
    fixed = K.placeholder(X.shape)
    found = K.function([fixed], [K.cumprod(fixed, axis=axis)])([X])[0]
    np.testing.assert_allclose(found, X.cumprod(axis), rtol=1e-5)


def test_lists_of_tensors_are_stacked():
    found = value(lambda t: K.sum([t, t * 2], axis=0))
    np.testing.assert_allclose(found, 3 * X, rtol=1e-5)
    assert value(lambda t: K.prod([K.shape(t)[0], K.shape(t)[1]])) == 12


def test_logsumexp_does_not_overflow():
    found = value(lambda t: K.logsumexp(t, axis=-1), np.array([[1000.0, 1000.0], [-1000.0, -1001.0]]))
    np.testing.assert_allclose(found, [1000 + np.log(2), -1000 + np.log1p(np.exp(-1))], rtol=1e-6)


def test_an_axis_that_does_not_exist_is_named():
    with pytest.raises(ShapeError, match=r"axis 3 does not exist; got shape \(None, 4, 5\)"):
        K.sum(K.placeholder((None, 4, 5)), axis=3)


def test_running_products_need_a_known_size():
    with pytest.raises(ShapeError, match="known size"):
        K.cumprod(K.placeholder((None, 4)))
