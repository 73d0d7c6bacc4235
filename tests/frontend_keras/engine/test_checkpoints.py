"""fit(checkpoint=...): a training that stops anywhere and is called again leaves the bits of one that never stopped.

What does not live here: crashes, full disks and the like (tests/faults).
"""

import datetime
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from graphc.errors import ArgumentError, CheckpointError, StorageError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import callbacks, optimizers, preprocessing
from graphc.frontend_keras.engine import rows
from graphc.frontend_keras.layers import LSTM, Dense, Dropout, Layer, Reshape
from graphc.frontend_keras.models import Sequential
from graphc.frontend_keras.saving.checkpoints import CheckpointFolder
from graphc.frontend_keras.utils import Sequence
from graphc.runtime_cuda.device import using
from graphc.runtime_cuda.lockstep_device import LockstepDevice

RANDOM = np.random.RandomState(3)
X = RANDOM.rand(50, 5).astype("f4")
Y = np.eye(3, dtype="f4")[RANDOM.randint(3, size=50)]
ROOT = Path(__file__).parents[3]


pytestmark = pytest.mark.filterwarnings("ignore:Method on_batch")  # a busy machine makes callbacks slow


class StoppedError(Exception):
    pass


class Stop(callbacks.Callback):
    """Ends the training by an exception after so many batches."""

    def __init__(self, after):
        super().__init__()
        self.left = after

    def on_batch_end(self, batch, logs=None):
        self.left -= 1
        if not self.left:
            raise StoppedError


class Hits(Layer):
    """A metric that counts over the batches of an epoch."""

    def __init__(self):
        super().__init__(name="hits")
        self.stateful = True
        self.total = K.variable(0.0)

    def reset_states(self):
        K.set_value(self.total, 0.0)

    def __call__(self, y_true, y_pred):
        hits = K.sum(K.cast(K.equal(K.argmax(y_true), K.argmax(y_pred)), "float32"))
        self.add_update(K.update_add(self.total, hits), inputs=[y_true, y_pred])
        return self.total + hits


def mlp(units=6, optimizer="adam", metrics=("accuracy",), rate=0.3):
    model = Sequential([Dense(units, activation="tanh", input_dim=5), Dropout(rate), Dense(3, activation="softmax")])
    model.compile(optimizer, "categorical_crossentropy", metrics=list(metrics))
    return model


def left_by(model, history):
    """All that a training leaves."""
    values = [*model.get_weights(), *model.optimizer.get_weights(), K.get_value(model.optimizer.lr)]
    return [np.asarray(v).tobytes() for v in values], repr((history.epoch, history.history)), np.random.rand()


def trained(make, folder=None, stop=None, fit=None, seed=1, **kwargs):
    """What fit leaves of a new model; None where `stop` has stopped it."""
    np.random.seed(seed)
    K.clear_session()
    model = make()
    given = {"batch_size": 8, "epochs": 4, "verbose": 0, **kwargs}
    given["callbacks"] = [*given.get("callbacks", lambda: [])(), *([] if stop is None else [Stop(stop)])]
    try:
        history = (fit or (lambda model, **rest: model.fit(X, Y, **rest)))(model, checkpoint=folder, **given)
    except StoppedError:
        return None
    return left_by(model, history)


def backup(folder, frequency):
    return callbacks.BackupAndRestore(folder, frequency, delete_checkpoint=False)


@pytest.mark.parametrize("frequency", ["epoch", 1, 3])
@pytest.mark.parametrize("stop", [1, 9, 19])
def test_it_goes_on_where_it_was(tmp_path, frequency, stop):
    expected = trained(mlp, validation_split=0.2)
    assert trained(mlp, backup(tmp_path, frequency), stop, validation_split=0.2) is None
    anything = any(tmp_path.glob("ckpt-*"))
    assert anything == (stop > (5 if frequency == "epoch" else frequency))
    for seed in (2 if anything else 1, 3):  # the second time there is nothing left to do
        assert trained(mlp, backup(tmp_path, frequency), validation_split=0.2, seed=seed) == expected


