"""Copies by copy and pickle."""

import copy
import pickle

import numpy as np
import pytest

from graphc.frontend_keras.engine import Layer
from graphc.frontend_keras.layers import Dense, Lambda
from graphc.frontend_keras.models import Sequential

X = np.random.RandomState(0).rand(8, 4)
Y = X.sum(axis=1)


class Shift(Layer):
    def call(self, inputs):
        return inputs + 1.0


def halved(x):
    return x * 0.5


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_goes_on_training_as_the_original_does(duplicate):
    model = Sequential([Dense(3, input_dim=4), Shift(), Lambda(halved), Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    other = duplicate(model)
    assert not set(other.weights) & set(model.weights)
    for one in (model, other):
        one.fit(X, Y, epochs=2, verbose=0, shuffle=False)
    np.testing.assert_array_equal(model.predict(X), other.predict(X))
    assert other.metrics_names == model.metrics_names


def test_a_copy_of_what_is_not_compiled_or_built():
    built = Sequential([Dense(3, input_dim=4)])
    np.testing.assert_array_equal(copy.deepcopy(built).predict(X), built.predict(X))
    assert copy.deepcopy(Sequential([Dense(3)])).weights == []
