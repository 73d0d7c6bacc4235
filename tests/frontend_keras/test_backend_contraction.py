"""dot, batch_dot and bias_add against NumPy in float64."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K

RNG = np.random.default_rng(2)


def value(compute, a, b):
    x, y = K.placeholder((None, *a.shape[1:])), K.placeholder((None, *b.shape[1:]))
    return K.function([x, y], [compute(x, y)])([a, b])[0]


@pytest.mark.parametrize(("left", "right", "rule"), [
    ((2, 3), (3, 5), "ij,jk->ik"), ((2, 4, 3), (3, 5), "abj,jk->abk"), ((2, 3), (4, 3, 5), "ij,ajk->iak"),
    ((2, 4, 6, 3), (3, 5), "abcj,jk->abck")])
def test_dot(left, right, rule):
    a, b = RNG.normal(size=left), RNG.normal(size=right)
    x, y = K.placeholder((None, *left[1:])), K.variable(b)
    product = K.dot(x, y)
    assert K.int_shape(product)[0] is None
    np.testing.assert_allclose(K.function([x], [product])([a])[0], np.einsum(rule, a, b), rtol=1e-4, atol=1e-5)


def test_dot_over_an_unknown_middle_axis():
    x = K.placeholder((None, None, 3))
    a, b = RNG.normal(size=(2, 4, 3)), RNG.normal(size=(3, 5))
    product = K.dot(x, K.variable(b))
    assert K.int_shape(product) == (None, None, 5)
    np.testing.assert_allclose(K.function([x], [product])([a])[0], a @ b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("left", "right", "axes", "rule", "last"), [
    ((6, 3), (6, 3), 1, "bi,bi->b", (6, 1)),
    ((6, 4, 3), (6, 3, 5), None, "bij,bjk->bik", None), ((6, 4, 3), (6, 5, 3), 2, "bij,bkj->bik", None),
    ((6, 3, 4), (6, 3, 5), 1, "bji,bjk->bik", None), ((6, 4, 3), (6, 3), (2, 1), "bij,bj->bi", None),
    ((6, 3), (6, 4, 3), (1, 2), "bj,bij->bi", None), ((6, 3, 4), (6, 3), (1, 1), "bji,bj->bi", None),
    ((6, 2, 4, 3), (6, 2, 3, 5), None, "bhij,bhjk->bhik", None)])
def test_batch_dot(left, right, axes, rule, last):
    a, b = RNG.normal(size=left), RNG.normal(size=right)
    wanted = np.einsum(rule, a, b)
    wanted = wanted.reshape(last) if last else wanted
    np.testing.assert_allclose(value(lambda x, y: K.batch_dot(x, y, axes), a, b), wanted, rtol=1e-4, atol=1e-5)


def test_batch_dot_of_matrices_over_different_axes():
    a, b = RNG.normal(size=(3, 6)), RNG.normal(size=(6, 3))
    x, y = K.placeholder((3, 6)), K.placeholder((6, 3))
    found = K.function([x, y], [K.batch_dot(x, y)])([a, b])[0]
    np.testing.assert_allclose(found, np.einsum("ji,ij->j", a, b)[:, None], rtol=1e-4, atol=1e-5)


def test_products_that_do_not_fit_name_both_shapes():
    x, w = K.placeholder((None, 784)), K.variable(np.zeros((10, 4)))
    with K.origin("dense_1"), pytest.raises(ShapeError) as raised:
        K.dot(x, w)
    assert "(None, 784) (10, 4)" in str(raised.value)
    assert raised.value.where == "dense_1"
    with pytest.raises(ShapeError, match="at least 2 axes"):
        K.dot(x, K.variable(np.zeros(784)))
    with pytest.raises(ArgumentError, match="Multiple target dimensions"):
        K.batch_dot(x, x, axes=((1, 2), 1))


@pytest.mark.parametrize(("shape", "bias", "layout", "placed"), [
    ((2, 3), (3,), None, (3,)), ((2, 4, 3), (3,), None, (3,)), ((2, 4, 3), (4, 3), None, (4, 3)),
    ((2, 3, 4), (3,), "channels_first", (3, 1)), ((2, 3, 4), (4, 3), "channels_first", None),
    ((2, 4, 5, 3), (3,), "channels_last", (3,)), ((2, 3, 4, 5), (3,), "channels_first", (3, 1, 1)),
    ((2, 3, 4, 5), (4, 5, 3), "channels_first", None), ((2, 3, 4, 5, 6), (3,), "channels_first", (3, 1, 1, 1)),
    ((2, 4, 5, 6, 3), (3,), "channels_last", (3,))])
def test_bias_add(shape, bias, layout, placed):
    a, b = RNG.normal(size=shape), RNG.normal(size=bias)
    x, v = K.placeholder((None, *shape[1:])), K.variable(b)
    spread = b.reshape(placed or (bias[-1], *bias[:-1]))
    found = K.function([x], [K.bias_add(x, v, layout)])([a])[0]
    np.testing.assert_allclose(found, a + spread, rtol=1e-5, atol=1e-6)


def test_a_bias_of_another_rank_is_refused():
    with pytest.raises(ShapeError, match="Unexpected bias dimensions 3, expect to be 1 or 2 dimensions"):
        K.bias_add(K.placeholder((None, 3, 4)), K.variable(np.zeros((1, 3, 4))))