def test_all_callbacks_go_on(tmp_path):
    def listeners(place):
        kept = []
        return lambda: [
            callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=0.1, factor=0.5),
            callbacks.EarlyStopping("val_loss", patience=6, min_delta=0.05, restore_best_weights=True),
            callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
            callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: kept.append((epoch, np.float32(logs["loss"]))),
                                     get_state=lambda: list(kept), set_state=kept.extend,
                                     on_train_end=lambda logs: np.save(place / "kept.npy", kept)),
            callbacks.ModelCheckpoint(str(place / "best.h5"), monitor="loss", save_best_only=True, period=2,
                                      save_weights_only=True),
            callbacks.CSVLogger(place / "log.csv")]

    def run(place, folder, stop=None):
        place.mkdir(exist_ok=True)
        given = listeners(place)()
        found = trained(mlp, folder, stop, callbacks=lambda: given, validation_split=0.2, epochs=8)
        given[-1].on_train_end()  # closes its file, which an exception leaves open
        return found

    expected = run(tmp_path / "a", None)
    assert run(tmp_path / "b", tmp_path / "kept", 12) is None
    (tmp_path / "b" / "log.csv").write_text((tmp_path / "b" / "log.csv").read_text() + "lost in a crash")
    assert run(tmp_path / "b", tmp_path / "kept", 13) is None
    assert run(tmp_path / "b", tmp_path / "kept") == expected
    for name in ("log.csv", "kept.npy"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    model = mlp()
    weights = []
    for place in "ab":
        model.load_weights(tmp_path / place / "best.h5")
        weights.append(b"".join(w.tobytes() for w in model.get_weights()))
    assert weights[0] == weights[1]


def test_states_of_recurrent_layers_and_metrics_go_on(tmp_path):
    def make():
        model = Sequential([LSTM(4, stateful=True, batch_input_shape=(10, 5, 1)), Dense(3, activation="softmax")])
        model.compile("sgd", "categorical_crossentropy", metrics=[Hits()])
        return model

    def fit(model, **kwargs):
        return model.fit(X[:, :, None], Y, **{**kwargs, "batch_size": 10})

    expected = trained(make, fit=fit)
    assert trained(make, backup(tmp_path, 1), 8, fit=fit) is None
    assert trained(make, backup(tmp_path, 1), fit=fit, seed=2) == expected


def test_more_epochs_go_on_from_the_end(tmp_path):
    expected = trained(mlp, epochs=5)
    trained(mlp, tmp_path, epochs=2)
    assert trained(mlp, tmp_path, epochs=5, seed=2) == expected


@pytest.mark.parametrize("shuffle", [False, "batch"])
def test_other_orders(tmp_path, shuffle):
    expected = trained(mlp, shuffle=shuffle)
    assert trained(mlp, backup(tmp_path, 2), 11, shuffle=shuffle) is None
    assert trained(mlp, backup(tmp_path, 2), shuffle=shuffle, seed=2) == expected


def test_steps_on_all_of_the_data(tmp_path):
    def fit(model, **kwargs):
        return model.fit(X, Y, steps_per_epoch=3, **{**kwargs, "batch_size": None})

    expected = trained(mlp, fit=fit)
    assert trained(mlp, backup(tmp_path, 1), 6, fit=fit) is None
    assert trained(mlp, backup(tmp_path, 1), fit=fit, seed=2) == expected


def test_bits_do_not_depend_on_how_batches_are_grouped(monkeypatch):
    found = []
    for most in (1, 2, 3, 100):
        monkeypatch.setattr(rows.Pace, "steps", lambda self, left, most=most: min(left, most))
        found.append(trained(mlp, validation_split=0.5))
    assert all(one == found[0] for one in found)


def test_the_progress_bar_goes_on(tmp_path, capsys):
    assert trained(mlp, backup(tmp_path, 1), 10, verbose=1) is None
    capsys.readouterr()
    trained(mlp, backup(tmp_path, 1), verbose=1)
    said = capsys.readouterr().out
    assert said.startswith("Epoch 2/4") and "50/50 [" in said and "Epoch 1/4" not in said


def test_on_a_device_that_keeps_the_states(tmp_path):
    before = K.target()
    K.set_target("cuda")
    try:
        with using(LockstepDevice()):
            expected = trained(mlp, epochs=2, batch_size=25)
            assert trained(mlp, backup(tmp_path, 1), 4, epochs=2, batch_size=25) is None
            assert trained(mlp, backup(tmp_path, 1), epochs=2, batch_size=25, seed=2) == expected
    finally:
        K.set_target(before)


SCRIPT = """
import sys, hashlib
from tests.frontend_keras.engine.test_checkpoints import *
model = mlp()
history = model.fit(X, Y, 8, 4, verbose=0, callbacks=[Stop(int(sys.argv[2]))], checkpoint=sys.argv[1])
print(hashlib.sha256(repr(left_by(model, history)).encode()).hexdigest())
"""


def test_a_script_without_seeds_goes_on_in_another_process(tmp_path):
    """Weights and dropout's seeds are drawn anew in each process; the first one's count."""
    def run(folder, stop, hashes):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hashes, "GRAPHC_NUM_THREADS": "1"}
        return subprocess.run([sys.executable, "-c", SCRIPT, folder, str(stop)], env=environment, text=True,
                              capture_output=True).stdout

    first, second = tmp_path / "kept", tmp_path / "copy"
    assert run(first, 10, "1") == ""
    subprocess.run(["cp", "-r", first, second], check=True)
    found = run(first, 1000, "2"), run(second, 1000, "3")
    assert found[0] == found[1] != ""


