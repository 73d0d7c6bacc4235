"""Callbacks on a stand-in for a model: what they print, write, change and stop, and in which order."""

import time
import types

import numpy as np
import pytest

from graphc.errors import ArgumentError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import callbacks
from graphc.frontend_keras.layers import Dense
from graphc.frontend_keras.models import Sequential
from graphc.frontend_keras.utils.progbar import Progbar


class Model:
    """As much of a model as callbacks touch."""

    def __init__(self, lr=0.5):
        self.optimizer = types.SimpleNamespace(lr=K.variable(lr, name="lr"))
        self.stop_training = False
        self.weights = [0]
        self.saved = []

    def get_weights(self):
        return list(self.weights)

    def set_weights(self, weights):
        self.weights = list(weights)

    def save(self, path, overwrite):
        self.saved.append(("model", path, overwrite))

    def save_weights(self, path, overwrite):
        self.saved.append(("weights", path, overwrite))


def train(callback, epochs, model=None):
    """Run the epoch hooks with the given logs until the training is stopped; the number of epochs run."""
    model = model or Model()
    callback.set_model(model)
    callback.on_train_begin()
    done = 0
    for epoch, logs in enumerate(epochs):
        model.weights = [epoch]
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, logs)
        done += 1
        if model.stop_training:
            break
    callback.on_train_end()
    return done


def losses(*values):
    return [{"val_loss": value} for value in values]


class Recorder(callbacks.Callback):
    def __init__(self, name, calls):
        super().__init__()
        self.name, self.calls = name, calls

    def on_batch_begin(self, batch, logs=None):
        self.calls.append((self.name, "batch begin", batch, dict(logs)))

    def on_batch_end(self, batch, logs=None):
        self.calls.append((self.name, "batch end", batch, dict(logs)))

    def on_epoch_begin(self, epoch, logs=None):
        self.calls.append((self.name, "epoch begin", epoch, dict(logs)))

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = 1
        self.calls.append((self.name, "epoch end", epoch, dict(logs)))


class TestCallbackList:
    def test_order_and_shared_logs(self):
        calls = []
        both = callbacks.CallbackList([Recorder("a", calls)])
        both.append(Recorder("b", calls))
        both.set_params({"epochs": 1})
        both.set_model("model")
        both.on_train_begin()
        both.on_epoch_begin(0)
        both.on_batch_begin(0, {"size": 2})
        both.on_batch_end(0, {"loss": 3})
        logs = {"loss": 3}
        both.on_epoch_end(0, logs)
        both.on_train_end()
        assert calls == [
            ("a", "epoch begin", 0, {}), ("b", "epoch begin", 0, {}),
            ("a", "batch begin", 0, {"size": 2}), ("b", "batch begin", 0, {"size": 2}),
            ("a", "batch end", 0, {"loss": 3}), ("b", "batch end", 0, {"loss": 3}),
            ("a", "epoch end", 0, {"loss": 3, "a": 1}), ("b", "epoch end", 0, {"loss": 3, "a": 1, "b": 1})]
        assert logs == {"loss": 3, "a": 1, "b": 1}
        assert [one.name for one in both] == ["a", "b"]
        assert all(one.params == {"epochs": 1} and one.model == "model" for one in both)

    def test_slow_callbacks_are_named(self, monkeypatch):
        now = [0.0]
        monkeypatch.setattr(time, "time", lambda: now[0])

        class Slow(callbacks.Callback):
            def on_batch_end(self, batch, logs=None):
                now[0] += 1.0

        slow = callbacks.CallbackList([Slow()])
        slow.on_epoch_begin(0)
        slow.on_batch_begin(0)
        now[0] += 0.5
        with pytest.warns(UserWarning, match=r"on_batch_end\(\) is slow"):
            slow.on_batch_end(0)


