"""Scans: passes keep their values, gradients are right, compiled ones agree with the steps written out."""

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.errors import ShapeError
from graphc.ir.dims import bind_shape
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.ir.printer import print_graph
from graphc.ir.verify import verify
from graphc.passes.pipeline import optimize
from graphc.passes.scan_fission import scan_fission
from graphc.passes.scan_prune import merge_scans, prune_scans
from graphc.passes.scan_rows import scan_rows
from graphc.runtime import loop_room
from tests.codegen_cpu.bounds import check
from tests.ir.differences import check_gradient, gradient_graph
from tests.ir.unrolling import unrolled
from tests.passes.scan_graphs import GRAPHS

SIZES = [{"B": 2, "T": 3}, {"B": 1, "T": 1}, {"B": 7, "T": 5}]
NAMES = pytest.mark.parametrize("name", GRAPHS)


def arrays_for(graph, sizes, seed=0):
    rng = np.random.default_rng(seed)
    kinds = {"f": lambda shape: rng.uniform(-1, 1, shape), "b": lambda shape: rng.integers(0, 2, shape),
             "i": lambda shape: rng.integers(0, 9, shape)}
    return [kinds[v.type.dtype.numpy.kind](bind_shape(v.type.shape, sizes)).astype(v.type.dtype.numpy)
            for v in graph.inputs]


def assert_same(before, after, sizes):
    arrays = arrays_for(before, sizes)
    for old, new in zip(evaluate(before, arrays, float64=True), evaluate(after, arrays, float64=True), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-12, atol=1e-12)


@NAMES
def test_a_scan_is_its_steps_written_out(name):
    graph = parse(GRAPHS[name])
    verify(graph)
    assert print_graph(parse(print_graph(graph))) == print_graph(graph)
    for sizes in SIZES:
        assert_same(graph, unrolled(graph, sizes), sizes)


@NAMES
@pytest.mark.parametrize("step", [merge_scans, prune_scans, scan_fission, scan_rows, optimize],
                         ids=lambda step: step.__name__)
def test_passes_keep_the_values(name, step):
    for graph in (parse(GRAPHS[name]), gradient_of(name)):
        changed = step(prune_scans(merge_scans(graph)) if step is not optimize else graph)
        verify(changed)
        for sizes in SIZES:
            assert_same(graph, changed, sizes)


@NAMES
def test_compiled(name, monkeypatch):
    monkeypatch.setattr(loop_room, "SHARED_WORK", 0)
    for graph in (parse(GRAPHS[name]), gradient_of(name)):
        call = compile_graph(graph)
        for sizes in SIZES:
            arrays = arrays_for(graph, sizes)
            check(graph, arrays, call(*arrays), f"{graph.name} {sizes}")


def gradient_of(name):
    return gradient_graph(parse(GRAPHS[name]))


def steps_inside(graph):
    """The ops of the bodies of all scans, by name."""
    return [op.name for scan in graph.ops if scan.name == "scan" for op in scan.attr("body").ops]


def test_products_of_inputs_leave_the_loop():
    graph = optimize(parse(GRAPHS["lstm"]))
    assert steps_inside(graph).count("matmul") == 1
    assert "matmul" in [op.name for op in graph.ops]


def test_a_loop_that_carries_nothing_is_gone():
    assert "scan" not in [op.name for op in optimize(parse(GRAPHS["each"])).ops]


def test_sums_of_gradients_leave_the_loop_and_rows_stay_apart():
    graph = optimize(gradient_of("lstm"))
    scans = [op for op in graph.ops if op.name == "scan"]
    assert len(scans) == 2
    assert all(op.attr("rows")[0] == "R" for op in scans)
    assert steps_inside(graph).count("matmul") == 2
    assert "reduce_sum" not in steps_inside(graph)


def test_rows_that_meet_stay_together():
    (scan,) = [op for op in optimize(parse(GRAPHS["rows meet"])).ops if op.name == "scan"]
    assert scan.kwargs.get("rows") is None


def test_what_nobody_reads_is_not_computed():
    (scan,) = [op for op in optimize(parse(GRAPHS["unread"])).ops if op.name == "scan"]
    assert (scan.attr("carried"), len(scan.results)) == (1, 1)
    assert "multiply" not in steps_inside(optimize(parse(GRAPHS["unread"])))


def test_one_compilation_serves_every_length_and_none():
    call = compile_graph(parse(GRAPHS["masked"]))
    for steps in (0, 1, 2, 50):
        arrays = arrays_for(call.graph, {"B": 3, "T": steps})
        check(call.graph, arrays, call(*arrays), f"{steps} steps")


def test_the_fewest_steps_are_checked():
    call = compile_graph(parse(GRAPHS["masked"].replace("length=T", "least=1, length=T")))
    with pytest.raises(ShapeError, match="number of steps of at least 1"):
        call(*arrays_for(call.graph, {"B": 3, "T": 0}))


@NAMES
def test_gradient(name):
    graph = parse(GRAPHS[name])
    for sizes in SIZES:
        check_gradient(graph, arrays_for(graph, sizes), np.random.default_rng(1))


def test_a_single_row_that_is_repeated_is_no_row():
    """As many rows as a repeated axis of one has: axis 0 of what is stacked is not the batch."""
    graph = parse("""graph repeats(%h: f32[1], %x: f32[2,1]) {
      %last, %all = scan(%h, %x){body=graph step(%h: f32[1], %x: f32[1]) {
        %many = broadcast(%h){axes=(0,), shape=(8,3)} : f32[8,3]
        return %x, %many
      }, carried=1, length=2, reverse=false, sliced=1} : f32[1], f32[2,8,3]
      return %all
    }""")
    changed = scan_rows(graph)
    verify(changed)
    assert [v.type for v in changed.outputs] == [v.type for v in graph.outputs]
    assert_same(graph, changed, {})