# ---- Sequences


class Batches(Sequence):
    def __init__(self):
        self.order = np.arange(50)

    def __len__(self):
        return 5

    def __getitem__(self, i):
        rows = self.order[10 * i:10 * i + 10]
        return X[rows], Y[rows]


class Mixed(Batches):
    def on_epoch_end(self):
        np.random.shuffle(self.order)

    def get_state(self):
        return self.order

    def set_state(self, state):
        self.order = state.copy()


@pytest.mark.parametrize("make", [Batches, Mixed])
@pytest.mark.parametrize(("workers", "steps", "stop", "frequency"),
                         [(0, None, 8, 2), (1, None, 11, "epoch"), (1, None, 16, 5), (2, 3, 4, 1), (2, 7, 13, 1)])
def test_sequences(tmp_path, make, workers, steps, stop, frequency):
    check_that_it_goes_on(tmp_path, mlp, stop, frequency, lambda model, **kwargs: model.fit_generator(
        make(), steps_per_epoch=steps, workers=workers, validation_data=Batches(), validation_steps=2, **kwargs))


def check_that_it_goes_on(folder, model, stop, frequency, run):
    """A training on Sequences, stopped after `stop` batches, leaves what the whole one does; Python's seed is another."""
    def fit(model, batch_size, **kwargs):
        random.seed(5 if any(folder.glob("ckpt-*")) else 4)
        return run(model, **kwargs)

    expected = trained(model, fit=fit)
    assert trained(model, backup(folder, frequency), stop, fit=fit) is None
    assert trained(model, backup(folder, frequency), fit=fit, seed=2 if any(folder.glob("ckpt-*")) else 1) == expected


class Drawing(Mixed):
    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x + np.float32(np.random.normal() + random.random()), y


