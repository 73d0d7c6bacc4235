"""N3: an index that is out of range or not whole is an IndexError, whatever its type, op, device and number of threads; nothing has changed.

What does not live here: other special values (numbers.py).
"""

import itertools

import numpy as np

from graphc import frontend_keras as keras
from graphc.compiler import compile_graph
from graphc.errors import GraphcError
from graphc.ir.parser import parse
from graphc.runtime import assembly, threads
from graphc.runtime_cuda.device import using
from graphc.runtime_cuda.lockstep_device import LockstepDevice
from tests.soak.models import digest

K, layers = keras.backend, keras.layers
ROWS = 7
BAD = [-1, ROWS, 2**31, -2**63, float("nan"), float("inf"), 1.5, 1e30]
DTYPES = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"]
OPS = {
    "gather": "graph g(%t: f32[7,3], %i: {0}[N]) {{\n%r = gather(%t, %i){{axis=0}}\nreturn %r\n}}",
    "gather of rows": "graph g(%t: f32[4,7], %i: {0}[N]) {{\n%r = gather(%t, %i){{axis=1}}\nreturn %r\n}}",
    "one_hot": "graph g(%t: f32[7,3], %i: {0}[N]) {{\n%r = one_hot(%i){{depth=7, dtype=f32}}\n%s = matmul(%r, %t)\nreturn %s\n}}",
    "gather_grad": "graph g(%t: f32[N,3], %i: {0}[N]) {{\n%r = gather_grad(%t, %i){{axis=0, size=7}}\nreturn %r\n}}",
}
TYPES = {"i1": "i8", "i2": "i16", "i4": "i32", "i8": "i64", "u1": "u8", "u2": "u16", "u4": "u32", "u8": "u64"}


def represented(bad, dtype):
    """The value in this type, or None where the type has no such number."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return kind.type(bad)
    if bad % 1 or bad != bad or not np.iinfo(kind).min <= bad <= np.iinfo(kind).max:
        return None
    return kind.type(bad)


def op_failures():
    """Ops of the graph, called with numbers of their own type."""
    failures, count = [], 0
    for (name, text), dtype, bad in itertools.product(OPS.items(), TYPES, BAD):
        value = represented(bad, dtype)
        if value is None:
            continue
        good = np.arange(40).astype(dtype) % ROWS
        wrong = good.copy()
        wrong[33] = value
        table = np.arange(28 if "rows" in name else 120 if "grad" in name else 21, dtype="f4")
        table = table.reshape((4, 7) if "rows" in name else (-1, 3))
        f = compile_graph(parse(text.format(TYPES[dtype])))
        want = digest(f(table, good))
        count += 1
        told = refused(lambda f=f, table=table, wrong=wrong: f(table, wrong))
        if name == "one_hot":  # zeros for such a number, as in Keras
            told = None if told == "nothing raised" else told
        failures += [f"{name} {dtype} {bad}: {told}"] if told else []
        failures += [f"{name} {dtype} {bad}: another result"] if digest(f(table, good)) != want else []
    return count, failures


def refused(call):
    """None where the call raises IndexError of ours, else what it did."""
    try:
        call()
    except IndexError as error:
        return None if isinstance(error, GraphcError) else f"{type(error).__name__}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "nothing raised"


def embedding():
    np.random.seed(0)
    model = keras.models.Sequential([layers.Embedding(ROWS, 4, input_length=3), layers.Flatten(), layers.Dense(1)])
    model.compile("rmsprop", "mse")
    return model, np.ones((40, 3), "i4"), np.zeros((40, 1), "f4"), 0


def classes():
    np.random.seed(0)
    model = keras.models.Sequential([layers.Dense(ROWS, activation="softmax", input_shape=(5,))])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model, np.ones((40, 5), "f4"), np.ones((40, 1), "i4"), 1


def model_failures(target, dtypes=DTYPES):
    """Embedding and sparse categorical crossentropy: each value, each type, predicting and training."""
    failures, count = [], 0
    for make in (embedding, classes):
        model, x, y, which = make()
        for dtype, bad in itertools.product(dtypes, BAD):
            value = represented(bad, dtype)
            if value is None:
                continue
            data = [x, y]
            data[which] = data[which].astype(dtype)
            model.train_on_batch(*data)
            before = digest([*model.get_weights(), *model.optimizer.get_weights()])
            wrong = [a.copy() for a in data]
            wrong[which][37, -1] = value
            for how, call in _calls(model, wrong, which == 0).items():
                count += 1
                told = refused(call)
                failures += [f"{target} {make.__name__} {dtype} {bad} {how}: {told}"] if told else []
            if digest([*model.get_weights(), *model.optimizer.get_weights()]) != before:
                failures.append(f"{target} {make.__name__} {dtype} {bad}: weights changed")
            if not np.isfinite(model.test_on_batch(*data)):
                failures.append(f"{target} {make.__name__} {dtype} {bad}: unusable afterwards")
    return count, failures


def _calls(model, data, predicts):
    calls = {"train": lambda: model.train_on_batch(*data), "test": lambda: model.test_on_batch(*data),
             "fit": lambda: model.fit(*data, batch_size=40, verbose=0)}
    return calls | ({"predict": lambda: model.predict(data[0])} if predicts else {})


def on_cpu(count, dtypes=DTYPES):
    was, shared = threads.count(), assembly.PARALLEL_WORK
    threads.set_num_threads(count)
    assembly.PARALLEL_WORK = 0 if count > 1 else shared
    try:
        return model_failures(f"cpu on {count}", dtypes)
    finally:
        assembly.PARALLEL_WORK = shared
        threads.set_num_threads(was)


def on_device(dtypes=DTYPES):
    before = K.target()
    K.set_target("cuda")
    try:
        with using(LockstepDevice()):
            return model_failures("cuda", dtypes)
    finally:
        K.set_target(before)


def main(options):
    fine = True
    for what, check in {"ops": op_failures, "models, one thread": lambda: on_cpu(1),
                        "models, three threads": lambda: on_cpu(3), "models, CUDA in lockstep": on_device}.items():
        count, failures = check()
        fine &= not failures
        print(f"N3 {what}: {count} calls, {len(failures)} failures {failures[:6] or ''}", flush=True)
    return fine
