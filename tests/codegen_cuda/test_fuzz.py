"""Random graphs, forward and gradients, with and without states, run in lockstep and compared with the reference.

GRAPHC_FUZZ=500 runs 500 graphs instead of the few of the suite, GRAPHC_FUZZ_FIRST=1000 starts from another seed.
"""

import os
import random

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import GraphcError
from graphc.ir.evaluate import bind_inputs
from graphc.ir.sizes import check_sizes
from graphc.runtime_cuda.device import using
from graphc.runtime_cuda.lockstep_device import LockstepDevice
from tests.codegen_cpu.agreement import State, assert_same_bits
from tests.codegen_cpu.bounds import reference_and_bounds
from tests.fuzz.cases import assert_all_within
from tests.fuzz.graphs import in_double, random_graph
from tests.fuzz.states import with_states

FIRST = int(os.environ.get("GRAPHC_FUZZ_FIRST", "0"))
CASES = int(os.environ.get("GRAPHC_FUZZ", "16"))


@pytest.fixture(autouse=True)
def device():
    with using(LockstepDevice()) as device:
        yield device


@pytest.mark.parametrize("seed", range(FIRST, FIRST + CASES))
def test_random_graph(seed):
    rng = random.Random(seed)
    drawn = random_graph(rng, rng.randint(8, 22), gradient=seed % 3 == 0)
    drawn = in_double(drawn) if seed % 7 == 5 else drawn
    f = compile_graph(drawn.graph, target="cuda", fusion=seed % 4 != 1)
    for sizes in (drawn.sizes, {name: size + 2 for name, size in drawn.sizes.items()}):
        arrays = drawn.arrays_for(sizes)
        try:
            check_sizes(drawn.graph, bind_inputs(drawn.graph.inputs, [a.shape for a in arrays]))
            wanted = reference_and_bounds(drawn.graph, arrays)
        except GraphcError as error:
            with pytest.raises(type(error)):
                f(*arrays)
            continue
        results = f(*arrays)
        assert_all_within(drawn.graph, results, wanted, str(sizes))
        assert_same_bits(results, f(*arrays))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + (CASES + 1) // 2))
def test_random_steps(seed):
    """Several steps as one call leave the same bits as one by one."""
    rng = random.Random(seed + 10**6)
    drawn = random_graph(rng, rng.randint(6, 16), gradient=seed % 3 == 0, outputs=2)
    graph = with_states(drawn.graph, rng)
    places = dict(graph.donations).values()
    arrays = drawn.arrays_for(drawn.sizes)
    batches = [[np.roll(a, step) for i, a in enumerate(arrays) if i not in places] for step in range(3)]
    runs = []
    for together in (False, True):
        states = {i: State(arrays[i]) for i in places}
        f = compile_graph(graph, states, target="cuda")
        try:
            if together:
                stepped = [a.ndim > 0 for a in batches[0]]
                given = [np.concatenate(column) if s else column[0] for column, s in zip(zip(*batches), stepped)]
                results = f.run_steps(given, 3, stepped)
            else:
                results = [np.stack(column) for column in zip(*(f(*batch) for batch in batches))]
        except (GraphcError, ValueError):
            return  # what the reference refuses is the other test's
        runs.append([*results, *(state.array for state in states.values())])
    assert_same_bits(*runs)
