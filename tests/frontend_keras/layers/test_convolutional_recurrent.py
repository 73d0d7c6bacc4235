"""ConvLSTM2D beyond the recorded numbers: data formats, states, dropout, errors."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import BatchNormalization, ConvLSTM2D, Dense, Flatten, Input
from graphc.frontend_keras.models import Model, Sequential

X = np.random.RandomState(3).rand(2, 4, 5, 6, 3)


def test_channels_first_gives_the_same_numbers():
    last = Sequential([ConvLSTM2D(2, 3, padding="same", return_sequences=True, input_shape=(4, 5, 6, 3))])
    first = Sequential([ConvLSTM2D(2, 3, padding="same", return_sequences=True, data_format="channels_first",
                                   input_shape=(4, 3, 5, 6))])
    first.set_weights(last.get_weights())
    assert first.output_shape == (None, 4, 2, 5, 6)
    np.testing.assert_allclose(first.predict(np.moveaxis(X, -1, 2)), np.moveaxis(last.predict(X), -1, 2), atol=1e-6)


def test_states_carry_until_reset():
    model = Sequential([ConvLSTM2D(2, 3, stateful=True, batch_input_shape=(2, 4, 5, 6, 3))])
    first, second = (model.predict(X, batch_size=2) for _ in range(2))
    assert abs(first - second).max() > 1e-4
    model.reset_states()
    np.testing.assert_array_equal(model.predict(X, batch_size=2), first)
    model.layers[0].reset_states([np.ones((2, 3, 4, 2)), np.zeros((2, 3, 4, 2))])
    assert abs(model.predict(X, batch_size=2) - first).max() > 1e-4
    with pytest.raises(ShapeError, match="State 0 is incompatible"):
        model.layers[0].reset_states([np.ones((2, 3, 4)), np.zeros((2, 3, 4, 2))])


def test_given_states():
    i, states = Input((4, 5, 6, 3)), [Input((3, 4, 2)), Input((3, 4, 2))]
    model = Model([i, *states], ConvLSTM2D(2, 3)(i, initial_state=states))
    zeros = np.zeros((2, 3, 4, 2))
    plain = Sequential([ConvLSTM2D(2, 3, input_shape=(4, 5, 6, 3))])
    plain.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict([X, zeros, zeros]), plain.predict(X))


def test_dropout_is_for_training_and_masks_stay_over_time():
    model = Sequential([ConvLSTM2D(2, 3, dropout=0.5, recurrent_dropout=0.5, input_shape=(4, 5, 6, 3))])
    assert model.uses_learning_phase
    np.testing.assert_array_equal(model.predict(X), model.predict(X))
    train = K.function([model.input, K.learning_phase()], model.outputs)
    assert abs(train([X, 1])[0] - train([X, 1])[0]).max() > 1e-4


def test_a_network_trains_and_its_configuration_makes_it_again():
    model = Sequential([ConvLSTM2D(2, 3, input_shape=(None, 5, 6, 3), return_sequences=True), BatchNormalization(),
                        ConvLSTM2D(2, 2), Flatten(), Dense(1)])
    model.compile("adam", "mse")
    losses = [model.train_on_batch(X, np.ones((2, 1))) for _ in range(30)]
    assert losses[-1] < losses[0] / 2
    again = Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(X[:, :3]), model.predict(X[:, :3]))


def test_what_is_refused():
    with pytest.raises(ShapeError, match="expected ndim=5, found ndim=4"):
        ConvLSTM2D(2, 3)(Input((4, 5, 3)))
    with pytest.raises(ShapeError, match="kernel .* is larger than the input"):
        ConvLSTM2D(2, 9)(Input((4, 5, 6, 3)))
    with pytest.raises(ShapeError, match="channel dimension of the inputs should be defined"):
        ConvLSTM2D(2, 3)(Input((4, 5, 6, None)))
    with pytest.raises(ArgumentError, match="needs to know its batch size"):
        ConvLSTM2D(2, 3, stateful=True)(Input((4, 5, 6, 3)))
