"""Ways of using the API that programs written for Keras 2 rely on: adversaries, autoencoders, twins."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine import topology
from graphc.frontend_keras.layers import Dense, Dropout, Input, Lambda, LeakyReLU
from graphc.frontend_keras.layers.core import Lambda as LambdaOfCore
from graphc.frontend_keras.losses import binary_crossentropy
from graphc.frontend_keras.models import Model, Sequential
from graphc.frontend_keras.optimizers import Adam, RMSprop

X = np.random.RandomState(0).rand(32, 6)


@pytest.mark.filterwarnings("ignore:Discrepancy between trainable weights")
def test_adversaries_train_in_turns():
    """What is trainable is decided when a model is compiled."""
    seen, noise = Input((6,)), Input((3,))
    critic = Model(seen, Dense(1, activation="sigmoid")(Dropout(0.3)(LeakyReLU(0.2)(Dense(8)(seen)))))
    critic.compile(Adam(0.01, 0.5), "binary_crossentropy")
    maker = Model(noise, Dense(6, activation="tanh")(noise))
    critic.trainable = False
    both = Model(noise, critic(maker(noise)))
    both.compile(Adam(0.01, 0.5), "binary_crossentropy")
    for _ in range(3):
        critic_before, maker_before = critic.get_weights()[0], maker.get_weights()[0]
        critic.train_on_batch(X[:8], np.ones((8, 1)))
        critic_after = critic.get_weights()[0]
        assert not np.array_equal(critic_before, critic_after)
        np.testing.assert_array_equal(maker_before, maker.get_weights()[0])
        both.train_on_batch(X[:8, :3], np.ones((8, 1)))
        np.testing.assert_array_equal(critic_after, critic.get_weights()[0])
        assert not np.array_equal(maker_before, maker.get_weights()[0])


def sampling(pair):
    mean, log_variance = pair
    noise = K.random_normal(shape=(K.shape(mean)[0], K.int_shape(mean)[1]))
    return mean + K.exp(0.5 * log_variance) * noise


def test_a_variational_autoencoder():
    inputs = Input((6,))
    hidden = Dense(5, activation="relu")(inputs)
    mean, log_variance = Dense(2, name="mean")(hidden), Dense(2, name="log_variance")(hidden)
    encoder = Model(inputs, [mean, log_variance, Lambda(sampling, output_shape=(2,))([mean, log_variance])])
    code = Input((2,))
    decoder = Model(code, Dense(6, activation="sigmoid")(code))
    outputs = decoder(encoder(inputs)[2])
    whole = Model(inputs, outputs)
    divergence = -0.5 * K.sum(1 + log_variance - K.square(mean) - K.exp(log_variance), axis=-1)
    whole.add_loss(K.mean(6 * binary_crossentropy(inputs, outputs) + divergence))
    whole.compile(optimizer="adam")
    history = whole.fit(X, epochs=15, batch_size=8, verbose=0, validation_data=(X, None)).history
    assert history["loss"][-1] < history["loss"][0]
    assert len(history["val_loss"]) == 15
    assert [part.shape for part in encoder.predict(X)] == [(32, 2)] * 3


def distance(pair):
    x, y = pair
    return K.sqrt(K.maximum(K.sum(K.square(x - y), axis=1, keepdims=True), K.epsilon()))


def contrastive(y_true, y_pred):
    return K.mean(y_true * K.square(y_pred) + (1 - y_true) * K.square(K.maximum(1 - y_pred, 0)))


def near(y_true, y_pred):
    return K.mean(K.equal(y_true, K.cast(y_pred < 0.5, y_true.dtype)))


def test_twins_compare_two_inputs():
    base = Sequential([Dense(8, activation="relu", input_shape=(6,)), Dropout(0.1), Dense(4)])
    a, b = Input((6,)), Input((6,))
    model = Model([a, b], Lambda(distance)([base(a), base(b)]))
    model.compile(RMSprop(), contrastive, metrics=[near])
    assert model.metrics_names == ["loss", "near"]
    model.fit([X, X[::-1]], np.arange(32) % 2, epochs=2, verbose=0)
    loss, share = model.evaluate([X, X], np.ones(32), verbose=0)
    assert (loss, share) == pytest.approx((1e-7, 1), abs=1e-6)


def test_names_at_their_old_places():
    assert LambdaOfCore is Lambda
    assert topology.Container.__name__ == "Network"
