"""Random graphs, forward and gradients, with and without states, compiled for the CPU and compared with the reference.

GRAPHC_FUZZ=500 runs 500 graphs instead of the few of the suite, GRAPHC_FUZZ_FIRST=1000 starts from another seed.
Whatever they found stands, cut down, in test_regressions.py.
"""

import os
import random

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import GraphcError
from graphc.ir.dims import bind_shape
from graphc.ir.evaluate import bind_inputs
from graphc.ir.printer import print_graph
from graphc.ir.sizes import check_sizes
from graphc.passes.dce import dce
from graphc.runtime import assembly, threads
from tests.codegen_cpu.agreement import State, assert_same_bits
from tests.codegen_cpu.bounds import assert_within, reference_and_bounds
from tests.fuzz.graphs import in_double, random_graph
from tests.fuzz.states import with_states

FIRST = int(os.environ.get("GRAPHC_FUZZ_FIRST", "0"))
CASES = int(os.environ.get("GRAPHC_FUZZ", "16"))
COUNTS = (1, 2, 3)


@pytest.fixture
def shared_kernels(monkeypatch):
    """Threads share every kernel, however small."""
    monkeypatch.setattr(assembly, "PARALLEL_WORK", 0)
    before = threads.count()
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + CASES))
def test_random_graph(seed, shared_kernels):
    """Two sizes for each compiled graph, and at times a size of zero; the same bits on every number of threads."""
    rng = random.Random(seed)
    drawn = random_graph(rng, rng.randint(8, 22), gradient=seed % 3 == 0)
    drawn = in_double(drawn) if seed % 7 == 5 else drawn
    larger = {name: size + rng.randint(1, 5) for name, size in drawn.sizes.items()}
    empty = {**drawn.sizes, rng.choice("BT"): 0}
    tried = [drawn.sizes, larger]
    if seed % 2 and min((d for v in drawn.graph.inputs for d in bind_shape(v.type.shape, empty)), default=0) >= 0:
        tried.append(empty)
    for fusion in (True, False) if seed % 4 == 0 else (True,):
        f = compile_graph(drawn.graph, fusion=fusion)
        for sizes in tried:
            assert_agrees(f, drawn.graph, drawn.arrays_for(sizes), f"fusion={fusion}, {sizes}")


def assert_agrees(f, graph, arrays, what):
    """Within the bounds of the reference; sizes that the reference refuses are refused with the same type of error."""
    try:
        check_sizes(graph, bind_inputs(graph.inputs, [a.shape for a in arrays]))
        wanted = reference_and_bounds(graph, arrays)
    except GraphcError as error:
        with pytest.raises(type(error)):
            f(*arrays)
        return
    runs = []
    for count in COUNTS:
        threads.set_num_threads(count)
        runs.append(f(*arrays))
    assert_all_within(graph, runs[0], wanted, what)
    assert_same_bits(runs[0], runs[1])
    assert_same_bits(runs[0], runs[2])


def assert_all_within(graph, results, wanted, what):
    for value, got, (want, bound) in zip(graph.outputs, results, wanted, strict=True):
        try:
            assert_within(got, want, bound, what)
        except AssertionError as error:
            error.add_note(f"in\n{print_graph(dce(graph.replace(outputs=(value,), donations=())))}")
            raise


@pytest.mark.parametrize("seed", range(FIRST, FIRST + (CASES + 1) // 2))
def test_random_steps(seed, shared_kernels):
    """Three steps with states: each within the bounds of the one before; by one call the same bits as one by one."""
    rng = random.Random(seed + 10**6)
    drawn = random_graph(rng, rng.randint(6, 16), gradient=seed % 3 == 0, outputs=2)
    graph = with_states(drawn.graph, rng)
    f, states = compiled(graph, drawn.arrays)
    for sizes in (drawn.sizes, {name: size + 1 for name, size in drawn.sizes.items()}):
        arrays = drawn.arrays_for(sizes)
        if any(states[i].array.shape != arrays[i].shape for i in states):
            f, states = compiled(graph, arrays)
        batches = [[np.roll(a, step) for i, a in enumerate(arrays) if i not in states] for step in range(3)]
        runs = []
        for count in COUNTS:
            threads.set_num_threads(count)
            runs.append(one_by_one(f, graph, states, arrays, batches, check=count == 1))
        assert_same_bits(runs[0], runs[1])
        assert_same_bits(runs[0], runs[2])
        assert_same_bits(runs[0], by_one_call(f, states, arrays, batches))


def compiled(graph, arrays):
    """The graph with states of its own, by the number of their input."""
    states = {i: State(arrays[i]) for i in sorted(i for _, i in graph.donations)}
    return compile_graph(graph, states), states


def begin(states, arrays):
    for i, state in states.items():
        state.array[...] = arrays[i]


def one_by_one(f, graph, states, arrays, batches, *, check):
    """What the steps return, step by step, then what they leave in the states."""
    begin(states, arrays)
    donated, trace = dict(graph.donations), []
    for step, batch in enumerate(batches):
        explicit = iter(batch)
        before = [states[i].array.copy() if i in states else next(explicit) for i in range(len(arrays))]
        trace.append(f(*batch))
        if check:
            returned = iter(trace[-1])
            results = [states[donated[o]].array if o in donated else next(returned) for o in range(len(graph.outputs))]
            assert_all_within(graph, results, reference_and_bounds(graph.replace(donations=()), before), f"step {step}")
    return [*(np.stack(column) for column in zip(*trace, strict=True)), *(state.array.copy() for state in states.values())]


def by_one_call(f, states, arrays, batches):
    """The same by one native call, the batches one after the other; an input without axes stays the same."""
    begin(states, arrays)
    stepped = [first.ndim > 0 and len(first) > 0 for first in batches[0]]
    given = [np.concatenate(column) if moves else column[0]
             for column, moves in zip(zip(*batches, strict=True), stepped, strict=True)]
    return [*f.run_steps(given, len(batches), stepped), *(state.array for state in states.values())]
