"""Variables, constants, placeholders: values, names, laziness."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, DTypeError, ShapeError
from graphc.frontend_keras import backend as K


@pytest.fixture(autouse=True)
def _fresh_session():
    K.clear_session()
    yield
    K.clear_session()


@pytest.mark.parametrize("value", [3.5, [1.0, 2.0], np.arange(6).reshape(2, 3), np.float32(2)])
def test_a_variable_has_its_first_value_in_floatx(value):
    v = K.variable(value)
    assert v.dtype == "float32"
    np.testing.assert_array_equal(K.get_value(v), np.asarray(value, "float32"))
    assert K.int_shape(v) == np.shape(value)


def test_a_variable_copies_the_array_it_is_made_of():
    given = np.ones(3, "float32")
    v = K.variable(given)
    given[:] = 7
    assert K.get_value(v).tolist() == [1, 1, 1]


def test_values_are_made_when_first_needed_and_stay_in_place():
    v = K.variable(K.constant(2.0, shape=(1000, 1000)))
    assert v._array is None
    array = v.array
    assert array.flags["C_CONTIGUOUS"]
    assert array.flags["WRITEABLE"]
    K.set_value(v, np.full((1000, 1000), 5))
    assert v.array is array
    assert array[3, 3] == 5
    assert K.get_value(v) is not array


def test_a_variable_made_of_variables_is_evaluated_at_once():
    a = K.variable([1.0, 2.0])
    b = K.variable(a * 2)
    K.set_value(a, [5, 5])
    assert K.get_value(b).tolist() == [2, 4]


def test_setting_before_the_first_access_and_with_a_wrong_shape():
    v = K.zeros((2, 2))
    K.set_value(v, [[1, 2], [3, 4]])
    assert K.get_value(v).tolist() == [[1, 2], [3, 4]]
    with pytest.raises(ShapeError, match=r"keeps its shape; expected \(2, 2\); got \(3,\)"):
        K.set_value(v, [1, 2, 3])


def test_scalars_come_back_as_numpy_scalars():
    lr = K.variable(0.01, name="lr")
    assert isinstance(K.get_value(lr), np.float32)
    assert f"{K.get_value(lr):.2f}" == "0.01"
    assert isinstance(K.eval(lr * 2), np.float32)


def test_many_values_at_once():
    a, b = K.variable(1.0), K.variable([2.0, 3.0])
    K.batch_set_value([(a, 4), (b, [5, 6])])
    values = K.batch_get_value([a, b])
    assert [np.asarray(v).tolist() for v in values] == [4, [5, 6]]
    assert K.batch_get_value([]) == []


def test_names_follow_scopes_and_stay_unique():
    with K.name_scope("dense_1"):
        kernel, bias = K.zeros((2, 2), name="kernel"), K.variable(0.0, name="bias")
    with K.name_scope("dense_1"):
        again = K.variable(0.0, name="kernel")
    plain = [K.variable(0.0).name for _ in range(3)]
    assert kernel.name == "dense_1/kernel:0"
    assert bias.name == "dense_1/bias:0"
    assert again.name == "dense_1_1/kernel:0"
    assert plain == ["Variable:0", "Variable_1:0", "Variable_2:0"]
    K.clear_session()
    with K.name_scope("dense_1"):
        assert K.variable(0.0, name="kernel").name == "dense_1/kernel:0"


@pytest.mark.parametrize(("make", "expected"), [
    (lambda: K.zeros((2, 3)), np.zeros((2, 3))), (lambda: K.ones((2,), dtype="int32"), np.ones(2, "int32")),
    (lambda: K.eye(3), np.eye(3)), (lambda: K.zeros(()), 0.0),
    (lambda: K.zeros_like(K.constant([1.0, 2.0])), np.zeros(2)),
    (lambda: K.ones_like(K.constant([[1.0]]), dtype="int64"), np.ones((1, 1), "int64")),
    (lambda: K.constant(3, dtype="int32"), np.int32(3)), (lambda: K.constant([1, 2]), np.float32([1, 2])),
    (lambda: K.constant(2.0, shape=(2, 2)), np.full((2, 2), 2.0)),
    (lambda: K.constant([1, 2, 3, 4], shape=(2, 2)), np.float32([[1, 2], [3, 4]]))])
def test_makers(make, expected):
    found = K.eval(make())
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == (np.float32 if np.asarray(expected).dtype == np.float64 else np.asarray(expected).dtype)


def test_zeros_of_an_unknown_shape_are_a_tensor():
    x = K.placeholder((None, 3))
    state = K.zeros((K.shape(x)[0], 5))
    assert not K.is_variable(state)
    assert K.int_shape(state) == (None, 5)
    assert K.function([x], [state])([np.ones((2, 3))])[0].shape == (2, 5)


def test_kinds_of_tensors():
    x, v = K.placeholder((None,)), K.variable(1.0)
    assert K.is_placeholder(x)
    assert not K.is_placeholder(v)
    assert K.is_variable(v)
    assert all(K.is_tensor(t) for t in (x, v, x + v))
    assert not K.is_tensor(np.ones(2))
    assert not K.is_sparse(x)
    assert not K.is_keras_tensor(x)
    x._keras_history = ("layer", 0, 0)
    assert K.is_keras_tensor(x)
    with pytest.raises(ValueError, match="Unexpectedly found an instance of type"):
        K.is_keras_tensor(np.ones(2))


def test_placeholders():
    assert K.int_shape(K.placeholder((2, None, 3))) == (2, None, 3)
    assert K.int_shape(K.placeholder(ndim=2, dtype="int32")) == (None, None)
    assert K.int_shape(K.placeholder(())) == ()
    assert K.placeholder((1,), name="input_1").name == "input_1:0"
    with pytest.raises(ArgumentError, match="`shape` or `ndim`"):
        K.placeholder()


def test_counting_parameters():
    assert K.count_params(K.zeros((3, 4))) == 12
    assert K.get_variable_shape(K.zeros((3, 4))) == (3, 4)
    assert K.count_params(K.variable(1.0)) == 1


def test_evaluating_without_a_value_for_a_placeholder_names_it():
    x = K.placeholder((None, 2), name="queries")
    with pytest.raises(ArgumentError, match="placeholder queries:0"):
        K.eval(x + 1)


def test_identity_is_another_tensor_of_the_same_value():
    a = K.variable([1.0, 2.0])
    b = K.identity(a)
    assert b is not a
    assert K.eval(b).tolist() == [1, 2]


def test_updates_keep_type_and_shape():
    v = K.zeros((2,))
    with pytest.raises(ShapeError, match="keeps its shape"):
        K.update(v, K.constant([[1.0, 2.0]]))
    with pytest.raises(DTypeError, match="keeps its element type"):
        K.update(v, K.constant([1, 2], dtype="int32"))
