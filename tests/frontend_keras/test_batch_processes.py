"""Batches made by processes."""

import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest

from graphc.errors import ArgumentError
from graphc.frontend_keras import preprocessing
from graphc.frontend_keras.callbacks import Callback
from graphc.frontend_keras.layers import Dense
from graphc.frontend_keras.models import Sequential
from graphc.frontend_keras.utils import batch_processes
from graphc.frontend_keras.utils.batch_processes import Processes, WorkerError
from graphc.frontend_keras.utils.data_utils import GeneratorEnqueuer, OrderedEnqueuer, Sequence

pytestmark = [pytest.mark.skipif(not batch_processes.available(), reason="no fork"),
              pytest.mark.usefixtures("fresh_session")]


class Told(Sequence):
    """Batches that say which process made them, in which epoch."""

    def __init__(self, length=4):
        self.length, self.epoch = length, 0

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        return os.getpid(), self.epoch, index, int(np.random.randint(1 << 30))

    def on_epoch_end(self):
        self.epoch += 1


@pytest.fixture
def batches():
    """(enqueuer, workers, count) -> that many batches; the enqueuer is stopped in the end."""
    started = []

    def take(enqueuer, workers, count):
        enqueuer.wanted = count
        enqueuer.start(workers, 10)
        started.append(enqueuer)
        found = enqueuer.get()
        return [next(found) for _ in range(count)]

    yield take
    for enqueuer in started:
        enqueuer.stop()
    assert multiprocessing.active_children() == []


def test_batches_come_in_order_from_other_processes_which_see_what_on_epoch_end_changed(batches):
    found = batches(OrderedEnqueuer(Told(), use_multiprocessing=True), 2, 8)
    assert [one[2] for one in found] == [0, 1, 2, 3] * 2
    assert [one[1] for one in found] == [0] * 4 + [1] * 4
    assert os.getpid() not in {one[0] for one in found}


def test_random_batches_depend_on_the_seed_alone(batches):
    def numbers(workers, seed):
        np.random.seed(seed)
        return [one[3] for one in batches(OrderedEnqueuer(Told(), use_multiprocessing=True), workers, 6)]

    first = numbers(1, 5)
    assert len(set(first)) == 6
    assert numbers(3, 5) == first
    assert numbers(3, 6) != first


def test_random_batches_are_others_each_time(batches):
    """Those of a training and of its validation, those of one training after another."""
    np.random.seed(5)
    taken = [batches(OrderedEnqueuer(Told(), use_multiprocessing=True), 1, 6) for _ in range(3)]
    assert len({one[3] for batch in taken for one in batch}) == 18


def test_processes_share_the_order_of_pictures(batches):
    """Each picture comes once in an epoch, whoever makes its batch."""
    flow = preprocessing.image.ImageDataGenerator().flow(np.arange(30.0).reshape(30, 1, 1, 1), batch_size=5)
    found = np.concatenate(batches(OrderedEnqueuer(flow, use_multiprocessing=True), 3, 12)).ravel()
    assert sorted(found[:30]) == sorted(found[30:]) == list(range(30))
    assert list(found[:30]) != list(found[30:]) != list(range(30))


class NoLength(Told):
    def __len__(self):
        raise OSError("gone")


@pytest.mark.parametrize("processes", [False, True])
def test_a_start_that_fails_leaves_nobody_behind(processes):
    threads = threading.active_count()
    with pytest.raises(OSError, match="gone"):
        OrderedEnqueuer(NoLength(), processes).start(2)
    with pytest.raises(ArgumentError, match="the sequence has no batches"):
        OrderedEnqueuer(Told(0), processes).start(2)
    assert multiprocessing.active_children() == []
    for _ in range(100):
        if threading.active_count() == threads:
            break
        time.sleep(0.05)
    assert threading.active_count() == threads


def test_a_batch_that_cannot_be_sent(batches):
    class Odd(Told):
        def __getitem__(self, index):
            return (one for one in range(3))

    with pytest.raises(WorkerError, match="a batch cannot be sent to the process that trains; expected arrays; got generator"):
        batches(OrderedEnqueuer(Odd(), use_multiprocessing=True), 1, 1)


def test_each_process_has_the_generator(batches):
    def counting():
        yield from range(3)

    alone = GeneratorEnqueuer(counting(), use_multiprocessing=True)
    assert batches(alone, 1, 3) == [0, 1, 2]
    ended = GeneratorEnqueuer(counting(), use_multiprocessing=True, random_seed=3)
    ended.start(2, 10)
    found = list(ended.get())  # until one of them ends
    assert set(found) == {0, 1, 2}
    assert 3 <= len(found) <= 6


class Broken(Told):
    def __init__(self, what):
        super().__init__()
        self.what = what

    def __getitem__(self, index):
        if index != 2:
            return index
        if self.what == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.what == "cannot be sent":
            return lambda: index
        raise KeyError("no such picture") if self.what == "raises" else type("Local", (Exception,), {})("own")


