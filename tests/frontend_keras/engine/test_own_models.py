"""Models that users derive by defining `call`."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K
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


class Noisy(Model):
    """`call` has a keyword of its own beside `training`."""

    def __init__(self):
        super().__init__()
        self.dense, self.norm = Dense(3, activity_regularizer="l2"), BatchNormalization(momentum=0.5)
        self.dropped = Dropout(0.5)

    def call(self, inputs, training=None, factor=1):
        return self.dropped(self.norm(self.dense(inputs)), training=training) * factor


def test_keywords_of_call_count_in_each_call():
    inner = Noisy()
    x = Input((4,))
    plain, noisy = Model(x, inner(x, factor=1)), Model(x, inner(x, training=True, factor=2))
    wanted = plain.predict(X)
    found = noisy.predict(X)
    dropped = found == 0
    assert 0 < dropped.sum() < dropped.size
    np.testing.assert_allclose(found[~dropped], 2 * 2 * wanted[~dropped], rtol=1e-5)
    with pytest.raises(TypeError):
        plain(x, training=True)


def test_what_hangs_on_such_a_call_is_trained():
    inner = Noisy()
    x = Input((4,))
    outer = Model(x, inner(x, training=False))
    assert len(outer.losses) == 1
    assert len(outer.updates) == 2
    outer.compile("sgd", "mse")
    kernel, bias = inner.dense.get_weights()
    outer.train_on_batch(X, Y)
    np.testing.assert_allclose(inner.norm.get_weights()[2], 0.5 * (X @ kernel + bias).mean(0), rtol=1e-4, atol=1e-6)


class Mixed(Model):
    """Functions of K between layers, which stand in a list and a dict."""

    def __init__(self):
        super().__init__()
        self.steps = [Dense(4, kernel_regularizer="l2"), Dense(4, activity_regularizer="l2")]
        self.parts = {"norm": BatchNormalization(momentum=0.5), "end": Dense(3)}

    def call(self, inputs):
        hidden = inputs
        for step in self.steps:
            hidden = hidden + K.tanh(step(hidden))
        return self.parts["end"](self.parts["norm"](hidden)) * 2


def mixed_hidden(weights, x):
    for kernel, bias in (weights[:2], weights[2:4]):
        x = x + np.tanh(x @ kernel + bias)
    return x


def test_call_may_use_functions_of_k_between_layers():
    model = Mixed()
    model.compile("sgd", "mse")
    model.build((None, 4))
    assert [w.shape for w in model.get_weights()] == [(4, 4), (4,), (4, 4), (4,), (4,), (4,), (4,), (4,), (4, 3), (3,)]
    assert (len(model.losses), len(model.updates), model.state_updates) == (2, 2, [])
    weights = model.get_weights()
    hidden = mixed_hidden(weights, X)
    wanted = 2 * (hidden / np.sqrt(1 + 1e-3) @ weights[8] + weights[9])
    np.testing.assert_allclose(model.predict(X), wanted, rtol=1e-4, atol=1e-5)
    middle = X + np.tanh(X @ weights[0] + weights[1])
    penalty = 0.01 * (np.square(weights[0]).sum() + np.square(middle @ weights[2] + weights[3]).sum())
    assert model.evaluate(X, Y, batch_size=8, verbose=0) == pytest.approx(np.square(wanted - Y).mean() + penalty,
                                                                          rel=1e-4)
    model.train_on_batch(X, Y)
    np.testing.assert_allclose(model.get_weights()[6], 0.5 * hidden.mean(0), rtol=1e-4, atol=1e-6)
    assert np.abs(model.get_weights()[0] - weights[0]).max() > 1e-6
    model.summary(print_fn=lambda line: None)


def test_such_a_model_is_a_layer_and_its_call_runs_for_each():
    inner = Mixed()
    x = Input((4,))
    outer = Model(x, [inner(x), Dense(2)(inner(x))])
    assert len(outer.losses) == 1 + 2
    assert len(outer.updates) == 4
    weights = inner.get_weights()
    wanted = 2 * (mixed_hidden(weights, X) / np.sqrt(1 + 1e-3) @ weights[8] + weights[9])
    np.testing.assert_allclose(outer.predict(X)[0], wanted, rtol=1e-4, atol=1e-5)
    outer.compile("sgd", "mse")
    outer.fit(X, [Y, Y[:, :2]], verbose=0)


def test_states_go_on_where_call_uses_functions_of_k():
    class Running(Model):
        def __init__(self):
            super().__init__()
            self.lstm, self.norm = LSTM(3, stateful=True), BatchNormalization()

        def call(self, inputs):
            return self.norm(self.lstm(inputs) * 2)

    x = Input(batch_shape=(2, 3, 4))
    inner = Running()
    model = Model(x, inner(x))
    assert len(inner.state_updates) == 2
    kept = inner.norm.get_weights()
    steps = X.reshape(2, 4, 4)[:, :3]
    first = model.predict(steps, batch_size=2)
    assert np.abs(model.predict(steps, batch_size=2) - first).max() > 1e-4
    model.reset_states()
    np.testing.assert_array_equal(model.predict(steps, batch_size=2), first)
    for one, other in zip(inner.norm.get_weights(), kept, strict=True):
        np.testing.assert_array_equal(one, other)