class TestNeedsBatches:
    def test_built_in(self):
        replayable = [callbacks.Callback(), callbacks.BaseLogger(), callbacks.History(), callbacks.ProgbarLogger(),
                      callbacks.EarlyStopping(), callbacks.ModelCheckpoint("x"), callbacks.CSVLogger("x"),
                      callbacks.ReduceLROnPlateau(), callbacks.LearningRateScheduler(lambda e: 0.1),
                      callbacks.LambdaCallback(on_epoch_end=print)]
        assert [type(one).__name__ for one in replayable if callbacks.needs_batches(one)] == []
        assert not callbacks.needs_batches(callbacks.CallbackList(replayable))
        assert callbacks.needs_batches(callbacks.TerminateOnNaN())
        assert callbacks.needs_batches(callbacks.CallbackList([*replayable, callbacks.TerminateOnNaN()]))

    @pytest.mark.parametrize("hook", ["on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"])
    @pytest.mark.parametrize("base", [callbacks.Callback, callbacks.History, callbacks.ProgbarLogger])
    def test_own_hooks(self, base, hook):
        own = type("Own", (base,), {hook: lambda self, batch, logs=None: None})
        assert callbacks.needs_batches(own())

    def test_functions(self):
        assert callbacks.needs_batches(callbacks.LambdaCallback(on_batch_end=print))
        callback = callbacks.Callback()
        callback.on_batch_begin = print
        assert callbacks.needs_batches(callback)

    def test_without_base_class(self):
        class Epochs:
            def on_epoch_end(self, epoch, logs=None):
                pass

        class Batches:
            def on_batch_end(self, batch, logs=None):
                pass

        assert not callbacks.needs_batches(Epochs())
        assert callbacks.needs_batches(Batches())


def test_later_names_of_the_batch_hooks_are_called():
    class Later(callbacks.Callback):
        seen = ()

        def on_train_batch_end(self, batch, logs=None):
            self.seen += (batch,)

    later = Later()
    both = callbacks.CallbackList([later])
    both.on_epoch_begin(0)
    both.on_batch_begin(4)
    both.on_batch_end(4)
    assert later.seen == (4,)


def test_base_logger_weighs_by_size():
    logger = callbacks.BaseLogger(stateful_metrics=["hits"])
    logger.set_params({"metrics": ["loss", "hits", "val_loss"]})
    logger.on_epoch_begin(0)
    logger.on_batch_end(0, {"batch": 0, "size": 4, "loss": 1.0, "hits": 3})
    logger.on_batch_end(1, {"batch": 1, "size": 1, "loss": 6.0, "hits": 5})
    logs = {"val_loss": 9}
    logger.on_epoch_end(0, logs)
    assert logs == {"loss": 2.0, "hits": 5, "val_loss": 9}
    logger.on_epoch_begin(1)
    logger.on_batch_end(0, {"size": 2, "loss": 7.0})
    logs = {}
    logger.on_epoch_end(1, logs)
    assert logs == {"loss": 7.0}


def test_history():
    history = callbacks.History()
    train(history, [{"loss": 3, "acc": 0.1}, {"loss": 2, "acc": 0.2}])
    assert history.epoch == [0, 1]
    assert history.history == {"loss": [3, 2], "acc": [0.1, 0.2]}
    train(history, [{"loss": 1}])
    assert history.history == {"loss": [1]}


@pytest.fixture
def one_second_each(monkeypatch):
    """A clock that goes on by one second whenever the bar looks at it."""
    now = [0.0]

    def clock():
        now[0] += 1.0
        return now[0]

    monkeypatch.setattr(Progbar, "clock", staticmethod(clock))


