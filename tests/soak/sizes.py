"""N4: shapes whose product overflows are refused with a typed error, at once and without memory being taken.

What does not live here: sizes in model files (the tests of graphc.frontend_keras.saving).
"""

import resource
import time
from importlib import import_module

import numpy as np

from graphc import frontend_keras as keras
from graphc.compiler import compile_graph
from graphc.errors import GraphcError, OutOfMemoryError
from graphc.ir.parser import parse
from graphc.runtime import loader

K, layers = keras.backend, keras.layers
POWERS = {"2^31": 2**31, "2^32": 2**32, "2^63": 2**63}
LONGEST = 0.1  # seconds of processor time
FEW_BYTES = 128 << 20  # what a compilation may take, and far less than any of the sizes


def built(*stack, shape):
    def make():
        model = keras.models.Sequential([layers.Activation("linear", input_shape=shape), *(layer() for layer in stack)])
        model.predict(np.ones((1, *shape), "f4"))

    return make


def graph(text, *shapes):
    def make():
        compile_graph(parse(text))(*(np.ones(shape, "f4") for shape in shapes))

    return make


def cases():
    """(name, what must be refused): results of 2^31, 2^32, 2^63 elements times a few and more."""
    found = {}
    for name, n in POWERS.items():
        side = round(n ** 0.5) + 1
        found.update({
            f"Dense units {name}": built(lambda n=n: layers.Dense(n * 64), shape=(64,)),
            f"RepeatVector {name}": built(lambda n=n: layers.RepeatVector(n * 16), shape=(64,)),
            f"UpSampling1D {name}": built(lambda n=n: layers.UpSampling1D(n * 16), shape=(8, 8)),
            f"UpSampling2D {name}": built(lambda s=side: layers.UpSampling2D((s * 4, s * 4)), shape=(8, 8, 4)),
            f"UpSampling3D {name}": built(lambda s=side: layers.UpSampling3D((s, s, 64)), shape=(4, 4, 4, 2)),
            f"ZeroPadding1D {name}": built(lambda n=n: layers.ZeroPadding1D(n * 16), shape=(8, 64)),
            f"ZeroPadding2D {name}": built(lambda s=side: layers.ZeroPadding2D(s * 4), shape=(8, 8, 64)),
            f"Conv2D filters {name}": built(lambda n=n: layers.Conv2D(n * 16, 1), shape=(64, 64, 3)),
            f"Conv2DTranspose {name}": built(lambda s=side: layers.Conv2DTranspose(8, 3, strides=s * 4), shape=(9, 9, 2)),
            f"Embedding {name}": built(lambda n=n: layers.Embedding(n * 16, 64), shape=(4,)),
            f"LSTM units {name}": built(lambda s=side: layers.LSTM(s * 16), shape=(4, 3)),
            f"Reshape {name}": built(lambda n=n: layers.Reshape((n, -1)), shape=(64,)),
            f"Lambda tile {name}": built(lambda n=n: layers.Lambda(lambda x: K.tile(x, [1, n * 16])), shape=(64,)),
            f"broadcast {name}": graph(f"graph g(%x: f32[B]) {{\n%y = broadcast(%x){{axes=(0,), shape=(B,{n * 64})}}\n"
                                       "return %y\n}", (8,)),
            f"outer sum {name}": graph(f"graph g(%x: f32[B,{1}]) {{\n%y = pad(%x){{low=(0,0), high=(0,{n * 64}), value=0.0}}\n"
                                       "return %y\n}", (8, 1)),
        })
    return found


def most_resident():
    """The most bytes of memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def refused(call):
    """(None where the call raises an error of ours, takes no memory and compiles nothing, else what it did; seconds)."""
    before, kernels, begin = most_resident(), len(loader._addresses), time.process_time()
    try:
        call()
        told = "accepted"
    except GraphcError:
        told = None
    except BaseException as error:
        told = f"{type(error).__name__}: {error!s:.90}"
    seconds, most = time.process_time() - begin, most_resident() - before
    if told is None and most > FEW_BYTES:
        told = f"{most >> 20} MiB taken"
    if told is None and len(loader._addresses) > kernels:
        told = "kernels compiled"
    return told, seconds


def failures_of(names=None):
    """(failures, longest seconds of processor time) of these cases or of all."""
    failures, longest = [], 0.0
    import_module("graphc.codegen_cpu.processes")  # Numba, whose import is none of the cases' memory
    for name, call in cases().items():
        if names is None or name in names:
            K.clear_session()
            told, seconds = refused(call)
            longest = max(longest, seconds)
            failures += [f"{name}: {told}"] if told else []
    return failures, longest


def too_large():
    """What a model does with a batch that no memory holds, and whether it gives the same as before afterwards."""
    model = keras.models.Sequential([layers.Dense(1 << 18, input_shape=(2,), kernel_initializer="ones")])
    function = K.function(model.inputs, [K.sum(K.cumsum(model.output, axis=1))])
    x = np.ones((4, 2), "f4")
    want = function([x])[0]
    told = None
    try:
        function([np.broadcast_to(np.ones((1, 2), "f4"), (1 << 24, 2))])
        told = "accepted"
    except OutOfMemoryError:
        pass
    return told or (None if function([x])[0] == want else "another result afterwards")


def main(options):
    told = too_large()
    print(f"N4 a batch too large for the memory: {told or 'OutOfMemoryError, and usable afterwards'}")
    failures, longest = failures_of()
    failures += [told] if told else []
    print(f"N4: {len(cases())} shapes, {len(failures)} failures, the longest {longest * 1000:.0f} ms")
    for failure in failures:
        print(f"   {failure}")
    return not failures and longest < LONGEST
