"""Models that users derive by defining `call`."""

import numpy as np
import pytest

from graphc.frontend_keras.engine.training import NotCompiledError
from graphc.frontend_keras.layers import LSTM, BatchNormalization, Dense, Dropout, Embedding, Input
from graphc.frontend_keras.models import Model, Sequential
from graphc.frontend_keras.utils import Sequence

X = np.random.RandomState(1).rand(8, 4).astype("float32")
Y = np.random.RandomState(2).rand(8, 3).astype("float32")


class Perceptron(Model):
    def __init__(self, dropout=True):
        super().__init__(name="mlp")
        self.first, self.second = Dense(5, activation="relu"), Dense(3)
        self.dropped = Dropout(0.5) if dropout else None

    def call(self, inputs):
        hidden = self.first(inputs)
        return self.second(self.dropped(hidden) if self.dropped else hidden)


class Pair(Model):
    def __init__(self):
        super().__init__()
        self.left, self.right = Dense(3), Dense(2)

    def call(self, inputs):
        return [self.left(inputs[0]), self.right(inputs[1])]


def relu_net(weights, x):
    kernel, bias, kernel2, bias2 = weights
    return np.maximum(x @ kernel + bias, 0) @ kernel2 + bias2


def test_the_first_fit_builds_and_predictions_are_those_of_its_weights():
    model = Perceptron()
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(X, Y, epochs=2, verbose=0, validation_split=0.25)
    assert set(history.history) == {"loss", "mean_absolute_error", "val_loss", "val_mean_absolute_error"}
    wanted = relu_net(model.get_weights(), X)
    np.testing.assert_allclose(model.predict(X), wanted, rtol=1e-5, atol=1e-6)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx([np.square(wanted - Y).mean(), np.abs(wanted - Y).mean()],
                                                            rel=1e-5)
    assert model.count_params() == 4 * 5 + 5 + 5 * 3 + 3
    lines = []
    model.summary(print_fn=lines.append)
    assert "Total params: 43" in "\n".join(lines)


def test_weights_travel_by_file_and_configurations_are_refused(tmp_path):
    model, other = Perceptron(), Perceptron()
    model.build((None, 4))
    model.save_weights(tmp_path / "weights.h5")
    other.build((None, 4))
    other.load_weights(tmp_path / "weights.h5")
    np.testing.assert_array_equal(other.predict(X), model.predict(X))
    for refuse in (model.to_json, model.to_yaml, model.get_config, lambda: model.save(tmp_path / "model.h5")):
        with pytest.raises(NotImplementedError):
            refuse()


def test_a_model_called_on_a_tensor_is_a_layer():
    inner = Perceptron(dropout=False)
    x = Input((4,))
    outer = Model(x, inner(x))
    outer.compile("sgd", "mse")
    before = relu_net(inner.get_weights(), X)
    assert outer.train_on_batch(X, Y) == pytest.approx(np.square(before - Y).mean(), rel=1e-5)
    assert len(outer.trainable_weights) == 4


def test_models_within_models_masks_penalties_and_moving_averages():
    class Block(Model):
        def __init__(self, units):
            super().__init__()
            self.dense, self.norm = Dense(units, kernel_regularizer="l2", activity_regularizer="l1"), BatchNormalization()

        def call(self, inputs):
            return self.norm(self.dense(inputs))

    class Reader(Model):
        def __init__(self):
            super().__init__()
            self.embedding, self.lstm, self.block = Embedding(6, 4, mask_zero=True), LSTM(3), Block(3)

        def call(self, inputs):
            return self.block(self.lstm(self.embedding(inputs)))

    model = Reader()
    model.compile("sgd", "mse")
    words = np.array([[1, 2, 0], [3, 0, 0]])
    model.fit(words, Y[:2], verbose=0)
    assert len(model.get_weights()) == 1 + 3 + 2 + 4
    assert len(model.losses) == 2
    assert len(model.updates) == 2
    found, weights = model.predict(words), model.get_weights()
    weights[0][0] += 10  # the row of the masked word
    model.set_weights(weights)
    np.testing.assert_array_equal(model.predict(words), found)


class Batches(Sequence):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        return [X[:4], X[4:]], [Y[:4], Y[4:, :2]]


@pytest.mark.parametrize("source", [lambda: (Batches()[0] for _ in range(4)), Batches])
def test_the_first_batch_of_a_generator_builds(source):
    model = Pair()
    model.compile("sgd", "mse")
    history = model.fit_generator(source(), steps_per_epoch=2, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    assert [w.shape for w in model.get_weights()] == [(4, 3), (3,), (4, 2), (2,)]
    other = Pair()
    other.compile("sgd", "mse")
    assert len(other.evaluate_generator(source(), steps=2)) == 3


def test_a_generator_that_builds_loses_no_batch():
    taken = []

    def batches():
        for i in range(3):
            taken.append(i)
            yield X * 0 + i, Y

    model = Sequential([Dense(3, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    model.evaluate_generator(batches(), steps=3)
    assert taken == [0, 1, 2]
    wanted = np.mean([np.square(4.0 * i - Y).mean() for i in range(3)])
    assert model.evaluate_generator(batches(), steps=3) == pytest.approx(wanted, rel=1e-5)


def test_what_is_not_compiled_says_so_before_a_batch_is_taken():
    def batches():
        raise AssertionError("asked for a batch")
        yield

    with pytest.raises(NotCompiledError):
        Pair().fit_generator(batches(), steps_per_epoch=1)
