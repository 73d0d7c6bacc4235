"""Layers and spellings of Keras 1 that Keras 2.2.4 still takes."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers
from graphc.frontend_keras.engine.input_spec import InputSpec
from graphc.frontend_keras.layers import Input
from graphc.frontend_keras.layers.keras1 import merge
from graphc.frontend_keras.models import Model, Sequential

X = np.random.RandomState(1).randn(5, 4).astype("float32")


def applied(layer, data):
    x = Input(data.shape[1:])
    return Model(x, layer(x)).predict(data)


def test_maxout_is_the_largest_of_affine_maps():
    with pytest.warns(UserWarning, match="Keras 1"):
        layer = layers.MaxoutDense(3, nb_feature=2, init="uniform", W_regularizer="l2", input_dim=4)
    model = Sequential([layer])
    kernels, biases = np.random.RandomState(0).randn(2, 4, 3), np.random.RandomState(3).randn(2, 3)
    model.set_weights([kernels, biases])
    wanted = np.maximum(X @ kernels[0] + biases[0], X @ kernels[1] + biases[1])
    np.testing.assert_allclose(model.predict(X), wanted, rtol=1e-5, atol=1e-6)
    assert len(model.losses) == 1
    with pytest.warns(UserWarning, match="Keras 1"):
        again = Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_highway_mixes_the_input_and_a_map_of_it():
    with pytest.warns(UserWarning, match="Keras 1"):
        layer = layers.Highway(activation="tanh")
    x = Input((4,))
    model = Model(x, layer(x))
    np.testing.assert_array_equal(layer.get_weights()[3], np.ones(4))
    rng = np.random.RandomState(0)
    main, carry, bias, carry_bias = rng.randn(4, 4), rng.randn(4, 4), rng.randn(4), rng.randn(4)
    model.set_weights([main, carry, bias, carry_bias])
    gate = 1 / (1 + np.exp(-(X @ carry + carry_bias)))
    wanted = gate * np.tanh(X @ main + bias) + (1 - gate) * X
    np.testing.assert_allclose(model.predict(X), wanted, rtol=1e-5, atol=1e-6)


def test_a_layer_derived_from_recurrent():
    class Sum(layers.Recurrent):
        """states end with the constant"""

        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units, self.states = units, [None]

        def build(self, input_shape):
            shape = input_shape[0] if isinstance(input_shape, list) else input_shape
            self.input_spec[0] = InputSpec(shape=(shape[0] if self.stateful else None, None, shape[2]))
            if self.stateful:
                self.reset_states()
            self.kernel = self.add_weight((shape[2], self.units), initializer="one", name="kernel")
            self.built = True

        def preprocess_input(self, inputs, training=None):
            return 2 * inputs

        def get_constants(self, inputs, training=None):
            return [K.constant(0.5)]

        def step(self, x, states):
            output = states[0] + K.dot(x, self.kernel) + states[-1]
            return output, [output]

    data = np.random.RandomState(0).rand(2, 3, 4).astype("float32")
    partial = np.repeat((2 * data.sum(2) + 0.5).cumsum(1)[:, :, None], 2, 2)
    np.testing.assert_allclose(applied(Sum(2), data), partial[:, -1], rtol=1e-5)
    np.testing.assert_allclose(applied(Sum(2, return_sequences=True), data), partial, rtol=1e-5)
    x, start = Input((3, 4)), Input((2,))
    begun = Model([x, start], Sum(2, return_state=True)(x, initial_state=start))
    outputs, state = begun.predict([data, np.full((2, 2), 10)])
    np.testing.assert_allclose(outputs, partial[:, -1] + 10, rtol=1e-5)
    np.testing.assert_array_equal(outputs, state)
    model = Sequential([Sum(2, stateful=True, batch_input_shape=(2, None, 4))])
    model.predict(data)
    np.testing.assert_allclose(model.predict(data), 2 * partial[:, -1], rtol=1e-5)
    model.reset_states()
    np.testing.assert_allclose(model.predict(data), partial[:, -1], rtol=1e-5)
    with pytest.raises(ValueError, match="states"):
        model.layers[0].reset_states(np.zeros((3, 2)))
    with pytest.raises(AttributeError, match="stateful"):
        Sum(2).reset_states()


@pytest.mark.parametrize(("mode", "wanted"), [
    ("sum", lambda a, b: a + b), ("mul", lambda a, b: a * b), ("ave", lambda a, b: (a + b) / 2),
    ("max", np.maximum), ("concat", lambda a, b: np.concatenate([a, b], 1)),
    ("dot", lambda a, b: (a * b).sum(1, keepdims=True)),
    ("cos", lambda a, b: (a * b).sum(1, keepdims=True) / np.linalg.norm(a, axis=1, keepdims=True)
     / np.linalg.norm(b, axis=1, keepdims=True))])
def test_merge_of_keras_1(mode, wanted):
    a, b = Input((4,)), Input((4,))
    with pytest.warns(UserWarning, match="keras.layers"):
        y = merge([a, b], mode=mode, name="merged")
    other = X[::-1].copy()
    model = Model([a, b], y)
    np.testing.assert_allclose(model.predict([X, other]), wanted(X, other), rtol=1e-4, atol=1e-6)
    assert model.layers[-1].name == "merged"


def test_merge_by_a_function_and_by_no_mode():
    a, b = Input((4,)), Input((4,))
    y = merge([a, b], mode=lambda pair: pair[0] - pair[1], output_shape=(4,))
    np.testing.assert_allclose(Model([a, b], y).predict([X, 3 * X]), -2 * X, rtol=1e-6)
    with pytest.raises(ValueError, match="mode"):
        merge([a, b], mode="join")


@pytest.mark.parametrize(("make", "instead"), [
    (lambda: layers.Merge(mode="concat"), "keras.layers.concatenate"), (lambda: layers.Merge(mode=len), "Lambda"),
    (lambda: layers.ConvRecurrent2D(3, 2), "ConvLSTM2D")])
def test_what_is_gone_names_what_to_use(make, instead):
    with pytest.raises(ValueError, match=instead):
        make()


def test_convolutional_lstm_and_embedding_take_their_old_keywords():
    with pytest.warns(UserWarning, match="Keras 2 API"):
        layer = layers.ConvLSTM2D(nb_filter=3, nb_row=2, nb_col=1, border_mode="same", subsample=(1, 1),
                                  dim_ordering="tf", init="ones", inner_init="zeros", inner_activation="sigmoid",
                                  W_regularizer="l2", U_regularizer="l1", b_regularizer="l2", dropout_W=0.1,
                                  dropout_U=0.2, forget_bias_init="one", bias=True)
    config, plain = layer.get_config(), layers.ConvLSTM2D(
        3, (2, 1), padding="same", kernel_initializer="ones", recurrent_initializer="zeros",
        recurrent_activation="sigmoid", kernel_regularizer="l2", recurrent_regularizer="l1", bias_regularizer="l2",
        dropout=0.1, recurrent_dropout=0.2).get_config()
    assert {**config, "name": ""} == {**plain, "name": ""}
    with pytest.warns(UserWarning, match="SpatialDropout1D"):
        layers.Embedding(10, 4, dropout=0.2)
    with pytest.warns(UserWarning, match="dtype"):
        assert layers.InputLayer((4,), input_dtype="int32").dtype == "int32"
