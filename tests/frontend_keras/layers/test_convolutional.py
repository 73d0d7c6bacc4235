"""Convolution layers: values against loops, weights, configurations, Keras 1 spellings, errors.

Values, weights and data are small integers, so float32 is exact. Configurations are those of Keras 2.2.4.
"""

import warnings

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers
from graphc.frontend_keras.engine import layouts
from graphc.frontend_keras.layers import (
    Add,
    AtrousConvolution1D,
    AtrousConvolution2D,
    AveragePooling2D,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    Convolution1D,
    Convolution2D,
    Convolution3D,
    Deconvolution2D,
    DepthwiseConv2D,
    Flatten,
    Input,
    Lambda,
    MaxPooling2D,
    SeparableConv1D,
    SeparableConv2D,
    SeparableConvolution2D,
)
from graphc.frontend_keras.models import Model, Sequential
from graphc.frontend_keras.utils.checks import KeywordError
from tests.frontend_keras.windows_by_loops import convolution, depthwise, to_first

RNG = np.random.default_rng(7)
IMAGE, VOLUME, STEPS = (RNG.integers(-4, 5, shape) for shape in ((2, 7, 8, 3), (2, 4, 5, 6, 2), (2, 9, 3)))
REMEDY = "K.set_image_data_format('channels_first')"


def model_of(layer, shape):
    x = Input(shape)
    return Model(x, layer(x))


def computed(layer, x):
    """The layer's output with whole weights, and the weights."""
    model = model_of(layer, x.shape[1:])
    weights = [RNG.integers(-4, 5, w.shape) for w in model.get_weights()]
    model.set_weights(weights)
    found = model.predict(x)
    assert model.output_shape == (None, *found.shape[1:]) == layer.compute_output_shape((None, *x.shape[1:]))
    return found, weights


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("layer", "x", "count"), [(Conv1D, STEPS, 1), (Conv2D, IMAGE, 2), (Conv3D, VOLUME, 3)])
def test_convolutions(layer, x, count, layout):
    first = layout == "channels_first"
    found, (kernel, bias) = computed(layer(4, 3, strides=2, padding="same", activation="relu", data_format=layout),
                                     to_first(x) if first else x)
    assert kernel.shape == (*(3,) * count, x.shape[-1], 4) and bias.shape == (4,)
    want = np.maximum(convolution(x, kernel, (2,) * count, "same") + bias, 0)
    np.testing.assert_array_equal(found, to_first(want) if first else want)


def test_dilated_and_causal_convolutions():
    found, (kernel,) = computed(Conv1D(4, 3, padding="causal", dilation_rate=2, use_bias=False), STEPS)
    np.testing.assert_array_equal(found, convolution(STEPS, kernel, (1,), "causal", (2,)))
    found, (kernel,) = computed(Conv2D(4, (3, 2), dilation_rate=(1, 3), use_bias=False), IMAGE)
    np.testing.assert_array_equal(found, convolution(IMAGE, kernel, (1, 1), "valid", (1, 3)))


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_depthwise_and_separable_convolutions(layout):
    first = layout == "channels_first"
    x = to_first(IMAGE) if first else IMAGE
    found, (kernel, bias) = computed(DepthwiseConv2D((3, 2), padding="same", depth_multiplier=2, data_format=layout), x)
    assert kernel.shape == (3, 2, 3, 2) and bias.shape == (6,)
    want = depthwise(IMAGE, kernel, (1, 1), "same") + bias
    np.testing.assert_array_equal(found, to_first(want) if first else want)
    found, (apart, mix, bias) = computed(SeparableConv2D(5, 3, strides=2, depth_multiplier=2, data_format=layout), x)
    assert apart.shape == (3, 3, 3, 2) and mix.shape == (1, 1, 6, 5) and bias.shape == (5,)
    want = depthwise(IMAGE, apart, (2, 2)) @ mix[0, 0] + bias
    np.testing.assert_array_equal(found, to_first(want) if first else want)


def test_separable_convolution_of_steps():
    found, (apart, mix, bias) = computed(SeparableConv1D(5, 3, dilation_rate=2), STEPS)
    assert apart.shape == (3, 3, 1) and mix.shape == (1, 3, 5)
    np.testing.assert_array_equal(found, depthwise(STEPS, apart, (1,), "valid", (2,)) @ mix[0] + bias)


