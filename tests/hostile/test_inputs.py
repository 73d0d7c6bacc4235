"""Arguments made to harm: objects that claim to be arrays, and numbers that spread. The model can be used afterwards.

What does not live here: indices out of range in graphs and sizes that overflow (tests/soak), files (test_corpus.py).
"""

import numpy as np
import pytest

from graphc import frontend_keras as keras
from graphc.frontend_keras.engine import rows

K = keras.backend


class Pretender:
    """Has an array's attributes, and gives something else when it is asked for the numbers."""

    shape, ndim, dtype = (2, 4), 2, np.dtype("f4")

    def __init__(self, given):
        self.given = given

    def __len__(self):
        return 2

    def __array__(self, dtype=None, copy=None):
        return self.given


class Nowhere:
    """Device memory at address 0."""

    shape = (2, 4)
    __cuda_array_interface__ = {"version": 3, "shape": (2, 4), "typestr": "<f4", "data": (0, False)}  # noqa: RUF012


HARMFUL = {
    "an array of another shape": Pretender(np.zeros((1, 1), "f4")), "no array": Pretender("text"), "device memory at 0": Nowhere(),
    "objects": np.array([[object()] * 4] * 2), "texts": np.array([["a"] * 4] * 2), "complex": np.ones((2, 4), "c8"),
    "ragged": [[1, 2], [3]], "axes too many": np.ones((2, 4, 1, 1), "f4"), "a row too short": np.ones((2, 3), "f4")}


@pytest.fixture
def model():
    K.clear_session()
    np.random.seed(0)
    made = keras.models.Sequential([keras.layers.Dense(3, input_shape=(4,)), keras.layers.Dense(2)])
    made.compile("sgd", "mse")
    return made


@pytest.mark.parametrize("harmful", HARMFUL.values(), ids=HARMFUL)
def test_what_only_claims_to_be_an_array_is_refused(model, harmful):
    x, y = np.ones((2, 4), "f4"), np.ones((2, 2), "f4")
    before, weights = model.predict(x), model.get_weights()
    f = K.function(model.inputs, model.outputs)
    for call in (model.predict, model.predict_on_batch, lambda given: f([given]), lambda given: model.train_on_batch(given, y),
                 lambda given: model.fit(given, y, verbose=0)):
        with pytest.raises((ValueError, TypeError)):
            call(harmful)
        np.testing.assert_array_equal(model.predict(x), before)
        for a, b in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_one_nan_among_many_rows_reaches_the_loss_and_its_own_row_alone(model):
    x, y = np.ones((100_000, 4), "f4"), np.ones((100_000, 2), "f4")
    x[77_777, 2] = np.nan
    assert np.isnan(model.evaluate(x, y, batch_size=1000, verbose=0))
    spoiled = np.flatnonzero(np.isnan(model.predict(x, batch_size=1000)).any(axis=1))
    np.testing.assert_array_equal(spoiled, [77_777])


@pytest.mark.parametrize("number", [1e308, -1e308, 3.5e38])
def test_numbers_that_float32_does_not_hold_become_infinite_as_in_numpy(model, number):
    x = np.zeros((2, 4))
    x[1, 0] = number
    f = K.function(model.inputs, [model.inputs[0] * 1.0])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(f([x])[0], x.astype("f4"))


@pytest.mark.parametrize("wrong", [1.5, np.nan, np.inf, 1e30, -2.0**31 - 1024])
@pytest.mark.parametrize("at_once", [1, rows.CONVERT_AT_ONCE])
def test_numbers_that_integer_inputs_do_not_hold_are_refused(monkeypatch, at_once, wrong):
    """By every way from arrays to a model's inputs; whole floats are taken."""
    monkeypatch.setattr(rows, "CONVERT_AT_ONCE", at_once)
    K.clear_session()
    np.random.seed(0)
    inputs = keras.layers.Input((2,), dtype="int32")
    model = keras.models.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(keras.layers.Embedding(5, 3)(inputs))))
    model.compile("sgd", "mse")
    x, y = np.array([[0, 1], [2, 3], [4, 0]], "f4"), np.zeros((3, 1))
    np.testing.assert_array_equal(model.predict(x), model.predict(x.astype("i4")))
    bad, weights = x.copy(), model.get_weights()
    bad[2, 1] = wrong
    calls = {"predict": model.predict, "at once": lambda x: model.predict(x, batch_size=1), "batch": model.predict_on_batch,
             "train": lambda x: model.train_on_batch(x, y), "fit": lambda x: model.fit(x, y, verbose=0, shuffle=False),
             "evaluate": lambda x: model.evaluate(x, y, verbose=0), "list": lambda x: model.predict(x.tolist())}
    for call in calls.values():
        with pytest.raises(TypeError, match="a number that the input cannot hold"):
            call(bad)
    for a, b in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
