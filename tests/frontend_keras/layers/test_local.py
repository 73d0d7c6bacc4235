"""LocallyConnected layers against sums written out place by place."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Flatten, Input, LocallyConnected1D, LocallyConnected2D
from graphc.frontend_keras.models import Sequential
from graphc.frontend_keras.optimizers import SGD

LAYOUTS = ("channels_first", "channels_last")
RNG = np.random.default_rng(5)


def by_place(x, kernel, size, strides, first=False):
    """x [N,*S,C], kernel (places, weights of a place, filters); first: weights ordered with channels in front."""
    counts = [(s - k) // d + 1 for s, k, d in zip(x.shape[1:-1], size, strides, strict=True)]
    result = np.zeros((len(x), *counts, kernel.shape[-1]))
    for number, place in enumerate(np.ndindex(*counts)):
        window = x[(slice(None), *(slice(p * d, p * d + k) for p, d, k in zip(place, strides, size, strict=True)))]
        window = np.moveaxis(window, -1, 1) if first else window
        result[(slice(None), *place)] = window.reshape(len(x), -1) @ kernel[number]
    return result


CASES = [(LocallyConnected1D, (7, 3), 4, (3,), (2,), {}), (LocallyConnected1D, (5, 2), 3, (5,), (1,), {}),
         (LocallyConnected2D, (6, 5, 2), 3, (3, 2), (2, 1), {}),
         (LocallyConnected2D, (2, 6, 5), 3, (2, 2), (1, 2), {"data_format": "channels_first"})]


@pytest.mark.parametrize(("kind", "shape", "filters", "size", "strides", "more"), CASES)
def test_outputs_and_a_training_step(kind, shape, filters, size, strides, more):
    model = Sequential([kind(filters, size, strides=strides, input_shape=shape, **more)])
    weights = [RNG.normal(size=w.shape).astype("f4") for w in model.get_weights()]
    model.set_weights(weights)
    first = bool(more)
    x = RNG.normal(size=(4, *shape)).astype("f4")
    inside = np.moveaxis(x, 1, -1) if first else x
    wanted = by_place(inside, weights[0].astype(float), size, strides, first)
    shown = np.moveaxis(wanted, -1, 1) if first else wanted
    shown = shown + weights[1].reshape(shown.shape[1:])  # as in Keras 2, not transposed for channels first
    np.testing.assert_allclose(model.predict(x), shown, rtol=1e-5, atol=1e-5)
    assert model.output_shape == (None, *shown.shape[1:])
    model.compile("sgd", "mse")
    assert model.train_on_batch(x, np.zeros_like(shown)) == pytest.approx((shown ** 2).mean(), rel=1e-5)
    cotangent = 2 * shown / shown.size
    to_bias = cotangent.sum(0).reshape(weights[1].shape)
    np.testing.assert_allclose(model.get_weights()[1], weights[1] - 0.01 * to_bias, rtol=1e-5, atol=1e-7)
    cotangent = np.moveaxis(cotangent, 1, -1) if first else cotangent
    place = np.ravel_multi_index([n - 1 for n in wanted.shape[1:-1]], wanted.shape[1:-1])
    last = (slice(None), *((n - 1) * d + np.arange(k) for n, d, k in zip(wanted.shape[1:-1], strides, size, strict=True)))
    window = inside[np.ix_(range(4), *last[1:])]
    window = (np.moveaxis(window, -1, 1) if first else window).reshape(4, -1)
    gradient = window.T @ cotangent[(slice(None), *(-1,) * len(size))]
    np.testing.assert_allclose(model.get_weights()[0][place], weights[0][place] - 0.01 * gradient, rtol=1e-4, atol=1e-6)


@pytest.mark.filterwarnings("ignore:.*Keras 2 API")
@pytest.mark.parametrize(("given", "kept"), [({}, None), *(({"data_format": one}, one) for one in LAYOUTS),
                                             ({"dim_ordering": "th"}, "channels_first")])
@pytest.mark.parametrize("everywhere", LAYOUTS)
def test_steps_come_before_channels_in_every_data_format(given, kept, everywhere, fresh_session):
    K.set_image_data_format(everywhere)
    model = Sequential([LocallyConnected1D(2, 3, input_shape=(7, 5), **given)])
    assert model.output_shape == (None, 5, 2)
    x, weights = RNG.normal(size=(4, 7, 5)), [RNG.normal(size=w.shape) for w in model.get_weights()]
    model.set_weights(weights)
    np.testing.assert_allclose(model.predict(x), by_place(x, weights[0], (3,), (1,)) + weights[1], rtol=1e-4, atol=1e-5)
    config = model.layers[0].get_config()
    assert config.get("data_format") == kept
    assert LocallyConnected1D.from_config(config).get_config() == config


def test_shapes_of_the_weights_and_configuration():
    layer = LocallyConnected2D(3, (3, 2), strides=(2, 1), input_shape=(6, 5, 2), activation="relu", use_bias=False)
    Sequential([layer])
    assert [w.shape for w in layer.get_weights()] == [(8, 12, 3)]
    assert LocallyConnected2D.from_config(layer.get_config()).get_config() == layer.get_config()
    assert "dilation_rate" not in layer.get_config()
    assert "data_format" not in LocallyConnected1D(3, 2).get_config()


def test_keras_1():
    with pytest.warns(UserWarning, match="input_shape=\\(5, 2\\)"):
        layer = LocallyConnected1D(3, 2, input_dim=2, input_length=5)
    assert layer.batch_input_shape == (None, 5, 2)
    with pytest.warns(UserWarning, match="Keras 2 API"):
        layer = LocallyConnected2D(3, 2, 4, subsample=(2, 1), dim_ordering="th", bias=False, init="one")
    assert (layer.kernel_size, layer.strides, layer.data_format, layer.use_bias) == ((2, 4), (2, 1), "channels_first",
                                                                                      False)
    with pytest.warns(UserWarning, match="Keras 2 API"):
        layer = LocallyConnected1D(nb_filter=3, filter_length=2, subsample_length=2, border_mode="valid")
    assert (layer.filters, layer.kernel_size, layer.strides) == (3, (2,), (2,))


def test_fit_with_a_smaller_last_batch():
    model = Sequential([LocallyConnected1D(1, 2, input_shape=(4, 1)), Flatten()])
    model.compile(SGD(0.2), "mse")
    x = RNG.normal(size=(50, 4, 1))
    y = np.stack([x[:, i, 0] * (i + 1) - x[:, i + 1, 0] + i for i in range(3)], 1)
    model.fit(x, y, batch_size=8, epochs=60, verbose=0)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel[:, :, 0], [[1, -1], [2, -1], [3, -1]], atol=1e-2)
    np.testing.assert_allclose(bias[:, 0], [0, 1, 2], atol=1e-2)


@pytest.mark.parametrize(("build", "error", "message"), [
    (lambda: LocallyConnected2D(2, 3, dilation_rate=2), TypeError, "not understood: dilation_rate"),
    (lambda: LocallyConnected2D(2, 3)(Input((4, 4))), ShapeError, "expected ndim=4, found ndim=3"),
    (lambda: LocallyConnected1D(2, 3)(Input((4, None))), ShapeError, "channel dimension"),
    (lambda: LocallyConnected1D(2, 3, padding="causal"), ArgumentError, 'only "valid" is supported'),
    (lambda: LocallyConnected1D(2, 3, data_format="first"), ArgumentError, "data_format"),
    (lambda: LocallyConnected2D(2, 3, padding="same"), ArgumentError, 'only "valid" is supported'),
    (lambda: LocallyConnected2D(2, 3)(Input((None, 5, 2))), ShapeError, "should be fully-defined"),
    (lambda: LocallyConnected1D(2, 9)(Input((5, 2))), ShapeError, "larger than the input")])
def test_what_cannot_be(build, error, message):
    with pytest.raises(error, match=message):
        build()
