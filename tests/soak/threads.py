"""T1: one compiled function, one model and many models called from many threads, built in threads, resized meanwhile.

What does not live here: the pool's own tests (tests/runtime/test_threads.py), forks (fork.py).
"""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from graphc import frontend_keras as keras
from graphc.runtime import assembly, threads
from tests.soak.models import digest, fresh, state_of

K = keras.backend


class Mismatches:
    """What differed from the serial result, and what was raised; any thread may add."""

    def __init__(self):
        self.found, self.calls = [], 0
        self._lock = threading.Lock()

    def check(self, what, got, want):
        with self._lock:
            self.calls += 1
            if got != want:
                self.found.append(what)

    def guard(self, work):
        def run(*arguments):
            try:
                work(*arguments)
            except BaseException as error:
                with self._lock:
                    self.found.append(f"{type(error).__name__}: {error}")

        return run


def outputs_of(model, x, size):
    found = model.predict(x, batch_size=size)
    return digest(found if isinstance(found, list) else [found])


def in_threads(work, count):
    """`work(i)` for each i, all at once."""
    barrier = threading.Barrier(count)

    def begin(i):
        barrier.wait()
        work(i)

    started = [threading.Thread(target=begin, args=(i,)) for i in range(count)]
    for one in started:
        one.start()
    for one in started:
        one.join()


def same_function(calls, workers=8):
    """One K.function and one model, all threads, several batch sizes."""
    seen, sizes = Mismatches(), (1, 7, 32)
    for name in ("mlp", "words", "images"):
        model, x, _ = fresh(name)
        function = K.function(model.inputs, model.outputs)
        want = {n: (digest(function([a[:n] for a in x])), outputs_of(model, [a[:n] for a in x], n)) for n in sizes}

        def work(i, function=function, model=model, x=x, want=want, name=name):
            for call in range(calls):
                n = sizes[(i + call) % len(sizes)]
                rows = [a[:n] for a in x]
                if call % 2:
                    seen.check(f"function of {name}", digest(function(rows)), want[n][0])
                else:
                    seen.check(f"predict of {name}", outputs_of(model, rows, n), want[n][1])

        in_threads(seen.guard(work), workers)
    return seen


def different_models(calls, workers=8):
    """Each thread trains and asks a model of its own; weights and losses as in a serial run.

    No model draws random numbers: their step is the session's, so their order would be the threads' order.
    """
    names = ("images", "words", "both_ways")
    want = {name: _trained(name, calls) for name in names}
    seen = Mismatches()

    models = [(name, *fresh(name)) for name in (names[i % len(names)] for i in range(workers))]

    def work(i):
        name, model, x, y = models[i]
        seen.check(f"training of {name}", _train(model, x, y, calls), want[name])

    in_threads(seen.guard(work), workers)
    seen.calls *= calls
    return seen


def _trained(name, steps):
    return _train(*fresh(name), steps)


def _train(model, x, y, steps):
    n = len(x[0]) // 2
    losses = []
    for step in range(steps):
        rows = slice(0, n) if step % 2 else slice(n, 2 * n)
        losses.append(model.train_on_batch([a[rows] for a in x], y[rows]))
    return digest(losses) + state_of(model)


def train_beside_predict(calls, workers=8):
    """One thread trains a model whose weights are all equal after each step; others must never see a mixture."""
    units = 400
    model = keras.models.Sequential([keras.layers.Dense(units, use_bias=False, kernel_initializer="ones",
                                                        input_shape=(units,))])
    model.compile(keras.optimizers.SGD(2.0**-12), lambda true, predicted: K.sum(predicted) / units)
    x, y = np.ones((1, units), "f4"), np.zeros((1, units), "f4")
    model.predict(x)
    model.train_on_batch(x, y)
    seen = Mismatches()

    def work(i):
        for _ in range(calls):
            if i == 0:
                model.train_on_batch(x, y)
            found = model.predict(x)
            seen.check("weights of two steps", len(np.unique(found)), 1)

    in_threads(seen.guard(work), workers)
    return seen


