"""Tensors as data: variables and random numbers in place of arrays."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import Dense
from graphc.frontend_keras.models import Sequential

X = np.random.RandomState(1).rand(6, 4).astype("float32")
Y = np.random.RandomState(2).rand(6, 3).astype("float32")


def made():
    model = Sequential([Dense(3, input_shape=(4,), kernel_initializer="ones")])
    model.compile("sgd", "mse")
    return model


def test_each_step_takes_the_tensors_as_they_are():
    model, other = made(), made()
    history = model.fit(K.variable(X), K.variable(Y), epochs=2, steps_per_epoch=3, verbose=0)
    for _ in range(6):
        last = other.train_on_batch(X, Y)
    np.testing.assert_allclose(model.get_weights()[0], other.get_weights()[0], rtol=1e-6)
    assert history.history["loss"][1] > last


def test_random_data_differ_from_step_to_step():
    found = made().predict(K.random_uniform((5, 4), seed=1), steps=2)
    assert found.shape == (10, 3)
    assert np.abs(found[:5] - found[5:]).max() > 1e-3


def test_evaluate_and_single_batches():
    model = made()
    wanted = np.square(X.sum(1, keepdims=True) - Y).mean()
    assert model.evaluate(K.variable(X), K.variable(Y), steps=2, verbose=0) == pytest.approx(wanted, rel=1e-5)
    assert model.test_on_batch(K.variable(X), Y) == pytest.approx(wanted, rel=1e-5)
    assert model.train_on_batch(X, K.variable(Y)) == pytest.approx(wanted, rel=1e-5)
    assert model.predict_on_batch(K.variable(X)).shape == (6, 3)


@pytest.mark.parametrize("call", [lambda m, x, y: m.fit(x, y, verbose=0), lambda m, x, y: m.evaluate(x, y, verbose=0),
                                  lambda m, x, y: m.predict(x),
                                  lambda m, x, y: m.fit(x, y, steps_per_epoch=1, validation_split=0.5, verbose=0)])
def test_what_cannot_be_cut_into_batches_is_refused(call):
    with pytest.raises(ValueError, match="symbolic tensors"):
        call(made(), K.variable(X), K.variable(Y))
