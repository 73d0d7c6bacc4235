"""What a checkpoint may say of a training: each part sound, and changed in every way that is not; states set again.

What does not live here: whole trainings that stop and go on (test_checkpoints.py), damaged files (tests/faults).
"""

import copy
import os
import random
import signal

import numpy as np
import pytest

from graphc.errors import CheckpointError, ModelFormatError, StorageError
from graphc.frontend_keras import callbacks
from graphc.frontend_keras.engine.keeping import Termination
from graphc.frontend_keras.engine.resuming import Memory, Position, _difference, _digest, _plain
from graphc.frontend_keras.layers import Dense, Dropout
from graphc.frontend_keras.models import Sequential
from graphc.frontend_keras.saving import checkpoints
from graphc.frontend_keras.saving.checkpoints import CheckpointFolder


@pytest.fixture
def memory():
    np.random.seed(0)
    model = Sequential([Dense(3, input_shape=(2,)), Dropout(0.5)])
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((4, 2)), np.ones((4, 3)))
    return Memory(model, model._function("train"), {"batches": 5, "samples": 4})


@pytest.fixture
def taken(memory):
    """A sound state of the training: batch 2 of 5 of epoch 1, in an order of the samples."""
    found = copy.deepcopy(memory.taken(Position(1, 2, 7, size=3, order=np.array([2, 0, 3, 1]))))
    memory.check(found)
    return found


def at(found, path):
    for part in path[:-1]:
        found = found[part]
    return found, path[-1]


HUGE = 2**53
WRONG = {
    ("position", "epoch"): [-1, 1.0, True, HUGE, None], ("position", "batch"): [6, -1, "2"], ("position", "steps"): [1, -1, HUGE],
    ("position", "size"): [-1, 2.0], ("position", "stopped"): [0, None, "no"], ("position",): [None, {}, []],
    ("facts",): [None, []], ("facts", "batches"): [1, -1, 2.5, HUGE], ("facts", "states"): [[], None], ("facts", "seeds"): [0, 2, None],
    ("facts", "samples"): [5, None], ("order",): [[2, 0, 3, 1], np.array([0, 0, 1, 2]), np.array([0, 1, 2, 4]), np.array([0, 1, 2]),
                                                  np.array([[0, 1, 2, 3]]), np.array([0, 1, 2, 3], "i4"), np.array([-1, 0, 1, 2])],
    ("stream",): [{}, 3, {"training": None}, {"training": {"queue": None}, "validation": None}, {"training": None, "validation": 1}],
    ("random",): [None, {}], ("random", "seeds"): [None, [1.0], [True], [2**63], [-2**63], (1,)],
    ("random", "numpy"): [None, {}, {"bit_generator": 3, "state": {}}, {"bit_generator": "MT19937", "state": None}],
    ("random", "numpy", "has_gauss"): [2, "0", None], ("random", "numpy", "gauss"): [0, None],
    ("random", "numpy", "state", "pos"): [625, -1, 1.0], ("random", "numpy", "state", "key"): [None, np.zeros(623, "u4"),
                                                                                             np.zeros(624, "i4"), np.zeros((1, 624), "u4")],
    ("random", "python"): [None, {}], ("random", "python", "version"): [2, None], ("random", "python", "gauss"): [0, "x"],
    ("random", "python", "words"): [np.zeros(624, "u4"), np.full(625, 625, "u4"), [0] * 625],
    ("states",): [None, [["a", np.zeros(1)]], ["abc"]], ("states", 0, 0): [None, 3], ("states", 0, 1): [None, [1], np.zeros(9), np.zeros((2, 3))],
    ("states", 0, 2): [0.5, np.ones(1, "f4"), np.array(1.0)], ("callbacks",): [None, [[1]], {}],
}


@pytest.mark.parametrize("path", WRONG, ids=str)
def test_what_makes_no_sense_is_refused(memory, taken, path):
    for wrong in WRONG[path]:
        found = copy.deepcopy(taken)
        inner, key = at(found, path)
        inner[key] = wrong
        with pytest.raises(ModelFormatError):
            memory.check(found)


def test_keys_that_are_missing_or_too_many_are_refused(memory, taken):
    for path in ((), ("position",), ("random",), ("random", "python"), ("random", "numpy"), ("random", "numpy", "state")):
        for change in (lambda part: part.popitem(), lambda part: part.update(more=1)):
            found = copy.deepcopy(taken)
            part = found
            for name in path:
                part = part[name]
            change(part)
            with pytest.raises(ModelFormatError):
                memory.check(found)
    with pytest.raises(ModelFormatError):
        memory.check([])


