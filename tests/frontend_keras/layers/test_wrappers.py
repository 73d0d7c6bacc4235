"""TimeDistributed and Bidirectional beyond the recorded numbers: penalties, updates, configurations, errors."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import (
    GRU,
    LSTM,
    RNN,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GRUCell,
    Input,
    LSTMCell,
    TimeDistributed,
)
from graphc.frontend_keras.models import Model, Sequential

X = np.random.RandomState(3).rand(4, 5, 3)


def test_penalties_of_the_model_inside_count_once():
    inner = Sequential([Dense(4, activation="tanh", input_shape=(3,)), Dense(2, kernel_regularizer="l2")])
    i = Input((5, 3))
    model = Model(i, TimeDistributed(inner)(i))
    model.compile("sgd", "mse")
    y, weights = np.random.RandomState(2).rand(4, 5, 2), [w.astype(float) for w in model.get_weights()]
    for _ in range(3):
        h = np.tanh(X @ weights[0] + weights[1])
        o = h @ weights[2] + weights[3]
        assert model.train_on_batch(X, y) == pytest.approx(((o - y) ** 2).mean() + 0.01 * (weights[2] ** 2).sum(), 1e-6)
        to_o = 2 * (o - y) / o.size
        to_h = to_o @ weights[2].T * (1 - h * h)
        gradients = [np.einsum("bti,btj->ij", X, to_h), to_h.sum((0, 1)),
                     np.einsum("bti,btj->ij", h, to_o) + 0.02 * weights[2], to_o.sum((0, 1))]
        weights = [w - 0.01 * g for w, g in zip(weights, gradients, strict=True)]
    for got, want in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_statistics_are_of_all_steps():
    i = Input((5, 3))
    model = Model(i, TimeDistributed(BatchNormalization(momentum=0.5))(i))
    model.compile("sgd", "mse")
    assert len(model.updates) == 2
    model.train_on_batch(X, X)
    np.testing.assert_allclose(model.get_weights()[2], 0.5 * X.mean((0, 1)), rtol=1e-5)


def test_the_layer_inside_has_no_node_and_its_learning_phase_shows():
    inner = Dropout(0.5)
    y = TimeDistributed(inner)(Input((5, 3)))
    assert inner._inbound_nodes == []
    assert y._uses_learning_phase


@pytest.mark.parametrize("wrapped", [
    lambda: TimeDistributed(Dense(3, activation="relu")), lambda: Bidirectional(LSTM(2, return_sequences=True)),
    lambda: Bidirectional(GRU(2, reset_after=True), merge_mode="sum"), lambda: TimeDistributed(TimeDistributed(Dense(2))),
    lambda: Bidirectional(RNN([LSTMCell(2), GRUCell(2)])),
    lambda: TimeDistributed(Sequential([Dense(2, input_shape=(3,)), Dropout(0.1)]))])
def test_configurations(wrapped):
    shape = (2, 5, 3) if isinstance(getattr(wrapped(), "layer", None), TimeDistributed) else (5, 3)
    i = Input(shape)
    model = Model(i, wrapped()(i))
    again = Model.from_config(model.get_config())
    again.set_weights(model.get_weights())
    x = np.random.RandomState(0).rand(2, *shape)
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.layers[1].get_config() == model.layers[1].get_config()


def test_directions_have_names_weights_and_a_switch():
    layer = Bidirectional(LSTM(2, name="l"), name="b")
    layer(Input((5, 3)))
    assert (layer.forward_layer.name, layer.backward_layer.name) == ("forward_l", "backward_l")
    assert len(layer.trainable_weights) == 6
    layer.trainable = False
    assert layer.trainable_weights == []
    assert len(layer.non_trainable_weights) == 6
    assert not layer.forward_layer.trainable


def test_initial_weights():
    weights = [np.random.RandomState(n).rand(*shape) for n, shape in enumerate([(3, 8), (2, 8), (8,)] * 2)]
    layer = Bidirectional(LSTM(2), weights=weights)
    layer(Input((5, 3)))
    for got, want in zip(layer.get_weights(), weights, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_states_of_both_directions_carry_until_reset():
    model = Sequential([Bidirectional(LSTM(2, stateful=True), batch_input_shape=(4, 5, 3))])
    first, second = (model.predict(X, batch_size=4) for _ in range(2))
    assert abs(first - second).max() > 1e-4
    model.reset_states()
    np.testing.assert_array_equal(model.predict(X, batch_size=4), first)


def test_masks():
    words = Embedding(9, 3, mask_zero=True)(Input((4,)))
    assert K.int_shape(TimeDistributed(Dense(2))(words)._keras_mask) == (None, 4)
    assert Bidirectional(LSTM(2))(words)._keras_mask is None
    assert Bidirectional(LSTM(2, return_sequences=True))(words)._keras_mask is words._keras_mask
    with pytest.raises(TypeError, match="Layer flatten_1 does not support masking, but was passed an input_mask"):
        TimeDistributed(Flatten())(words)


def test_what_is_refused():
    with pytest.raises(ShapeError, match="at least 3 axes"):
        TimeDistributed(Dense(2))(Input((3,)))
    with pytest.raises(ArgumentError, match="a wrapper needs a layer"):
        TimeDistributed(Input((3,)))
    with pytest.raises(ArgumentError, match="Invalid merge mode"):
        Bidirectional(LSTM(2), merge_mode="max")
    with pytest.raises(ArgumentError, match="needs a recurrent layer"):
        Bidirectional(Dense(2))
    with pytest.raises(ArgumentError, match="states of the underlying RNNs"):
        Bidirectional(LSTM(2))(Input((5, 3)), initial_state=[Input((2,))] * 3)
    with pytest.raises(ArgumentError, match="mix of Keras tensors and non-Keras tensors"):
        Bidirectional(GRU(2))(Input((5, 3)), initial_state=[Input((2,)), K.zeros((4, 2))])


def test_a_frozen_layer_stays_frozen():
    layer = TimeDistributed(Dense(2, trainable=False))
    layer(Input((5, 3)))
    assert layer.trainable_weights == []


def test_images_over_time_of_unknown_length():
    model = Sequential([TimeDistributed(Conv2D(2, 3), input_shape=(None, 6, 6, 1)), TimeDistributed(Flatten()), GRU(2)])
    assert model.predict(np.ones((2, 3, 6, 6, 1))).shape == (2, 2)
    assert model.predict(np.ones((1, 7, 6, 6, 1))).shape == (1, 2)
