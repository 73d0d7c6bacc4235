"""Embedding: lookups, masks, lengths, gradients; expected values worked out by hand from the table."""

import numpy as np
import pytest

from graphc.errors import IndexRangeError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.layers import LSTM, Dense, Embedding, Flatten, Input
from graphc.frontend_keras.models import Model, Sequential

TABLE = np.arange(21).reshape(7, 3).astype("f4")


def test_rows_of_the_table():
    model = Sequential([Embedding(7, 3)])
    model.set_weights([TABLE])
    for rows in ([[1, 2, 0, 6, 3], [0, 0, 1, 5, 2]], [[4]]):
        np.testing.assert_array_equal(model.predict(np.array(rows)), TABLE[np.array(rows)])
    assert model.input_shape == (None, None)
    assert model.output_shape == (None, None, 3)
    assert K.dtype(model.inputs[0]) == "float32"


def test_numbers_outside_of_the_table_are_errors():
    model = Sequential([Embedding(7, 3, input_length=2)])
    for wrong in (7, -1):
        with pytest.raises(IndexRangeError):
            model.predict(np.array([[0, wrong]]))


def test_lengths():
    layer = Embedding(7, 3, input_length=(2, 4))
    assert Sequential([layer]).output_shape == (None, 2, 4, 3)
    with pytest.raises(ShapeError, match='"input_length" is 4, but received input has shape \\(None, 5\\)'):
        Embedding(7, 3, input_length=4)(Input((5,)))


def test_zero_may_mark_steps_to_be_skipped():
    inputs = Input((4,))
    outputs = LSTM(2)(Embedding(7, 3, mask_zero=True)(inputs))
    model = Model(inputs, outputs)
    np.testing.assert_allclose(model.predict(np.array([[3, 5, 0, 0]])), model.predict(np.array([[3, 5, 0, 0]])))
    short = Model(inputs, outputs).predict(np.array([[0, 0, 3, 5]]))
    np.testing.assert_allclose(short, model.predict(np.array([[3, 5, 0, 0]])), rtol=1e-6)


def test_a_row_that_occurs_twice_gets_both_gradients():
    model = Sequential([Embedding(7, 3, input_length=2), Flatten(), Dense(1, use_bias=False)])
    kernel = np.arange(1, 7).reshape(6, 1).astype("f4")
    model.set_weights([TABLE, kernel])
    model.compile("sgd", lambda true, predicted: K.sum(predicted))
    model.train_on_batch(np.array([[4, 4], [1, 4]]), np.zeros((2, 1)))
    gradient = np.zeros((7, 3))
    for row, part in ((4, 0), (4, 1), (1, 0), (4, 1)):
        gradient[row] += kernel[3 * part:3 * part + 3, 0]
    np.testing.assert_allclose(model.get_weights()[0], TABLE - 0.01 * gradient, rtol=1e-6)


def test_configuration_round_trip():
    layer = Embedding(7, 3, embeddings_initializer="ones", embeddings_regularizer="l2", mask_zero=True, input_length=5)
    again = Embedding.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert list(layer.get_config())[:6] == ["name", "trainable", "batch_input_shape", "dtype", "input_dim", "output_dim"]


NOT_WHOLE = [1.5, -0.5, np.nan, np.inf, -np.inf, 1e30, 2.0**31]


@pytest.mark.parametrize("target", ["cpu", "reference"])
@pytest.mark.parametrize("wrong", NOT_WHOLE)
def test_numbers_that_are_not_whole_are_errors(target, wrong):
    before = K.target()
    K.set_target(target)
    try:
        model = Sequential([Embedding(7, 3, input_length=2), Flatten(), Dense(1)])
        model.compile("sgd", "mse")
        x, y = np.array([[0, 6.0], [wrong, 3]]), np.zeros((2, 1))
        weights = model.get_weights()
        for call in (lambda: model.predict(x), lambda: model.train_on_batch(x, y), lambda: model.fit(x, y, shuffle=False, verbose=0)):
            with pytest.raises(IndexRangeError, match=r"-2147483648 at position \(1, 0\) \(it may stand for one that was not whole\)"):
                call()
        for a, b in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    finally:
        K.set_target(before)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "uint64", "bool"])
def test_inputs_of_other_integer_types(dtype):
    inputs = Input((2,), dtype=dtype)
    model = Model(inputs, Embedding(7, 3)(inputs))
    model.set_weights([TABLE])
    np.testing.assert_array_equal(model.predict(np.array([[1, 0]])), TABLE[np.array([[1, 0]])])
    if dtype.endswith("64"):
        with pytest.raises(IndexRangeError, match="got 4294967297 at position"):
            model.predict(np.array([[0, 2**32 + 1]]))


def test_whole_numbers_become_class_numbers():
    K.clear_session()
    model = Sequential([Dense(4, activation="softmax", input_shape=(3,))])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["sparse_top_k_categorical_accuracy"])
    x = np.ones((3, 3))
    assert np.isfinite(model.evaluate(x, np.array([0, 3.0, 1]), verbose=0)).all()
    for wrong in (*NOT_WHOLE[:-1], 2.0**63):
        for call in (model.train_on_batch, model.test_on_batch, lambda x, y: model.fit(x, y, verbose=0)):
            with pytest.raises(IndexRangeError, match=f"{-2**63} at position"):
                call(x, np.array([0, 3.0, wrong]))
    assert np.isfinite(model.evaluate(x, np.array([0, 3.0, 1]), verbose=0)).all()
