"""Convolutions of K against loops over windows. Data and weights are small integers, so float32 is exact."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from tests.frontend_keras.windows_by_loops import convolution, depthwise, to_first

RNG = np.random.default_rng(5)
IMAGE, VOLUME, STEPS = (RNG.integers(-4, 5, shape) for shape in ((2, 7, 8, 3), (2, 4, 5, 6, 2), (2, 9, 3)))
LAYOUTS = ["channels_last", "channels_first"]
CONVOLUTIONS = {3: K.conv1d, 4: K.conv2d, 5: K.conv3d}

pytestmark = pytest.mark.usefixtures("fresh_session")


def whole(*shape):
    return RNG.integers(-4, 5, shape)


def value(compute, x, layout="channels_last", batch=None, known=True):
    """compute(x, layout) for x with channels last; the result with channels last."""
    x = x if layout == "channels_last" else to_first(x)
    shape = [batch, *x.shape[1:]] if known else [
        batch, *(d if axis == (x.ndim - 1 if layout == "channels_last" else 1) else None
                 for axis, d in enumerate(x.shape) if axis)]
    place = K.placeholder(tuple(shape))
    out = compute(place, layout)
    found = K.function([place], [out])([x])[0]
    assert all(d in (None, n) for d, n in zip(K.int_shape(out), found.shape, strict=True))
    return found if layout == "channels_last" else np.moveaxis(found, 1, -1)


CASES = [  # strides, padding, dilations
    (1, "valid", 1), (1, "same", 1), (2, "valid", 1), (2, "same", 1), (3, "same", 1), (1, "valid", 2), (1, "same", 2),
    (2, "same", 2)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("stride", "padding", "dilation"), CASES)
@pytest.mark.parametrize(("x", "size"), [(STEPS, (3,)), (STEPS, (4,)), (IMAGE, (3, 2)), (IMAGE, (1, 1)),
                                         (VOLUME, (2, 1, 2))], ids=str)
def test_convolution(x, size, stride, padding, dilation, layout):
    w = whole(*size, x.shape[-1], 4)
    count = len(size)
    found = value(lambda t, how: CONVOLUTIONS[t.rank](t, K.constant(w), stride, padding, how, dilation), x, layout)
    np.testing.assert_array_equal(found, convolution(x, w, (stride,) * count, padding, (dilation,) * count))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_convolution_of_images_of_unknown_size(layout, padding):
    w = whole(3, 3, 3, 4)
    found = value(lambda t, how: K.conv2d(t, K.constant(w), (2, 2), padding, how), IMAGE, layout, known=False)
    np.testing.assert_array_equal(found, convolution(IMAGE, w, (2, 2), padding))


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 3)])
def test_causal_convolution(stride, dilation):
    w = whole(3, 3, 4)
    found = value(lambda t, how: K.conv1d(t, K.constant(w), stride, "causal", how, dilation), STEPS)
    np.testing.assert_array_equal(found, convolution(STEPS, w, (stride,), "causal", (dilation,)))


def test_steps_of_a_causal_convolution_depend_on_no_later_step():
    w, later = whole(3, 3, 4), STEPS.copy()
    later[:, 5:] += 1
    a, b = (value(lambda t, how: K.conv1d(t, K.constant(w), padding="causal"), x) for x in (STEPS, later))
    np.testing.assert_array_equal(a[:, :5], b[:, :5])
    assert (a[:, 5:] != b[:, 5:]).any()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(("stride", "padding", "dilation"), CASES)
def test_depthwise_convolution(stride, padding, dilation, multiplier, layout):
    w = whole(3, 2, 3, multiplier)
    found = value(lambda t, how: K.depthwise_conv2d(t, K.constant(w), (stride,) * 2, padding, how, (dilation,) * 2),
                  IMAGE, layout)
    np.testing.assert_array_equal(found, depthwise(IMAGE, w, (stride,) * 2, padding, (dilation,) * 2))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("x", "size", "separable"), [(STEPS, (3,), K.separable_conv1d),
                                                      (IMAGE, (3, 2), K.separable_conv2d)], ids=["1d", "2d"])
def test_separable_convolution(x, size, separable, layout):
    w, mix = whole(*size, 3, 2), whole(*(1 for _ in size), 6, 5)
    found = value(lambda t, how: separable(t, K.constant(w), K.constant(mix), (2,) * len(size), "same", how), x, layout)
    np.testing.assert_array_equal(found, depthwise(x, w, (2,) * len(size), "same") @ mix.reshape(6, 5))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("stride", "padding", "extents"), [
    (1, "valid", (7, 8)), (2, "valid", (7, 8)), (2, "valid", (8, 9)), (1, "same", (7, 8)), (2, "same", (7, 8)),
    (3, "same", (8, 6)), (3, "valid", (9, 10))])
def test_transposed_convolution_is_the_adjoint_of_the_convolution(stride, padding, extents, layout):
    """<convolution(a), b> = <a, transposed(b)> for all a, b."""
    w, a = whole(3, 2, 4, 3), whole(2, *extents, 4)
    forward = convolution(a, w, (stride, stride), padding)
    b = whole(*forward.shape)
    shape = (2, *extents, 4) if layout == "channels_last" else (2, 4, *extents)
    found = value(lambda t, how: K.conv2d_transpose(t, K.constant(w), shape, (stride, stride), padding, how), b, layout,
                  batch=2)
    assert found.shape == a.shape
    assert (found * a).sum() == (forward * b).sum()


def test_transposed_convolution_of_volumes():
    w, a = whole(2, 3, 2, 4, 2), whole(2, 4, 5, 6, 4)
    forward = convolution(a, w, (2, 2, 2), "same")
    b = whole(*forward.shape)
    found = value(lambda t, how: K.conv3d_transpose(t, K.constant(w), a.shape, (2, 2, 2), "same", how), b, batch=2)
    assert (found * a).sum() == (forward * b).sum()


def test_transposed_convolution_takes_sizes_from_tensors():
    w, b = whole(3, 3, 4, 3), whole(2, 5, 6, 3)
    x = K.placeholder((None, None, 6, 3))
    sizes = K.shape(x)
    out = K.conv2d_transpose(x, K.constant(w), (sizes[0], sizes[1] + 2, 8, 4))
    found = K.function([x], [out])([b])[0]
    np.testing.assert_array_equal(found, convolution(np.pad(b, ((0, 0), (2, 2), (2, 2), (0, 0))),
                                                     w[::-1, ::-1].swapaxes(2, 3), (1, 1)))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("stride", [1, 2])
def test_unshared_convolution_of_images(stride, layout):
    """Each place has weights of its own; with channels first these are ordered (channel, row, column)."""
    rows, columns = (6 - 1) // stride + 1 if stride == 1 else 3, (7 - 1) // stride + 1 if stride == 1 else 4
    w = whole(rows, columns, 2, 2, 3, 4)
    kernel = w if layout == "channels_last" else np.moveaxis(w, 4, 2)
    found = value(lambda t, how: K.local_conv2d(t, K.constant(kernel.reshape(rows * columns, 12, 4)), (2, 2),
                                                (stride, stride), (rows, columns), how), IMAGE, layout)
    for i in range(rows):
        for j in range(columns):
            window = IMAGE[:, i * stride:i * stride + 2, j * stride:j * stride + 2]
            np.testing.assert_array_equal(found[:, i, j], np.tensordot(window, w[i, j], axes=3))


def test_unshared_convolution_of_steps():
    w = whole(4, 2 * 3, 5)
    found = value(lambda t, how: K.local_conv1d(t, K.constant(w), (2,), (2,)), STEPS)
    for i in range(4):
        np.testing.assert_array_equal(found[:, i], STEPS[:, 2 * i:2 * i + 2].reshape(2, 6) @ w[i])


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_gradients_with_channels_first(target):
    """Of sum(convolution(x, w) * g): what the definition gives, multiplied out."""
    K.set_target(target)
    w, g = whole(3, 2, 3, 4), whole(2, 4, 4, 4)
    x, v, c = K.placeholder((None, 3, 7, 8)), K.variable(w), K.placeholder((None, 4, 4, 4))
    total = K.sum(K.conv2d(x, v, (2, 2), "same", "channels_first") * c)
    to_x, to_w = K.function([x, c], K.gradients(total, [x, v]))([to_first(IMAGE), to_first(g)])
    around = np.pad(IMAGE, ((0, 0), (1, 1), (0, 0), (0, 0)))
    want_x, want_w = np.zeros(around.shape), np.zeros(w.shape)
    for i in range(4):
        for j in range(4):
            at = (slice(None), slice(2 * i, 2 * i + 3), slice(2 * j, 2 * j + 2))
            want_x[at] += np.einsum("no,abco->nabc", g[:, i, j], w)
            want_w += np.einsum("nabc,no->abco", around[at], g[:, i, j])
    np.testing.assert_array_equal(to_x, to_first(want_x[:, 1:-1]))
    np.testing.assert_array_equal(to_w, want_w)


def test_on_the_cpu():
    K.set_target("cpu")
    w, v = whole(3, 3, 3, 4), whole(3, 2, 3, 2)
    for layout in LAYOUTS:
        found = value(lambda t, how: K.conv2d(t, K.constant(w), (1, 1), "same", how), IMAGE, layout)
        np.testing.assert_array_equal(found, convolution(IMAGE, w, (1, 1), "same"))
    found = value(lambda t, how: K.depthwise_conv2d(t, K.constant(v), (2, 2), "same", how), IMAGE)
    np.testing.assert_array_equal(found, depthwise(IMAGE, v, (2, 2), "same"))


def image(*shape):
    return K.placeholder((None, *shape))


@pytest.mark.parametrize(("compute", "error", "text"), [
    (lambda: K.conv2d(image(5, 5, 3), K.constant(whole(3, 3, 4, 2))), ShapeError, "expected 4 channels.*got 3"),
    (lambda: K.conv2d(image(5, 5, 3), K.constant(whole(6, 3, 3, 2))), ShapeError, r"kernel \(6, 3\) is larger.*\(6, 3\)"),
    (lambda: K.conv2d(image(5, 5, 3), K.constant(whole(3, 3, 3, 2)), dilation_rate=3), ShapeError, r"\(7, 7\)"),
    (lambda: K.conv2d(image(5, 3), K.constant(whole(3, 3, 3, 2))), ShapeError, "input of 4 axes"),
    (lambda: K.conv2d(image(5, 5, 3), K.constant(whole(3, 3, 2))), ShapeError, "kernel of 4 axes"),
    (lambda: K.conv2d(image(5, 5, 3), K.constant(whole(3, 3, 3, 2)), padding="causal"), ArgumentError, "Invalid padding"),
    (lambda: K.conv2d(image(5, 5, 3), K.constant(whole(3, 3, 3, 2)), strides=0), ArgumentError, "positive integers"),
    (lambda: K.conv2d(image(5, 5, 3), K.constant(whole(3, 3, 3, 2)), data_format="tf"), ArgumentError, "data_format"),
    (lambda: K.conv2d_transpose(image(5, 5, 3), K.constant(whole(3, 3, 4, 3)), (None, 9, 7, 4)), ShapeError,
     "no convolution"),
    (lambda: K.depthwise_conv2d(image(5, 5, 3), K.constant(whole(3, 3, 2, 1))), ShapeError, "channels.*differ"),
    (lambda: K.local_conv1d(image(5, 3), K.constant(whole(4, 5, 2)), (2,), (1,)), ShapeError, r"\(4, 6, filters\)")])
def test_what_does_not_fit_is_named(compute, error, text):
    with K.origin("conv_1"), pytest.raises(error, match=text):
        compute()
