"""fit_generator, evaluate_generator, predict_generator: numbers against NumPy in float64, order, ends, errors."""

import random

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import callbacks, optimizers
from graphc.frontend_keras.layers import Dense, Input, Lambda, add
from graphc.frontend_keras.models import Model, Sequential
from graphc.frontend_keras.utils import Sequence

RANDOM = np.random.RandomState(5)
X, Y = RANDOM.rand(10, 3), RANDOM.rand(10, 1)
LR = 0.1


class Batches(Sequence):
    """X and Y four at a time, the last batch smaller; `said` collects what happens."""

    def __init__(self, weights=None, said=None):
        self.weights, self.said = weights, [] if said is None else said

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(4 * index, 4 * index + 4)
        return (X[rows], Y[rows]) if self.weights is None else (X[rows], Y[rows], self.weights[rows])

    def on_epoch_end(self):
        self.said.append("end of data")


def endless(source=None):
    while True:
        yield from source or Batches()


def line():
    model = Sequential([Dense(1, input_dim=3)])
    model.compile(optimizers.SGD(lr=LR), "mse")
    model.set_weights([np.ones((3, 1)), np.zeros(1)])
    return model


class NumpyLine:
    """The same model by hand."""

    def __init__(self):
        self.w, self.b = np.ones((3, 1)), np.zeros(1)

    def loss(self, x, y, weights=None):
        squares = (x @ self.w + self.b - y)[:, 0] ** 2
        return squares.mean() if weights is None else (squares * weights).sum() / np.count_nonzero(weights)

    def step(self, x, y, weights=None):
        loss = self.loss(x, y, weights)
        weights = np.ones(len(x)) if weights is None else weights
        slope = 2 * (x @ self.w + self.b - y) * weights[:, None] / np.count_nonzero(weights)
        self.w = self.w - LR * x.T @ slope
        self.b = self.b - LR * slope.sum(axis=0)
        return loss

    def epoch(self, order=(0, 1, 2), source=None):
        source = source or Batches()
        parts = [source[i] for i in order]
        losses = [self.step(*part) for part in parts]
        return np.average(losses, weights=[len(part[0]) for part in parts])


def check(model, history, numpy_line, losses):
    np.testing.assert_allclose(history.history["loss"], losses, rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[0], numpy_line.w, rtol=1e-5)
    np.testing.assert_allclose(model.get_weights()[1], numpy_line.b, rtol=1e-5)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_training_on_a_generator_and_on_a_sequence(workers):
    for source, options in ((endless(), {"steps_per_epoch": 3}), (Batches(), {"shuffle": False})):
        model, by_hand = line(), NumpyLine()
        history = model.fit_generator(source, epochs=2, verbose=0, workers=workers, **options)
        check(model, history, by_hand, [by_hand.epoch(), by_hand.epoch()])
        assert history is model.history


def test_sample_weights_and_class_weights():
    weights = np.arange(10.0) + 1
    model, by_hand = line(), NumpyLine()
    history = model.fit_generator(Batches(weights), verbose=0, shuffle=False)
    check(model, history, by_hand, [by_hand.epoch(source=Batches(weights))])
    ones = Batches(np.where(np.arange(10) % 2, 3.0, 1.0))
    pairs = [(x, np.arange(len(x)) % 2) for x, *_ in Batches()]
    model, by_hand = line(), NumpyLine()
    history = model.fit_generator(iter(pairs), 3, verbose=0, class_weight={0: 1.0, 1: 3.0})
    by_class = [(x, y[:, None], w) for (x, y), (_, _, w) in zip(pairs, ones)]
    check(model, history, by_hand, [by_hand.epoch(source=by_class)])


def test_sequences_are_shuffled_by_batches_with_pythons_generator():
    random.seed(11)
    order, orders = [0, 1, 2], []
    for _ in range(2):
        random.shuffle(order)
        orders.append(list(order))
    random.seed(11)
    model, by_hand = line(), NumpyLine()
    history = model.fit_generator(Batches(), epochs=2, verbose=0)
    check(model, history, by_hand, [by_hand.epoch(one) for one in orders])