@pytest.mark.parametrize("wrong", [[3, 0, None], ["A", -1, None], ["A", "0", None], ["A", 0.0, None]])
def test_states_of_callbacks_have_a_name_and_a_number(memory, taken, wrong):
    memory.check({**taken, "callbacks": [["A", 0, None]]})
    with pytest.raises(ModelFormatError, match="not a callback's state"):
        memory.check({**taken, "callbacks": [wrong]})


def test_the_limits_themselves_are_sound(memory, taken):
    taken["position"].update(epoch=HUGE - 1, batch=5, steps=5, size=0, stopped=True)
    taken["random"]["seeds"] = [2**63 - 1]
    taken["random"]["numpy"]["state"]["pos"] = 624
    taken["random"]["python"]["words"][-1] = 624
    taken["random"]["python"]["gauss"] = 0.5
    taken["order"] = None
    memory.check(taken)


def test_another_generator_of_numpy_is_refused_when_it_is_compared(memory, taken):
    memory.compare(taken, "there")
    taken["random"]["numpy"] = {"bit_generator": "PCG64", "state": {}}
    memory.check(taken)  # it may be one of a later NumPy
    with pytest.raises(CheckpointError, match="NumPy's global generator is another; expected PCG64; got MT19937"):
        memory.compare(taken, "there")


def test_a_fact_that_only_one_of_the_two_has_is_a_difference(memory, taken):
    taken["facts"]["more"] = 3
    with pytest.raises(CheckpointError, match="another training: other more; expected 3 as in the checkpoint; got None"):
        memory.compare(taken, "there")
    del taken["facts"]["more"], taken["facts"]["loss"]
    with pytest.raises(CheckpointError, match="another training: other loss; expected None as in the checkpoint"):
        memory.compare(taken, "there")


def test_a_state_that_numpy_refuses_is_an_error_of_the_checkpoint(memory, taken, monkeypatch):
    def refuses(state):
        raise ValueError("no")

    monkeypatch.setattr(np.random, "set_state", refuses)
    with pytest.raises(CheckpointError, match="not a state of NumPy's generator; got no"):
        memory.restore(taken)


def test_other_versions_are_told(memory, taken):
    taken["made_with"]["graphc"] = "0.0.0"
    with pytest.warns(UserWarning, match="there: the checkpoint was made with graphc 0.0.0, this is .*not with the same bits"):
        memory.compare(taken, "there")
    memory.compare({**taken, "made_with": None}, "there")


def test_everything_is_set_again(memory, taken):
    wanted = np.random.rand(), random.random()
    np.random.set_state(taken["random"]["numpy"])
    first = taken["random"]["python"]
    random.setstate((first["version"], tuple(first["words"].tolist()), first["gauss"]))
    wanted = np.random.rand(), random.random()
    before = [state.array.copy() for state in memory.states]
    memory.model.train_on_batch(np.ones((4, 2)), np.ones((4, 3)))
    memory.model.stop_training = True
    found = memory.restore(taken)
    assert (found.epoch, found.batch, found.steps, found.size, found.stopped) == (1, 2, 7, 3, False)
    assert found.order.tolist() == [2, 0, 3, 1]
    assert found.order is not taken["order"]
    assert memory.model.stop_training is False
    assert (np.random.rand(), random.random()) == wanted
    for a, state in zip(before, memory.states, strict=True):
        np.testing.assert_array_equal(a, state.array)


class Counts(callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.count = 0

    def get_state(self):
        return self.count

    def set_state(self, state):
        self.count = state


def test_callbacks_get_their_own_state_by_class_and_number(memory, taken):
    memory.callbacks = [Counts(), callbacks.Callback(), Counts()]
    taken["callbacks"] = [["Counts", 0, 3], ["Counts", 1, 5]]
    memory.restore(taken)
    assert [memory.callbacks[0].count, memory.callbacks[2].count] == [3, 5]
    assert [entry for entry in memory.taken(Position())["callbacks"] if entry[0] == "Counts"] == [["Counts", 0, 3], ["Counts", 1, 5]]
    for name, number in (("Counts", 2), ("Gone", 0), ("Other", 0)):
        memory.callbacks = [type("Other", (), {})(), *memory.callbacks]
        with pytest.warns(UserWarning, match=f"holds the state of a callback {name}, and there is none now to take it"):
            memory.restore({**taken, "callbacks": [[name, number, 1]]})


def test_differences_are_named():
    assert _difference([1, 2, 3], [1, 4, 5]) == (", number 2", 2, 4)
    assert _difference([1, 2], [1, 2, 3]) == ("", "2 of them", "3 of them")
    assert _difference(1, [1]) == ("", 1, [1])


def test_models_are_compared_without_their_names():
    def digest(*names, units=2):
        return _digest(Sequential([Dense(units, input_shape=(2,), name=names[0]), Dense(2, name=names[1])], name=names[2]))

    assert digest("a", "b", "c") == digest("x", "y", "z") != digest("a", "b", "c", units=3)

    class Own(Sequential):
        def get_config(self):
            raise NotImplementedError

    assert _digest(Own()) == "none"
    assert _plain({"loss": np.mean, "rate": np.float32(0.5), "own": Own(), "n": [1]}) == {
        "loss": "mean", "rate": 0.5, "own": "Own", "n": [1]}


# ---- the folder


def test_a_folder_that_cannot_be_tidied_gives_the_lock_back(tmp_path, monkeypatch):
    (tmp_path / "ckpt-1.tmp-77").mkdir()

    def refuses(path):
        raise PermissionError(13, "no")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints, "remove_folder", refuses)
        with pytest.raises(StorageError, match="the folder for checkpoints cannot be used"), CheckpointFolder(tmp_path):
            pass
    assert not checkpoints._held
    with CheckpointFolder(tmp_path) as folder:
        assert folder.numbers() == []
        assert not (tmp_path / "ckpt-1.tmp-77").exists()
    folder.__exit__()  # once more does nothing


