"""fit, evaluate, predict: numbers against NumPy in float64, order of samples, callbacks, printed text."""

import re

import numpy as np
import pytest

from graphc.errors import ArgumentError, GraphcError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import callbacks, optimizers
from graphc.frontend_keras.engine import rows, training_arrays
from graphc.frontend_keras.layers import Dense, Dropout, Input, Lambda
from graphc.frontend_keras.models import Model, Sequential

RANDOM = np.random.RandomState(3)
X = RANDOM.rand(50, 5)
Y = np.eye(3)[RANDOM.randint(3, size=50)]


def softmax_mlp(loss="categorical_crossentropy", optimizer=None, **kwargs):
    model = Sequential([Dense(6, activation="tanh", input_dim=5), Dense(3, activation="softmax")])
    model.compile(optimizer or optimizers.SGD(lr=0.1, momentum=0.9), loss, metrics=["accuracy"], **kwargs)
    return model


class NumpyMlp:
    """The same network, trained by formulas written out by hand."""

    def __init__(self, weights, lr=0.1, momentum=0.9):
        self.weights = [w.astype("float64") for w in weights]
        self.speed = [np.zeros_like(w) for w in self.weights]
        self.lr, self.momentum = lr, momentum

    def forward(self, x):
        w1, b1, w2, b2 = self.weights
        hidden = np.tanh(x @ w1 + b1)
        scores = np.exp(hidden @ w2 + b2)
        return hidden, scores / scores.sum(axis=1, keepdims=True)

    def losses(self, x, y):
        _, p = self.forward(x)
        return -np.sum(y * np.log(p), axis=1), p.argmax(axis=1) == y.argmax(axis=1)

    def step(self, x, y, weight=None):
        hidden, p = self.forward(x)
        weight = np.ones(len(x)) if weight is None else weight
        scores = (p - y) * (weight / np.count_nonzero(weight))[:, None]
        back = scores @ self.weights[2].T * (1 - hidden ** 2)
        loss, hits = self.losses(x, y)
        grads = [x.T @ back, back.sum(axis=0), hidden.T @ scores, scores.sum(axis=0)]
        for w, v, g in zip(self.weights, self.speed, grads, strict=True):
            v[...] = self.momentum * v - self.lr * g
            w += v
        return (loss * weight).sum() / np.count_nonzero(weight), hits.mean()


def check_weights(model, numpy_model, rtol=2e-4):
    for got, want in zip(model.get_weights(), numpy_model.weights, strict=True):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-5)


def numpy_epochs(model, epochs, batch_size, order=None, weight=None, n=50):
    """The history that NumPy gets, with the orders that np.random.shuffle gives."""
    found, index = [], np.arange(n)
    for _ in range(epochs):
        if order:
            np.random.shuffle(index)
        values, sizes = [], []
        for start in range(0, n, batch_size):
            ids = index[start:start + batch_size]
            values.append(model.step(X[ids], Y[ids], None if weight is None else weight[ids]))
            sizes.append(len(ids))
        found.append(np.average(values, axis=0, weights=sizes))
    return np.array(found)


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_the_trajectory_is_that_of_the_formulas(target):
    K.set_target(target)
    model = softmax_mlp()
    other = NumpyMlp(model.get_weights())
    np.random.seed(7)
    history = model.fit(X, Y, batch_size=8, epochs=4, verbose=0).history
    np.random.seed(7)
    want = numpy_epochs(other, 4, 8, order=True)
    np.testing.assert_allclose(np.transpose([history["loss"], history["acc"]]), want, rtol=1e-4)
    check_weights(model, other)
    assert list(history) == ["loss", "acc"]
    assert all(type(value) is float for value in history["loss"])


def test_sample_weights_in_fit():
    model = softmax_mlp()
    other = NumpyMlp(model.get_weights())
    weight = RANDOM.rand(50) * (np.arange(50) % 4 > 0)
    history = model.fit(X, Y, batch_size=10, epochs=2, verbose=0, shuffle=False, sample_weight=weight).history
    np.testing.assert_allclose(history["loss"], numpy_epochs(other, 2, 10, weight=weight)[:, 0], rtol=1e-4)
    check_weights(model, other)