WEIGHTS = np.arange(10.0) + 1


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(("data", "steps", "parts"), [
    (lambda: (X, Y), None, [(X, Y)]),
    # arrays are tested in batches as large as the last one of the training, here 2
    (lambda: (X, Y, WEIGHTS), None, [(X[i:i + 2], Y[i:i + 2], WEIGHTS[i:i + 2]) for i in range(0, 10, 2)]),
    (Batches, None, list(Batches())),
    (Batches, 2, list(Batches())[:2]),
    (lambda: endless(), 2, list(Batches())[:2]),
])
def test_validation_on_arrays_generators_and_sequences(data, steps, parts, workers):
    by_hand = NumpyLine()
    by_hand.epoch()
    want = np.average([by_hand.loss(*part) for part in parts], weights=[len(part[0]) for part in parts])
    history = line().fit_generator(Batches(), verbose=0, shuffle=False, validation_data=data(), validation_steps=steps,
                                   workers=workers)
    assert history.history["val_loss"] == pytest.approx([want], rel=1e-5)


def test_a_validation_stream_goes_on_in_the_next_epoch():
    class Still(callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.model.optimizer.lr.array[...] = 0

    model, by_hand = line(), NumpyLine()
    history = model.fit_generator(Batches(), epochs=2, verbose=0, validation_data=Batches(), validation_steps=2,
                                  callbacks=[Still()])
    losses = [by_hand.loss(X[i:i + 4], Y[i:i + 4]) for i in (0, 4, 8)]
    want = [(4 * losses[0] + 4 * losses[1]) / 8, (2 * losses[2] + 4 * losses[0]) / 6]
    np.testing.assert_allclose(history.history["val_loss"], want, rtol=1e-5)


class Listener(callbacks.Callback):
    def __init__(self, said, stop_at=None):
        super().__init__()
        self.said, self.stop_at = said, stop_at

    def on_train_begin(self, logs=None):
        self.said.append("train")

    def on_epoch_begin(self, epoch, logs=None):
        self.said.append(f"epoch {epoch}")

    def on_batch_begin(self, batch, logs=None):
        self.said.append(f"{batch} of {logs['size']}")

    def on_batch_end(self, batch, logs=None):
        if self.stop_at == batch:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        self.said.append(sorted(logs))

    def on_train_end(self, logs=None):
        self.said.append("end")


def test_the_order_of_events():
    said = []
    listener = Listener(said)
    line().fit_generator(Batches(said=said), epochs=3, initial_epoch=1, verbose=0, shuffle=False, callbacks=[listener],
                         validation_data=(X, Y))
    epoch = ["0 of 4", "1 of 4", "2 of 2", "end of data", ["loss", "val_loss"]]
    assert said == ["train", "epoch 1", *epoch, "epoch 2", *epoch, "end"]
    assert listener.params == {"epochs": 3, "steps": 3, "verbose": 0, "do_validation": True,
                               "metrics": ["loss", "val_loss"]}
    np.testing.assert_array_equal(listener.validation_data[0], X)


@pytest.mark.parametrize(("stop_at", "logs"), [(1, ["loss"]), (2, ["loss", "val_loss"])])
def test_stopped_by_a_callback(stop_at, logs):
    said = []
    history = line().fit_generator(endless(), 3, epochs=5, verbose=0, callbacks=[Listener(said, stop_at)],
                                   validation_data=(X, Y))
    assert history.epoch == [0]
    assert said[-2:] == [logs, "end"]


def test_data_of_a_view_may_be_shuffled_in_place_at_the_end_of_an_epoch():
    class Views(Sequence):
        def __init__(self):
            self.rows = np.concatenate([X, Y], axis=1)

        def __len__(self):
            return 2

        def __getitem__(self, index):
            rows = self.rows[5 * index:5 * index + 5]
            return rows[:, :3], rows[:, 3:]

        def on_epoch_end(self):
            self.rows[...] = self.rows[::-1].copy()

    model, by_hand = line(), NumpyLine()
    history = model.fit_generator(Views(), epochs=2, verbose=0, shuffle=False, max_queue_size=1)
    halves = [(X[:5], Y[:5]), (X[5:], Y[5:])]
    backwards = [(x[::-1], y[::-1]) for x, y in halves[::-1]]
    check(model, history, by_hand, [by_hand.epoch((0, 1), halves), by_hand.epoch((0, 1), backwards)])


def test_tests_and_predictions():
    model, by_hand = line(), NumpyLine()
    outputs = X @ by_hand.w + by_hand.b
    for source, steps in ((Batches(), None), (endless(), 3), (endless(), 2.5)):
        for workers in (0, 2):
            assert model.evaluate_generator(source, steps, workers=workers) == pytest.approx(by_hand.loss(X, Y), rel=1e-5)
        np.testing.assert_allclose(model.predict_generator(Batches(), steps), outputs, rtol=1e-5)
    np.testing.assert_allclose(model.predict_generator(iter([X[:4], [X[4:]]]), 2), outputs, rtol=1e-5)
    np.testing.assert_allclose(model.predict_generator(iter([X]), 1), outputs, rtol=1e-5)
    model.compile("sgd", "mse", metrics=["mae"])
    loss, mae = model.evaluate_generator(Batches())
    assert mae == pytest.approx(np.abs(outputs - Y).mean(), rel=1e-5)


def test_several_inputs_and_outputs():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    both = add([a, b], name="both")
    model = Model([a, b], [Dense(1, name="out")(both), both])
    model.compile("sgd", {"out": "mse", "both": "mae"})
    target = {"out": Y, "both": X}
    history = model.fit_generator(iter([({"a": X, "b": X}, target)] * 2), 2, verbose=0)
    assert sorted(history.history) == ["both_loss", "loss", "out_loss"]
    assert history.history["both_loss"][0] == pytest.approx(np.abs(X).mean(), rel=1e-5)
    first, second = model.predict_generator(iter([[X, X], [X[:2], X[:2]]]), 2)
    assert first.shape == (12, 1)
    np.testing.assert_allclose(second, 2 * np.concatenate([X, X[:2]]), rtol=1e-6)


def test_printed_text(capsys):
    line().fit_generator(Batches(), epochs=1, verbose=1, validation_data=Batches())
    text = capsys.readouterr().out
    assert "Epoch 1/1" in text
    assert "3/3 [==============================]" in text
    assert "val_loss" in text
    line().evaluate_generator(Batches(), verbose=1)
    line().predict_generator(Batches(), verbose=1)
    assert capsys.readouterr().out.count("3/3 [==============================]") == 2


def test_names_of_keras_1():
    model, by_hand = line(), NumpyLine()
    with pytest.warns(UserWarning, match=r"Update your `fit_generator` call.*epochs=2.*count batches"):
        history = model.fit_generator(endless(), samples_per_epoch=3, nb_epoch=2, verbose=0)
    check(model, history, by_hand, [by_hand.epoch(), by_hand.epoch()])

    class Iterator:
        batch_size = 4

        def __init__(self):
            self.source = endless()

        def __next__(self):
            return next(self.source)

    with pytest.warns(UserWarning, match="steps_per_epoch=3"):
        model.fit_generator(Iterator(), samples_per_epoch=12, verbose=0)
    with pytest.warns(UserWarning, match="Update your `evaluate_generator` call"):
        model.evaluate_generator(endless(), val_samples=3)


def too_short():
    yield from Batches()


def broken():
    yield Batches()[0]
    raise KeyError("no such file")


@pytest.mark.parametrize(("source", "steps", "kind", "message"), [
    (lambda: endless(), None, ValueError, "`steps_per_epoch=None` is only valid for a generator based on"),
    (lambda: endless, 3, TypeError, r"expected a generator or a keras.utils.Sequence; got function. Call the generator"),
    (lambda: (X, Y), 3, TypeError, "got tuple"),
    (lambda: None, 3, TypeError, "got NoneType"),
    (lambda: endless(), 0, ValueError, "`steps_per_epoch` is not a positive integer"),
    (lambda: endless(), float("nan"), ValueError, "`steps_per_epoch` is not a positive integer"),
    (too_short, 4, StopIteration, "ran out of data; expected 4 batches.*the end after 3"),
    (broken, 3, KeyError, "no such file"),
    (lambda: iter([(X,)]), 1, ValueError, r"Output of generator should be a tuple `\(x, y, sample_weight\)` or `\(x, y\)`"),
    (lambda: iter([7]), 1, ValueError, "Found: 7"),
    (lambda: iter([{"x": X, "y": Y}]), 1, ValueError, "Output of generator should be a tuple"),
    (lambda: iter([(X[:0], Y[:0])]), 1, ValueError, "Received an empty batch"),
    (lambda: iter([(1, 2)]), 1, ValueError, "the data of a batch have no batch axis; expected arrays; got 1"),
    (lambda: iter([([np.array(1.0)], Y)]), 1, ValueError, "the data of a batch have no batch axis"),
    (lambda: iter([np.array(7.0)]), 1, ValueError, "Output of generator should be a tuple"),
    (lambda: iter([(X[:, :2], Y)]), 1, ValueError, r"to have shape \(3,\) but got array with shape \(2,\)"),
])
@pytest.mark.parametrize("workers", [0, 1])
def test_what_is_refused(source, steps, kind, message, workers):
    model = line()
    with pytest.raises(kind, match=message):
        model.fit_generator(source(), steps, verbose=0, workers=workers)
    assert model.fit_generator(Batches(), verbose=0).history["loss"][0] > 0


@pytest.mark.parametrize(("arguments", "message"), [
    ({"validation_data": (X, Y, Y, Y)}, "`validation_data` should be a tuple"),
    *(({"validation_data": wrong}, "`validation_data` should be a tuple") for wrong in (X, X[:2], 5, {"x": X, "y": Y})),
    ({"validation_data": endless()}, "`validation_steps=None` is only valid"),
    ({"validation_data": (X, Y[:3])}, "same number of samples"),
    ({"epochs": -1}, "`epochs` is not a number of epochs"),
])
def test_what_else_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        line().fit_generator(Batches(), verbose=0, **arguments)


@pytest.mark.parametrize(("name", "wrong"), [("workers", None), ("workers", "2"), ("workers", 1.5),
                                             ("max_queue_size", None), ("max_queue_size", "10"), ("max_queue_size", 2.5)])
def test_numbers_of_workers_and_of_batches_ahead(name, wrong):
    model, said = line(), []
    tell = callbacks.LambdaCallback(on_train_begin=said.append)
    for run in (lambda source, **keywords: model.fit_generator(source, verbose=0, callbacks=[tell], **keywords),
                model.evaluate_generator, model.predict_generator):
        with pytest.raises(ArgumentError, match=f"`{name}` is not an integer"):
            run(Batches(), **{name: wrong})
    assert not said


def test_predictions_that_cannot_be_joined():
    x = Input((None, 3))
    model = Model(x, Dense(1)(x))
    with pytest.raises(ShapeError, match="outputs of different shapes cannot be joined"):
        model.predict_generator(iter([np.ones((2, 4, 3)), np.ones((2, 5, 3))]), 2)
    model = Model(x, Lambda(lambda x: K.mean(x), output_shape=())(x))
    with pytest.raises(ShapeError, match="an output has no batch axis"):
        model.predict_generator(iter([np.ones((2, 4, 3))] * 2), 2)


@pytest.mark.parametrize("form", [lambda x: x, lambda x: [x], lambda x: {"inputs": x}])
def test_sparse_matrices(form):
    sparse = pytest.importorskip("scipy.sparse")
    x = Input((3,), name="inputs")
    model = Model(x, Dense(1)(x))
    model.compile(optimizers.SGD(lr=LR), "mse")
    weights = model.get_weights()
    want = model.fit_generator(endless([(X[:4], Y[:4]), (X[4:], Y[4:])]), 2, verbose=0).history["loss"]
    tested = model.evaluate_generator(iter([(X[:4], Y[:4]), (X[4:], Y[4:])]), 2)
    model.set_weights(weights)
    batches = [(form(sparse.csr_matrix(X[:4])), Y[:4]), (form(sparse.csr_matrix(X[4:])), Y[4:])]
    assert model.fit_generator(endless(batches), 2, verbose=0).history["loss"] == pytest.approx(want, rel=1e-6)
    assert model.evaluate_generator(iter(batches), 2) == pytest.approx(tested, rel=1e-6)


def test_a_model_without_training():
    with pytest.raises(RuntimeError, match="You must compile a model"):
        Sequential([Dense(1, input_dim=3)]).fit_generator(Batches())
    with pytest.raises(RuntimeError, match="You must compile a model"):
        Sequential([Dense(1, input_dim=3)]).evaluate_generator(Batches())
    assert Sequential([Dense(1, input_dim=3)]).predict_generator(Batches()).shape == (10, 1)