class TestProgbarLogger:
    def run(self, logger, verbose, epoch_logs):
        logger.set_params({"verbose": verbose, "epochs": 2, "samples": 5, "steps": 2,
                           "metrics": ["loss", "acc", "val_loss"]})
        logger.on_train_begin()
        logger.on_epoch_begin(0)
        for batch, size in enumerate((4, 1)):
            logger.on_batch_begin(batch, {"batch": batch, "size": size})
            logger.on_batch_end(batch, {"batch": batch, "size": size, "loss": 1.0 + batch, "acc": 0.5})
        logger.on_epoch_end(0, epoch_logs)

    def test_samples(self, one_second_each, capsys):
        self.run(callbacks.ProgbarLogger(), 1, {"val_loss": 7.0})
        assert capsys.readouterr().out.split("\n") == [
            "Epoch 1/2", "",
            "4/5 [=======================>......] - ETA: 0s - loss: 1.0000 - acc: 0.5000",
            "5/5 [==============================] - 2s 400ms/step - loss: 1.2000 - acc: 0.5000 - val_loss: 7.0000",
            ""]

    def test_steps(self, one_second_each, capsys):
        self.run(callbacks.ProgbarLogger("steps", stateful_metrics=["acc"]), 1, {})
        assert capsys.readouterr().out.split("\n")[2:] == [
            "1/2 [==============>...............] - ETA: 1s - loss: 1.0000 - acc: 0.5000",
            "2/2 [==============================] - 2s 1s/step - loss: 1.5000 - acc: 0.5000", ""]

    def test_one_line(self, one_second_each, capsys):
        self.run(callbacks.ProgbarLogger(), 2, {"val_loss": 7.0})
        assert capsys.readouterr().out == "Epoch 1/2\n - 2s - loss: 1.2000 - acc: 0.5000 - val_loss: 7.0000\n"

    def test_silent(self, capsys):
        self.run(callbacks.ProgbarLogger(), 0, {})
        assert capsys.readouterr().out == ""

    def test_bad_mode(self):
        with pytest.raises(ArgumentError, match="Unknown `count_mode`: epochs"):
            callbacks.ProgbarLogger("epochs")


def test_terminate_on_nan(capsys):
    for loss, stopped in ((1.0, False), (np.float32("nan"), True), (float("inf"), True), (None, False)):
        callback, model = callbacks.TerminateOnNaN(), Model()
        callback.set_model(model)
        callback.on_batch_end(3, {"loss": loss} if loss is not None else {})
        assert model.stop_training is stopped
    assert capsys.readouterr().out == "Batch 3: Invalid loss, terminating training\n" * 2


class TestEarlyStopping:
    @pytest.mark.parametrize(("options", "values", "epochs"), [
        ({}, (3, 2, 2, 1), 3), ({"patience": 2}, (3, 2, 2, 2, 1), 4), ({"patience": 2}, (3, 4, 2, 3, 3, 1), 5),
        ({"patience": 1, "min_delta": 0.5}, (3, 2.6, 1), 2), ({"mode": "max"}, (1, 2, 3, 2, 9), 4),
        ({"baseline": 2.5}, (3, 1), 1), ({"baseline": 2.5, "patience": 2}, (3, 1, 2, 2, 0), 4)])
    def test_when(self, options, values, epochs):
        assert train(callbacks.EarlyStopping(**options), losses(*values)) == epochs

    def test_accuracy_grows_in_auto_mode(self):
        logs = [{"val_acc": value} for value in (0.1, 0.2, 0.15, 0.9)]
        assert train(callbacks.EarlyStopping("val_acc"), logs) == 3

    def test_restored_weights(self, capsys):
        model = Model()
        callback = callbacks.EarlyStopping(patience=2, restore_best_weights=True, verbose=1)
        assert train(callback, losses(3, 1, 2, 2, 0), model) == 4
        assert model.weights == [1]
        assert capsys.readouterr().out == ("Restoring model weights from the end of the best epoch\n"
                                           "Epoch 00004: early stopping\n")

    def test_weights_that_never_got_good_stay(self):
        model = Model()
        train(callbacks.EarlyStopping(baseline=0.5, restore_best_weights=True), losses(3, 1), model)
        assert model.weights == [0]

    def test_used_twice(self):
        callback = callbacks.EarlyStopping()
        assert train(callback, losses(1, 2)) == 2
        assert train(callback, losses(5, 4, 6)) == 3

    def test_missing_quantity(self):
        with pytest.warns(RuntimeWarning, match=r"`val_loss` which is not available. Available metrics are: loss,acc"):
            assert train(callbacks.EarlyStopping(), [{"loss": 1, "acc": 2}]) == 1

    def test_unknown_mode(self):
        with pytest.warns(RuntimeWarning, match="mode lowest is unknown"):
            callbacks.EarlyStopping(mode="lowest")


