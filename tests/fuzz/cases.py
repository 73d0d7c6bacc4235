"""Cases: a graph and the arrays to run it on; and the checks that a right compiler passes on every case.

    passes     each pass of the pipeline keeps every result, leaves a valid graph, which prints and parses back
    gradients  the derivative along a random direction is the one that central differences give
    compiled   the native program, fused and unfused, on one and two threads, lies within the reference's bounds
    steps      the same for a graph with states, step by step, and as one call

What does not live here: where cases come from (graphs.py, models.py), making them small (shrink.py).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import GraphcError
from graphc.ir import Graph, evaluate
from graphc.ir.evaluate import bind_inputs
from graphc.ir.parser import parse
from graphc.ir.printer import print_graph
from graphc.ir.sizes import check_sizes
from graphc.ir.verify import verify
from graphc.passes import pipeline
from graphc.passes.dce import dce
from graphc.passes.loops import each_body
from graphc.passes.scan_prune import prune_scans
from graphc.runtime import assembly, threads
from tests.codegen_cpu.agreement import State, assert_same_bits
from tests.codegen_cpu.bounds import assert_within, reference_and_bounds
from tests.fuzz.graphs import wide
from tests.ir.differences import predicted_and_slopes

RTOL = 1e-12  # of a pass in float64
SLOPE = 1e-5  # of a gradient against differences
STEPS_OF_SLOPES = (1e-4, 3e-5)
STEPS = 3


@dataclass(frozen=True, eq=False)
class Case:
    """arrays: one for each input of the graph; those that something is donated to are states."""

    graph: Graph
    arrays: list[np.ndarray]

    @property
    def states(self) -> set[int]:
        return {i for _, i in self.graph.donations}

    @property
    def sizes(self) -> dict[str, int]:
        return bind_inputs(self.graph.inputs, [a.shape for a in self.arrays])


class RefusedError(Exception):
    """The reference refuses the case: it says nothing about the compiler."""


def refusal(case: Case) -> GraphcError | None:
    """What the reference says of sizes or indices that cannot be."""
    try:
        check_sizes(case.graph, case.sizes)
        evaluate(case.graph, case.arrays)
    except GraphcError as error:
        return error
    return None


def accepted(case: Case) -> None:
    """Raise RefusedError where the reference refuses the case."""
    error = refusal(case)
    if error is not None:
        raise RefusedError(str(error)) from error


# ---- passes


def passes(case: Case) -> None:
    """Raise AssertionError naming the first pass after which a result is another.

    Pass by pass in f64, where folding constants rounds no more than RTOL; then all of them on the graph as it is,
    within the bounds of its element types.
    """
    accepted(case)
    pass_by_pass(wide_case(case))
    graph = case.graph
    for step in pipeline.passes_for():
        graph = step(graph)
    verify(graph)
    found = evaluate(graph, case.arrays, float64=True)
    for i, (got, (want, bound)) in enumerate(zip(found, reference_and_bounds(case.graph, case.arrays), strict=True)):
        with np.errstate(invalid="ignore"):
            slack = bound + RTOL * np.abs(want.astype(float))
        assert_within(got, want, slack, f"after all passes: output {i}")


def pass_by_pass(case: Case) -> None:
    """Raise AssertionError naming the first pass after which a result is another, the graph is invalid, or its text
    reads back as another one. The case holds no f32."""
    graph, wanted = case.graph, None
    for step in pipeline.passes_for():
        name = getattr(step, "__name__", type(step).__name__)
        before, graph = graph, step(graph)
        if graph is before:
            continue
        verify(graph)
        text = print_graph(graph)
        assert print_graph(parse(text)) == text, f"after {name}: the text reads back as another graph"
        assert [v.type for v in graph.outputs] == [v.type for v in case.graph.outputs], f"after {name}: other types"
        assert graph.donations == case.graph.donations, f"after {name}: other donations"
        wanted = wanted or order_of_sums(case)
        for i, (got, (want, bound)) in enumerate(zip(evaluate(graph, case.arrays), wanted, strict=True)):
            assert_within(got, want, bound, f"after {name}: output {i}")


def wide_case(case: Case) -> Case:
    return Case(wide(case.graph), [a.astype("f8") if a.dtype == np.float32 else a for a in case.arrays])


def order_of_sums(case: Case) -> list[tuple[np.ndarray, np.ndarray]]:
    """The results, and how far another order of the same sums may lie from them: RTOL, or the rounding errors of f64
    where differences of nearly equal numbers magnify those."""
    with np.errstate(all="ignore"):
        return [(want, 2 * bound + RTOL * np.where(np.isfinite(want), np.abs(want), 0.0) if want.dtype.kind == "f"
                 else bound) for want, bound in reference_and_bounds(case.graph, case.arrays)]


# ---- gradients


def gradients(case: Case) -> None:
    """Raise AssertionError where the rules' gradients are not the slope that differences give.

    RefusedError where differences of two steps disagree: a kink or a jump lies between, or the slope drowns in rounding.
    """
    accepted(case)
    with np.errstate(all="ignore"):
        predicted, slopes = predicted_and_slopes(case.graph, case.arrays, np.random.default_rng(0), STEPS_OF_SLOPES)
    if not np.allclose(*slopes, rtol=SLOPE / 10, atol=SLOPE / 10):
        raise RefusedError(f"differences disagree: {slopes}")
    np.testing.assert_allclose(predicted, slopes[1], rtol=SLOPE, atol=SLOPE)


# ---- compiled


@contextmanager
def shared_kernels():
    """Threads share every kernel, however small; the number of threads is the old one in the end."""
    before, work = threads.count(), assembly.PARALLEL_WORK
    assembly.PARALLEL_WORK = 0
    try:
        yield threads.set_num_threads
    finally:
        assembly.PARALLEL_WORK = work
        threads.set_num_threads(before)


def compiled(case: Case, fusions: tuple[bool, ...] = (True,), counts: tuple[int, ...] = (1, 2)) -> None:
    """Raise AssertionError where the native program's result lies outside of the reference's bounds, or where it takes
    what the reference refuses."""
    if case.states:
        steps(case, counts)
        return
    error = refusal(case)
    if error is not None:
        if refusal(Case(needed(case.graph), case.arrays)) is not None:
            with pytest.raises(type(error)):
                compile_graph(case.graph)(*case.arrays)
        raise RefusedError(str(error)) from error
    wanted = reference_and_bounds(case.graph, case.arrays)
    with shared_kernels() as set_threads:
        for fusion in fusions:
            set_threads(counts[0])
            f, runs = compile_graph(case.graph, fusion=fusion), []
            for count in counts:
                set_threads(count)
                runs.append(f(*case.arrays))
            assert_all_within(case.graph, runs[0], wanted, "fused" if fusion else "not fused")
            for other in runs[1:]:
                assert_same_bits(runs[0], other)


def needed(graph: Graph) -> Graph:
    """Without ops that nobody needs, in the bodies of loops too: the compiler need not meet an index of theirs."""
    return dce(prune_scans(each_body(dce(graph), lambda body, op: dce(body))))


def assert_all_within(graph, results, wanted, what):
    for i, (value, got, (want, bound)) in enumerate(zip(graph.outputs, results, wanted, strict=True)):
        assert got.dtype == value.type.dtype.numpy, f"{what}: output {i} is {got.dtype}, not {value.type}"
        assert_within(got, want, bound, f"{what}: output {i}")


def steps(case: Case, counts: tuple[int, ...] = (1, 2)) -> None:
    """STEPS steps, each within the bounds of the states before it; and the same bits by one call."""
    accepted(case)
    states = {i: State(case.arrays[i]) for i in sorted(case.states)}
    batches = [[np.roll(a, step) for i, a in enumerate(case.arrays) if i not in states] for step in range(STEPS)]
    runs = []
    with shared_kernels() as set_threads:
        set_threads(counts[0])
        f = compile_graph(case.graph, states)
        for count in counts:
            set_threads(count)
            runs.append(_one_by_one(f, case, states, batches, check=count == 1))
        for other in runs[1:]:
            assert_same_bits(runs[0], other)
        assert_same_bits(runs[0], _by_one_call(f, case, states, batches))


def _begin(states, arrays):
    for i, state in states.items():
        state.array[...] = arrays[i]


def _one_by_one(f, case, states, batches, *, check):
    """What the steps return, step by step, then what they leave in the states."""
    _begin(states, case.arrays)
    graph, donated, trace = case.graph, dict(case.graph.donations), []
    for step, batch in enumerate(batches):
        explicit = iter(batch)
        before = [states[i].array.copy() if i in states else next(explicit) for i in range(len(case.arrays))]
        trace.append(f(*batch))
        if check:
            returned = iter(trace[-1])
            results = [states[donated[o]].array if o in donated else next(returned) for o in range(len(graph.outputs))]
            assert_all_within(graph, results, reference_and_bounds(graph.replace(donations=()), before), f"step {step}")
    return [*(np.stack(column) for column in zip(*trace, strict=True)), *(state.array.copy() for state in states.values())]


def _by_one_call(f, case, states, batches):
    """The same by one native call, the batches one after the other; an input without axes stays the same."""
    _begin(states, case.arrays)
    stepped = [first.ndim > 0 and len(first) > 0 for first in batches[0]]
    given = [np.concatenate(column) if moves else column[0]
             for column, moves in zip(zip(*batches, strict=True), stepped, strict=True)]
    return [*f.run_steps(given, len(batches), stepped), *(state.array for state in states.values())]


CHECKS = {"passes": passes, "gradients": gradients, "compiled": compiled}


def verdict(check, case: Case) -> str:
    """"" where the case passes or is refused by the reference, else the kind of the failure: an error's type."""
    try:
        check(case)
    except RefusedError:
        return ""
    except (Exception, pytest.fail.Exception) as error:
        return type(error).__name__
    return ""


def guilty_pass(case: Case) -> str:
    """The first pass after which the case's results differ; "" where they are the same after all of them."""
    try:
        passes(case)
    except AssertionError as error:
        return str(error).partition("after ")[2].partition(":")[0]
    except RefusedError:
        return ""
    except Exception as error:
        notes = " ".join(getattr(error, "__notes__", []))
        return notes.partition("in pass ")[2].partition(",")[0] or type(error).__name__
    return ""
