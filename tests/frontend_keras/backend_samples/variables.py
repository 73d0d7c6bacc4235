"""Variables, constants, placeholders, their values and updates, functions, gradients, and what is asked of tensors.

What does not live here: drawing random numbers (random.py).
"""

import numpy as np

from graphc.frontend_keras import backend as K

TWO = np.array([[1.0, 2.0], [3.0, 4.0]])


def same(tensor, wanted, dtype=None):
    """The value and the element type of a tensor that needs no feeding."""
    found = K.eval(tensor)
    np.testing.assert_array_equal(found, wanted)
    assert K.dtype(tensor) == str(found.dtype) == (dtype or K.floatx())


def variable():
    same(K.variable(TWO), TWO)
    same(K.variable(TWO, dtype="int32", name="v"), TWO.astype(np.int32), "int32")
    kept = K.variable(np.float64(3), constraint=abs)
    assert kept.constraint is abs and K.get_value(kept) == 3
    with K.name_scope("dense"):
        assert K.variable(0.0, name="kernel").name.startswith("dense")


def constant():
    same(K.constant(TWO), TWO)
    same(K.constant(2, dtype="int32", shape=(2, 3)), np.full((2, 3), 2), "int32")


def zeros():
    same(K.zeros((2, 3)), np.zeros((2, 3)))
    assert K.is_placeholder(K.zeros((2, 3))) is False and K.is_variable(K.zeros((2,), dtype="float64", name="z"))


def ones():
    same(K.ones((2, 3), "int64"), np.ones((2, 3)), "int64")


def eye():
    same(K.eye(3), np.eye(3))
    same(K.eye(2, dtype="int32", name="e"), np.eye(2), "int32")


def placeholder():
    x = K.placeholder((None, 3), dtype="int32", name="x")
    assert K.int_shape(x) == (None, 3) and K.dtype(x) == "int32" and x.name.startswith("x")
    assert K.int_shape(K.placeholder(ndim=3)) == (None, None, None)
    (found,) = K.function([x], [x + 1])([[[1, 2, 3]]])
    assert found.tolist() == [[2, 3, 4]] and found.dtype == np.int32


def values():
    v, w = K.variable(TWO), K.variable([5.0])
    K.set_value(v, TWO + 1)
    np.testing.assert_array_equal(K.get_value(v), TWO + 1)
    K.batch_set_value([(v, TWO), (w, [6.0])])
    first, second = K.batch_get_value([v, w])
    np.testing.assert_array_equal(first, TWO)
    assert second.tolist() == [6.0]
    K.batch_set_value([])
    assert K.batch_get_value([]) == []


def updated(update, wanted):
    def fact():
        v = K.variable(TWO)
        x = K.placeholder((None, 2))
        run = K.function([x], [K.sum(v)], [update(v, K.sum(x))])
        before = run([[[1.0, 1.0]]])
        assert before == [TWO.sum()], "outputs see the values from before"
        np.testing.assert_allclose(K.get_value(v), wanted, rtol=1e-6)
    return fact


def function():
    x, v = K.placeholder((None, 2)), K.variable(TWO)
    run = K.function([x], [K.dot(x, v), K.sum(x)], updates=[(v, v * 2)], name="step")
    assert isinstance(run, K.Function)
    product, total = run([TWO])
    np.testing.assert_allclose(product, TWO @ TWO, rtol=1e-6)
    assert total == TWO.sum() and K.get_value(v).tolist() == (2 * TWO).tolist()


def gradients():
    """d sum(x w) / dx is w everywhere, to x itself and to a list; what the loss does not depend on has none."""
    x, w, other = K.variable(TWO), K.constant([[2.0, 3.0]]), K.variable(1.0)
    found = K.gradients(K.sum(x * w), [x, other])
    same(found[0], [[2, 3], [2, 3]])
    assert found[1] is None
    same(K.gradients([K.sum(x), K.sum(x)], x)[0], np.full((2, 2), 2))


def stop_gradient():
    """x stop(x) has the derivative stop(x), not 2 x."""
    x = K.variable(TWO)
    same(K.gradients(K.sum(x * K.stop_gradient(x)), x)[0], TWO)
    held = K.stop_gradient([x, x + 1])
    same(held[1], TWO + 1)


def kinds():
    v, x, t = K.variable(TWO), K.placeholder((None, 2)), K.variable(TWO) + 1
    assert [K.is_variable(a) for a in (v, x, t)] == [True, False, False]
    assert [K.is_placeholder(a) for a in (v, x, t)] == [False, True, False]
    assert all(K.is_tensor(a) for a in (v, x, t)) and not K.is_tensor(TWO)
    assert not K.is_sparse(v) and isinstance(v, K.Variable) and isinstance(x, K.Placeholder) and isinstance(t, K.Tensor)


def is_keras_tensor():
    from graphc.frontend_keras.layers import Input

    assert K.is_keras_tensor(Input((3,))) and not K.is_keras_tensor(K.placeholder((None, 3)))


def sizes():
    x = K.placeholder((None, 3, 2), dtype="float64")
    assert K.int_shape(x) == K.get_variable_shape(x) == (None, 3, 2)
    assert K.ndim(x) == 3 and K.dtype(x) == "float64" and K.count_params(K.zeros((3, 4, 2))) == 24


FACTS = {
    "variable": variable, "constant": constant, "zeros": zeros, "ones": ones, "eye": eye, "placeholder": placeholder,
    "eval": variable, "Variable": kinds, "Placeholder": kinds, "Tensor": kinds, "get_value": values, "set_value": values,
    "batch_get_value": values, "batch_set_value": values,
    "update": updated(lambda v, s: K.update(v, v * s), TWO * 2), "Update": updated(lambda v, s: K.update(v, v + s), TWO + 2),
    "update_add": updated(K.update_add, TWO + 2), "update_sub": updated(K.update_sub, TWO - 2),
    "moving_average_update": updated(lambda v, s: K.moving_average_update(v, s, 0.75), 0.75 * TWO + 0.25 * 2),
    "function": function, "Function": function, "gradients": gradients, "stop_gradient": stop_gradient,
    "is_variable": kinds, "is_placeholder": kinds, "is_tensor": kinds, "is_sparse": kinds,
    "is_keras_tensor": is_keras_tensor, "int_shape": sizes, "get_variable_shape": sizes, "ndim": sizes, "dtype": sizes,
    "count_params": sizes,
}
