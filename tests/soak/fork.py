"""T2: children made after a launch, in every way, predict what the parent predicts; the parent goes on as before.

What does not live here: threads without forks (threads.py).
"""

import faulthandler
import multiprocessing
import os
import threading
import time
import traceback
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from graphc import frontend_keras as keras
from graphc.runtime import threads
from tests.soak.models import fresh
from tests.soak.threads import outputs_of

PATIENCE = 60  # seconds after which a child that hangs is ended
NAME = "words"


def in_child(work):
    """None if `work()` is true in a forked child, else what happened there."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        faulthandler.dump_traceback_later(PATIENCE, exit=True)
        try:
            status = 0 if work() else 1
        except BaseException:
            os.write(writer, traceback.format_exc().encode()[-2000:])
            status = 2
        os._exit(status)
    os.close(writer)
    with open(reader, "rb") as pipe:
        told = pipe.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return None if status == 0 else f"status {status} {told}"


def asks(number=0):
    """What one child does, and its result: it builds the model anew, trains it a step and asks it."""
    model, x, y = fresh(NAME)
    before = outputs_of(model, x, 32)
    model.train_on_batch(x, y)
    return before, outputs_of(model, x, 32)


def compiles_something_new(number):
    """A kernel that nobody has compiled before."""
    model = keras.models.Sequential([keras.layers.Lambda(lambda x: x * float(number) + 0.5, input_shape=(3,))])
    return bool((model.predict(np.ones((2, 3))) == np.float32(number + 0.5)).all())


class Disturbed:
    """Threads that launch, train, compile and resize until the block ends."""

    def __init__(self):
        self.models = [fresh(name) for name in ("words", "images")]
        for model, x, y in self.models:
            model.train_on_batch(x, y)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._again, args=(work,)) for work in
                         (self._predict, self._train, self._compile, self._resize)]
        self.turns = 0

    def _again(self, work):
        while not self._stop.is_set():
            work()
            self.turns += 1
            time.sleep(0.02)  # the forks wait for compilations and need their turn

    def _predict(self):
        outputs_of(self.models[0][0], self.models[0][1], 48)

    def _train(self):
        model, x, y = self.models[1]
        model.fit(x, y, verbose=0, batch_size=8, epochs=3)

    def _compile(self):
        compiles_something_new(np.random.default_rng().integers(1, 1 << 20))

    def _resize(self):
        threads.set_num_threads(self.turns % 3 + 1)

    def __enter__(self):
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for one in self._threads:
            one.join()


def forked(children, thread=False):
    """Failures of children forked by this thread or by another one."""
    model, x, _ = fresh(NAME)
    want, failures = outputs_of(model, x, 32), []

    def work():
        for number in range(children):
            told = in_child(lambda number=number: outputs_of(model, x, 32) == want
                            and (number % 10 or compiles_something_new(number + 0.25)))
            failures.extend([told] if told else [])
            if outputs_of(model, x, 32) != want:
                failures.append("the parent's result changed")

    if thread:
        forking = threading.Thread(target=work)
        forking.start()
        forking.join()
    else:
        work()
    return failures


def forked_while_busy(children):
    """Failures of children forked while other threads run programs, compile and resize."""
    before = threads.count()
    model, x, _ = fresh(NAME)
    want, failures = outputs_of(model, x, 32), []
    try:
        with Disturbed() as others:
            busy, rows, _ = others.models[0]
            expected = outputs_of(busy, rows, 48)
            for number in range(children):
                told = in_child(lambda number=number: outputs_of(model, x, 32) == want
                                and outputs_of(busy, rows, 48) == expected and _trains(others.models[1])
                                and (number % 10 or compiles_something_new(number + 0.75)))
                failures.extend([told] if told else [])
                if outputs_of(model, x, 32) != want:
                    failures.append("the parent's result changed")
    finally:
        threads.set_num_threads(before)
    return failures


def _trains(whole):
    model, x, y = whole
    return np.isfinite(model.train_on_batch(x, y))


def pooled(method, children, workers=2):
    """Failures of a pool's children, started by this method after a launch here."""
    want = asks()
    with multiprocessing.get_context(method).Pool(workers) as pool:
        got = pool.map(asks, range(children), chunksize=1)
    return [f"{method}: another result"] * sum(one != want for one in got)


def processes(method, children):
    """Failures of children that are one process each."""
    context, failures = multiprocessing.get_context(method), []
    asks()
    for _ in range(children):
        child = context.Process(target=asks)
        child.start()
        child.join(PATIENCE)
        if child.exitcode != 0:
            failures.append(f"{method}: exit code {child.exitcode}")
    return failures


def executor(children, workers=2):
    want = asks()
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("fork")) as pool:
        got = list(pool.map(asks, range(children)))
    return ["ProcessPoolExecutor: another result"] * sum(one != want for one in got)


def main(options):
    count = 100 if options.full else 20
    fine = True
    for what, check in {
            "os.fork": lambda: forked(count), "os.fork in a thread": lambda: forked(count, thread=True),
            "os.fork while busy": lambda: forked_while_busy(count),
            "processes by fork": lambda: processes("fork", count),
            "processes by spawn": lambda: processes("spawn", count),
            "processes by forkserver": lambda: processes("forkserver", count),
            "a pool by fork": lambda: pooled("fork", count), "a pool by spawn": lambda: pooled("spawn", count),
            "a pool by forkserver": lambda: pooled("forkserver", count),
            "ProcessPoolExecutor": lambda: executor(count)}.items():
        failures = check()
        fine &= not failures
        print(f"T2 {what}: {count} children, {len(failures)} failures {sorted(set(failures))[:3] or ''}", flush=True)
    return fine