class TestModelCheckpoint:
    def test_every_epoch(self, capsys):
        model = Model()
        train(callbacks.ModelCheckpoint("m.{epoch:02d}-{val_loss:.1f}.h5", verbose=1), losses(2, 3), model)
        assert model.saved == [("model", "m.01-2.0.h5", True), ("model", "m.02-3.0.h5", True)]
        assert capsys.readouterr().out == ("\nEpoch 00001: saving model to m.01-2.0.h5\n"
                                           "\nEpoch 00002: saving model to m.02-3.0.h5\n")

    def test_best(self, capsys):
        model = Model()
        callback = callbacks.ModelCheckpoint("{epoch}", verbose=1, save_best_only=True, save_weights_only=True)
        train(callback, losses(2.0, 3.0, 1.0), model)
        assert model.saved == [("weights", "1", True), ("weights", "3", True)]
        assert capsys.readouterr().out == (
            "\nEpoch 00001: val_loss improved from inf to 2.00000, saving model to 1\n"
            "\nEpoch 00002: val_loss did not improve from 2.00000\n"
            "\nEpoch 00003: val_loss improved from 2.00000 to 1.00000, saving model to 3\n")

    @pytest.mark.parametrize("options", [{"monitor": "val_acc"}, {"monitor": "x", "mode": "max"},
                                         {"monitor": "fmeasure"}])
    def test_best_is_largest(self, options):
        model = Model()
        callback = callbacks.ModelCheckpoint("{epoch}", save_best_only=True, **options)
        train(callback, [{options["monitor"]: value} for value in (1, 3, 2)], model)
        assert [path for _, path, _ in model.saved] == ["1", "2"]

    def test_period(self):
        model = Model()
        train(callbacks.ModelCheckpoint("{epoch}", period=2), losses(1, 1, 1, 1, 1), model)
        assert [path for _, path, _ in model.saved] == ["2", "4"]

    def test_missing_quantity(self):
        with pytest.warns(RuntimeWarning, match="only with val_loss available"):
            train(callbacks.ModelCheckpoint("x", save_best_only=True), [{"loss": 1}])
        with pytest.raises(ArgumentError, match=r"names 'val_acc'.*expected epoch, loss"):
            train(callbacks.ModelCheckpoint("{val_acc}"), [{"loss": 1}])

    def test_a_template_that_the_logs_do_not_fit_into(self):
        callback = callbacks.ModelCheckpoint("{steps:d}-{run.name}-{lr[0]:.1f}{{}}")
        with pytest.raises(ArgumentError, match=r"is no template that the logs fit into.*got \{steps:d\}"):
            train(callback, [{"steps": 0.5}])
        model = Model()
        train(callback, [{"steps": 2, "run": types.SimpleNamespace(name="a"), "lr": [0.25]}], model)
        assert model.saved == [("model", "2-a-0.2{}", True)]


class TestLearningRateScheduler:
    def test_two_arguments(self, capsys):
        model, seen = Model(0.5), []
        callback = callbacks.LearningRateScheduler(lambda epoch, lr: seen.append((epoch, lr)) or lr / 2, verbose=1)
        logs = [{}, {}]
        train(callback, logs, model)
        assert seen == [(0, 0.5), (1, 0.25)]
        assert [one["lr"] for one in logs] == [0.25, 0.125]
        assert capsys.readouterr().out.startswith(
            "\nEpoch 00001: LearningRateScheduler setting learning rate to 0.25.\n")

    def test_one_argument(self):
        model = Model()
        train(callbacks.LearningRateScheduler(lambda epoch: np.float32(0.125)), [{}], model)
        assert K.get_value(model.optimizer.lr) == 0.125

    @pytest.mark.parametrize("bad", [None, 1, "0.1", float("nan"), -0.5])
    def test_bad_rate(self, bad):
        with pytest.raises(ArgumentError):
            train(callbacks.LearningRateScheduler(lambda epoch: bad), [{}])

    def test_no_rate(self):
        model = Model()
        del model.optimizer.lr
        with pytest.raises(ValueError, match='must have a "lr" attribute'):
            train(callbacks.LearningRateScheduler(lambda epoch: 0.1), [{}], model)