@pytest.mark.parametrize(("keywords", "extents"), [
    ({}, (9, 10)), ({"strides": 2}, (15, 17)), ({"strides": 2, "padding": "same"}, (14, 16)),
    ({"strides": 4}, (28, 32)), ({"strides": 2, "output_padding": 1}, (16, 18)),
    ({"strides": 2, "padding": "same", "output_padding": 0}, (13, 15)), ({"dilation_rate": 2}, (11, 12))])
def test_transposed_convolutions_have_the_extents_of_keras(keywords, extents):
    assert Conv2DTranspose(4, 3, **keywords).compute_output_shape((None, 7, 8, 3)) == (None, *extents, 4)
    first = Conv2DTranspose(4, 3, data_format="channels_first", **keywords)
    assert first.compute_output_shape((None, 3, 7, None)) == (None, 4, extents[0], None)


def test_transposed_convolution_is_the_adjoint_of_the_convolution():
    found, (kernel, bias) = computed(Conv2DTranspose(4, 3, strides=2, padding="same"), IMAGE)
    assert kernel.shape == (3, 3, 4, 3) and bias.shape == (4,)
    a = RNG.integers(-4, 5, found.shape)
    assert ((found - bias) * a).sum() == (convolution(a, kernel, (2, 2), "same") * IMAGE).sum()
    found, (kernel, bias) = computed(Conv3DTranspose(4, 2, strides=2), VOLUME)
    a = RNG.integers(-4, 5, found.shape)
    assert ((found - bias) * a).sum() == (convolution(a, kernel, (2, 2, 2)) * VOLUME).sum()


def test_one_layer_for_images_of_every_size():
    x = Input((None, None, 3))
    layer = Conv2D(4, 3, padding="same")
    model = Model(x, layer(x))
    assert model.output_shape == (None, None, None, 4)
    assert [model.predict(np.zeros((1, n, n + 1, 3))).shape for n in (5, 9)] == [(1, 5, 6, 4), (1, 9, 10, 4)]


# ---- configurations

BASE = ["name", "trainable"]
FORM = ["kernel_size", "strides", "padding", "data_format"]
USE = ["activation", "use_bias"]
KERNEL = ["kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer", "activity_regularizer",
          "kernel_constraint", "bias_constraint"]
BIAS = ["bias_initializer", "bias_regularizer", "activity_regularizer", "bias_constraint", "depth_multiplier"]
APART = ["depthwise_initializer", "pointwise_initializer", "depthwise_regularizer", "pointwise_regularizer",
         "depthwise_constraint", "pointwise_constraint"]
PLAIN = [*BASE, "filters", *FORM, "dilation_rate", *USE, *KERNEL]
KEYS = {
    Conv1D: PLAIN, Conv2D: PLAIN, Conv3D: PLAIN, Conv2DTranspose: [*PLAIN, "output_padding"],
    Conv3DTranspose: [*(key for key in PLAIN if key != "dilation_rate"), "output_padding"],
    SeparableConv1D: [*BASE, "filters", *FORM, "dilation_rate", *USE, *BIAS, *APART],
    SeparableConv2D: [*BASE, "filters", *FORM, "dilation_rate", *USE, *BIAS, *APART],
    DepthwiseConv2D: [*BASE, *FORM, "dilation_rate", *USE, *BIAS, *APART[::2]]}


@pytest.mark.parametrize("layer", KEYS)
def test_configurations_have_the_keys_of_keras_and_make_equal_layers(layer):
    made = layer(3, activation="relu") if layer is DepthwiseConv2D else layer(4, 3, activation="relu")
    config = made.get_config()
    assert list(config) == KEYS[layer]
    assert type(made).from_config(config).get_config() == config
    assert layers.deserialize(layers.serialize(made)).get_config() == config
    assert config["activation"] == "relu" and config["padding"] == "valid"
    assert config["kernel_size"] == (3,) * made.rank and config["strides"] == (1,) * made.rank
    assert config["data_format"] == "channels_last"
    assert config.get("kernel_initializer", config.get("depthwise_initializer")) == {
        "class_name": "VarianceScaling",
        "config": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}}


