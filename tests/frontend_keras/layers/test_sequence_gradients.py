"""Gradients of every recurrent layer, wrapper and cell, compiled, in float64, against differences along directions.

A central difference of step e errs by about e^2 times the third derivative and 1e-16 / e by rounding.
"""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers as L
from graphc.frontend_keras.models import Model, Sequential

RANDOM = np.random.RandomState(4)
X, WORDS = RANDOM.uniform(-1, 1, (3, 5, 4)), np.array([[1, 3, 0, 0], [2, 2, 5, 0], [4, 1, 1, 3]])
IMAGES = RANDOM.uniform(-1, 1, (2, 4, 5, 5, 2))
GAPS = X * (RANDOM.rand(3, 5, 1) < 0.6)


def inner():
    return Sequential([L.Dense(4, activation="tanh", input_shape=(4,)), L.BatchNormalization(), L.Dense(2)])


def masked(*layers):
    return [L.Masking(input_shape=(5, 4)), *layers]


CASES = {
    **{f"{kind.__name__} implementation {n} {'backwards' * back}": (
        lambda kind=kind, n=n, back=back: [kind(3, implementation=n, return_sequences=True, go_backwards=back)], X)
       for kind in (L.LSTM, L.GRU) for n in (1, 2) for back in (False, True)},
    "SimpleRNN": (lambda: [L.SimpleRNN(3, return_sequences=True)], X),
    "GRU reset after": (lambda: [L.GRU(3, reset_after=True)], X),
    "unrolled": (lambda: [L.LSTM(3, unroll=True)], X),
    "masked LSTM": (lambda: masked(L.LSTM(3)), GAPS),
    "masked GRU, all steps": (lambda: masked(L.GRU(3, return_sequences=True), L.SimpleRNN(2)), GAPS),
    "cells in a stack": (lambda: [L.RNN([L.LSTMCell(3), L.GRUCell(2), L.SimpleRNNCell(2)])], X),
    "CuDNNLSTM": (lambda: [L.CuDNNLSTM(3)], X), "CuDNNGRU": (lambda: [L.CuDNNGRU(3, return_sequences=True)], X),
    **{f"Bidirectional {mode}": (lambda mode=mode: [L.Bidirectional(L.LSTM(2, return_sequences=True), merge_mode=mode)], X)
       for mode in ("concat", "sum", "mul", "ave")},
    "masked Bidirectional": (lambda: masked(L.Bidirectional(L.GRU(2))), GAPS),
    "TimeDistributed layer": (lambda: [L.TimeDistributed(L.Dense(3, activation="tanh"))], X),
    "TimeDistributed model": (lambda: [L.TimeDistributed(inner()), L.LSTM(2)], X),
    "TimeDistributed convolution": (lambda: [L.TimeDistributed(L.Conv2D(3, 3)), L.TimeDistributed(L.Flatten()), L.GRU(2)],
                                    IMAGES),
    "ConvLSTM2D": (lambda: [L.ConvLSTM2D(2, 3, padding="same", return_sequences=True), L.ConvLSTM2D(1, 2)], IMAGES),
    "Embedding": (lambda: [L.Embedding(6, 3, mask_zero=True), L.LSTM(2)], WORDS),
}


@pytest.fixture(autouse=True)
def double():
    K.set_floatx("float64")
    yield
    K.set_floatx("float32")


@pytest.mark.parametrize("name", CASES)
def test_gradients_along_directions(name):
    layers, given = CASES[name]
    moves = given is not WORDS and given is not GAPS  # what is masked or looked up has no neighbours
    given = given.copy()
    x = L.Input(given.shape[1:])
    y = x
    for layer in layers():
        y = layer(y)
    model = Model(x, y)
    model.set_weights([RANDOM.uniform(-0.7, 0.7, w.shape) + (w == 1) for w in model.get_weights()])
    factors = RANDOM.uniform(-1, 1, (len(given), *K.int_shape(y)[1:]))
    loss = K.sum(K.square(y) * factors)
    wanted = [*model.trainable_weights, *([x] if moves else [])]
    value, found = K.function([x], [loss]), K.function([x], K.gradients(loss, wanted))([given])
    places = [*(w.array for w in model.trainable_weights), *([given] if moves else [])]
    for _ in range(3):
        directions = [RANDOM.choice([-1.0, 1.0], a.shape) for a in places]
        ends, e = [], 1e-6
        for shift in (e, -2 * e, e):
            for array, direction in zip(places, directions, strict=True):
                array += shift * direction
            for weight in model.trainable_weights:
                K.set_value(weight, weight.array)
            ends.append(value([given])[0])
        slope = sum(float(np.sum(g * d)) for g, d in zip(found, directions, strict=True))
        size = sum(float(np.sum(np.abs(g))) for g in found)
        assert slope == pytest.approx((ends[0] - ends[1]) / (2 * e), rel=0, abs=1e-7 * size)