class Looking(callbacks.Callback):
    """A callback that must see the model after every batch."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_batch_end(self, batch, logs=None):
        self.seen.append((batch, logs["size"], logs["loss"], self.model.get_weights()[0].sum()))


def test_batch_by_batch_and_in_native_calls_are_the_same():
    one, other = softmax_mlp(), softmax_mlp()
    other.set_weights(one.get_weights())
    looking = Looking()
    np.random.seed(1)
    first = one.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    np.random.seed(1)
    second = other.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[looking])
    for name, values in first.history.items():
        assert values == pytest.approx(second.history[name])
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [entry[:2] for entry in looking.seen] == [(i, 8 if i < 6 else 2) for i in range(7)] * 2
    assert len({entry[3] for entry in looking.seen}) == 14


def test_random_numbers_do_not_depend_on_how_the_steps_are_run():
    K.set_target("cpu")
    found = []
    for given in ([], [Looking()]):
        K.clear_session()
        np.random.seed(0)
        model = Sequential([Dropout(0.5, input_shape=(5,)), Dense(3)])
        model.compile("sgd", "mse")
        model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=given)
        found.append(model.get_weights()[0])
    np.testing.assert_array_equal(*found)


class Replayed(callbacks.Callback):
    """A callback that only reads its logs, and says so."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    @callbacks.base.replayable
    def on_batch_end(self, batch, logs=None):
        self.sizes.append(logs["size"])


def test_callbacks_that_only_read_are_told_every_batch():
    replayed = Replayed()
    softmax_mlp().fit(X, Y, batch_size=8, epochs=1, verbose=0, callbacks=[replayed])
    assert replayed.sizes == [8] * 6 + [2]


def test_shuffled_batches_keep_their_samples():
    np.random.seed(0)
    order = training_arrays.batch_shuffled(np.arange(11), 3)
    assert list(order[9:]) == [9, 10]
    assert sorted(tuple(order[i:i + 3]) for i in (0, 3, 6)) == [(0, 1, 2), (3, 4, 5), (6, 7, 8)]
    np.random.seed(0)
    blocks = np.arange(9).reshape(3, 3)
    np.random.shuffle(blocks)
    np.testing.assert_array_equal(order[:9], blocks.ravel())


def test_chunks_do_not_change_results(monkeypatch):
    model = softmax_mlp()
    want, evaluated = model.predict(X, batch_size=4), model.evaluate(X, Y, batch_size=4, verbose=0)
    monkeypatch.setattr(rows, "CHUNK_BYTES", 1)
    monkeypatch.setattr(rows, "CONVERT_AT_ONCE", 1)
    np.testing.assert_array_equal(model.predict(X, batch_size=4), want)
    np.testing.assert_allclose(model.evaluate(X, Y, batch_size=4, verbose=0), evaluated, rtol=1e-12)
    before = model.get_weights()
    np.random.seed(5)
    one = model.fit(X, Y, batch_size=4, verbose=0).history["loss"]
    monkeypatch.undo()
    model = softmax_mlp()
    model.set_weights(before)
    np.random.seed(5)
    assert model.fit(X, Y, batch_size=4, verbose=0).history["loss"] == pytest.approx(one)


