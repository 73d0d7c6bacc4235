"""Large items one by one: the same values, less memory, and only where results are small."""

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.ir.verify import verify
from graphc.passes import item_loops as module
from graphc.passes.item_loops import item_loops
from tests.codegen_cpu.bounds import check
from tests.ir.differences import gradient_graph

NETWORK = """graph net(%x: f32[B,4,12,12,2], %w: f32[3,3,2,5], %b: f32[5], %v: f32[3,3,5,3], %d: f32[192,7]) {
  %i = reshape(%x){shape=(4*B,12,12,2)}
  %c = convolution(%i, %w){dilations=(1,1), strides=(1,1)}
  %bb = broadcast(%b){axes=(3,), shape=(4*B,10,10,5)}
  %s = add(%c, %bb)
  %z = full{value=0.0, shape=(4*B,10,10,5), dtype=f32}
  %r = maximum(%s, %z)
  %e = convolution(%r, %v){dilations=(1,1), strides=(1,1)}
  %f = reshape(%e){shape=(4*B,192)}
  %y = matmul(%f, %d)
  %o = reshape(%y){shape=(B,4,7)}
  return %o
}"""


@pytest.fixture(autouse=True)
def small_is_large(monkeypatch):
    monkeypatch.setattr(module, "LARGE", 1000)
    monkeypatch.setattr(module, "FEW", 1)


def feed(graph, rows):
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, [d if isinstance(d, int) else rows for d in v.type.shape]).astype("f4")
            for v in graph.inputs]


def test_items_go_through_one_by_one():
    graph = parse(NETWORK)
    looped = item_loops(graph)
    verify(looped)
    (loop,) = [op for op in looped.ops if op.name == "scan"]
    assert [op.name for op in loop.attr("body").ops].count("convolution") == 2
    assert "maximum" in [op.name for op in loop.attr("body").ops]
    for rows in (1, 3):
        arrays = feed(graph, rows)
        (old,), (new,) = evaluate(graph, arrays, float64=True), evaluate(looped, arrays, float64=True)
        np.testing.assert_allclose(new, old, rtol=1e-12)
        check(graph, arrays, compile_graph(graph)(*arrays), f"{rows} rows")


def test_what_all_items_read_is_not_read_item_by_item():
    (loop,) = [op for op in item_loops(parse(NETWORK.replace("192,7", "192,7000").replace("(B,4,7)", "(B,4,7000)"))).ops
               if op.name == "scan"]
    assert "matmul" not in [op.name for op in loop.attr("body").ops]


def test_training_keeps_what_lies_between(monkeypatch):
    monkeypatch.setattr(module, "FEW", 4)
    graph = gradient_graph(parse(NETWORK))
    assert item_loops(graph) is graph


def test_the_plan_is_small(monkeypatch):
    whole = compile_graph(parse(NETWORK)).memory(B=50)
    monkeypatch.setattr(module, "LARGE", 1 << 30)
    assert whole < compile_graph(parse(NETWORK)).memory(B=50) / 3
