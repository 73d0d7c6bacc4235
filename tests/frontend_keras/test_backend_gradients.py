"""K.gradients against derivatives worked out by hand."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K

X = np.array([[1.0, -2.0, 0.5], [3.0, 4.0, -1.0]])
W = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


@pytest.fixture
def x():
    return K.placeholder((None, 3), name="x")


def test_of_a_dense_layer(x):
    w, b = K.variable(W), K.variable([0.5, -0.5])
    loss = K.sum(K.square(K.bias_add(K.dot(x, w), b)))
    f = K.function([x], [*K.gradients(loss, [w, b]), *K.gradients(loss, x)])
    dw, db, dx = f([X])
    z = 2 * (X @ W + [0.5, -0.5])
    np.testing.assert_allclose(dw, X.T @ z, rtol=1e-5)
    np.testing.assert_allclose(db, z.sum(0), rtol=1e-5)
    np.testing.assert_allclose(dx, z @ W.T, rtol=1e-5)


def test_of_an_intermediate_tensor(x):
    middle = x * 3
    (dm,) = K.function([x], K.gradients(K.sum(K.exp(middle)), [middle]))([X])
    np.testing.assert_allclose(dm, np.exp(3 * X), rtol=1e-5)


def test_there_is_none_where_nothing_depends(x):
    v, w = K.variable(1.0), K.variable([1.0, 2.0, 3.0])
    found = K.gradients(K.sum(x * w), [v, w])
    assert found[0] is None
    np.testing.assert_allclose(K.function([x], [found[1]])([X])[0], X.sum(0))


def test_losses_that_are_no_scalars_and_lists_are_summed(x):
    w = K.variable([1.0, 2.0, 3.0])
    (found,) = K.gradients([x * w, K.sum(x) * w], [w])
    np.testing.assert_allclose(K.function([x], [found])([X])[0], X.sum(0) + X.sum(), rtol=1e-6)


def test_second_derivatives(x):
    (first,) = K.gradients(K.sum(K.pow(x, 3)), [x])
    (second,) = K.gradients(K.sum(first), [x])
    np.testing.assert_allclose(K.function([x], [second])([X])[0], 6 * X, rtol=1e-5)


def test_stopped_gradients(x):
    (found,) = K.gradients(K.sum(x * K.stop_gradient(x)), [x])
    np.testing.assert_allclose(K.function([x], [found])([X])[0], X)
    assert len(K.stop_gradient([x, x])) == 2


def test_of_broadcast_operands():
    a, b = K.variable(np.ones((2, 1))), K.variable([1.0, 2.0, 3.0])
    da, db = K.function([], K.gradients(K.sum(a * b), [a, b]))([])
    np.testing.assert_allclose(da, [[6], [6]])
    np.testing.assert_allclose(db, [2, 2, 2])


def test_of_targets_whose_shape_is_known_only_from_the_output(x):
    w = K.variable(W)
    target = K.placeholder(ndim=2)
    (dw,) = K.gradients(K.mean(K.square(target - K.dot(x, w))), [w])
    y = np.array([[1.0, 2.0], [3.0, 4.0]])
    found = K.function([x, target], [dw])([X, y])[0]
    np.testing.assert_allclose(found, X.T @ (X @ W - y) / 2, rtol=1e-5)


def test_of_rows_picked_from_a_table():
    table = K.variable(np.arange(12.0).reshape(4, 3))
    i = K.placeholder((None,), dtype="int32")
    (found,) = K.gradients(K.sum(K.square(K.gather(table, i))), [table])
    wanted = np.zeros((4, 3))
    np.add.at(wanted, [1, 1, 3], 2 * np.arange(12.0).reshape(4, 3)[[1, 1, 3]])
    np.testing.assert_allclose(K.function([i], [found])([[1, 1, 3]])[0], wanted)


def test_gradients_follow_the_learning_phase(x):
    y = K.in_train_phase(x * 3, x)
    f = K.function([x, K.learning_phase()], K.gradients(K.sum(y), [x]))
    np.testing.assert_allclose(f([X, 1])[0], np.full((2, 3), 3))
    np.testing.assert_allclose(f([X, 0])[0], np.ones((2, 3)))


def test_long_chains_do_not_overflow_the_stack(x):
    y = x
    for _ in range(3000):
        y = y + x
    np.testing.assert_allclose(K.function([x], K.gradients(K.sum(y), [x]))([X])[0], np.full((2, 3), 3001))