class Stored:
    """Rows that can only be read in slices, as those of a file are."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, key):
        assert isinstance(key, slice)
        return self.array[key]


@pytest.mark.parametrize("shuffle", ["batch", True, False])
def test_data_in_files_are_read_in_slices(shuffle):
    model = softmax_mlp()
    weights, found = model.get_weights(), []
    for x in (X, Stored(X)):
        model.set_weights(weights)
        K.batch_set_value([(w, np.zeros(K.int_shape(w))) for w in model.optimizer.weights])
        np.random.seed(4)
        found.append(model.fit(x, Y, batch_size=8, shuffle=shuffle, verbose=0, epochs=2).history["loss"])
    assert found[0] == found[1]
    np.testing.assert_array_equal(model.predict(Stored(X)), model.predict(X))


def test_validation_split_takes_the_last_samples_before_shuffling():
    model = softmax_mlp()
    other = NumpyMlp(model.get_weights())
    np.random.seed(2)
    history = model.fit(X, Y, batch_size=8, validation_split=0.2, verbose=0)
    np.random.seed(2)
    want = numpy_epochs(other, 1, 8, order=True, n=40)
    loss, hits = other.losses(X[40:], Y[40:])
    assert list(history.history) == ["val_loss", "val_acc", "loss", "acc"]
    assert history.history["loss"][0] == pytest.approx(want[0, 0], rel=1e-4)
    assert history.history["val_loss"][0] == pytest.approx(loss.mean(), rel=1e-4)
    assert history.history["val_acc"][0] == pytest.approx(hits.mean())
    assert history.epoch == [0]


def test_validation_data_with_weights():
    model = softmax_mlp()
    weight = np.arange(10.0)
    history = model.fit(X, Y, verbose=0, validation_data=(X[:10], Y[:10], weight)).history
    assert history["val_loss"][0] == pytest.approx(model.evaluate(X[:10], Y[:10], sample_weight=weight, verbose=0)[0])
    with pytest.raises(ValueError, match=r"must contain 2 .* or 3 .* items, however it contains 1 items"):
        model.fit(X, Y, verbose=0, validation_data=(X,))


def test_evaluate_weights_batches_by_their_size():
    model = softmax_mlp()
    loss, hits = NumpyMlp(model.get_weights()).losses(X, Y)
    np.testing.assert_allclose(model.evaluate(X, Y, batch_size=7, verbose=0), [loss.mean(), hits.mean()], rtol=1e-5)
    bare = Sequential([Dense(1, input_dim=5)])
    bare.compile("sgd", "mse")
    assert type(bare.evaluate(X, np.zeros(50), verbose=0)) is float


def test_predictions_come_in_order_whatever_the_batch():
    model = softmax_mlp()
    _, want = NumpyMlp(model.get_weights()).forward(X)
    for size in (None, 1, 7, 50, 1000):
        np.testing.assert_allclose(model.predict(X, batch_size=size), want, rtol=1e-5)
    np.testing.assert_allclose(model.predict(X[:1]), want[:1], rtol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(X), want, rtol=1e-5)


def test_results_belong_to_the_caller():
    K.set_target("cpu")
    model = softmax_mlp()
    first = model.predict(X[:1])
    kept = first.copy()
    model.predict(X[1:2])
    np.testing.assert_array_equal(first, kept)


def test_single_batches_take_the_short_way_with_the_same_numbers():
    model = softmax_mlp()
    weights = model.get_weights()
    runs = []
    for _ in range(2):
        model.set_weights(weights)
        K.batch_set_value([(w, np.zeros(K.int_shape(w))) for w in model.optimizer.weights])
        runs.append([model.train_on_batch(X[:8], Y[:8]) for _ in range(3)])
    np.testing.assert_array_equal(runs[0], runs[1])
    assert model.test_on_batch(X[:8], Y[:8]) == model.test_on_batch([X[:8]], Y[:8].tolist())
    with pytest.raises(ValueError, match="Error when checking input"):
        model.train_on_batch(X[:8, :3], Y[:8])
    with pytest.raises(ValueError, match="same number of samples"):
        model.train_on_batch(X[:8], Y[:4])


def test_nan_reaches_the_loss():
    model = softmax_mlp()
    bad = X.copy()
    bad[3, 1] = np.nan
    assert np.isnan(model.evaluate(bad, Y, verbose=0)[0])
    assert np.isnan(model.fit(bad, Y, verbose=0).history["loss"][0])


def test_dropout_acts_in_training_only():
    model = Sequential([Dropout(0.5, input_shape=(1000,))])
    model.compile(optimizers.SGD(lr=0.0), lambda t, p: K.mean(K.cast(K.equal(p, 0.0), "float32"), axis=-1),
                  metrics=[lambda t, p: K.max(p)])
    x = np.ones((4, 1000))
    np.testing.assert_array_equal(model.predict(x), x)
    assert model.test_on_batch(x, x) == [0, 1]


def test_dropout_draws_anew_for_every_batch():
    x = Input((2000,))
    model = Model(x, Dropout(0.5)(x))
    f = K.function([x, K.learning_phase()], [model.output])
    one, two = f([np.ones((1, 2000)), 1])[0], f([np.ones((1, 2000)), 1])[0]
    assert set(np.unique(one)) == {0.0, 2.0}
    assert abs(one.mean() - 1) < 0.15
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(f([np.ones((1, 2000)), 0])[0], 1)


# ---- callbacks and arguments


class Recorder(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.events = []

    def on_train_begin(self, logs=None):
        self.events.append("train begin")

    def on_train_end(self, logs=None):
        self.events.append("train end")

    def on_epoch_begin(self, epoch, logs=None):
        self.events.append(f"epoch {epoch} begin")

    def on_epoch_end(self, epoch, logs=None):
        self.events.append(f"epoch {epoch} end")


def test_callbacks_know_the_training():
    recorder = Recorder()
    model = softmax_mlp()
    history = model.fit(X, Y, batch_size=16, epochs=5, initial_epoch=3, verbose=0, callbacks=[recorder],
                        validation_split=0.5)
    assert recorder.events == ["train begin", "epoch 3 begin", "epoch 3 end", "epoch 4 begin", "epoch 4 end",
                               "train end"]
    assert recorder.params == {"batch_size": 16, "epochs": 5, "steps": None, "samples": 25, "verbose": 0,
                               "do_validation": True, "metrics": ["loss", "acc", "val_loss", "val_acc"]}
    assert recorder.model is model
    assert [part.shape for part in recorder.validation_data] == [(25, 5), (25, 3), (25,)]
    assert history is model.history
    assert history.epoch == [3, 4]


def test_stopping_after_a_batch_and_after_an_epoch():
    class Stop(callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    recorder = Recorder()
    history = softmax_mlp().fit(X, Y, batch_size=10, epochs=3, verbose=0, callbacks=[Stop(), recorder],
                                validation_split=0.1).history
    assert recorder.events[-2:] == ["epoch 0 end", "train end"]
    assert list(history) == ["loss", "acc"]
    early = callbacks.EarlyStopping(monitor="loss", patience=0, min_delta=100.0)
    assert len(softmax_mlp().fit(X, Y, epochs=9, verbose=0, callbacks=[early]).epoch) == 2


def test_the_learning_rate_may_change_between_epochs():
    model = softmax_mlp(optimizer=optimizers.SGD(lr=0.5))
    before = model.get_weights()
    schedule = callbacks.LearningRateScheduler(lambda epoch: 0.0)
    model.fit(X, Y, verbose=0, callbacks=[schedule], epochs=2)
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)


def test_nb_epoch_is_renamed():
    with pytest.warns(UserWarning, match="The `nb_epoch` argument in `fit` has been renamed `epochs`"):
        assert len(softmax_mlp().fit(X, Y, nb_epoch=2, verbose=0).epoch) == 2


@pytest.mark.parametrize(("arguments", "kind", "message"), [
    ({"foo": 1}, TypeError, "Unrecognized keyword arguments: {'foo': 1}"),
    ({"batch_size": 0}, ValueError, "`batch_size` is not a positive integer"),
    ({"batch_size": 2.5}, ValueError, "`batch_size` is not a positive integer"),
    ({"epochs": 1.5}, ValueError, "`epochs` is not a number of epochs"),
    ({"epochs": -1}, ValueError, "`epochs`"),
    ({"initial_epoch": "1"}, ValueError, "`initial_epoch` is not a number of epochs"),
    ({"shuffle": "bach"}, ValueError, "`shuffle` is no way to shuffle"),
    ({"validation_split": 1.0}, ValueError, "leaves no samples on one side"),
    ({"validation_split": "0.1"}, ValueError, "`validation_split` is not a number"),
    ({"validation_data": iter([(X, Y)])}, ValueError, "Generators and Sequences go to fit_generator"),
    ({"validation_data": 5}, ValueError, "`validation_data` should be a tuple"),
    ({"validation_data": X[:2]}, ValueError, "`validation_data` should be a tuple"),
    ({"validation_data": {"x": X, "y": Y}}, ValueError, "`validation_data` should be a tuple"),
    ({"sample_weight": np.array(2.0)}, ValueError, "Found a sample_weight array with shape ()"),
    ({"callbacks": callbacks.History()}, TypeError, "list of callbacks"),
    ({"callbacks": [None]}, TypeError, "expected instances of keras.callbacks.Callback; got None"),
    ({"callbacks": [callbacks.EarlyStopping]}, TypeError, "Make one of the class: EarlyStopping(...)"),
    ({"validation_steps": 3}, ValueError, "Can only use `validation_steps` when doing step-wise training"),
    ({"steps_per_epoch": 3, "batch_size": 4}, ValueError, "the `batch_size` must be None"),
    ({"steps_per_epoch": 3, "validation_split": 0.5}, ValueError, "Must specify `validation_steps`"),
    ({"steps_per_epoch": 3, "validation_split": 0.5, "validation_steps": 0}, ValueError, "Must specify `validation_st"),
    ({"steps_per_epoch": 3, "validation_steps": 2}, ValueError, "`validation_steps` without data to validate on"),
    *(({"steps_per_epoch": 2, "validation_split": 0.5, "validation_steps": wrong}, ValueError,
       "`validation_steps` is not a positive integer") for wrong in ("a", -2, 2.5)),
    ({"x": None, "y": None}, ValueError, "you should specify the `steps_per_epoch` argument"),
])
def test_arguments_that_make_no_sense(arguments, kind, message):
    model = softmax_mlp()
    before = model.get_weights()
    with pytest.raises(kind, match=re.escape(message)) as refused:
        model.fit(**{"x": X, "y": Y, "verbose": 0, **arguments})
    assert isinstance(refused.value, GraphcError)
    np.testing.assert_equal(model.get_weights(), before)
    assert model.fit(X, Y, verbose=0).epoch == [0]


@pytest.mark.parametrize("wrong", ["32", 0, -1, 2.5, [3], True])
def test_a_wrong_batch_size_is_refused_the_second_time_too(wrong):
    model = softmax_mlp()
    want = model.predict(X[:2])
    for run in (model.predict, lambda x, batch_size: model.evaluate(x, Y[:2], batch_size, verbose=0)):
        with pytest.raises(ArgumentError, match="`batch_size` is not a positive integer"):
            run(X[:2], batch_size=wrong)
    np.testing.assert_array_equal(model.predict(X[:2], batch_size=np.int64(2)), want)


@pytest.mark.parametrize("arguments", [{"steps_per_epoch": np.int64(2)}, {"batch_size": np.int64(25)}])
def test_numpy_integers_in_checkpoints(arguments, tmp_path):
    model = softmax_mlp()
    history = model.fit(X, Y, verbose=0, checkpoint=tmp_path, **arguments)
    again = softmax_mlp().fit(X, Y, verbose=0, checkpoint=tmp_path, **{key: int(value) for key, value in arguments.items()})
    assert again.history == history.history


def test_outputs_without_a_batch_axis():
    x = Input((5,))
    model = Model(x, Lambda(lambda x: K.mean(x), output_shape=())(x))
    np.testing.assert_allclose(model.predict(X, batch_size=50), X.mean(), rtol=1e-5)
    np.testing.assert_allclose(model.predict_on_batch(X), X.mean(), rtol=1e-5)
    for arguments in ({"batch_size": 20}, {"steps": 2}):
        with pytest.raises(ShapeError, match=r"an output has no batch axis.*got shapes \["):
            model.predict(X, **arguments)


def test_steps_take_all_of_the_data():
    one, other = softmax_mlp(), softmax_mlp()
    other.set_weights(one.get_weights())
    history = one.fit(X, Y, steps_per_epoch=3, verbose=0).history
    losses = [other.train_on_batch(X, Y)[0] for _ in range(3)]
    assert history["loss"][0] == pytest.approx(np.mean(losses))
    assert one.evaluate(X, Y, steps=2, verbose=0) == pytest.approx(other.evaluate(X, Y, verbose=0), rel=1e-5)
    assert one.predict(X, steps=2).shape == (100, 3)


# ---- printed text


def printed(capsys, model, **kwargs):
    model.fit(X, Y, batch_size=10, **kwargs)
    return re.sub(r"\d+us|\d+ms", "Nus", capsys.readouterr().out)


def test_a_line_per_epoch(capsys):
    text = printed(capsys, softmax_mlp(), epochs=2, verbose=2, validation_split=0.2)
    line = r" - 0s - loss: \d\.\d{4} - acc: \d\.\d{4} - val_loss: \d\.\d{4} - val_acc: \d\.\d{4}\n"
    assert re.fullmatch("Train on 40 samples, validate on 10 samples\n" + "Epoch 1/2\n" + line + "Epoch 2/2\n" + line,
                        text)


def test_a_progress_bar(capsys):
    text = printed(capsys, softmax_mlp(), epochs=1, verbose=1)
    assert text.startswith("Epoch 1/1\n\n")
    last = text.splitlines()[-1]
    assert re.fullmatch(r"50/50 \[={30}\] - 0s Nus/step - loss: \d\.\d{4} - acc: \d\.\d{4}", last)


def test_silence(capsys):
    assert printed(capsys, softmax_mlp(), verbose=0) == ""
    softmax_mlp().evaluate(X, Y, verbose=0)
    assert capsys.readouterr().out == ""
    softmax_mlp().evaluate(X, Y)
    assert "50/50 [==============================]" in capsys.readouterr().out


def test_pace_follows_the_clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(rows.Pace, "clock", staticmethod(lambda: now[0]))
    pace = rows.Pace(0.05, bytes_per_step=rows.CHUNK_BYTES // 100)
    assert pace.steps(1000) == 4
    now[0] += 0.004
    pace.done(4)
    assert pace.steps(1000) == 50
    now[0] += 5.0
    pace.done(50)
    assert pace.steps(1000) == 1
    now[0] += 1e-9
    pace.done(1)
    assert pace.steps(1000) == 100
    assert pace.steps(3) == 3


def test_tensors_of_the_model_as_data():
    x = Input(tensor=K.variable(X))
    model = Model(x, Dense(3)(x))
    model.compile("sgd", "mse", target_tensors=K.variable(Y))
    model.set_weights([np.zeros((5, 3)), np.zeros(3)])
    want = (Y ** 2).mean()
    with pytest.raises(ValueError, match="should specify the `validation_data` argument"):
        model.fit(steps_per_epoch=1, validation_split=0.5, validation_steps=1, verbose=0)
    assert model.test_on_batch(None, None) == pytest.approx(want, rel=1e-5)
    assert model.evaluate(steps=2, verbose=0) == pytest.approx(want, rel=1e-5)
    np.testing.assert_array_equal(model.predict_on_batch(None), np.zeros((50, 3)))
    assert model.train_on_batch(None, None) == pytest.approx(want, rel=1e-5)
    history = model.fit(steps_per_epoch=2, epochs=2, validation_steps=2, verbose=0).history
    assert history["val_loss"][1] < history["loss"][1] < want


@pytest.mark.parametrize("watched", [False, True])
def test_a_stop_before_an_epoch_leaves_one_batch_of_it(watched):
    """As Keras has it, which looks after each batch."""
    model, steps = softmax_mlp(), []
    stop = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: setattr(model, "stop_training", epoch == 1))
    watching = callbacks.LambdaCallback(on_batch_end=lambda batch, logs: steps.append(batch))
    history = model.fit(X, Y, batch_size=10, epochs=4, verbose=0, callbacks=[stop, watching] if watched else [stop])
    assert history.epoch == [0, 1]
    assert K.get_value(model.optimizer.iterations) == 6
    assert steps == ([0, 1, 2, 3, 4, 0] if watched else [])
