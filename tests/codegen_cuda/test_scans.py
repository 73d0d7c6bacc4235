"""Loops over time as one kernel: the same results as step by step, and the faults that a missing barrier would be."""

import numpy as np
import pytest

from graphc.codegen_cuda import scans
from graphc.codegen_cuda.emit import scan_forms
from graphc.codegen_cuda.lockstep import KernelError
from graphc.compiler import compile_graph
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.passes.choices import Choices
from graphc.passes.pipeline import optimize, plan
from graphc.runtime_cuda.calls import KernelCall
from graphc.runtime_cuda.device import using
from graphc.runtime_cuda.lockstep_device import LockstepDevice
from tests.codegen_cpu.bounds import check

CELL = """graph g(%h: f32[B,{n}], %x: f32[5,B,{n}], %u: f32[{n},{n}]) {{
  %t, %m = scan(%h, %x, %u){{body=graph step(%h: f32[B,{n}], %x: f32[B,{n}], %u: f32[{n},{n}]) {{
    {turn}%p = matmul(%h, {weights})
    %a = add(%p, %x)
    %t = tanh(%a)
    %m = multiply(%t, %h)
    return %t, %m
  }}, carried=1, sliced=1, length=5, reverse={reverse}}}
  return %t, %m
}}"""
MIXED = """graph g(%h: f32[B,6], %x: f32[5,B,6]) {
  %t, %m = scan(%h, %x){body=graph step(%h: f32[B,6], %x: f32[B,6]) {
    %s = reduce_sum(%h){axes=(0,)}
    %c = broadcast(%s){axes=(1,), shape=(B,6)}
    %a = add(%c, %x)
    %t = tanh(%a)
    return %t, %t
  }, carried=1, sliced=1, length=5, reverse=false}
  return %t, %m
}"""


def cell(n, turned=False, reverse=False):
    turn, weights = ("%v = transpose(%u){perm=(1,0)}\n    ", "%v") if turned else ("", "%u")
    return parse(CELL.format(n=n, turn=turn, weights=weights, reverse=str(reverse).lower()))


def arrays_for(graph, rows):
    rng = np.random.default_rng(0)
    return [(rng.normal(size=[d if isinstance(d, int) else rows for d in v.type.shape]) / 3).astype("f4")
            for v in graph.inputs]


def forms_of(graph):
    return scan_forms(plan(optimize(graph, Choices(device=True)), device=True))


@pytest.fixture
def device():
    with using(LockstepDevice()) as device:
        yield device


@pytest.mark.parametrize("rows", [1, 3, 17])
@pytest.mark.parametrize("n", [1, 7, 32, 130, 300])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_all_steps_as_one_kernel(device, n, rows, turned, reverse):
    graph = cell(n, turned, reverse)
    f = compile_graph(graph, target="cuda")
    assert [call.name.split("_")[1] for call in f.calls(B=rows) if isinstance(call, KernelCall)] == ["scan"]
    arrays = arrays_for(graph, rows)
    check(graph, arrays, f(*arrays))


def test_step_by_step_where_the_weights_are_large(device, monkeypatch):
    graph = cell(32)
    arrays = arrays_for(graph, 3)
    together = compile_graph(graph, target="cuda")(*arrays)
    monkeypatch.setattr(scans, "READ_BY_A_LAUNCH", 0)
    f = compile_graph(graph, target="cuda")
    assert len([call for call in f.calls(B=3) if isinstance(call, KernelCall)]) >= 5
    for a, b, want in zip(together, f(*arrays), evaluate(graph, arrays, float64=True), strict=True):
        np.testing.assert_allclose(a, want, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(b, want, rtol=1e-5, atol=1e-6)


def test_rows_that_meet_stay_apart_from_one_kernel(device):
    graph = parse(MIXED)
    assert forms_of(graph) == {}
    arrays = arrays_for(graph, 3)
    check(graph, arrays, compile_graph(graph, target="cuda")(*arrays))


def changed(monkeypatch, change):
    """The kernel of a loop with something wrong in it, run."""
    whole = scans._Writer._file

    def wrong(self, sections, lines, written):
        return whole(self, sections, change(lines), written)

    monkeypatch.setattr(scans._Writer, "_file", wrong)
    graph = cell(40)
    compile_graph(graph, target="cuda")(*arrays_for(graph, 3))


@pytest.mark.parametrize("number", [0, 2])  # after the second, each thread reads what it has written itself
def test_a_missing_barrier_is_found(device, monkeypatch, number):
    def without(lines):
        at = [i for i, line in enumerate(lines) if line.strip() == "cuda.syncthreads()"]
        return lines[:at[number]] + lines[at[number] + 1:]

    with pytest.raises(KernelError, match="a race"):
        changed(monkeypatch, without)


def test_a_row_that_overlaps_the_next_is_found(device, monkeypatch):
    with pytest.raises(KernelError, match="a race"):
        changed(monkeypatch, lambda lines: [line.replace("index32(row * 40)", "index32(row * 39)") for line in lines])


def test_a_step_too_many_is_found(device, monkeypatch):
    with pytest.raises(KernelError, match="outside of"):
        changed(monkeypatch, lambda lines: [line.replace("step < 5", "step < 6") for line in lines])