@pytest.mark.parametrize(("what", "error", "text"), [
    ("raises", KeyError, "no such picture"), ("raises its own", WorkerError, "Local: own"),
    ("dies", WorkerError, "-9"), ("cannot be sent", Exception, "pickle")])
def test_what_goes_wrong_there_is_raised_here(batches, what, error, text):
    enqueuer = OrderedEnqueuer(Broken(what), use_multiprocessing=True)
    with pytest.raises(error, match=text):
        batches(enqueuer, 1, 4)
    assert not enqueuer.is_running()


def test_the_place_of_an_error_is_told(batches):
    with pytest.raises(KeyError) as caught:
        batches(OrderedEnqueuer(Broken("raises"), use_multiprocessing=True), 1, 4)
    assert "test_batch_processes.py" in caught.value.__notes__[0]


def test_stop_ends_a_process_that_is_busy():
    class Slow(Told):
        def __getitem__(self, index):
            time.sleep(60)

    enqueuer = OrderedEnqueuer(Slow(), use_multiprocessing=True)
    enqueuer.start(1, 2)
    processes = enqueuer._pool.processes
    enqueuer.stop(timeout=0.01)
    assert [one.exitcode for one in processes] == [-signal.SIGTERM]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_processes_end_when_the_one_that_started_them_is_killed():
    """Each would wait for ever if another one kept its pipe open."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        pool = Processes(2, abs)
        os.write(writing, b" ".join(str(one.pid).encode() for one in pool.processes))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    pids = [int(pid) for pid in os.read(reading, 100).split()]
    os.close(reading)
    os.close(writing)
    end = time.monotonic() + 10
    while any(_runs(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.005)
    assert [_runs(pid) for pid in pids] == [False, False]


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_where_nothing_can_be_forked_threads_serve(monkeypatch):
    monkeypatch.setattr(batch_processes, "available", lambda: False)
    enqueuer = OrderedEnqueuer(Told(), use_multiprocessing=True)
    with pytest.warns(UserWarning, match="threads"):
        enqueuer.start()
    assert next(enqueuer.get())[0] == os.getpid()
    enqueuer.stop()


def model():
    made = Sequential([Dense(3, input_shape=(4,), kernel_initializer="ones")])
    made.compile("sgd", "mse")
    return made


X, Y = np.ones((2, 4), "float32"), np.zeros((2, 3), "float32")


class Constant(Sequence):
    def __len__(self):
        return 6

    def __getitem__(self, index):
        return X * index, Y


@pytest.mark.parametrize("workers", [1, 3])
def test_training_testing_and_prediction(workers):
    wanted = model()
    for index in range(3):
        wanted.train_on_batch(X * index, Y)
    found = model()
    found.fit_generator(Constant(), steps_per_epoch=3, workers=workers, use_multiprocessing=True, shuffle=False, verbose=0)
    np.testing.assert_array_equal(found.get_weights()[0], wanted.get_weights()[0])
    loss = found.evaluate_generator(Constant(), workers=workers, use_multiprocessing=True)
    assert loss == pytest.approx(np.mean([found.test_on_batch(X * i, Y) for i in range(6)]), rel=1e-5)
    predicted = found.predict_generator(Constant(), workers=workers, use_multiprocessing=True)
    np.testing.assert_array_equal(predicted, np.concatenate([found.predict(X * i) for i in range(6)]))
    assert multiprocessing.active_children() == []


def three():
    for _ in range(3):
        yield X, Y


@pytest.mark.parametrize("processes", [False, True])
def test_a_generator_that_ends_early_ends_the_training(processes):
    with pytest.raises(StopIteration, match="ran out of data"):
        model().fit_generator(three(), steps_per_epoch=50, use_multiprocessing=processes, verbose=0)
    assert multiprocessing.active_children() == []


def test_several_processes_of_one_generator_are_warned_of():
    with pytest.warns(UserWarning, match=r"keras\.utils\.Sequence"):
        model().fit_generator(three(), steps_per_epoch=3, workers=2, use_multiprocessing=True, verbose=0)


@pytest.mark.parametrize("processes", [False, True])
def test_a_callback_ends_what_makes_batches(processes):
    class Stop(Callback):
        def on_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 1

    class Fail(Callback):
        def on_batch_end(self, batch, logs=None):
            raise KeyError("mine")

    made = model()
    made.fit_generator(Constant(), epochs=3, workers=2, use_multiprocessing=processes, callbacks=[Stop()], verbose=0,
                       validation_data=Constant())
    assert made.history.epoch == [0]
    with pytest.raises(KeyError, match="mine"):
        made.fit_generator(Constant(), workers=2, use_multiprocessing=processes, callbacks=[Fail()], verbose=0)
    assert multiprocessing.active_children() == []
