"""Sequence and the queues: order, ends of epochs, ends of generators, errors, threads."""

import random
import threading

import pytest

from graphc.errors import ArgumentError
from graphc.frontend_keras.utils import GeneratorEnqueuer, OrderedEnqueuer, Sequence
from graphc.frontend_keras.utils.data_utils import SequenceEnqueuer, iter_sequence_infinite
from graphc.frontend_keras.utils.workers import Workers


class Numbers(Sequence):
    """The numbers below `count`; `said` collects what happens."""

    def __init__(self, count=4, bad=()):
        self.count, self.bad, self.said = count, bad, []

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index in self.bad:
            raise KeyError(f"no {index}")
        return index

    def on_epoch_end(self):
        self.said.append("end")


def taken(batches, count):
    return [next(batches) for _ in range(count)]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_sequence_keeps_its_order_epoch_after_epoch(workers, size):
    enqueuer = OrderedEnqueuer(Numbers())
    enqueuer.start(workers, size)
    assert enqueuer.is_running()
    assert taken(enqueuer.get(), 10) == [0, 1, 2, 3, 0, 1, 2, 3, 0, 1]
    enqueuer.stop()
    assert not enqueuer.is_running()


def test_shuffled_by_pythons_own_generator():
    random.seed(7)
    order, want = list(range(4)), []
    for _ in range(3):
        random.shuffle(order)
        want += order
    random.seed(7)
    enqueuer = OrderedEnqueuer(Numbers(), shuffle=True)
    enqueuer.start(2)
    assert taken(enqueuer.get(), 12) == want
    enqueuer.stop()


def test_the_end_of_an_epoch_is_told_after_its_last_batch_was_used():
    numbers = Numbers(2)
    enqueuer = OrderedEnqueuer(numbers)
    enqueuer.start()
    batches = enqueuer.get()
    for batch in taken(batches, 2):
        numbers.said.append(batch)
    assert numbers.said == [0, 1]
    next(batches)
    assert numbers.said == [0, 1, "end"]
    enqueuer.end_epoch()
    next(batches)
    enqueuer.end_epoch()
    enqueuer.end_epoch()
    assert numbers.said == [0, 1, "end", "end"]
    enqueuer.stop()


def test_no_more_is_made_than_wanted():
    asked = []

    def numbers():
        for i in range(100):
            asked.append(i)
            yield i

    enqueuer = GeneratorEnqueuer(numbers())
    enqueuer.wanted = 3
    enqueuer.start(1, 10)
    assert taken(enqueuer.get(), 3) == [0, 1, 2]
    enqueuer.stop()
    assert asked == [0, 1, 2]


def test_without_threads_in_order_for_ever():
    assert taken(iter_sequence_infinite(Numbers(3)), 7) == [0, 1, 2, 0, 1, 2, 0]
    assert list(Numbers(3)) == [0, 1, 2]


def test_none_is_left_out():
    enqueuer = GeneratorEnqueuer(iter([None, 1, None, 2, None]))
    enqueuer.start(1, 2)
    assert list(enqueuer.get()) == [1, 2]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("size", [1, 50])
def test_a_generator_runs_in_one_thread_and_ends(workers, size):
    enqueuer = GeneratorEnqueuer(i * i for i in range(20))
    enqueuer.start(workers, size)
    assert list(enqueuer.get()) == [i * i for i in range(20)]
    assert not enqueuer.is_running()


def test_several_threads_ask_an_iterator_that_is_made_for_it():
    class Locked:
        def __init__(self):
            self.lock, self.left, self.threads = threading.Lock(), list(range(50)), set()

        def __next__(self):
            with self.lock:
                self.threads.add(threading.get_ident())
                if not self.left:
                    raise StopIteration
                return self.left.pop()

    source = Locked()
    enqueuer = GeneratorEnqueuer(source)
    enqueuer.start(3, 8)
    assert sorted(enqueuer.get()) == list(range(50))
    assert threading.get_ident() not in source.threads


