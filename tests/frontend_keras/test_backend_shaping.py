"""Functions of K that move elements, and indexing, against NumPy."""

import numpy as np
import pytest

from graphc.errors import IndexRangeError, ShapeError
from graphc.frontend_keras import backend as K

X = np.arange(24, dtype="float32").reshape(2, 3, 4)


def value(compute, x=X, shape=(None, 3, 4)):
    t = K.placeholder(shape)
    return K.function([t], [compute(t)])([x])[0]


@pytest.mark.parametrize(("compute", "expected"), [
    (lambda x: K.reshape(x, (-1, 12)), X.reshape(-1, 12)),
    (lambda x: K.reshape(x, (-1,)), X.reshape(-1)),
    (lambda x: K.reshape(x, (2, 6, 2)), X.reshape(2, 6, 2)),
    (lambda x: K.reshape(x, (K.shape(x)[0], 4, -1)), X.reshape(2, 4, 3)),
    (lambda x: K.reshape(x, K.stack([K.shape(x)[0] * 3, K.shape(x)[2]])), X.reshape(6, 4)),
    (lambda x: K.reshape(x, K.concatenate([K.shape(x)[:1], [2, 6]])), X.reshape(2, 2, 6)),
    (K.transpose, X.T), (lambda x: K.permute_dimensions(x, (0, 2, 1)), X.transpose(0, 2, 1)),
    (K.flatten, X.reshape(-1)), (K.batch_flatten, X.reshape(2, 12)),
    (K.expand_dims, X[..., None]), (lambda x: K.expand_dims(x, 1), X[:, None]),
    (lambda x: K.squeeze(x[:, :, :1], 2), X[:, :, 0]), (lambda x: K.squeeze(x[:, :1], -2), X[:, 0]),
    (lambda x: K.repeat_elements(x, 2, 1), np.repeat(X, 2, 1)),
    (lambda x: K.repeat_elements(x, 3, axis=0), np.repeat(X, 3, 0)),
    (lambda x: K.tile(x, (2, 1, 3)), np.tile(X, (2, 1, 3))),
    (lambda x: K.repeat(K.batch_flatten(x), 5), np.repeat(X.reshape(2, 1, 12), 5, 1)),
    (lambda x: K.concatenate([x, x * 2]), np.concatenate([X, X * 2], -1)),
    (lambda x: K.concatenate([x, x, x], axis=1), np.concatenate([X, X, X], 1)),
    (lambda x: K.concatenate([x, x], axis=0), np.concatenate([X, X], 0)),
    (lambda x: K.stack([x, -x]), np.stack([X, -X])), (lambda x: K.stack([x, -x], axis=-1), np.stack([X, -X], -1)),
    (lambda x: K.reverse(x, 1), X[:, ::-1]), (lambda x: K.reverse(x, (1, 2)), X[:, ::-1, ::-1]),
    (lambda x: K.slice(x, (0, 1, 2), (-1, 2, 1)), X[:, 1:3, 2:3]),
    (lambda x: K.temporal_padding(x, (1, 2)), np.pad(X, ((0, 0), (1, 2), (0, 0)))),
    (lambda x: K.shape(x), np.array([2, 3, 4])),
    (lambda x: K.one_hot(K.cast(x[:, 0, :2], "int32"), 14), np.eye(14)[X[:, 0, :2].astype(int)]),
])
def test_values(compute, expected):
    found = value(compute)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("key", [
    np.s_[0], np.s_[-1], np.s_[:, 1], np.s_[:, -1], np.s_[..., 2], np.s_[:, 1:3, ::2], np.s_[:, ::-1], np.s_[:, 2:0:-1],
    np.s_[:, :, 1:-1], np.s_[:, None, 1], np.s_[..., None], np.s_[1:, 0], np.s_[:, 5:], np.s_[:, :9], np.s_[::-1],
    np.s_[:, 0, ..., 1], np.s_[...]])
def test_indexing_is_numpys(key):
    np.testing.assert_array_equal(value(lambda x: x[key]), X[key])


def test_indexing_by_scalar_tensors():
    np.testing.assert_array_equal(value(lambda x: x[:, K.shape(x)[1] - 1]), X[:, 2])
    t, i = K.placeholder((None, 3, 4)), K.placeholder((), dtype="int32")
    np.testing.assert_array_equal(K.function([t, i], [t[:, i, 1:]])([X, 2])[0], X[:, 2, 1:])