class Noisy(Mixed):
    """Batches that depend on chance, and on how many there were."""

    def __init__(self):
        super().__init__()
        self.made = 0

    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        self.made += 1
        return x + np.float32(np.random.normal() + random.random() + 0.01 * self.made), y

    def get_state(self):
        return {"order": self.order, "made": self.made}

    def set_state(self, state):
        self.order, self.made = state["order"].copy(), state["made"]


class OwnGenerator(Batches):
    """Draws from a generator of its own, whose state is all that it tells."""

    def __init__(self):
        super().__init__()
        self.generator = np.random.RandomState(5)

    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x + self.generator.rand(*x.shape).astype("f4"), y

    def get_state(self):
        return self.generator.get_state()

    def set_state(self, state):
        self.generator.set_state(state)


class Live(Batches):
    """Tells an array that it goes on to change, and takes the one it gets as its own."""

    def __init__(self):
        super().__init__()
        self.seen = np.zeros(5)

    def __getitem__(self, i):
        self.seen[i] += 1
        x, y = super().__getitem__(i)
        return x * np.float32(self.seen[i]), y

    def on_epoch_end(self):
        np.random.shuffle(self.seen)

    def get_state(self):
        return self.seen

    def set_state(self, state):
        self.seen = state


def pictures(**kwargs):
    flow = preprocessing.image.ImageDataGenerator(horizontal_flip=True, rotation_range=30, shear_range=0.2)
    return flow.flow(X.reshape(50, 5, 1, 1), Y, batch_size=10, **kwargs)


def on_pictures():
    model = Sequential([Reshape((5,), input_shape=(5, 1, 1)), Dense(6, activation="relu"), Dropout(0.3), Dense(3)])
    model.compile("adam", "mse")
    return model


RANDOM_SEQUENCES = {"global": (mlp, Noisy), "own": (mlp, OwnGenerator), "live": (mlp, Live), "pictures": (on_pictures, pictures),
                    "seeded pictures": (on_pictures, lambda: pictures(seed=5)),
                    "pictures in their order": (on_pictures, lambda: pictures(shuffle=False))}


@pytest.mark.parametrize("kind", RANDOM_SEQUENCES)
@pytest.mark.parametrize(("workers", "steps", "stop", "frequency"),
                         [(0, None, 8, 2), (1, None, 11, "epoch"), (1, None, 16, 5), (0, 3, 4, 1), (1, 7, 13, 1)])
def test_sequences_that_draw_random_numbers(tmp_path, kind, workers, steps, stop, frequency):
    """Batches made ahead draw before the checkpoint that is to repeat them."""
    model, make = RANDOM_SEQUENCES[kind]
    check_that_it_goes_on(tmp_path, model, stop, frequency, lambda model, **kwargs: model.fit_generator(
        make(), steps_per_epoch=steps, workers=workers, validation_data=None if workers else make(), validation_steps=2,
        **kwargs))


class Augmented(Batches):
    """Draws from NumPy's generator; Python's is that of shuffling, in another thread."""

    def __getitem__(self, i):
        x, y = super().__getitem__(i)
        return x + np.float32(np.random.normal()), y


@pytest.mark.parametrize("validation", [Augmented, Live, OwnGenerator])
@pytest.mark.parametrize(("stop", "frequency"), [(8, 1), (11, "epoch")])
def test_random_batches_of_the_validation(tmp_path, validation, stop, frequency):
    check_that_it_goes_on(tmp_path, mlp, stop, frequency, lambda model, **kwargs: model.fit_generator(
        Batches(), validation_data=validation(), validation_steps=3, **kwargs))


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize(("kind", "validation"), [("pictures", pictures), ("seeded pictures", pictures),
                                                  ("global", Noisy)], ids=["1", "2", "3"])
