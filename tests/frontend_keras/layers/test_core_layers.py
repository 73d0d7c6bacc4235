"""Core layers, merges, noise and activations: values against NumPy, configurations, errors."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers
from graphc.frontend_keras.engine import registry
from graphc.frontend_keras.layers import (
    ELU,
    Activation,
    ActivityRegularization,
    AlphaDropout,
    Dense,
    Dropout,
    Flatten,
    GaussianDropout,
    GaussianNoise,
    Input,
    Lambda,
    LeakyReLU,
    Masking,
    Permute,
    PReLU,
    ReLU,
    RepeatVector,
    Reshape,
    Softmax,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
    ThresholdedReLU,
)
from graphc.frontend_keras.models import Model, Sequential

RANDOM = np.random.RandomState(1)
FLAT = RANDOM.randn(4, 6)
STEPS = RANDOM.randn(4, 5, 6)
IMAGES = RANDOM.randn(2, 3, 4, 5)


def softmax(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


SAMPLES = [
    (Activation("tanh"), FLAT, np.tanh(FLAT)),
    (Activation(K.square), STEPS, STEPS ** 2),
    (Dropout(0.3), FLAT, FLAT), (SpatialDropout1D(0.3), STEPS, STEPS), (SpatialDropout2D(0.3), IMAGES, IMAGES),
    (SpatialDropout3D(0.3), IMAGES[..., None], IMAGES[..., None]),
    (GaussianNoise(0.3), FLAT, FLAT), (GaussianDropout(0.3), FLAT, FLAT), (AlphaDropout(0.3), FLAT, FLAT),
    (ActivityRegularization(l1=0.1), FLAT, FLAT),
    (Flatten(), IMAGES, IMAGES.reshape(2, 60)),
    (Flatten(data_format="channels_first"), IMAGES, IMAGES.transpose(0, 2, 3, 1).reshape(2, 60)),
    (Reshape((3, 2)), FLAT, FLAT.reshape(4, 3, 2)), (Reshape((-1, 3)), STEPS, STEPS.reshape(4, 10, 3)),
    (Permute((3, 1, 2)), IMAGES, IMAGES.transpose(0, 3, 1, 2)),
    (RepeatVector(3), FLAT, np.repeat(FLAT[:, None], 3, axis=1)),
    (Masking(0.0), np.maximum(STEPS, 0), np.maximum(STEPS, 0)),
    (LeakyReLU(0.2), FLAT, np.where(FLAT >= 0, FLAT, 0.2 * FLAT)),
    (PReLU(alpha_initializer="ones", shared_axes=[1]), STEPS, STEPS),
    (ELU(0.5), FLAT, np.where(FLAT > 0, FLAT, 0.5 * np.expm1(FLAT))),
    (ThresholdedReLU(0.5), FLAT, np.where(FLAT > 0.5, FLAT, 0)),
    (Softmax(), STEPS, softmax(STEPS, -1)), (Softmax(axis=1), STEPS, softmax(STEPS, 1)),
    (ReLU(max_value=1.0, negative_slope=0.1, threshold=0.2), FLAT,
     np.where(FLAT >= 1, 1, np.where(FLAT >= 0.2, FLAT, 0.1 * (FLAT - 0.2)))),
]


@pytest.mark.parametrize(("layer", "x", "want"), SAMPLES, ids=lambda one: type(one).__name__)
def test_values_and_configurations(layer, x, want):
    """A layer built from the configuration computes what NumPy does, inside a model that went through JSON."""
    if isinstance(layer, Activation) and layer.activation is K.square:
        again = Activation(K.square)
    else:
        config = layer.get_config()
        again = layers.deserialize(layers.serialize(layer))
        assert again.get_config() == config
    model = Sequential([again], name="one")
    got = model.predict(x.astype("float32"))
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)
    assert again.output_shape == (None, *want.shape[1:])
    assert again.compute_output_shape(x.shape) == want.shape


ELSEWHERE = ("recurrent", "convolutional", "pooling", "spatial", "normalization", "local", "embeddings", "wrappers",
             "cudnn_recurrent", "keras1")  # modules with tests of their own


def test_every_layer_has_a_sample():
    tried = {type(layer).__name__ for layer, _, _ in SAMPLES} | {"Dense", "Lambda", "InputLayer", "Model", "Functional",
                                                                "Sequential"}
    merges = {name for name in layers.LAYERS if issubclass(layers.LAYERS[name], layers.merge._Merge)}
    elsewhere = {name for name, kind in layers.LAYERS.items() if kind.__module__.split(".")[-1].startswith(ELSEWHERE)}
    assert tried | merges == set(layers.LAYERS) - elsewhere


def test_the_table_of_layers_is_filled_once():
    with pytest.raises(ArgumentError, match="filled already"):
        registry.fill({})
    with pytest.raises(TypeError):
        layers.LAYERS["Evil"] = object


@pytest.mark.parametrize(("shape", "use_bias", "activation"), [((6,), True, "relu"), ((5, 6), True, None),
                                                               ((2, 3, 6), False, "tanh")])
def test_dense_works_on_the_last_axis(shape, use_bias, activation):
    layer = Dense(3, activation=activation, use_bias=use_bias, bias_initializer="ones")
    model = Sequential([layer])
    x = RANDOM.randn(4, *shape)
    got = model.predict(x)
    z = x @ layer.get_weights()[0] + (1 if use_bias else 0)
    want = {"relu": np.maximum(z, 0), "tanh": np.tanh(z), None: z}[activation]
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def test_constraints_hold_after_training():
    model = Sequential([Dense(3, input_dim=6, kernel_constraint="maxnorm", bias_constraint="nonneg")])
    model.compile("sgd", lambda t, p: -10.0 * p)
    model.fit(FLAT, np.zeros((4, 3)), epochs=5, verbose=0)
    kernel, bias = model.get_weights()
    assert (np.linalg.norm(kernel, axis=0) <= 2 + 1e-5).all()
    assert (bias >= 0).all()


def test_penalties_join_the_loss():
    model = Sequential([Dense(3, input_dim=6, use_bias=False, kernel_initializer="ones", kernel_regularizer="l2"),
                        ActivityRegularization(l1=0.5)])
    model.compile("sgd", lambda t, p: 0.0 * p)
    y = FLAT @ np.ones((6, 3))
    want = 0.01 * 18 + 0.5 * np.abs(y).sum()
    assert model.test_on_batch(FLAT, np.zeros((4, 3))) == pytest.approx(want, rel=1e-5)


# ---- noise


def in_training(layer, x):
    tensor = Input(x.shape[1:])
    return K.function([tensor, K.learning_phase()], [layer(tensor)])([x, 1])[0]


def test_noise_has_the_moments_it_should():
    ones = np.ones((50, 400))
    noisy = in_training(GaussianNoise(0.3), ones)
    assert (noisy.mean(), noisy.std()) == pytest.approx((1, 0.3), abs=0.01)
    scaled = in_training(GaussianDropout(0.2), 2 * ones)
    assert (scaled.mean(), scaled.std()) == pytest.approx((2, 2 * 0.5), abs=0.03)
    normal = RANDOM.randn(50, 400)
    alpha = in_training(AlphaDropout(0.2), normal)
    assert (alpha.mean(), alpha.std()) == pytest.approx((0, 1), abs=0.03)
    dropped = in_training(Dropout(0.25), ones)
    assert set(np.unique(dropped)) == {0.0, np.float32(1 / 0.75)}
    assert np.mean(dropped == 0) == pytest.approx(0.25, abs=0.01)


def test_dropout_in_blocks():
    rows = in_training(Dropout(0.5, noise_shape=(None, 1, 6)), np.ones((4, 5, 6)))
    assert (rows == rows[:, :1]).all()
    features = in_training(SpatialDropout1D(0.5), np.ones((4, 5, 6)))
    assert (features == features[:, :1]).all()
    first = in_training(SpatialDropout2D(0.5, data_format="channels_first"), np.ones((4, 5, 6, 7)))
    assert (first == first[:, :, :1, :1]).all()
    last = in_training(SpatialDropout2D(0.5), np.ones((4, 5, 6, 7)))
    assert (last == last[:, :1, :1]).all()


def test_the_mask_of_alpha_dropout_has_the_noise_shape():
    rows = in_training(AlphaDropout(0.5, noise_shape=(None, 1, 6)), np.ones((4, 5, 6)))
    assert (rows == rows[:, :1]).all()
    assert len(np.unique(rows)) == 2
    volumes = in_training(SpatialDropout3D(0.5), np.ones((4, 2, 3, 4, 5)))
    assert (volumes == volumes[:, :1, :1, :1]).all()
    first = in_training(SpatialDropout3D(0.5, data_format="channels_first"), np.ones((4, 5, 2, 3, 4)))
    assert (first == first[:, :, :1, :1, :1]).all()


def test_the_two_values_of_alpha_dropout():
    """a x + b and -a 1.7580993 + b, from the paper's formulas (SELU's constants to more digits)."""
    dropped = -1.6732632423543772 * 1.0507009873554805
    a = (0.7 * (1 + 0.3 * dropped ** 2)) ** -0.5
    b = -a * dropped * 0.3
    found = np.unique(in_training(AlphaDropout(0.3), np.ones((40, 5))))
    np.testing.assert_allclose(found, sorted([a + b, a * dropped + b]), rtol=1e-5)


def test_keywords_of_keras_1():
    with pytest.warns(UserWarning, match="Keras 2 API"):
        assert GaussianNoise(sigma=0.1).stddev == 0.1
    for kind in (GaussianDropout, SpatialDropout1D, Dropout):
        with pytest.warns(UserWarning, match="Keras 2 API"):
            assert kind(p=0.1).rate == 0.1
    for kind in (SpatialDropout2D, SpatialDropout3D):
        for old, new in (("th", "channels_first"), ("tf", "channels_last"), ("default", "channels_last")):
            with pytest.warns(UserWarning, match="Keras 2 API"):
                assert kind(0.1, dim_ordering=old).data_format == new
    with pytest.warns(UserWarning, match="alpha_initializer"):
        assert type(PReLU(init="one").alpha_initializer).__name__ == "Ones"


BASE = ["name", "trainable"]


@pytest.mark.parametrize(("layer", "keys", "values"), [
    (GaussianNoise(0.1), ["stddev"], [0.1]), (GaussianDropout(0.2), ["rate"], [0.2]),
    (AlphaDropout(0.2), ["rate"], [0.2]),
    (AlphaDropout(0.2, noise_shape=(None, 1), seed=3), ["rate", "noise_shape", "seed"], [0.2, (None, 1), 3]),
    (SpatialDropout1D(0.2), ["rate", "noise_shape", "seed"], [0.2, None, None]),
    (SpatialDropout2D(0.2), ["rate", "noise_shape", "seed", "data_format"], [0.2, None, None, "channels_last"]),
    (LeakyReLU(), ["alpha"], [float(np.float32(0.3))]), (ELU(), ["alpha"], [1.0]),
    (ThresholdedReLU(), ["theta"], [1.0]), (Softmax(), ["axis"], [-1]),
    (ReLU(), ["max_value", "negative_slope", "threshold"], [None, 0.0, 0.0]),
    (PReLU(shared_axes=1), ["alpha_initializer", "alpha_regularizer", "alpha_constraint", "shared_axes"],
     [{"class_name": "Zeros", "config": {}}, None, None, [1]])], ids=lambda one: type(one).__name__)
def test_configurations_have_the_keys_and_defaults_of_keras_2(layer, keys, values):
    config = layer.get_config()
    assert list(config) == [*BASE, *keys]
    assert [config[key] for key in keys] == values


def test_prelu_shares_and_learns():
    layer = PReLU(alpha_initializer="ones", shared_axes=(1, 2), input_shape=(3, 4, 5))
    model = Sequential([layer])
    assert layer.get_weights()[0].shape == (1, 1, 5)
    assert PReLU(input_shape=(3, 4, 5)).compute_output_shape((2, 3, 4, 5)) == (2, 3, 4, 5)
    alpha = RANDOM.rand(1, 1, 5)
    model.set_weights([alpha])
    np.testing.assert_allclose(model.predict(IMAGES), np.where(IMAGES >= 0, IMAGES, alpha * IMAGES), rtol=1e-5)
    model.compile("sgd", "mse")
    model.train_on_batch(IMAGES, np.zeros_like(IMAGES))
    negative = np.minimum(IMAGES, 0)
    gradient = (2 * alpha * negative ** 2).sum((0, 1, 2)) / IMAGES.size
    np.testing.assert_allclose(model.get_weights()[0].ravel(), alpha.ravel() - 0.01 * gradient, rtol=1e-5)
    for axes in ([0], [4], [-1]):
        with pytest.raises(ShapeError, match="`shared_axes` names an axis that a sample does not have"):
            PReLU(shared_axes=axes)(Input((3, 4, 5)))


@pytest.mark.parametrize(("build", "message"), [
    (lambda: ReLU(-1.0), "`max_value` is too small"), (lambda: ReLU(negative_slope=-0.1), "`negative_slope`"),
    (lambda: Softmax()(Input(batch_shape=(3,))), "Cannot apply softmax to a tensor that is 1D"),
    (lambda: Softmax(axis=5)(Input((3,))), "axis 5 does not exist"),
    (lambda: SpatialDropout1D(0.5)(Input((3,))), "expected ndim=3, found ndim=2"),
    (lambda: SpatialDropout2D(0.5, data_format="first"), "data_format")])
def test_activations_and_dropouts_that_cannot_be(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def test_rates_at_and_beyond_the_ends_change_nothing():
    for rate in (0.0, 1.0, 1.5, -1.0):
        np.testing.assert_array_equal(in_training(Dropout(rate), np.ones((2, 3))), 1)


def test_a_seed_repeats_itself():
    x = np.ones((3, 50))
    one = in_training(Dropout(0.5, seed=3), x)
    K.clear_session()
    np.testing.assert_array_equal(one, in_training(Dropout(0.5, seed=3), x))


# ---- shapes


def test_shapes_that_do_not_fit():
    with pytest.raises(ShapeError, match="total size of new array must be unchanged"):
        Reshape((4, 2))(Input((6,)))
    with pytest.raises(ShapeError, match="total size"):
        Reshape((4, -1))(Input((6,)))
    with pytest.raises(ArgumentError, match="one unknown dimension"):
        Reshape((-1, -1))
    with pytest.raises(ShapeError, match='The shape of the input to "Flatten" is not fully defined'):
        Flatten()(Input((None, 3)))
    with pytest.raises(ValueError, match="expected min_ndim=3, found ndim=2"):
        Flatten()(Input((3,)))
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        Permute((2, 1))(Input((3,)))
    with pytest.raises(ArgumentError, match="not an order of the axes"):
        Permute((0, 1))
    with pytest.raises(ArgumentError, match="`n` is not a positive integer"):
        RepeatVector(2.5)


def test_reshape_of_unknown_sizes():
    x = Input((None, 4))
    y = Reshape((-1, 2))(x)
    assert K.int_shape(y) == (None, None, 2)
    assert K.function([x], [y])([np.zeros((3, 5, 4))])[0].shape == (3, 10, 2)


# ---- Lambda


def test_lambda_takes_functions_with_arguments_and_masks():
    x = Input((6,))
    model = Model(x, Lambda(lambda t, by: t * by, arguments={"by": 3.0}, output_shape=(6,))(x))
    np.testing.assert_allclose(model.predict(FLAT), 3 * FLAT, rtol=1e-6)
    steps = Input((5, 6))
    seen = []
    Lambda(lambda t, mask=None: seen.append(mask) or t * 1.0, mask=lambda t, mask: mask)(Masking(0.0)(steps))
    assert K.int_shape(seen[0]) == (None, 5)
    with pytest.raises(ArgumentError, match="not a function"):
        Lambda(3)
    several = Lambda(lambda ts: ts[0] - ts[1])([x, x])
    np.testing.assert_array_equal(Model(x, several).predict(FLAT), 0)


def test_lambda_must_return_tensors():
    with pytest.raises(ArgumentError, match="did not return a tensor"):
        Lambda(lambda t: [t, None])(Input((2,)))
