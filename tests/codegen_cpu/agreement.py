"""What the tests of kernels share: a graph compiled, run on several sizes and numbers of threads, and compared."""

import numpy as np

from graphc.compiler import compile_graph
from graphc.ir.dims import bind_shape
from graphc.ir.parser import parse
from tests.codegen_cpu.bounds import check


def assert_same_bits(first, second):
    """Equal types, shapes and bits, but that one NaN is like another: LLVM says nothing of a NaN's sign and payload."""
    for a, b in zip(first, second, strict=True):
        assert a.dtype == b.dtype
        assert a.shape == b.shape
        assert one_nan(a).tobytes() == one_nan(b).tobytes()


def one_nan(array):
    return np.where(np.isnan(array), array.dtype.type(np.nan), array) if array.dtype.kind == "f" else array


def arrays_for(graph, sizes, seed=0, low=-16, high=17, *, normal=False):
    """Multiples of 1/8 for floats (normal=True: numbers whose sums and products round), whole numbers from 0 to 4, bools."""
    rng = np.random.default_rng(seed)
    arrays = []
    for value in graph.inputs:
        shape, dtype = bind_shape(value.type.shape, sizes), value.type.dtype
        if dtype.is_float:
            drawn = rng.normal(size=shape) if normal else rng.integers(low, high, shape) / 8
        else:
            drawn = rng.integers(0, 2 if dtype.kind == "bool" else 5, shape)
        arrays.append(np.asarray(drawn, dtype.numpy))
    return arrays


def assert_agrees(text, sizes, thread_counts, *, kernels=None, fusion=True, normal=False):
    """The graph on every assignment of sizes: within the bounds of the reference, and the same on 1, 2 and 3 threads."""
    graph = parse(text)
    f = compile_graph(graph, fusion=fusion)
    if kernels is not None:
        assert len(f.program.launches) == kernels, [launch.kernel.name for launch in f.program.launches]
    for assignment in sizes:
        arrays = arrays_for(graph, assignment, normal=normal)
        results = []
        for count in (1, 2, 3):
            thread_counts(count)
            results.append(f(*arrays))
        check(graph, arrays, results[0], str(assignment))
        assert_same_bits(results[0], results[1])
        assert_same_bits(results[0], results[2])


class State:
    """A live buffer that an output can be donated to."""

    def __init__(self, array):
        self.array = np.array(array)


def assert_steps_agree(text, sizes, thread_counts, *, steps=3, in_place=None, normal=False):
    """Step by step: what is returned and left in the states is what the graph says of the states before.

    in_place: how many of the donated outputs are written straight over the state. The same bits on 1, 2 and 3 threads.
    """
    graph = parse(text)
    donated = dict(graph.donations)
    for assignment in sizes:
        arrays, runs = arrays_for(graph, assignment, normal=normal), []
        for count in (1, 2, 3):
            thread_counts(count)
            states = {i: State(arrays[i]) for i in donated.values()}
            f = compile_graph(graph, states)
            if in_place is not None:
                assert sum(len(launch.kernel.aliases) for launch in f.program.launches) == in_place
            given, trace = [a for i, a in enumerate(arrays) if i not in states], []
            for step in range(steps):
                before = [states[i].array.copy() if i in states else a for i, a in enumerate(arrays)]
                returned = iter(f(*given))
                results = [states[donated[o]].array.copy() if o in donated else next(returned)
                           for o in range(len(graph.outputs))]
                check(graph, before, results, f"{assignment}, {count} threads, step {step}")
                trace += results
            runs.append(trace)
        assert_same_bits(runs[0], runs[1])
        assert_same_bits(runs[0], runs[2])