def test_training_and_validation_that_both_draw(tmp_path, kind, validation, workers):
    """No thread draws while another one does."""
    model, make = RANDOM_SEQUENCES[kind]

    def fit(model, **kwargs):
        del kwargs["batch_size"]
        random.seed(4 if not any(tmp_path.glob("ckpt-*")) else 5)
        return model.fit_generator(make(), validation_data=validation(), workers=workers, **kwargs)

    expected = trained(model, backup(tmp_path / "whole", "epoch"), fit=fit)
    assert trained(model, backup(tmp_path, 1), 12, fit=fit) is None
    assert trained(model, backup(tmp_path, 1), fit=fit, seed=2) == expected


@pytest.mark.parametrize(("before", "after"), [(1, 0), (0, 1)])
def test_pictures_taken_in_turn_and_by_number_are_two_trainings(tmp_path, before, after):
    def fit(workers):
        return lambda model, batch_size, **kwargs: model.fit_generator(pictures(), workers=workers, shuffle=False, **kwargs)

    assert trained(on_pictures, backup(tmp_path, 1), 8, fit=fit(before)) is None
    with pytest.raises(CheckpointError, match="other way of taking batches, number 1"):
        trained(on_pictures, backup(tmp_path, 1), fit=fit(after))


def test_pictures_from_processes(tmp_path):
    check_that_it_goes_on(tmp_path, on_pictures, 12, 3, lambda model, **kwargs: model.fit_generator(
        pictures(), validation_data=pictures(), workers=2, use_multiprocessing=True, **kwargs))


def test_a_checkpoint_changes_nothing_of_a_sequence(tmp_path):
    def fit(model, **kwargs):
        del kwargs["batch_size"]
        random.seed(4)
        return model.fit_generator(Live(), **kwargs)

    assert trained(mlp, backup(tmp_path, 2), fit=fit) == trained(mlp, fit=fit)


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 0), (0, 2)])
def test_another_number_of_workers_goes_on(tmp_path, before, after):
    def fit(workers):
        def run(model, **kwargs):
            del kwargs["batch_size"]
            return model.fit_generator(Batches(), workers=workers, shuffle=False, **kwargs)
        return run

    expected = trained(mlp, fit=fit(before))
    assert trained(mlp, backup(tmp_path, 1), 8, fit=fit(before)) is None
    assert trained(mlp, backup(tmp_path, 1), fit=fit(after), seed=2) == expected


@pytest.mark.parametrize(("make", "workers", "stop"), [(Batches, 2, 7), (Drawing, 1, 12), (Drawing, 1, 8), (Drawing, 2, 13)])
def test_processes_that_draw_random_numbers(tmp_path, make, workers, stop):
    check_that_it_goes_on(tmp_path, mlp, stop, 3, lambda model, **kwargs: model.fit_generator(
        make(), workers=workers, use_multiprocessing=True, **kwargs))


def test_generators_are_refused(tmp_path):
    def batches():
        while True:
            yield X[:8], Y[:8]

    with pytest.raises(ArgumentError, match=r"nobody knows its place; expected a keras.utils.Sequence; got generator"):
        mlp().fit_generator(batches(), 3, checkpoint=tmp_path)
    with pytest.raises(ArgumentError, match="nobody knows its place"):
        mlp().fit_generator(Batches(), validation_data=batches(), validation_steps=1, checkpoint=tmp_path)

    class Silent(Batches):
        def on_epoch_end(self):
            self.order = self.order[::-1]

    with pytest.raises(ArgumentError, match=r"Silent, checkpoint: the Sequence changes itself.*Define get_state"):
        mlp().fit_generator(Silent(), checkpoint=tmp_path)


# ---- refusals


class Held(callbacks.Callback):
    def __init__(self, state):
        super().__init__()
        self.state = state

    def get_state(self):
        return self.state

    def set_state(self, state):
        self.state = state


def holding_itself():
    state = []
    state.append(state)
    return state


@pytest.mark.parametrize("state", ["x" * 70_000, holding_itself(), object(), {"a": np.array([None])}],
                         ids=["long", "itself", "object", "objects"])
