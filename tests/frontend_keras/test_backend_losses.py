"""Cross-entropies of K against formulas in float64."""

import numpy as np
import pytest

from graphc.errors import ShapeError
from graphc.frontend_keras import backend as K

RNG = np.random.default_rng(3)
LOGITS = RNG.normal(size=(5, 4)) * 3
P = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
HOT = np.eye(4)[[0, 3, 1, 1, 2]]
CLASSES = np.array([[0], [3], [1], [1], [2]])
LOG_P = np.log(P)


def value(compute, target, output, target_shape=(None, None)):
    y, p = K.placeholder(target_shape), K.placeholder((None, *output.shape[1:]))
    return K.function([y, p], [compute(y, p)])([target, output])[0]


def test_categorical_crossentropy():
    wanted = -(HOT * LOG_P).sum(-1)
    np.testing.assert_allclose(value(K.categorical_crossentropy, HOT, P), wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(value(K.categorical_crossentropy, HOT, 3 * P), wanted, rtol=1e-5, atol=1e-6)
    soft = RNG.uniform(size=(5, 4))
    found = value(lambda y, x: K.categorical_crossentropy(y, x, from_logits=True), soft, LOGITS)
    np.testing.assert_allclose(found, -(soft * LOG_P).sum(-1), rtol=1e-5, atol=1e-6)


def test_categorical_crossentropy_along_another_axis():
    found = value(lambda y, x: K.categorical_crossentropy(y, x, axis=1), HOT[:, :, None] * [1.0, 0.5],
                  P[:, :, None] * [1.0, 1.0], (None, 4, 2))
    np.testing.assert_allclose(found, -(HOT * LOG_P).sum(-1)[:, None] * [1.0, 0.5], rtol=1e-5, atol=1e-6)
    with pytest.raises(ShapeError, match="Unexpected channels axis 2"):
        K.categorical_crossentropy(K.placeholder((None, 4)), K.placeholder((None, 4)), axis=2)


def test_sparse_categorical_crossentropy():
    wanted = -LOG_P[np.arange(5), CLASSES[:, 0]]
    np.testing.assert_allclose(value(K.sparse_categorical_crossentropy, CLASSES, P), wanted, rtol=1e-5, atol=1e-6)
    found = value(K.sparse_categorical_crossentropy, CLASSES[:, 0], P, (None,))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    found = value(lambda y, x: K.sparse_categorical_crossentropy(y, x, from_logits=True), CLASSES, LOGITS)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_sparse_categorical_crossentropy_over_time():
    p, classes = P[:4].reshape(2, 2, 4), CLASSES[:4].reshape(2, 2, 1)
    wanted = -np.log(np.take_along_axis(p, classes, -1))[..., 0]
    found = value(K.sparse_categorical_crossentropy, classes, p, (None, None, None))
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    first = value(lambda y, x: K.sparse_categorical_crossentropy(y, x, axis=1), classes,
                  p.transpose(0, 2, 1), (None, 2, 1))
    np.testing.assert_allclose(first, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", ["cpu", "reference"])
@pytest.mark.parametrize("wrong", [4, -1, 2**40])
def test_class_numbers_out_of_range(target, wrong):
    before = K.target()
    K.set_target(target)
    try:
        classes = CLASSES.copy()
        classes[3] = wrong
        with pytest.raises(IndexError, match="index out of range; expected 0 <= index < 4"):
            value(K.sparse_categorical_crossentropy, classes, P)
    finally:
        K.set_target(before)


def test_binary_crossentropy():
    x = np.array([[-20.0, -2.0, 0.0], [0.5, 3.0, 20.0]])
    p, y = 1 / (1 + np.exp(-x)), np.array([[0.0, 1.0, 0.3], [1.0, 0.0, 1.0]])
    clipped = np.clip(p, 1e-7, 1 - 1e-7)
    wanted = -(y * np.log(clipped) + (1 - y) * np.log(1 - clipped))
    np.testing.assert_allclose(value(K.binary_crossentropy, y, p), wanted, rtol=1e-4, atol=1e-7)
    found = value(lambda t, z: K.binary_crossentropy(t, z, from_logits=True), y, x)
    np.testing.assert_allclose(found, np.logaddexp(0, x) - y * x, rtol=1e-5, atol=1e-6)


def gradient_of(loss, target, output):
    y, p = K.placeholder((None, None)), K.placeholder((None, output.shape[1]))
    return K.function([y, p], K.gradients(K.sum(loss(y, p)), [p]))([target, output])[0]


def test_gradients_flow_through_the_normalisation():
    wanted = (-HOT / P + HOT.sum(-1, keepdims=True)) / (3 * P).sum(-1, keepdims=True)
    np.testing.assert_allclose(gradient_of(K.categorical_crossentropy, HOT, 3 * P), wanted, rtol=1e-4, atol=1e-5)
    y, p = np.array([[1.0, 0.0, 0.25]]), np.array([[0.2, 0.7, 0.5]])
    np.testing.assert_allclose(gradient_of(K.binary_crossentropy, y, p), (p - y) / (p * (1 - p)), rtol=1e-4)


def test_nothing_flows_back_where_the_clip_bites():
    y, p = np.array([[0.0, 1.0, 1.0]]), np.array([[1.0, 0.0, 0.5]])
    found = gradient_of(K.binary_crossentropy, y, p)
    np.testing.assert_allclose(found, [[0, 0, -2]], rtol=1e-5, atol=1e-6)
    assert np.isfinite(value(K.binary_crossentropy, y, p)).all()


def test_gradients_of_logits_for_targets_that_do_not_sum_to_one():
    y = RNG.uniform(size=(5, 4))
    found = gradient_of(lambda t, x: K.categorical_crossentropy(t, x, from_logits=True), y, LOGITS)
    np.testing.assert_allclose(found, P * y.sum(-1, keepdims=True) - y, rtol=1e-4, atol=1e-5)


def test_in_top_k():
    scores = np.array([[0.1, 0.5, 0.3, 0.1], [0.4, 0.3, 0.2, 0.1], [0.2, 0.2, 0.2, 0.4], [np.nan, 1, 2, 3]])
    x, y = K.placeholder((None, 4)), K.placeholder((None,), dtype="int32")
    f = K.function([x, y], [K.in_top_k(x, y, k) for k in (1, 2, 3)])
    one, two, three = f([scores, [2, 0, 1, 0]])
    assert one.tolist() == [False, True, False, False]
    assert two.tolist() == [True, True, True, False]
    assert three.tolist() == [True, True, True, False]


def test_in_top_k_of_flattened_targets():
    x, y = K.placeholder((None, 4)), K.placeholder((None, None))
    hits = K.mean(K.in_top_k(x, K.cast(K.flatten(y), "int32"), 2), axis=-1)
    wanted = np.mean([c in np.argsort(p)[-2:] for c, p in zip(CLASSES[:, 0], P)])
    np.testing.assert_allclose(K.function([x, y], [hits])([P, CLASSES])[0], wanted)
