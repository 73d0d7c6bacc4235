"""Upsampling, zero padding and cropping: values against NumPy, configurations of Keras 2.2.4, errors."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers
from graphc.frontend_keras.layers import (
    Cropping1D,
    Cropping2D,
    Cropping3D,
    Input,
    UpSampling1D,
    UpSampling2D,
    UpSampling3D,
    ZeroPadding1D,
    ZeroPadding2D,
    ZeroPadding3D,
)
from graphc.frontend_keras.models import Model
from tests.frontend_keras.windows_by_loops import to_first

RNG = np.random.default_rng(9)
STEPS, IMAGE, VOLUME = (RNG.normal(size=shape).astype("f4") for shape in ((2, 6, 3), (2, 7, 8, 3), (2, 4, 5, 6, 2)))


def computed(layer, x, known=True):
    place = Input(x.shape[1:] if known else (*(None for _ in x.shape[2:]), x.shape[-1]))
    model = Model(place, layer(place))
    found = model.predict(x)
    assert layer.compute_output_shape((None, *x.shape[1:])) == (None, *found.shape[1:])
    return found


def padded(x, *margins):
    return np.pad(x, ((0, 0), *margins, (0, 0)))


SAMPLES = [
    (UpSampling1D, {}, STEPS, STEPS.repeat(2, 1)), (UpSampling1D, {"size": 3}, STEPS, STEPS.repeat(3, 1)),
    (UpSampling2D, {}, IMAGE, IMAGE.repeat(2, 1).repeat(2, 2)),
    (UpSampling2D, {"size": (1, 3)}, IMAGE, IMAGE.repeat(3, 2)),
    (UpSampling3D, {"size": (1, 2, 3)}, VOLUME, VOLUME.repeat(2, 2).repeat(3, 3)),
    (ZeroPadding1D, {}, STEPS, padded(STEPS, (1, 1))), (ZeroPadding1D, {"padding": (0, 2)}, STEPS, padded(STEPS, (0, 2))),
    (ZeroPadding2D, {}, IMAGE, padded(IMAGE, (1, 1), (1, 1))),
    (ZeroPadding2D, {"padding": (2, 0)}, IMAGE, padded(IMAGE, (2, 2), (0, 0))),
    (ZeroPadding2D, {"padding": ((1, 0), (2, 3))}, IMAGE, padded(IMAGE, (1, 0), (2, 3))),
    (ZeroPadding3D, {"padding": (1, (0, 2), 0)}, VOLUME, padded(VOLUME, (1, 1), (0, 2), (0, 0))),
    (Cropping1D, {}, STEPS, STEPS[:, 1:-1]), (Cropping1D, {"cropping": (0, 2)}, STEPS, STEPS[:, :-2]),
    (Cropping2D, {}, IMAGE, IMAGE), (Cropping2D, {"cropping": 2}, IMAGE, IMAGE[:, 2:-2, 2:-2]),
    (Cropping2D, {"cropping": ((1, 0), (2, 3))}, IMAGE, IMAGE[:, 1:, 2:-3]),
    (Cropping3D, {}, VOLUME, VOLUME[:, 1:-1, 1:-1, 1:-1])]


@pytest.mark.parametrize(("layer", "keywords", "x", "want"), SAMPLES)
def test_values(layer, keywords, x, want):
    np.testing.assert_array_equal(computed(layer(**keywords), x), want)
    np.testing.assert_array_equal(computed(layer(**keywords), x, known=False), want)
    if layer.rank > 1:
        found = computed(layer(data_format="channels_first", **keywords), to_first(x))
        np.testing.assert_array_equal(found, to_first(want))


def by_hand(x, factor, axis):
    """Pixel i of the axis lies at i * factor; on the line between two pixels, and level behind the last."""
    size = x.shape[axis]
    places = np.arange(size * factor) / factor
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, size - 1)
    share = (places - below).reshape(-1, *(1 for _ in x.shape[axis + 1:]))
    return x.take(below, axis) * (1 - share) + x.take(above, axis) * share


@pytest.mark.parametrize("target", ["reference", "cpu"])
@pytest.mark.parametrize("size", [(2, 2), (3, 1), (1, 4)])
def test_bilinear_upsampling(size, target):
    K.set_target(target)
    want = by_hand(by_hand(IMAGE.astype("f8"), size[0], 1), size[1], 2)
    rounding = 4 * np.abs(IMAGE).max() * 2.0 ** -23
    found = computed(UpSampling2D(size, interpolation="bilinear"), IMAGE, known=False)
    np.testing.assert_allclose(found, want, rtol=0, atol=rounding)
    found = computed(UpSampling2D(size, "channels_first", "bilinear"), to_first(IMAGE))
    np.testing.assert_allclose(found, to_first(want), rtol=0, atol=rounding)


def test_bilinear_upsampling_of_a_ramp_as_tensorflow_1_gives_it():
    x = np.array([[1.0, 3], [5, 9]]).reshape(1, 2, 2, 1)
    found = computed(UpSampling2D(interpolation="bilinear"), x)[0, :, :, 0]
    np.testing.assert_array_equal(found, [[1, 2, 3, 3], [3, 4.5, 6, 6], [5, 7, 9, 9], [5, 7, 9, 9]])


def test_resized_integers_are_floats_between_pixels():
    x = K.placeholder((None, 1, 2, 1), dtype="int32")
    out = K.resize_images(x, 1, 2, "channels_last", "bilinear")
    assert K.dtype(out) == "float32"
    np.testing.assert_array_equal(K.function([x], [out])([[[[[1], [2]]]]])[0].ravel(), [1, 1.5, 2, 2])


@pytest.mark.parametrize(("layer", "config"), [
    (UpSampling1D, {"size": 2}), (UpSampling2D, {"size": (2, 2), "data_format": "channels_last", "interpolation": "nearest"}),
    (UpSampling3D, {"size": (2, 2, 2), "data_format": "channels_last"}), (ZeroPadding1D, {"padding": (1, 1)}),
    (ZeroPadding2D, {"padding": ((1, 1), (1, 1)), "data_format": "channels_last"}),
    (ZeroPadding3D, {"padding": ((1, 1), (1, 1), (1, 1)), "data_format": "channels_last"}),
    (Cropping1D, {"cropping": (1, 1)}), (Cropping2D, {"cropping": ((0, 0), (0, 0)), "data_format": "channels_last"}),
    (Cropping3D, {"cropping": ((1, 1), (1, 1), (1, 1)), "data_format": "channels_last"})])
def test_configurations(layer, config):
    found = layer(name="x").get_config()
    assert found == {"name": "x", "trainable": True, **config}
    assert list(found)[2:] == list(config)
    assert layer.from_config(found).get_config() == found
    as_read = {key: [list(v) if isinstance(v, tuple) else v for v in value] if isinstance(value, tuple) else value
               for key, value in found.items()}
    assert layers.deserialize({"class_name": layer.__name__, "config": as_read}).get_config() == found


@pytest.mark.parametrize(("make", "like"), [
    (lambda: UpSampling1D(length=3), UpSampling1D(3)),
    (lambda: UpSampling2D(dim_ordering="th"), UpSampling2D(data_format="channels_first")),
    (lambda: ZeroPadding2D({"top_pad": 1, "left_pad": 2}), ZeroPadding2D(((1, 0), (2, 0)))),
    (lambda: ZeroPadding2D(padding={"right_pad": 4}, dim_ordering="th"), ZeroPadding2D(((0, 0), (0, 4)), "channels_first")),
    (lambda: Cropping3D(dim_ordering="th"), Cropping3D(data_format="channels_first"))])
def test_spellings_of_keras_1_are_taken_with_a_warning(make, like):
    with pytest.warns(UserWarning, match="Keras 2 API"):
        made = make()
    assert {**made.get_config(), "name": ""} == {**like.get_config(), "name": ""}


@pytest.mark.parametrize(("make", "text"), [
    (lambda: UpSampling2D((1, 2, 3)), "up_sampling2d_1: The `size` argument must be a tuple of 2 integers"),
    (lambda: UpSampling2D(interpolation="cubic"), "up_sampling2d_1: interpolation should be one of \"nearest\""),
    (lambda: UpSampling1D(0), "`size` is not a positive integer"),
    (lambda: ZeroPadding2D((1, 2, 3)), "zero_padding2d_1: `padding` should have 2 elements"),
    (lambda: ZeroPadding2D(((1, 2, 3), 1)), r"`padding\[0\]` argument must be a tuple of 2 integers"),
    (lambda: ZeroPadding2D(None), "`padding` should be either an int"),
    (lambda: ZeroPadding2D("ab"), "`padding` should be either an int"),
    (lambda: ZeroPadding2D({"top": 1}), "`padding` should be either an int"),
    (lambda: ZeroPadding2D(-1), "numbers >= 0"), (lambda: ZeroPadding1D(1.5), "`padding` argument must be a tuple of 2"),
    (lambda: ZeroPadding3D((1, 2)), "`padding` should have 3 elements"),
    (lambda: Cropping1D((1, 2, 3)), "`cropping` argument must be a tuple of 2 integers"),
    (lambda: Cropping2D(data_format="tf"), "cropping2d_1: The `data_format` argument")])
def test_arguments_outside_their_domain(make, text):
    with pytest.raises(ArgumentError, match=text):
        make()


def test_all_may_be_cropped_away_but_not_more():
    x = Input((8, 3))
    assert Model(x, Cropping1D(4)(x)).predict(np.ones((2, 8, 3))).shape == (2, 0, 3)
    K.clear_session()
    with pytest.raises(ShapeError, match=r"cropping1d_1: the input is smaller.*at least 10 .* axis 1.*\(None, 8, 3\)"):
        Cropping1D(5)(Input((8, 3)))
    with pytest.raises(ShapeError, match="cropping2d_1: the input is smaller.*K.set_image_data_format"):
        Cropping2D(2)(Input((3, 20, 20)))