def test_a_generator_in_an_iterator_that_is_not():
    inside, go_on = threading.Event(), threading.Event()

    def slow():
        while True:
            inside.set()
            go_on.wait(10)
            yield 1

    class Wrapped:
        def __init__(self):
            self.batches, self.first, self.lock = slow(), True, threading.Lock()

        def __next__(self):
            with self.lock:
                first, self.first = self.first, False
            if not first:
                inside.wait(10)
            try:
                return next(self.batches)
            finally:
                go_on.set()

    enqueuer = GeneratorEnqueuer(Wrapped())
    enqueuer.start(2, 2)
    with pytest.raises(RuntimeError, match="NOT thread-safe"):
        taken(enqueuer.get(), 2)


def test_errors_come_out_where_the_batch_is_used():
    enqueuer = OrderedEnqueuer(Numbers(3, bad=(1,)))
    enqueuer.start(2)
    batches = enqueuer.get()
    assert next(batches) == 0
    with pytest.raises(KeyError, match="no 1"):
        next(batches)
    assert not enqueuer.is_running()
    enqueuer.stop()

    def broken():
        yield 1
        raise ValueError("out of paper")

    enqueuer = GeneratorEnqueuer(broken())
    enqueuer.start()
    batches = enqueuer.get()
    assert next(batches) == 1
    with pytest.raises(ValueError, match="out of paper"):
        next(batches)


def test_a_sequence_without_batches():
    with pytest.raises(ValueError, match="Numbers: the sequence has no batches"):
        OrderedEnqueuer(Numbers(0)).start()
    for missing in (len, lambda sequence: sequence[0]):
        with pytest.raises(ValueError, match="a Sequence defines"):
            missing(Sequence())


def test_stop_does_not_wait_for_ever():
    never = threading.Event()

    def stuck():
        yield 1
        never.wait()

    enqueuer = GeneratorEnqueuer(stuck())
    enqueuer.start()
    assert next(enqueuer.get()) == 1
    enqueuer.stop(timeout=0.01)
    never.set()


def test_threads_end_after_stop():
    before = set(threading.enumerate())
    enqueuer = OrderedEnqueuer(Numbers())
    enqueuer.start(3)
    mine = set(threading.enumerate()) - before
    assert len(mine) == 3
    assert all(thread.daemon for thread in mine)
    enqueuer.stop()
    for thread in mine:
        thread.join(10)
        assert not thread.is_alive()


def test_calls_run_in_the_order_they_are_handed_in():
    done = []
    workers = Workers(1)
    futures = [workers.submit(done.append, i) for i in range(5)]
    workers.close()
    assert [future.result(10) for future in futures] == [None] * 5
    assert done == [0, 1, 2, 3, 4]


def test_the_base_class_makes_nothing():
    with pytest.raises(TypeError, match="abstract"):
        SequenceEnqueuer(Numbers())


@pytest.mark.parametrize("wrong", [
    None, {}, {"order": [0, 1, 2], "left": 1}, {"order": [0, 1, 2, 2], "left": 1}, {"order": [3, 2, 1, 0], "left": 5},
    {"order": [3, 2, 1, 0], "left": -1}, {"order": [3, 2, 1, 0], "left": 4, "processes": {"seed": [1]}},
    {"order": [3, 2, 1, 0], "left": 4, "processes": {"seed": [1.5], "calls": 2}},
    {"order": [3, 2, 1, 0], "left": 4, "processes": {"seed": [1], "calls": -2}}], ids=str)
def test_what_is_no_position_is_refused(wrong):
    with pytest.raises(ArgumentError, match="not a position in this sequence; expected an order of 4 batches"):
        OrderedEnqueuer(Numbers()).start_at(wrong)


def test_what_was_noted_belongs_to_the_next_batch():
    """Whatever was made ahead of it meanwhile."""
    class Counting(Numbers):
        def get_state(self):
            return len(self.said)

        def __getitem__(self, index):
            self.said.append(index)
            return index

    enqueuer = OrderedEnqueuer(Counting())
    enqueuer.remembers = True
    enqueuer.start(1, 3)
    batches = enqueuer.get()
    for used in range(3):
        assert enqueuer.before_next()[1] == used
        next(batches)
    enqueuer.stop()
