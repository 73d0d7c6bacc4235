"""Copies of layers and optimizers."""

import copy
import pickle

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras import optimizers
from graphc.frontend_keras.engine.network import Network
from graphc.frontend_keras.layers import LSTM, Bidirectional, Dense, Embedding, Input, TimeDistributed
from graphc.frontend_keras.models import Model, Sequential


def pickled(x):
    return pickle.loads(pickle.dumps(x))


APART = [copy.deepcopy, pickled]


@pytest.mark.parametrize("copied", APART)
def test_a_copied_layer_has_the_values_the_penalty_and_no_calls(copied):
    layer = Dense(3, activation="relu", kernel_regularizer="l2")
    x = Input((4,))
    layer(x)
    twin = copied(layer)
    assert twin._inbound_nodes == []
    assert layer._inbound_nodes
    np.testing.assert_array_equal(twin.get_weights()[0], layer.get_weights()[0])
    assert float(K.eval(twin.losses[0])) == pytest.approx(0.01 * np.square(layer.get_weights()[0]).sum(), rel=1e-6)
    model = Model(x, twin(x))
    model.compile("sgd", "mse")
    kept = layer.get_weights()[0]
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 3)))
    np.testing.assert_array_equal(layer.get_weights()[0], kept)
    assert np.abs(twin.get_weights()[0] - kept).max() > 1e-6


@pytest.mark.parametrize("copied", [copy.copy, *APART])
def test_a_layer_without_weights_is_built_as_its_original_would_be(copied):
    twin = copied(Dense(3, kernel_initializer="ones"))
    x = Input((4,))
    np.testing.assert_allclose(Model(x, twin(x)).predict(np.ones((1, 4))), [[4, 4, 4]])


def test_a_shallow_copy_shares_the_weights():
    layer = Dense(3)
    layer.build((None, 4))
    twin = copy.copy(layer)
    assert twin.kernel is layer.kernel
    assert len(twin.losses) == len(layer.losses) == 0


@pytest.mark.parametrize("copied", APART)
@pytest.mark.parametrize("layer", [lambda: Bidirectional(LSTM(2)), lambda: TimeDistributed(Dense(2)), lambda: LSTM(2)],
                         ids=["bidirectional", "time distributed", "lstm"])
def test_layers_inside_are_copied_too(copied, layer):
    x, original = Input((3, 2)), layer()
    y = original(x)
    twin = copied(original)
    data = np.random.RandomState(0).rand(4, 3, 2)
    np.testing.assert_array_equal(Model(x, twin(x)).predict(data), Model(x, y).predict(data))


@pytest.mark.parametrize("copied", [copy.copy, *APART])
def test_a_copied_optimizer_has_the_rates_and_the_state_but_no_updates(copied):
    model = Sequential([Dense(3, input_shape=(4,))])
    model.compile(optimizers.Adam(0.25, clipnorm=2.0), "mse")
    model.fit(np.ones((4, 4)), np.ones((4, 3)), verbose=0)
    twin = copied(model.optimizer)
    assert twin.get_config() == model.optimizer.get_config()
    assert twin.updates == []
    for one, other in zip(twin.get_weights(), model.optimizer.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    weight = K.variable(np.ones(2))
    K.function([], [], updates=twin.get_updates(K.sum(weight), [weight]))([])
    assert (K.get_value(weight) < 1).all()


@pytest.mark.parametrize("copied", [copy.copy, *APART])
def test_networks_and_inputs_begin_with_placeholders_of_their_own(copied):
    x = Input((4,), dtype="int32", name="start")
    network = Network(x, Dense(3, kernel_regularizer="l2")(Embedding(5, 2, input_length=4)(x)))
    twin = copied(network)
    assert twin.inputs[0] is not x
    for one, other in zip(twin.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    layer = copied(network.layers[0])
    assert (layer.name, K.int_shape(layer.output), K.dtype(layer.output)) == ("start", (None, 4), "int32")