def test_the_layout_is_that_of_the_moment_the_layer_was_made():
    K.set_image_data_format("channels_first")
    try:
        made = [Conv2D(4, 3), Conv3D(4, 3), SeparableConv2D(4, 3), DepthwiseConv2D(3), Conv2DTranspose(4, 3)]
        steps = [Conv1D(4, 3), SeparableConv1D(4, 3)]
    finally:
        K.set_image_data_format("channels_last")
    assert {layer.get_config()["data_format"] for layer in made} == {"channels_first"}
    assert {layer.get_config()["data_format"] for layer in steps} == {"channels_last"}


def test_weights_regularizers_and_constraints_have_their_places():
    layer = SeparableConv2D(2, 3, depthwise_regularizer="l2", pointwise_regularizer="l1", bias_constraint="nonneg",
                            depthwise_constraint="unitnorm", name="sep")
    model = model_of(layer, (5, 5, 3))
    assert [w.name for w in model.weights] == ["sep/depthwise_kernel:0", "sep/pointwise_kernel:0", "sep/bias:0"]
    assert len(model.losses) == 2
    assert [type(w.constraint).__name__ for w in model.weights] == ["UnitNorm", "NoneType", "NonNeg"]
    layer = Conv2D(2, 3, kernel_regularizer="l2", activity_regularizer="l1", name="conv")
    model = model_of(layer, (5, 5, 3))
    assert [w.name for w in model.weights] == ["conv/kernel:0", "conv/bias:0"]
    assert len(model.losses) == 2


def test_which_layer_is_a_kind_of_which():
    assert [issubclass(layer, Conv2D) for layer in (Conv2DTranspose, DepthwiseConv2D, SeparableConv2D)] == [
        True, True, False]
    assert issubclass(Conv3DTranspose, Conv3D)


# ---- Keras 1

@pytest.mark.parametrize(("make", "like"), [
    (lambda: Convolution2D(64, 3, 5), Conv2D(64, (3, 5))),
    (lambda: Convolution2D(64, 3, 3, border_mode="same", subsample=(2, 2), dim_ordering="th", init="he_normal"),
     Conv2D(64, (3, 3), padding="same", strides=2, data_format="channels_first", kernel_initializer="he_normal")),
    (lambda: Convolution2D(nb_filter=64, nb_row=3, nb_col=5, bias=False, W_regularizer="l2"),
     Conv2D(64, (3, 5), use_bias=False, kernel_regularizer="l2")),
    (lambda: Convolution2D(64, 3, nb_col=5, b_constraint="nonneg"), Conv2D(64, (3, 5), bias_constraint="nonneg")),
    (lambda: Convolution1D(nb_filter=8, filter_length=3, subsample_length=2, input_dim=5, input_length=10),
     Conv1D(8, 3, strides=2, input_shape=(10, 5))),
    (lambda: Convolution1D(8, 3, input_dim=5), Conv1D(8, 3, input_shape=(None, 5))),
    (lambda: Convolution3D(4, 2, 3, 4, dim_ordering="tf"), Conv3D(4, (2, 3, 4))),
    (lambda: Convolution3D(4, kernel_dim1=2, kernel_dim2=3, kernel_dim3=4), Conv3D(4, (2, 3, 4))),
    (lambda: Deconvolution2D(3, 3, 3, (None, 14, 14, 3), subsample=(2, 2)), Conv2DTranspose(3, 3, strides=2)),
    (lambda: Deconvolution2D(3, 3, 3, output_shape=(None, 14, 14, 3)), Conv2DTranspose(3, 3)),
    (lambda: AtrousConvolution2D(3, 3, 3, atrous_rate=(2, 2)), Conv2D(3, 3, dilation_rate=2)),
    (lambda: AtrousConvolution1D(3, 3, atrous_rate=2), Conv1D(3, 3, dilation_rate=2)),
    (lambda: SeparableConvolution2D(3, 3, 3, init="he_normal"),
     SeparableConv2D(3, 3, depthwise_initializer="he_normal", pointwise_initializer="he_normal"))])