@pytest.mark.parametrize(("key", "text"), [(np.s_[0, 0, 0, 0], "too many indices"), (np.s_[:, 3], "outside an axis"),
                                           (np.s_[:, [1, 2]], r"K\.gather")])
def test_wrong_indices(key, text):
    with pytest.raises(ShapeError, match=text):
        K.placeholder((None, 3, 4))[key]


def test_unknown_sizes_go_through_shapes():
    x = K.placeholder((None, None, 4))
    assert K.int_shape(x[:, 1:]) == (None, None, 4)
    assert K.int_shape(K.reshape(x, (-1, 4))) == (None, 4)
    assert K.int_shape(K.repeat_elements(x, 2, 1)) == (None, None, 4)
    shifted = K.concatenate([x[:, 1:], x[:, :1]], axis=1)
    np.testing.assert_array_equal(K.function([x], [shifted])([X])[0], np.roll(X, -1, 1))


def test_images_and_volumes():
    image = np.arange(24.0).reshape(1, 2, 3, 4)
    pads = ((1, 2), (0, 1))
    last = value(lambda t: K.spatial_2d_padding(t, pads, "channels_last"), image, (None, 2, 3, 4))
    first = value(lambda t: K.spatial_2d_padding(t, pads, "channels_first"), image, (None, 2, 3, 4))
    np.testing.assert_array_equal(last, np.pad(image, ((0, 0), (1, 2), (0, 1), (0, 0))))
    np.testing.assert_array_equal(first, np.pad(image, ((0, 0), (0, 0), (1, 2), (0, 1))))
    enlarged = value(lambda t: K.resize_images(t, 2, 3, "channels_last"), image, (None, 2, 3, 4))
    np.testing.assert_array_equal(enlarged, image.repeat(2, 1).repeat(3, 2))
    volume = np.arange(8.0).reshape(1, 2, 2, 2, 1)
    found = value(lambda t: K.spatial_3d_padding(t), volume, (None, 2, 2, 2, 1))
    np.testing.assert_array_equal(found, np.pad(volume, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0))))


def test_gather():
    table = K.variable(np.arange(12.0).reshape(4, 3))
    i = K.placeholder((None, None), dtype="int32")
    f = K.function([i], [K.gather(table, i)])
    np.testing.assert_array_equal(f([[[0, 3], [2, 1]]])[0], np.arange(12.0).reshape(4, 3)[[[0, 3], [2, 1]]])
    with pytest.raises(IndexRangeError):
        f([[[4, 0]]])


@pytest.mark.parametrize(("arguments", "expected"), [((5,), range(5)), ((2, 9, 3), range(2, 9, 3)), ((-3,), []),
                                                     ((5, 0, -2), range(5, 0, -2))])
def test_arange(arguments, expected):
    found = K.eval(K.arange(*arguments))
    assert found.tolist() == list(expected)
    assert found.dtype == np.int32
    assert K.eval(K.arange(3, dtype="float32")).dtype == np.float32


def test_arange_over_an_unknown_size():
    found = value(lambda x: K.cast(K.arange(K.shape(x)[0]), "float32") * x[:, 0, 0])
    np.testing.assert_array_equal(found, [0, 12])


@pytest.mark.parametrize(("compute", "text"), [
    (lambda x: K.reshape(x, (5, -1)), "Cannot reshape"), (lambda x: K.reshape(x, (-1, -1)), "only one size"),
    (lambda x: K.reshape(x, (None, 3, 5)), "Cannot reshape"), (lambda x: K.squeeze(x, 1), "cannot be squeezed"),
    (lambda x: K.concatenate([x, x[:, :2]], axis=-1), r"shapes \(None, 3, 4\) \(None, 2, 4\)"),
    (lambda x: K.repeat(x, 2), "2 axes"), (lambda x: K.tile(x, 2), "one count per axis"),
    (lambda x: K.temporal_padding(x[0]), "does not fit the rank")])
def test_what_does_not_fit_is_named(compute, text):
    x = K.placeholder((None, 3, 4))
    with K.origin("reshape_1"), pytest.raises(ShapeError, match=text) as raised:
        compute(x)
    assert raised.value.where == "reshape_1"