def test_what_a_checkpoint_cannot_hold(tmp_path, state):
    with pytest.raises(CheckpointError, match="cannot hold|holds itself"):
        trained(mlp, backup(tmp_path, "epoch"), callbacks=lambda: [Held(state)])


def test_arrays_given_to_a_callback_may_be_changed(tmp_path):
    first, second = Held(np.zeros(3)), Held(np.ones(3))
    assert trained(mlp, backup(tmp_path, 1), 8, callbacks=lambda: [first]) is None
    assert trained(mlp, backup(tmp_path, 1), callbacks=lambda: [second]) is not None
    second.state += 1
    np.testing.assert_array_equal(second.state, 1)


def test_the_state_of_another_callback_of_that_name(tmp_path):
    other = type("EarlyStopping", (Held,), {})(3)
    assert trained(mlp, backup(tmp_path, 1), 8, callbacks=lambda: [other]) is None
    with pytest.raises(CheckpointError, match="EarlyStopping: the state of a callback is of another kind; got 3"):
        trained(mlp, backup(tmp_path, 1), callbacks=lambda: [callbacks.EarlyStopping("loss")])


def test_a_folder_that_vanishes(tmp_path):
    gone = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: epoch == 1 and shutil.rmtree(tmp_path / "kept"))
    with pytest.raises(StorageError):
        trained(mlp, backup(tmp_path / "kept", "epoch"), callbacks=lambda: [gone])


OTHERS = {
    "layers": (lambda: mlp(7), {}, r"other layers, number 1; expected \['Dense', \[\[5, 6\], \[6\]\]\] as in the"),
    "configuration": (lambda: mlp(rate=0.4), {}, "other configuration"),
    "optimizer": (lambda: mlp(optimizer="nadam"), {}, "other optimizer, number 1; expected 'Adam'.*got 'Nadam'"),
    "rate": (lambda: mlp(optimizer=optimizers.Adam(lr=0.5)), {}, r"other optimizer, number 2; .*got \{'lr': 0.5"),
    "metrics": (lambda: mlp(metrics=()), {}, "other metrics; expected '2 of them'"),
    "batch size": (mlp, {"batch_size": 10}, "other batch_size; expected 8 as in the checkpoint; got 10"),
    "data": (mlp, {"fit": lambda model, **rest: model.fit(X[:40], Y[:40], **rest)}, "other data"),
    "validation": (mlp, {"validation_data": (X, Y)}, "other validation"),
    "shuffle": (mlp, {"shuffle": False}, "other shuffle"),
}