def test_spellings_of_keras_1_are_taken_with_a_warning(make, like):
    with pytest.warns(UserWarning, match="Keras 2 API|name of Keras 1"):
        made = make()
    assert type(made) is type(like)
    assert {**made.get_config(), "name": ""} == {**like.get_config(), "name": ""}


def test_today_s_spellings_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Conv2D(64, (3, 3), strides=(2, 2), padding="same", input_shape=(8, 8, 3))
        Conv1D(64, 3, input_shape=(8, 3))


def test_an_initializer_for_a_kernel_that_is_not_there_is_named():
    with pytest.warns(UserWarning, match="kernel_initializer is without effect.*depthwise_initializer"):
        SeparableConv2D(3, 3, kernel_initializer="he_normal")


@pytest.mark.parametrize("keywords", [{"padding": "same"}, {"strides": 2}])
def test_sizes_one_by_one_are_not_mixed_with_keywords_of_keras_2(keywords):
    with pytest.raises(ValueError, match="one by one.*kernel_size=\\(3, 3\\)"):
        Conv2D(64, 3, 3, **keywords)


# ---- errors

@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: Conv2D(4, (3, 3, 3)), ArgumentError, "conv2d_1: The `kernel_size` argument must be a tuple of 2 integers"),
    (lambda: Conv2D(0, 3), ArgumentError, "conv2d_1: `filters` is not a positive integer"),
    (lambda: Conv2D(4, 3, strides=0), ArgumentError, "`strides` is not a positive integer"),
    (lambda: Conv2D(4, 3, dilation_rate=1.5), ArgumentError, "`dilation_rate` is not a positive integer"),
    (lambda: Conv2D(4, 3, padding="full"), ArgumentError, "conv2d_1: The `padding` argument.*'valid' or 'same'"),
    (lambda: Conv2D(4, 3, padding="causal"), ArgumentError, "The `padding` argument"),
    (lambda: Conv2D(4, 3, data_format="channel_last"), ArgumentError, "conv2d_1: The `data_format` argument"),
    (lambda: Conv1D(4, 3, padding="causal", data_format="channels_first"), ArgumentError, "causal padding in `Conv1D`"),
    (lambda: Conv2D(4, 3, stride=2), KeywordError, "Keyword argument not understood: stride.*strides|stride"),
    (lambda: Conv2DTranspose(4, 3, strides=2, output_padding=2), ArgumentError, "`output_padding` is not below"),
    (lambda: DepthwiseConv2D(3, depth_multiplier=0), ArgumentError, "`depth_multiplier` is not a positive")])
def test_arguments_outside_their_domain(make, error, text):
    with pytest.raises(error, match=text):
        make()


@pytest.mark.parametrize(("layer", "shape", "text"), [
    (Conv2D(4, 3, name="conv"), (2, 2, 2), r"conv: the kernel \(3, 3\) is larger.*\(None, 2, 2, 2\) read as channels_last"),
    (Conv2D(4, 3, name="conv", data_format="channels_first"), (3, 2, 9),
     r"conv: the kernel.*\(None, 3, 2, 9\) read as channels_first"),
    (Conv2D(4, 3, dilation_rate=4, name="conv"), (8, 8, 8), r"at least \(9, 9\)"),
    (Conv1D(4, 9, name="conv"), (8, 3), r"conv: the kernel \(9,\) is larger.*padding='same'"),
    (Conv2D(4, 3, name="conv"), (8, 8), "layer conv: expected ndim=4, found ndim=3.*data_format='channels_last'"),
    (Conv2D(4, 3, name="conv", data_format="channels_first"), (None, 8, 8),
     "conv: The channel dimension of the inputs should be defined.*data_format='channels_first'"),
    (SeparableConv2D(4, 3, name="conv"), (None, 8, None), "conv: The channel dimension"),
    (MaxPooling2D(5, name="pool"), (4, 4, 4), r"pool: the pool_size \(5, 5\) is larger.*\(None, 4, 4, 4\) read as")])
def test_inputs_that_do_not_fit_name_layer_shape_and_layout(layer, shape, text):
    with pytest.raises(ShapeError, match=text) as raised:
        layer(Input(shape))
    assert REMEDY not in str(raised.value)


def two_sizes():
    conv = Conv2D(16, (3, 3), padding="same")
    conv(Input((3, 32, 32)))
    conv(Input((3, 64, 64)))


