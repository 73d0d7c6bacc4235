"""Pooling of K against loops over windows, in float64."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from tests.frontend_keras.windows_by_loops import pooled, to_first

RNG = np.random.default_rng(6)
IMAGE, VOLUME = RNG.integers(-9, -1, (2, 7, 8, 3)), RNG.integers(-9, -1, (2, 4, 5, 6, 2))
LAYOUTS = ["channels_last", "channels_first"]
ROUNDING = 9 * 9 * 2.0 ** -24  # nine numbers up to 9, added and divided in float32

pytestmark = pytest.mark.usefixtures("fresh_session")


def value(compute, x, layout, known=True):
    x = x if layout == "channels_last" else to_first(x)
    place = K.placeholder((None, *(d if known else None for d in x.shape[1:])))
    found = K.function([place], [compute(place, layout)])([x])[0]
    return found if layout == "channels_last" else np.moveaxis(found, 1, -1)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ["max", "avg"])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides"), [((2, 2), (2, 2)), ((3, 3), (2, 2)), ((3, 2), (1, 3)), ((1, 1), (2, 2)),
                                               ((2, 3), (1, 1))])
def test_images(size, strides, padding, mode, layout):
    """All numbers are negative, so padding would show in both modes."""
    found = value(lambda t, how: K.pool2d(t, size, strides, padding, how, mode), IMAGE, layout)
    np.testing.assert_allclose(found, pooled(IMAGE, size, strides, padding, mode), rtol=0,
                               atol=0 if mode == "max" else ROUNDING)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("mode", ["max", "avg"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_volumes(padding, mode, layout):
    found = value(lambda t, how: K.pool3d(t, (2, 3, 2), (1, 2, 2), padding, how, mode), VOLUME, layout)
    np.testing.assert_allclose(found, pooled(VOLUME, (2, 3, 2), (1, 2, 2), padding, mode), rtol=0,
                               atol=0 if mode == "max" else ROUNDING * 2)


@pytest.mark.parametrize("mode", ["max", "avg"])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_images_of_unknown_size(padding, mode):
    found = value(lambda t, how: K.pool2d(t, (2, 2), (2, 2), padding, how, mode), IMAGE, "channels_last", known=False)
    np.testing.assert_allclose(found, pooled(IMAGE, (2, 2), (2, 2), padding, mode), rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("mode", ["max", "avg"])
@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_gradients(target, mode):
    """The gradient goes to the largest element of a window, or in equal parts to all that are no padding."""
    K.set_target(target)
    data = RNG.permutation(5 * 5 * 2).reshape(1, 5, 5, 2) - 100
    x = K.placeholder((None, 2, 5, 5))
    weights = RNG.integers(1, 5, (1, 3, 3, 2))
    total = K.sum(K.pool2d(x, (2, 2), (2, 2), "same", "channels_first", mode) * K.constant(to_first(weights)))
    found = K.function([x], K.gradients(total, [x]))([to_first(data)])[0]
    want = np.zeros(data.shape)
    for i in range(3):
        for j in range(3):
            for c in range(2):
                at = (0, slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2), c)
                window = data[at]
                want[at] += weights[0, i, j, c] * (window == window.max() if mode == "max" else 1 / window.size)
    np.testing.assert_array_equal(found, to_first(want))


def test_nan_is_the_largest_element():
    data = np.array([1, np.nan, 3, 4.0]).reshape(1, 2, 2, 1)
    assert np.isnan(value(lambda t, how: K.pool2d(t, (2, 2)), data, "channels_last")).all()


@pytest.mark.parametrize(("keywords", "error", "text"), [
    ({"padding": "full"}, ArgumentError, "Invalid padding"), ({"padding": "causal"}, ArgumentError, "Invalid padding"),
    ({"pool_mode": "sum"}, ArgumentError, "Invalid pooling mode"), ({"strides": 0}, ArgumentError, "positive integers"),
    ({"data_format": "tf"}, ArgumentError, "data_format"), ({"pool_size": (6, 2)}, ShapeError, r"pool_size \(6, 2\) is larg"),
    ({"pool_size": (2, 2, 2)}, ArgumentError, "`pool_size` is not 2 positive integers")])
def test_what_does_not_fit_is_named(keywords, error, text):
    with K.origin("pool_1"), pytest.raises(error, match=text) as raised:
        K.pool2d(K.placeholder((None, 5, 5, 3)), **{"pool_size": (2, 2), **keywords})
    if error is ShapeError:
        assert raised.value.where == "pool_1" and "(None, 5, 5, 3) read as channels_last" in str(raised.value)
