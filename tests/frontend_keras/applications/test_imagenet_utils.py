"""preprocess_input against the formulas, on arrays and tensors, in both layouts."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import applications, layers
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.applications.imagenet_utils import preprocess_input

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3))


def expected(mode):
    """The formulas in float64, channels last."""
    if mode == "tf":
        return PIXELS / 127.5 - 1
    if mode == "torch":
        return (PIXELS / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return PIXELS[..., ::-1] - [103.939, 116.779, 123.68]


@pytest.mark.parametrize("mode", ["caffe", "tf", "torch"])
@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [3, 4])
def test_values(mode, layout, rank):
    x, y = PIXELS, expected(mode)
    if layout == "channels_first":
        x, y = x.transpose(0, 3, 1, 2), y.transpose(0, 3, 1, 2)
    if rank == 3:
        x, y = x[0], y[0]
    tolerance = {"rtol": 0, "atol": 4 * 2.0**-24 * np.abs(y).max() + 2.0**-17}  # 255 has an ulp of 2^-16
    found = preprocess_input(x.copy(), layout, mode)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, y, **tolerance)
    placeholder = K.placeholder(shape=x.shape)
    tensor = preprocess_input(placeholder, layout, mode)
    np.testing.assert_allclose(K.function([placeholder], [tensor])([x])[0], y, **tolerance)


def test_floats_are_overwritten_where_they_may_be():
    x = PIXELS.astype("float64")
    assert preprocess_input(x, mode="tf") is x
    np.testing.assert_allclose(x, PIXELS / 127.5 - 1, atol=1e-12)
    frozen = PIXELS.astype("float32")
    frozen.flags.writeable = False
    np.testing.assert_allclose(preprocess_input(frozen), expected("caffe"), atol=1e-4)
    assert (frozen == PIXELS).all()


def test_as_a_layer():
    image = layers.Input((None, None, 3), dtype="uint8")
    found = layers.Lambda(preprocess_input)(image)
    np.testing.assert_allclose(K.function([image], [found])([PIXELS.astype("uint8")])[0], expected("caffe"), atol=1e-4)


def test_mobilenet_v2():
    for x in (PIXELS, PIXELS.astype("float64")):
        found = applications.mobilenet_v2.preprocess_input(x.copy())
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, PIXELS / 128 - 1, atol=2.0**-24)


@pytest.mark.parametrize(("module", "mode"), [
    ("vgg16", "caffe"), ("vgg19", "caffe"), ("resnet50", "caffe"), ("inception_v3", "tf"), ("xception", "tf"),
    ("inception_resnet_v2", "tf"), ("mobilenet", "tf"), ("nasnet", "tf"), ("densenet", "torch")])
def test_modes_of_the_modules(module, mode):
    found = getattr(applications, module).preprocess_input(PIXELS.astype("float64"))
    np.testing.assert_allclose(found, expected(mode), atol=1e-9)


def test_refusals():
    with pytest.raises(ArgumentError, match="Unknown data_format middle"):
        preprocess_input(PIXELS, "middle")
    with pytest.raises(ArgumentError, match="unknown mode"):
        preprocess_input(PIXELS, mode="jax")
    with pytest.raises(ShapeError, match="3 channels"):
        preprocess_input(PIXELS[..., :2])