class TestReduceLROnPlateau:
    def rates(self, callback, values):
        logs = losses(*values)
        train(callback, logs, Model(1.0))
        return [float(one["lr"]) for one in logs]

    @pytest.mark.parametrize(("options", "values", "rates"), [
        ({"patience": 2}, (5, 5, 5, 5, 5, 5), [1, 1, 1, 0.5, 0.5, 0.25]),
        ({"patience": 1}, (5, 4, 4, 3, 3), [1, 1, 1, 0.5, 0.5]),
        ({"patience": 1, "cooldown": 2}, (5, 5, 5, 5, 5, 5), [1, 1, 0.5, 0.5, 0.25, 0.25]),
        ({"patience": 1, "min_delta": 1.0}, (5, 4.5, 4.5), [1, 1, 0.5]),
        ({"patience": 1, "min_lr": 0.4}, (5, 5, 5, 5, 5), [1, 1, 0.5, 0.4, 0.4]),
        ({"patience": 1, "mode": "max"}, (1, 2, 2, 3), [1, 1, 1, 0.5])])
    def test_when(self, options, values, rates):
        found = self.rates(callbacks.ReduceLROnPlateau(factor=0.5, **options), values)
        np.testing.assert_allclose(found, rates, rtol=1e-6)

    def test_message(self, capsys):
        self.rates(callbacks.ReduceLROnPlateau(factor=0.5, patience=1, verbose=1), (5, 5))
        assert capsys.readouterr().out == "\nEpoch 00002: ReduceLROnPlateau reducing learning rate to 0.5.\n"

    def test_missing_quantity(self):
        with pytest.warns(RuntimeWarning, match="Reduce LR on plateau conditioned on metric `val_loss`"):
            train(callbacks.ReduceLROnPlateau(), [{"loss": 1}])

    def test_arguments(self):
        with pytest.raises(ArgumentError, match="factor"):
            callbacks.ReduceLROnPlateau(factor=1.0)
        with pytest.warns(UserWarning, match="deprecated"):
            assert callbacks.ReduceLROnPlateau(epsilon=0.25).min_delta == 0.25
        with pytest.raises(TypeError, match="unexpected keyword argument 'pace'"):
            callbacks.ReduceLROnPlateau(pace=1)


class TestCSVLogger:
    def test_the_hooks_may_be_overridden(self, tmp_path):
        ended = []

        class Own(callbacks.CSVLogger):
            def on_train_end(self, logs=None):
                self.csv_file.close()
                ended.append(self.csv_file)

        train(Own(tmp_path / "log.csv"), [{"loss": 2.5}])
        assert len(ended) == 1
        assert (tmp_path / "log.csv").read_bytes() == b"epoch,loss\n0,2.5\n"

    def test_a_training_after_an_interrupted_one(self, tmp_path):
        logger = callbacks.CSVLogger(tmp_path / "log.csv")
        logger.on_train_begin()
        logger.on_epoch_end(0, {"loss": 1.5})
        train(logger, [{"loss": 2.5}])
        assert (tmp_path / "log.csv").read_bytes() == b"epoch,loss\n0,2.5\n"

    def test_file(self, tmp_path):
        path = tmp_path / "log.csv"
        train(callbacks.CSVLogger(str(path)), [{"loss": 2.5, "acc": 0.5}, {"loss": 1.5}])
        assert path.read_text() == "epoch,acc,loss\n0,0.5,2.5\n1,NA,1.5\n"
        train(callbacks.CSVLogger(path, append=True), [{"loss": 0.5, "acc": 1.0}])
        assert path.read_text() == "epoch,acc,loss\n0,0.5,2.5\n1,NA,1.5\n0,1.0,0.5\n"
        train(callbacks.CSVLogger(path, separator=";"), [{"loss": 0.5, "w": [1, 2]}])
        assert path.read_text() == 'epoch;loss;w\n0;0.5;"""[1, 2]"""\n'

    def test_append_to_nothing_has_a_header(self, tmp_path):
        path = tmp_path / "log.csv"
        train(callbacks.CSVLogger(path, append=True), [{"loss": 1}])
        assert path.read_text() == "epoch,loss\n0,1\n"