def test_a_save_that_is_refused_leaves_nothing(tmp_path, monkeypatch):
    with CheckpointFolder(tmp_path) as folder:
        folder.save({"a": 1})

        def refuses(*args):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patched:
            patched.setattr(checkpoints.OPS, "replace", refuses)
            with pytest.raises(StorageError, match=r"could not be written; those before it are whole; got No space left"):
                folder.save({"a": 2})
        with monkeypatch.context() as patched:
            patched.setattr(checkpoints.OPS, "replace", refuses)
            patched.setattr(checkpoints, "remove_folder", refuses)
            with pytest.raises(StorageError, match="No space left"):
                folder.save({"a": 2})
        assert folder.newest(lambda state: None) == {"a": 1}
        assert folder.save({"a": 3}) == 2
        assert folder.newest(lambda state: None) == {"a": 3}


def test_a_lock_that_the_system_refuses_for_another_reason(tmp_path, monkeypatch):
    def refuses(*args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(checkpoints.fcntl, "flock", refuses)
    with pytest.raises(StorageError, match="No locks available"), CheckpointFolder(tmp_path):
        pass
    assert not checkpoints._held


def test_a_child_leaves_the_lock_to_its_parent(tmp_path):
    with CheckpointFolder(tmp_path):
        held = set(checkpoints._held)
        assert len(held) == 1
        try:
            checkpoints._held.clear()
            checkpoints._held.add(10**6)  # as in a child that has closed it
            checkpoints._leave_to_parent()
            assert not checkpoints._held
        finally:
            checkpoints._held.update(held)


def test_without_a_handler_of_python_signals_are_left_alone(monkeypatch):
    term = Termination()
    monkeypatch.setattr("graphc.frontend_keras.engine.keeping.signal.getsignal", lambda number: None)
    with term:
        assert term._before is None
        term.deliver()
    assert not term.asked


def test_a_signal_that_was_held_back_is_delivered_once_and_the_next_is_held_back_again():
    seen = []
    before = signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        with Termination() as term:
            os.kill(os.getpid(), signal.SIGTERM)
            assert (term.asked, seen) == (True, [])
            term.deliver()
            assert (term.asked, seen) == (False, [1])
            os.kill(os.getpid(), signal.SIGTERM)
            assert (term.asked, seen) == (True, [1])
        assert seen == [1, 1]
        os.kill(os.getpid(), signal.SIGTERM)
        assert seen == [1, 1, 1]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("held", [True, False])
def test_signals_are_held_back_where_that_is_wanted(tmp_path, held):
    class Look(callbacks.Callback):
        def on_batch_end(self, batch, logs=None):
            handlers.append(signal.getsignal(signal.SIGTERM))

    handlers, before = [], signal.getsignal(signal.SIGTERM)
    model = Sequential([Dense(3, input_shape=(2,))])
    model.compile("sgd", "mse")
    keep = callbacks.BackupAndRestore(str(tmp_path / "kept"), save_before_preemption=held)
    model.fit(np.ones((4, 2)), np.ones((4, 3)), verbose=0, callbacks=[keep, Look()])
    assert (handlers[0] is not before) == held
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_a_file_says_of_a_full_disk_stays_as_it_is(tmp_path, monkeypatch):
    def refuses(*args):
        raise StorageError("something of its own", OSError(28, "full"), where="the file")

    with CheckpointFolder(tmp_path) as folder:
        monkeypatch.setattr(checkpoints, "write_new", refuses)
        with pytest.raises(StorageError, match="^the file: something of its own"):
            folder.save({"a": 1})
