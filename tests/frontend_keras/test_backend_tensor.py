"""Symbolic tensors: operators, broadcasting, shapes, errors in the user's terms."""

import numpy as np
import pytest

from graphc.errors import DTypeError, ShapeError
from graphc.frontend_keras import backend as K

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4)).astype("float32")
Y = RNG.normal(size=(3, 4)).astype("float32") + 3
ROW = RNG.normal(size=4).astype("float32")


def call(outputs, feeds):
    """Values of a list of tensors, for a dict from placeholders to arrays."""
    return K.function(list(feeds), outputs)(list(feeds.values()))


@pytest.fixture
def x():
    return K.placeholder((None, 4), name="x")


@pytest.mark.parametrize("compute", [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a // b,
    lambda a, b: a % b, lambda a, b: b ** a, lambda a, b: a < b, lambda a, b: a <= b, lambda a, b: a > b,
    lambda a, b: a >= b, lambda a, b: -a + abs(b), lambda a, b: (a > 0) & ~(b > 3), lambda a, b: (a > 0) | (b > 3)])
def test_operators_compute_what_numpy_does(x, compute):
    y = K.placeholder((None, 4))
    (value,) = call([compute(x, y)], {x: X, y: Y})
    np.testing.assert_allclose(value, compute(X.astype(float), Y.astype(float)), rtol=1e-5)


@pytest.mark.parametrize("compute", [
    lambda a: 2 + a, lambda a: 2 - a, lambda a: 2 * a, lambda a: 2 / a, lambda a: a / 2, lambda a: a ** 2,
    lambda a: 2.5 ** a, lambda a: a - np.float32(1.5), lambda a: a > 0.5, lambda a: a * ROW, lambda a: ROW - a,
    lambda a: a + np.ones((3, 1)), lambda a: np.float64(3.0) * a])
def test_numbers_and_arrays_take_the_tensors_type(x, compute):
    result = compute(x)
    (value,) = call([result], {x: X})
    expected = compute(X)
    assert result.dtype == ("bool" if expected.dtype == bool else "float32")
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_integers_divide_as_reals_and_keep_their_type_otherwise():
    n = K.placeholder((None,), dtype="int32")
    total, half, floor = call([n + 1, n / 2, n // 2], {n: np.array([3, 4, -3])})
    assert total.dtype == np.int32
    assert half.dtype == np.float32
    assert total.tolist() == [4, 5, -2]
    assert half.tolist() == [1.5, 2.0, -1.5]
    assert floor.tolist() == [1, 2, -2]


def test_shapes_show_none_for_unknown_sizes(x):
    y = x + ROW
    assert K.int_shape(y) == (None, 4)
    assert y._keras_shape == (None, 4)
    assert y.shape == (None, 4)
    assert y.get_shape().as_list() == [None, 4]
    assert (K.ndim(y), K.dtype(y), y.dtype) == (2, "float32", "float32")
    y._keras_shape = (None, 2, 2)
    assert K.int_shape(y) == (None, 2, 2)


def test_equality_is_identity_and_tensors_are_hashable(x):
    y = x + 1
    assert (y == x) is False
    assert (y == y) is True
    assert x in [y, x]
    assert len({x, y, x}) == 2


def test_a_tensor_is_neither_true_nor_false(x):
    with pytest.raises(TypeError, match=r"no value yet.*K\.switch"):
        bool(x)


def test_iteration_needs_a_known_size(x):
    with pytest.raises(TypeError, match="cannot be iterated"):
        iter(x)
    rows = list(K.constant([[1.0, 2.0], [3.0, 4.0]]))
    assert [K.eval(r).tolist() for r in rows] == [[1, 2], [3, 4]]


def test_sum_of_a_list_of_tensors_starts_from_zero(x):
    (value,) = call([sum([x, x, x])], {x: X})
    np.testing.assert_allclose(value, 3 * X, rtol=1e-6)


@pytest.mark.parametrize(("left", "right"), [((3, 1), (1, 4)), ((4,), (2, 3, 4)), ((1,), (3, 4)), ((), (2, 2)),
                                             ((5, 1, 4), (3, 1))])
def test_broadcasting_is_numpys(left, right):
    a, b = RNG.normal(size=left), RNG.normal(size=right)
    found = K.eval(K.constant(a, shape=left) * K.constant(b, shape=right))
    np.testing.assert_allclose(found, a * b, rtol=1e-6)


def test_a_shape_clash_names_both_shapes_and_the_layer(x):
    with K.origin("model_1"), K.origin("dense_1"), pytest.raises(ShapeError) as raised:
        x + K.constant(np.ones(3))
    assert "(None, 4) (3,)" in str(raised.value)
    assert raised.value.where == "model_1/dense_1"


def test_element_types_are_not_mixed_silently(x):
    with pytest.raises(DTypeError, match=r"float32 \(None, 4\) and int32.*K\.cast"):
        x + K.constant(1, dtype="int32")
    with pytest.raises(DTypeError, match=r"Expected int32, got a float.*K\.cast"):
        K.constant(1, dtype="int32") * 0.5


def test_ops_carry_the_origin_they_are_made_in(x):
    with K.name_scope("dense_1"):
        y = x * 2
    assert y.op.origin == "dense_1"
    assert y.name == "dense_1/multiply:0"
    assert (x * 2).op.origin == ""


def test_unknown_sizes_that_meet_are_taken_for_equal():
    target = K.placeholder(ndim=2)
    output = K.placeholder((None, 4))
    assert K.int_shape(target) == (None, None)
    difference = target - output
    assert K.int_shape(difference) == (None, 4)
    (value,) = call([K.square(difference)], {target: X, output: Y})
    np.testing.assert_allclose(value, (X - Y) ** 2, rtol=1e-5)
    with pytest.raises(ShapeError):
        call([difference], {target: X[:, :3], output: Y})


def test_a_fixed_batch_binds_the_batch_symbol_in_its_graph_only(x):
    fixed = K.placeholder((3, 4))
    (value,) = call([x + fixed], {x: X, fixed: Y})
    np.testing.assert_allclose(value, X + Y, rtol=1e-6)
    with pytest.raises(ShapeError):
        call([x + fixed], {x: X[:2], fixed: Y})
    assert call([x * 2], {x: X[:2]})[0].shape == (2, 4)


def test_flattened_tensors_of_unknown_width_meet():
    target, output = K.placeholder((None, None)), K.placeholder((None, 4))
    overlap = K.sum(K.flatten(target) * K.flatten(output))
    np.testing.assert_allclose(call([overlap], {target: X, output: Y})[0], np.sum(X * Y), rtol=1e-5)


def test_sizes_that_contradict_each_other_are_refused():
    unknown = K.placeholder((None, None))
    three, four = unknown + K.constant(np.ones(3)), unknown + K.constant(np.ones(4))
    with pytest.raises(ShapeError, match="must be equal"):
        call([K.sum(three) + K.sum(four)], {unknown: X})


def test_chains_of_a_hundred_thousand_ops_work(x):
    y = x
    for _ in range(50_000):
        y = y + x
        y = -y
    assert len(K.function([x], [y]).graph_and_states()[0].ops) == 100_000


@pytest.mark.parametrize("convert", [np.asarray, np.mean, lambda x: np.stack([x, x])])
def test_numpy_is_told_that_there_are_no_numbers(convert):
    with pytest.raises(TypeError, match="a symbolic tensor has no numbers yet.*Use the function of K"):
        convert(K.placeholder((None, 3)))