@pytest.mark.parametrize("other", OTHERS)
def test_another_training_is_refused_and_nothing_changes(tmp_path, other):
    make, kwargs, match = OTHERS[other]
    assert trained(mlp, tmp_path, 15) is None
    before = sorted(os.listdir(tmp_path))
    models = []
    with pytest.raises(CheckpointError, match=match) as raised:
        trained(lambda: models.append(make()) or models[0], tmp_path, seed=6, **kwargs)
    assert isinstance(raised.value, ValueError) and str(tmp_path) in str(raised.value) and "Fix" not in raised.value.fix
    np.random.seed(6)
    K.clear_session()
    for a, b in zip(models[0].get_weights(), make().get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert sorted(os.listdir(tmp_path)) == before
    assert trained(mlp, tmp_path) is not None


def test_a_folder_in_use_is_refused(tmp_path):
    with CheckpointFolder(tmp_path), pytest.raises(CheckpointError, match=r"another training works with this folder"):
        trained(mlp, tmp_path)
    script = f"from graphc.frontend_keras.saving.checkpoints import CheckpointFolder\nCheckpointFolder({str(tmp_path)!r})." \
             "__enter__(); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(CheckpointError, match="another training"):
            trained(mlp, tmp_path)
        other.communicate(b"\n")
    assert trained(mlp, tmp_path) is not None


@pytest.mark.parametrize("place", ["file", "below a file"])
def test_a_place_that_is_no_folder(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot be used; got .*Give a folder") as raised:
        trained(mlp, tmp_path / "file" if place == "file" else tmp_path / "file" / "below")
    assert isinstance(raised.value, OSError) and raised.value.errno and raised.value.filename


@pytest.mark.parametrize("given", [3, True, object(), b"x"])
def test_arguments_that_are_no_folders(given):
    with pytest.raises(ArgumentError, match="not a folder for checkpoints"):
        mlp().fit(X, Y, verbose=0, checkpoint=given)


@pytest.mark.parametrize("frequency", [0, -1, True, "batch", 1.5, None, datetime.timedelta(0)])
def test_frequencies_that_are_none(frequency):
    with pytest.raises(ArgumentError, match="not a frequency"):
        callbacks.BackupAndRestore("kept", frequency)


def test_two_folders_are_one_too_many(tmp_path):
    with pytest.raises(ArgumentError, match="one training has one folder"):
        mlp().fit(X, Y, verbose=0, callbacks=[callbacks.BackupAndRestore(tmp_path)], checkpoint=tmp_path)


def test_a_callback_with_a_state_that_cannot_be_kept(tmp_path):
    def listeners():
        return [callbacks.LambdaCallback(get_state=lambda: {"file": sys.stdout})]

    with pytest.raises(CheckpointError, match=r"the state.callbacks\[0\]\[2\]|cannot hold"):
        trained(mlp, tmp_path, callbacks=listeners)
    assert not list(tmp_path.glob("ckpt-*"))


# ---- frequency, end, signals


def test_a_callback_is_the_same_as_the_argument_but_cleans_up(tmp_path):
    expected = trained(mlp)
    given = [lambda: callbacks.BackupAndRestore(tmp_path)]
    assert trained(mlp, stop=15, callbacks=lambda: [given[0]()]) is None
    assert sorted(p.name for p in tmp_path.glob("ckpt-*")) == ["ckpt-1", "ckpt-2"]
    assert trained(mlp, callbacks=lambda: [given[0]()], seed=2) == expected
    assert not list(tmp_path.glob("ckpt-*"))


def test_a_frequency_in_time(tmp_path, monkeypatch):
    from graphc.frontend_keras.engine.keeping import Keeper

    now = [0.0]
    monkeypatch.setattr(Keeper, "clock", staticmethod(lambda: now[0]))
    saved = []
    save = CheckpointFolder.save
    monkeypatch.setattr(CheckpointFolder, "save", lambda self, state: saved.append(state["position"]["steps"])
                        or save(self, state))
    tick = callbacks.LambdaCallback(on_batch_end=lambda batch, logs: now.__setitem__(0, now[0] + 1))
    trained(mlp, backup(tmp_path, datetime.timedelta(seconds=5)), callbacks=lambda: [tick], epochs=2)
    assert saved == [5, 10, 14]


def test_sigterm_calls_the_handler_that_was_there_after_a_checkpoint(tmp_path):
    expected, came = trained(mlp), []

    def handler(*_):
        came.append(sorted(p.name for p in tmp_path.glob("ckpt-*")))
        raise StoppedError

    def send():
        return [callbacks.LambdaCallback(
            on_batch_end=lambda batch, logs: batch == 3 and os.kill(os.getpid(), signal.SIGTERM))]

    before = signal.signal(signal.SIGTERM, handler)
    try:
        assert trained(mlp, tmp_path, callbacks=send) is None
        assert came == [["ckpt-1"]] and signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert trained(mlp, tmp_path, callbacks=lambda: [callbacks.LambdaCallback()], seed=2) == expected


def test_in_another_thread_signals_are_left_alone(tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(trained(mlp, tmp_path)))
    thread.start()
    thread.join()
    assert found == [trained(mlp)]


def test_without_checkpoints_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trained(mlp)
    assert not os.listdir(tmp_path)
