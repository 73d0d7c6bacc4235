"""Random graphs, forward and gradients, compiled for the CPU and compared with the reference in float64.

GRAPHC_FUZZ=500 runs 500 graphs instead of the few of the suite, GRAPHC_FUZZ_FIRST=1000 starts from another seed.
Whatever they found stands, cut down, in test_regressions.py.
"""

import os
import random

import pytest

from graphc.compiler import compile_graph
from graphc.ir.printer import print_graph
from graphc.passes.dce import dce
from graphc.runtime import binding, threads
from tests.codegen_cpu.bounds import assert_within, reference_and_bounds
from tests.passes.random_graphs import random_graph

FIRST = int(os.environ.get("GRAPHC_FUZZ_FIRST", "0"))
CASES = int(os.environ.get("GRAPHC_FUZZ", "30"))


@pytest.fixture
def shared_kernels(monkeypatch):
    """Threads share every kernel, however small."""
    monkeypatch.setattr(binding, "PARALLEL_WORK", 0)
    before = threads.count()
    yield
    threads.set_num_threads(before)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + CASES))
def test_random_graph(seed, shared_kernels):
    rng = random.Random(seed)
    drawn = random_graph(rng, rng.randint(8, 22), gradient=seed % 3 == 0)
    larger = {name: size + rng.randint(1, 5) for name, size in drawn.sizes.items()}
    for fusion in (True, False) if seed % 4 == 0 else (True,):
        f = compile_graph(drawn.graph, fusion=fusion)
        for sizes in (drawn.sizes, larger):
            arrays = drawn.arrays_for(sizes)
            wanted = reference_and_bounds(drawn.graph, arrays)
            for count in (1, 2):
                threads.set_num_threads(count)
                assert_all_within(drawn.graph, f(*arrays), wanted, f"fusion={fusion}, {sizes}, {count} threads")


def assert_all_within(graph, results, wanted, what):
    for value, got, (want, bound) in zip(graph.outputs, results, wanted, strict=True):
        try:
            assert_within(got, want, bound, what)
        except AssertionError as error:
            error.add_note(f"in\n{print_graph(dce(graph.replace(outputs=(value,))))}")
            raise
