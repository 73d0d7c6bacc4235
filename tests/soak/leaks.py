"""L1: memory stays flat over calls, failing calls and rebuilt models; what a kernel that is new costs for good.

What does not live here: threads, forks, values.
"""

import gc

import numpy as np

from graphc import frontend_keras as keras
from graphc.errors import GraphcError
from graphc.runtime import loader
from tests.soak.models import fresh

K = keras.backend
PAGE = 4096
MEBIBYTE = 1 << 20


def resident():
    """Bytes of this process in memory, after a collection."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE


def growth(work, count, warm=200):
    """Bytes that `count` calls add after `warm` of them, and how many kernels were loaded meanwhile."""
    for _ in range(warm):
        work()
    before, kernels = resident(), len(loader._addresses)
    for _ in range(count):
        work()
    return resident() - before, len(loader._addresses) - kernels


def predicting(name):
    model, x, _ = fresh(name)
    rows = [a[:8] for a in x]
    return lambda: model.predict(rows)


def training(name):
    model, x, y = fresh(name)
    rows, targets = [a[:8] for a in x], [one[:8] for one in y] if isinstance(y, list) else y[:8]
    return lambda: model.train_on_batch(rows, targets)


def many_shapes(name):
    """A new batch size at every call, of which only some bindings are kept."""
    model, x, _ = fresh(name)
    sizes = iter(range(10**9))

    def call():
        n = next(sizes) % 23 + 1
        model.predict([a[:n] for a in x], batch_size=n)

    return call


def failing(name, spoil):
    """A call that is refused."""
    model, x, y = fresh(name)
    bad = spoil([a[:8].copy() for a in x])

    def call():
        try:
            model.train_on_batch(bad, y[:8])
        except GraphcError:
            return
        raise AssertionError("nothing was refused")

    return call


def bad_shape(arrays):
    return [a[:, :-1] for a in arrays]


def bad_index(arrays):
    arrays[0][3, 2] = 300
    return arrays


def bad_type(arrays):
    return [a.astype("S8") for a in arrays]


def rebuilding(name):
    """The same model built, compiled, trained and asked, again and again."""
    def call():
        model, x, y = fresh(name)
        model.train_on_batch(x, y)
        model.predict(x)

    return call


CALLS = {"predict mlp": lambda: predicting("mlp"), "predict words": lambda: predicting("words"),
         "train images": lambda: training("images"), "train words": lambda: training("words"),
         "train merged": lambda: training("merged"), "predict of 23 sizes": lambda: many_shapes("mlp"),
         "a bad shape": lambda: failing("mlp", bad_shape), "a bad index": lambda: failing("words", bad_index),
         "a bad type": lambda: failing("mlp", bad_type)}
LIMIT_CALLS, LIMIT_REBUILT = MEBIBYTE, 5 * MEBIBYTE


def distinct(count):
    """Bytes and kernels of `count` models no two of which share a kernel of their own."""
    def call(number):
        x = K.placeholder((None, 8))
        K.function([x], [K.tanh(x * (number + 0.5)) + K.sum(x * float(number), axis=1, keepdims=True)])([np.ones((2, 8))])

    for number in range(5):
        call(number)
    before, kernels = resident(), len(loader._addresses)
    for number in range(5, count + 5):
        call(number)
    return resident() - before, len(loader._addresses) - kernels


def main(options):
    calls, built, fine = (10_000, 500, True) if options.full else (2_000, 60, True)
    for name, make in CALLS.items():
        grown, loaded = growth(make(), calls)
        fine &= grown <= LIMIT_CALLS and not loaded
        print(f"L1 {name}: {grown / 1024:+.0f} KiB and {loaded} kernels loaded over {calls} calls", flush=True)
    for name in ("mlp", "words"):
        grown, loaded = growth(rebuilding(name), built, warm=20)
        fine &= grown <= LIMIT_REBUILT and not loaded
        print(f"L1 {name} built anew: {grown / 1024:+.0f} KiB and {loaded} kernels loaded over {built} models", flush=True)
    for what in ("compiled", "loaded from the cache"):
        grown, loaded = distinct(built // 5)
        print(f"L1 new kernels, {what}: {grown / 1024 / max(loaded, 1):.1f} KiB each over {loaded}", flush=True)
        loader_forget()
    return fine


def loader_forget():
    """Let the same kernels be loaded again, as by another process that finds them in the cache."""
    loader._addresses.clear()
