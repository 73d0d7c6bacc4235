"""Pooling layers: values against loops over windows, masks, configurations of Keras 2.2.4, errors."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers
from graphc.frontend_keras.layers import (
    AveragePooling1D,
    AveragePooling2D,
    AveragePooling3D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalAveragePooling3D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalMaxPooling3D,
    Input,
    Masking,
    MaxPooling1D,
    MaxPooling2D,
    MaxPooling3D,
)
from graphc.frontend_keras.models import Model
from tests.frontend_keras.windows_by_loops import pooled, to_first

RNG = np.random.default_rng(8)
DATA = {1: RNG.integers(-9, -1, (2, 9, 3)), 2: RNG.integers(-9, -1, (2, 7, 8, 3)),
        3: RNG.integers(-9, -1, (2, 4, 5, 6, 2))}
MAX, AVERAGE = (MaxPooling1D, MaxPooling2D, MaxPooling3D), (AveragePooling1D, AveragePooling2D, AveragePooling3D)
GLOBAL_MAX = (GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D)
GLOBAL_AVERAGE = (GlobalAveragePooling1D, GlobalAveragePooling2D, GlobalAveragePooling3D)
LAYOUTS = ["channels_last", "channels_first"]


def computed(layer, x):
    place = Input(x.shape[1:])
    model = Model(place, layer(place))
    found = model.predict(x)
    assert model.output_shape == (None, *found.shape[1:]) == layer.compute_output_shape((None, *x.shape[1:]))
    return found


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("keywords", [{}, {"padding": "same"}, {"pool_size": 3, "strides": 2, "padding": "SAME"},
                                      {"pool_size": 3, "strides": 1}], ids=str)
@pytest.mark.parametrize("layer", [*MAX, *AVERAGE])
def test_windows(layer, keywords, layout):
    rank, first = layer.rank, layout == "channels_first"
    x = DATA[rank]
    size = keywords.get("pool_size", 2)
    found = computed(layer(data_format=layout, **keywords), to_first(x) if first else x)
    want = pooled(x, (size,) * rank, (keywords.get("strides", size),) * rank, keywords.get("padding", "valid").lower(),
                  "max" if layer in MAX else "avg")
    rounding = 27 * 9 * 2.0 ** -24  # 27 numbers up to 9, added and divided in float32
    np.testing.assert_allclose(found, to_first(want) if first else want, rtol=0, atol=0 if layer in MAX else rounding)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("layer", [*GLOBAL_MAX, *GLOBAL_AVERAGE])
def test_all_places(layer, layout):
    x = DATA[layer.rank]
    found = computed(layer(data_format=layout), to_first(x) if layout == "channels_first" else x)
    axes = tuple(range(1, x.ndim - 1))
    want = x.max(axes) if layer in GLOBAL_MAX else x.mean(axes)
    np.testing.assert_allclose(found, want, rtol=1e-5)


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_steps_and_images_of_unknown_size(target):
    K.set_target(target)
    for layer, shape in ((MaxPooling1D(3), (None, 3)), (GlobalAveragePooling2D(), (None, None, 3))):
        place = Input(shape)
        model = Model(place, layer(place))
        x = DATA[len(shape) - 1]
        want = x.mean((1, 2)) if x.ndim == 4 else x.reshape(2, 3, 3, 3).max(2)
        np.testing.assert_allclose(model.predict(x), want, rtol=1e-6)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_average_of_steps_leaves_masked_steps_out(layout):
    x = np.arange(30.0).reshape(2, 5, 3)
    x[0, 2:] = 0
    steps = Input((5, 3))
    masked = Masking()(steps)
    if layout == "channels_first":
        moved = K.permute_dimensions(masked, (0, 2, 1))
        found = K.function([steps], [GlobalAveragePooling1D(layout).call(moved, mask=masked._keras_mask)])([x])[0]
    else:
        output = GlobalAveragePooling1D()(masked)
        assert output._keras_mask is None
        found = Model(steps, output).predict(x)
    np.testing.assert_allclose(found, [x[0, :2].mean(0), x[1].mean(0)], rtol=1e-6)


def test_a_mask_does_not_pass_the_others():
    masked = Masking()(Input((5, 3)))
    for layer in (GlobalMaxPooling1D(), MaxPooling1D()):
        with pytest.raises(TypeError, match="does not support masking"):
            layer(masked)


@pytest.mark.parametrize(("layer", "keys"), [
    *((layer, ["strides", "pool_size", "padding", "data_format"]) for layer in (MaxPooling1D, AveragePooling1D)),
    *((layer, ["pool_size", "padding", "strides", "data_format"]) for layer in (*MAX[1:], *AVERAGE[1:])),
    *((layer, ["data_format"]) for layer in (*GLOBAL_MAX, *GLOBAL_AVERAGE))])
def test_configurations_have_the_keys_of_keras_and_make_equal_layers(layer, keys):
    config = layer().get_config()
    assert list(config) == ["name", "trainable", *keys]
    assert layers.deserialize(layers.serialize(layer())).get_config().keys() == config.keys()
    assert layer.from_config(config).get_config() == config
    if "strides" in config:
        assert config["strides"] == config["pool_size"] == (2,) * layer.rank and config["padding"] == "valid"


def test_layers_of_steps_have_their_channels_last_whatever_the_default():
    K.set_image_data_format("channels_first")
    try:
        made = [layer() for layer in (*MAX, *AVERAGE, *GLOBAL_MAX, *GLOBAL_AVERAGE)]
    finally:
        K.set_image_data_format("channels_last")
    for layer in made:
        assert layer.data_format == ("channels_last" if layer.rank == 1 else "channels_first")


def test_short_names():
    for long, short in (("Max", "Max"), ("Average", "Avg")):
        for rank in "123":
            for whole in ("", "Global"):
                assert getattr(layers, f"{whole}{short}Pool{rank}D") is getattr(layers, f"{whole}{long}Pooling{rank}D")


@pytest.mark.parametrize(("make", "like"), [
    (lambda: MaxPooling1D(pool_length=3, stride=2, border_mode="same"), MaxPooling1D(3, 2, "same")),
    (lambda: MaxPooling2D(border_mode="same", dim_ordering="th"),
     MaxPooling2D(padding="same", data_format="channels_first")),
    (lambda: AveragePooling3D(dim_ordering="tf"), AveragePooling3D(data_format="channels_last")),
    (lambda: GlobalMaxPooling2D(dim_ordering="th"), GlobalMaxPooling2D("channels_first"))])
def test_spellings_of_keras_1_are_taken_with_a_warning(make, like):
    with pytest.warns(UserWarning, match="Keras 2 API"):
        made = make()
    assert {**made.get_config(), "name": ""} == {**like.get_config(), "name": ""}


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: MaxPooling2D(0), ArgumentError, "max_pooling2d_1: `pool_size` is not a positive integer"),
    (lambda: MaxPooling2D((2, 2, 2)), ArgumentError, "`pool_size` argument must be a tuple of 2 integers"),
    (lambda: MaxPooling2D(padding="causal"), ArgumentError, "The `padding` argument.*'valid' or 'same'"),
    (lambda: MaxPooling2D(data_format="th"), ArgumentError, "max_pooling2d_1: The `data_format` argument"),
    (lambda: MaxPooling2D(5)(Input((4, 4, 4))), ShapeError, r"max_pooling2d_1: the pool_size \(5, 5\) is larger"),
    (lambda: MaxPooling1D(5)(Input((4, 4))), ShapeError, r"max_pooling1d_1: the pool_size \(5,"),
    (lambda: GlobalMaxPooling2D()(Input((5, 5))), ShapeError, "layer global_max_pooling2d_1: expected ndim=4")])
def test_what_does_not_fit_is_named(make, error, text):
    with pytest.raises(error, match=text):
        make()
