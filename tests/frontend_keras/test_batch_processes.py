"""Batches made by processes."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from graphc.frontend_keras.utils import batch_processes
from graphc.frontend_keras.utils.batch_processes import Processes, WorkerError
from graphc.frontend_keras.utils.data_utils import GeneratorEnqueuer, OrderedEnqueuer, Sequence

pytestmark = pytest.mark.skipif(not batch_processes.available(), reason="no fork")


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


def test_each_process_has_the_generator(batches):
    def counting():
        yield from range(3)

    alone = GeneratorEnqueuer(counting(), use_multiprocessing=True)
    assert batches(alone, 1, 3) == [0, 1, 2]
    ended = GeneratorEnqueuer(counting(), use_multiprocessing=True, random_seed=3)
    ended.start(2, 10)
    assert sorted(ended.get()) == [0, 0, 1, 1, 2, 2]


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