def kernel_larger_than_image():
    Conv2D(64, (3, 3))(Input((1, 27, 27)))


def pooling_behind_others():
    x = Lambda(lambda x: x * 2)(Conv2D(4, 3, padding="same")(Input((3, 20, 20))))
    MaxPooling2D(4)(AveragePooling2D(1)(x))


def within_a_sequential_model():
    Sequential([Conv2D(4, 3, padding="same", input_shape=(3, 20, 20)), MaxPooling2D(4), Flatten()])


def unknown_channels():
    Conv2D(4, 3)(Input((3, 20, None)))


@pytest.mark.parametrize("build", [two_sizes, kernel_larger_than_image, pooling_behind_others,
                                   within_a_sequential_model, unknown_channels])
def test_where_channels_first_would_fit_the_error_says_so(build):
    with pytest.raises(ShapeError) as raised:
        build()
    assert REMEDY in str(raised.value) and "channels_last" in str(raised.value)
    assert K.image_data_format() == "channels_last"
    K.clear_session()
    K.set_image_data_format("channels_first")
    try:
        build()
    finally:
        K.set_image_data_format("channels_last")


def test_advice_on_a_layer_of_several_inputs_that_has_no_layout_of_its_own():
    image = Input((3, 20, 20))
    layer, inputs = Add(), [image, Conv2D(3, 3, padding="same")(image)]
    with pytest.raises(ShapeError, match="could not be broadcast") as raised:
        layer(inputs)
    layouts.advise(raised.value, layer, inputs, {})
    assert str(raised.value).count(REMEDY) == 1
    error = ShapeError("of flat inputs")
    layouts.advise(error, layer, [Input((3,)), Input((4,))], {})
    assert str(error) == "of flat inputs"


def test_advice_where_a_nested_model_was_built_for_images():
    nested = Sequential([Conv2D(3, 3, padding="same", input_shape=(3, 20, 20))])
    image = Input((3, 20, 20))
    layer, inputs = Add(), [image, nested(image)]
    with pytest.raises(ShapeError) as raised:
        layer(inputs)
    layouts.advise(raised.value, layer, inputs, {})
    assert REMEDY in str(raised.value)


def test_the_search_for_advice_leaves_no_trace(monkeypatch):
    left = []
    for advise in (layouts.advise, lambda *_: None):
        monkeypatch.setattr(layouts, "advise", advise)
        K.clear_session()
        np.random.seed(0)
        with pytest.raises(ShapeError):
            pooling_behind_others()
        conv = Conv2D(4, 3, input_shape=(8, 8, 3))
        left.append((conv.name, [w.name for w in Sequential([conv]).weights], np.random.rand()))
    assert left[0] == left[1]


def test_a_mask_does_not_pass():
    x = layers.Masking()(Input((5, 3)))
    with pytest.raises(TypeError, match="conv1d_1 does not support masking"):
        Conv1D(2, 3)(x)


def test_a_net_with_channels_first_learns_as_the_same_net_with_channels_last():
    K.set_target("cpu")
    x, y = RNG.normal(size=(4, 8, 8, 3)).astype("f4"), RNG.normal(size=(4, 2)).astype("f4")
    weights = None
    losses = {}
    for layout in ("channels_last", "channels_first"):
        K.clear_session()
        first = layout == "channels_first"
        image = Input((3, 8, 8) if first else (8, 8, 3))
        a = Conv2D(4, 3, padding="same", activation="relu", data_format=layout)(image)
        b = Add()([a, Conv2D(4, 3, padding="same", data_format=layout)(a)])
        c = MaxPooling2D(data_format=layout)(layers.concatenate([a, b], axis=1 if first else -1))
        model = Model(image, layers.Dense(2)(Flatten(data_format=layout)(c)))
        weights = weights or model.get_weights()
        model.set_weights(weights)
        model.compile("sgd", "mse")
        losses[layout] = [model.train_on_batch(to_first(x) if first else x, y) for _ in range(4)]
    np.testing.assert_allclose(losses["channels_first"], losses["channels_last"], rtol=1e-4)
    assert losses["channels_first"][-1] < losses["channels_first"][0]