@pytest.mark.parametrize(("make", "options", "message"), [
    *((callbacks.EarlyStopping, {name: wrong}, f"`{name}` is not a number")
      for name in ("min_delta", "patience", "baseline") for wrong in ("0", [1])),
    (callbacks.EarlyStopping, {"patience": None}, "`patience` is not a number"),
    (callbacks.EarlyStopping, {"monitor": ["val_loss"]}, "`monitor` is not a name"),
    (callbacks.ReduceLROnPlateau, {"patience": "3"}, "`patience` is not a number"),
    (callbacks.ReduceLROnPlateau, {"cooldown": None}, "`cooldown` is not a number"),
    (callbacks.LearningRateScheduler, {"schedule": 0.1}, "`schedule` cannot be called"),
    (callbacks.LambdaCallback, {"on_epoch_end": "print"}, "`on_epoch_end` cannot be called"),
    (callbacks.ModelCheckpoint, {"filepath": None}, "`filepath` is not a path"),
    (callbacks.ModelCheckpoint, {"filepath": "x", "period": "2"}, "`period` is not a number"),
    (callbacks.ModelCheckpoint, {"filepath": "x", "monitor": None}, "`monitor` is not a name"),
    *((callbacks.ModelCheckpoint, {"filepath": wrong}, "`filepath` is no template")
      for wrong in ("w{}.h5", "w{0}.h5", "w{loss:d}.h5", "w{.h5", "w}.h5", "w{epoch:s}.h5", "w{val_loss.x}.h5")),
    (callbacks.CSVLogger, {"filename": None}, "`filename` is not a path"),
    *((callbacks.CSVLogger, {"filename": "x", "separator": wrong}, "`separator` cannot separate values")
      for wrong in (", ", "", None)),
])
def test_wrong_arguments_are_refused_at_once(make, options, message):
    with pytest.raises(ArgumentError, match=message):
        make(**options)


def test_patience_may_be_endless_and_verbose_none():
    assert train(callbacks.EarlyStopping(patience=np.inf, verbose=None), losses(1, 2, 2, 2)) == 4
    train(callbacks.ModelCheckpoint("x", verbose=None), losses(1))


def test_lambda_callback():
    calls = []
    hooks = ["on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_epoch_end", "on_train_end"]
    callback = callbacks.LambdaCallback(**{hook: lambda *args, hook=hook: calls.append((hook, *args))
                                           for hook in hooks}, extra=3)
    assert callback.extra == 3
    callback.on_batch_begin(1, {"size": 2})
    callback.on_batch_end(1, {"loss": 2})
    train(callback, [{"loss": 5}])
    assert [call[0] for call in calls] == ["on_batch_begin", "on_batch_end", "on_train_begin", "on_epoch_begin",
                                           "on_epoch_end", "on_train_end"]
    assert calls[4] == ("on_epoch_end", 0, {"loss": 5})


def test_a_checkpoint_goes_where_filepath_says_by_then(tmp_path):
    model = Sequential([Dense(1, input_dim=2)])
    model.compile("sgd", "mse")
    saver = callbacks.ModelCheckpoint(str(tmp_path / "a.h5"), save_weights_only=True)
    saver.filepath = str(tmp_path / "b{epoch}.h5")
    model.fit(np.ones((2, 2)), np.ones(2), verbose=0, callbacks=[saver])
    assert [path.name for path in tmp_path.iterdir()] == ["b1.h5"]


@pytest.mark.parametrize(("verbose", "said"), [(-1, False), (None, False), (0, False), (1, True), (True, True)])
def test_verbose_callbacks(tmp_path, capsys, verbose, said):
    model = Sequential([Dense(1, input_dim=2)])
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 2)), np.ones(2), verbose=0, epochs=3, callbacks=[
        callbacks.ModelCheckpoint(str(tmp_path / "a.h5"), verbose=verbose),
        callbacks.LearningRateScheduler(lambda epoch, lr: lr, verbose=verbose)])
    assert bool(capsys.readouterr().out) == said