def first_calls(rounds, workers=8):
    """A new model's first calls come from all threads: one compilation, one optimizer, one array a variable."""
    seen = Mismatches()
    for round_ in range(rounds):
        name = ("mlp", "words")[round_ % 2]
        model, x, y = fresh(name)
        alone, _, _ = fresh(name)
        want = outputs_of(alone, x, 16)
        slots = []

        def work(i, model=model, x=x, y=y, want=want, slots=slots, name=name):
            if i % 2:
                seen.check(f"first predict of {name}", outputs_of(model, x, 16), want)
            else:
                model._make_test_function()
                slots.append(model._functions.special("train"))

        in_threads(seen.guard(work), workers)
        seen.check("training functions", len({id(s) for s in slots}), 1)
    return seen


def built_in_threads(rounds, workers=8):
    """Models built, compiled and trained in threads: unique names, the same kernels' results."""
    seen = Mismatches()
    for _ in range(rounds):
        K.clear_session()
        names = []

        def work(i, names=names):
            model = keras.models.Sequential([keras.layers.Dense(8 + i % 3, input_shape=(5,), kernel_initializer="ones"),
                                             keras.layers.Dense(2, kernel_initializer="ones")])
            model.compile("sgd", "mse")
            found = model.predict(np.ones((3, 5), "f4"))
            seen.check("a built model", found.tolist(), [[5.0 * (8 + i % 3)] * 2] * 3)
            model.train_on_batch(np.ones((3, 5), "f4"), np.zeros((3, 2), "f4"))
            names.extend([model.name, *(layer.name for layer in model.layers), *(w.name for w in model.weights)])

        in_threads(seen.guard(work), workers)
        seen.check("names", len(set(names)), len(names))
    return seen


def resized(seconds, workers=8):
    """Models called while another thread changes the number of threads all the time."""
    seen = Mismatches()
    models = {}
    for name in ("images", "words", "both_ways"):
        model, x, _ = fresh(name)
        models[name] = model, x, outputs_of(model, x, 32)
    before, end = threads.count(), time.monotonic() + seconds
    changes = [0]

    def work(i):
        if i == 0:
            while time.monotonic() < end:
                threads.set_num_threads(changes[0] * 5 % 4 + 1)
                changes[0] += 1
            return
        name = list(models)[i % len(models)]
        model, x, want = models[name]
        while time.monotonic() < end:
            seen.check(f"{name} resized", outputs_of(model, x, 32), want)

    try:
        in_threads(seen.guard(work), workers)
    finally:
        threads.set_num_threads(before)
    seen.changes = changes[0]
    return seen


def in_executors(calls, workers=4):
    """Through ThreadPoolExecutor, nested, and asyncio.to_thread."""
    seen = Mismatches()
    model, x, _ = fresh("mlp")
    want = outputs_of(model, x, 32)
    with ThreadPoolExecutor(workers) as outer, ThreadPoolExecutor(workers) as inner:
        def nested(_):
            return list(inner.map(lambda _: outputs_of(model, x, 32), range(2)))

        for pair in outer.map(nested, range(calls)):
            for one in pair:
                seen.check("executor", one, want)

    async def many():
        return await asyncio.gather(*(asyncio.to_thread(outputs_of, model, x, 32) for _ in range(calls)))

    for one in asyncio.run(many()):
        seen.check("asyncio.to_thread", one, want)
    return seen


def checks(options):
    """(what, what it does) for the command; the suite runs the same with fewer calls."""
    calls = 2000 if options.full else 200
    return {"one function, 8 threads": lambda: same_function(calls), "a model each": lambda: different_models(calls),
            "training beside prediction": lambda: train_beside_predict(calls),
            "first calls": lambda: first_calls(calls // 20), "built in threads": lambda: built_in_threads(calls // 20),
            "resized": lambda: resized(calls / 50), "executors": lambda: in_executors(calls // 2)}


def main(options):
    fine = True
    for shared in (False, True):
        assembly.PARALLEL_WORK = 0 if shared else 1 << 17
        for name, check in checks(options).items():
            seen = check()
            fine &= not seen.found
            more = f", {seen.changes} changes" if hasattr(seen, "changes") else ""
            print(f"T1 {name}, every kernel {'shared' if shared else 'as is'}: {seen.calls} calls{more}, "
                  f"{len(seen.found)} wrong {sorted(set(seen.found))[:3] or ''}", flush=True)
    return fine


