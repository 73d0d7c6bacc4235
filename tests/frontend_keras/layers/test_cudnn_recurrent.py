"""CuDNNLSTM and CuDNNGRU: weights of the library turned into plain ones and back, the same numbers from both."""

import numpy as np
import pytest

from graphc.errors import ShapeError
from graphc.frontend_keras.layers import GRU, LSTM, Bidirectional, CuDNNGRU, CuDNNLSTM
from graphc.frontend_keras.layers.cudnn_recurrent import from_plain, to_plain
from graphc.frontend_keras.models import Sequential

X = np.random.RandomState(3).rand(4, 5, 3)
PAIRS = [(CuDNNLSTM, lambda: LSTM(2, recurrent_activation="sigmoid", return_sequences=True), (8,)),
         (CuDNNGRU, lambda: GRU(2, recurrent_activation="sigmoid", reset_after=True, return_sequences=True), (6,))]


@pytest.mark.parametrize(("kind", "plain", "more"), PAIRS)
def test_plain_layers_compute_the_same(kind, plain, more):
    model = Sequential([kind(2, return_sequences=True, input_shape=(5, 3))])
    weights = [np.random.RandomState(n).uniform(-1, 1, w.shape) for n, w in enumerate(model.get_weights())]
    assert weights[2].shape == (more[0] * 2,)
    model.set_weights(weights)
    ordinary = Sequential([plain()])
    ordinary.build((None, 5, 3))
    ordinary.set_weights(to_plain(weights))
    np.testing.assert_allclose(model.predict(X), ordinary.predict(X), rtol=1e-5, atol=1e-6)
    there_and_back = to_plain(from_plain(to_plain(weights)))
    for got, want in zip(there_and_back, to_plain(weights), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_a_gate_lies_as_the_library_reads_it():
    kernel, recurrent, bias = np.arange(24.0).reshape(3, 8), np.arange(16.0).reshape(2, 8), np.arange(16.0)
    plain = to_plain([kernel, recurrent, bias])
    np.testing.assert_array_equal(plain[0][:, :2], np.array([[0, 1], [8, 9], [16, 17]]).reshape(2, 3).T)
    np.testing.assert_array_equal(plain[1][:, 2:4], [[2, 10], [3, 11]])
    np.testing.assert_array_equal(plain[2], bias[:8] + bias[8:])


def test_the_forget_gate_begins_open():
    model = Sequential([CuDNNLSTM(2, input_shape=(5, 3))])
    np.testing.assert_array_equal(model.get_weights()[2], [0] * 10 + [1, 1] + [0] * 4)


@pytest.mark.parametrize("kind", [CuDNNLSTM, CuDNNGRU])
def test_configuration_and_training(kind):
    model = Sequential([Bidirectional(kind(2, kernel_regularizer="l2", return_sequences=True), input_shape=(5, 3)),
                        kind(3)])
    model.compile("sgd", "mse")
    first, *_, last = [model.train_on_batch(X, np.ones((4, 3))) for _ in range(20)]
    assert last < first
    again = Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert {"activation", "use_bias", "dropout", "unroll"}.isdisjoint(model.layers[1].get_config())


def test_other_shapes_are_refused():
    with pytest.raises(ShapeError, match="no weights of an LSTM"):
        to_plain([np.zeros((3, 8)), np.zeros((2, 8)), np.zeros(8)])
    with pytest.raises(ShapeError, match="no weights of an LSTM"):
        from_plain([np.zeros((3, 10)), np.zeros((2, 10)), np.zeros(10)])
