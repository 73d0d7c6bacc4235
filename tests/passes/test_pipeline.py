"""The passes one by one and in their order: what they change. That they change no result is shown in tests/fuzz."""

import numpy as np
import pytest

from graphc.errors import GraphcError, ShapeError
from graphc.ir import Array, Builder, Kind, TensorType, dtype_of, symbol
from graphc.ir.bind_dims import BindDims
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.ir.verify import verify
from graphc.passes.cse import cse
from graphc.passes.dce import dce
from graphc.passes.fold_constants import LARGEST, fold_constants
from graphc.passes.inline_composites import inline_composites
from graphc.passes.pipeline import optimize, passes_for
from graphc.passes.store_outputs import store_outputs

F32 = dtype_of("f32")


def names(graph):
    return [op.name for op in graph.ops]


# ---- all passes (that they keep results: tests/fuzz)


@pytest.mark.parametrize("step", passes_for(), ids=lambda step: getattr(step, "__name__", type(step).__name__))
def test_a_pass_with_nothing_to_do_returns_the_same_graph(step):
    graph = parse("""graph g(%x: f32[B,4], %w: f32[4,5], %i: i32[3]) {
      %a = matmul(%x, %w)
      %m = reduce_max(%a){axes=(1,)}
      %n = broadcast(%m){axes=(0,), shape=(B,5)}
      %d = subtract(%a, %n)
      %t = transpose(%w){perm=(1,0)}
      %r = gather(%t, %i){axis=0}
      return %d, %r
    }""")
    assert step(graph) is graph


def test_a_failing_pass_is_named_with_those_before_it():
    def break_it(graph):
        raise ShapeError("out of order", where="dense_1")

    graph = parse("graph mlp(%x: f32[2]) {\n  %y = exp(%x)\n  return %y\n}")
    with pytest.raises(ShapeError, match="dense_1: out of order") as caught:
        optimize(graph, passes=(dce, cse, break_it))
    assert caught.value.__notes__ == ["in pass break_it, after dce, cse, on graph mlp with 1 ops"]
    with pytest.raises(GraphcError) as caught:
        optimize(graph, passes=(break_it,))
    assert caught.value.__notes__ == ["in pass break_it, after nothing, on graph mlp with 1 ops"]


def test_donations_come_through():
    graph = parse("""graph g(%x: f32[2], %s: f32[2]) {
      %a = softmax(%x){axis=0}
      %b = add(%a, %s)
      return %a, %b -> %s
    }""")
    assert optimize(graph).donations == ((1, 1),)


# ---- one by one


def test_composites_are_inlined_whatever_they_hold():
    graph = parse("""graph g(%k: u32[2], %x: f32[B,3]) {
      %n = random_normal(%k){shape=(4,), dtype=f32}  # noise
      %m = softmax(%x){axis=1}                       # last
      %r = reciprocal(%m)
      return %n, %m, %r
    }""")
    flat = inline_composites(graph)
    verify(flat)
    assert not any(op.spec.kind is Kind.COMPOSITE for op in flat.ops)
    assert {op.origin for op in flat.ops if op.name in ("random_uniform", "cos")} == {"noise"}
    assert {op.origin for op in flat.ops if op.name in ("reduce_max", "exp")} == {"last"}
    feed = [np.array([1, 2], "u4"), np.arange(6, dtype="f4").reshape(2, 3)]
    for a, b in zip(evaluate(graph, feed, float64=True), evaluate(flat, feed, float64=True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_dims_are_bound_in_types_and_attributes():
    graph = parse("""graph g(%x: f32[B,T], %w: f32[T], %s: f32[]) {
      %a = broadcast(%w){axes=(1,), shape=(B,T)}
      %b = add(%x, %a)
      %c = slice(%b){starts=(0,0), limits=(B,T-1), strides=(1,1)}
      %n = size{dim=B*T, dtype=f32}
      %m = add(%n, %s)
      return %c, %m -> %s
    }""")
    bound = BindDims({"T": 5})(graph)
    verify(bound)
    assert [str(v.type) for v in bound.inputs] == ["f32[B,5]", "f32[5]", "f32[]"]
    assert str(bound.outputs[0].type) == "f32[B,4]"
    assert bound.donations == graph.donations
    assert bound.ops[3].attr("dim") == symbol("B") * 5
    renamed = BindDims({"T": symbol("B") + 1})(graph)
    assert str(renamed.inputs[0].type) == "f32[B,B+1]"
    whole = BindDims({"T": 5, "B": 3})(graph)
    feed = [np.ones((3, 5), "f4"), np.arange(5, dtype="f4"), np.float32(2)]
    for a, b in zip(evaluate(graph, feed), evaluate(whole, feed), strict=True):
        np.testing.assert_array_equal(a, b)
    assert BindDims({"N": 5})(graph) is graph
    assert BindDims({})(graph) is graph


def test_dims_that_do_not_fit_are_refused():
    graph = parse("graph g(%x: f32[T]) {\n  %y = slice(%x){starts=(4,), limits=(T,), strides=(1,)}\n  return %y\n}")
    with pytest.raises(ShapeError, match="axis 0 of f32"):
        BindDims({"T": 3})(graph)


def test_equal_ops_become_one():
    graph = parse("""graph g(%x: f32[2], %y: f32[2]) {
      %a = add(%x, %y)
      %b = add(%x, %y)
      %c = tanh(%a)
      %d = tanh(%b)
      %e = add(%y, %x)
      return %c, %d, %e
    }""")
    merged = cse(graph)
    verify(merged)
    assert names(merged) == ["add", "tanh", "add"]
    assert merged.outputs[0] is merged.outputs[1]


def test_numbers_that_differ_only_in_type_or_sign_stay_apart():
    graph = parse("""graph g() {
      %a = full{value=0.0, shape=(2,), dtype=f32}
      %b = full{value=-0.0, shape=(2,), dtype=f32}
      %c = full{value=0, shape=(2,), dtype=i32}
      return %a, %b, %c
    }""")
    assert len(cse(graph).ops) == 3
    assert np.signbit(evaluate(cse(graph), [])[1]).all()


def test_what_nobody_reads_goes():
    graph = parse("""graph g(%x: f32[2], %unused: f32[3]) {
      %a = exp(%x)
      %b = tanh(%a)
      %c = sin(%x)
      return %a
    }""")
    kept = dce(graph)
    assert names(kept) == ["exp"]
    assert kept.inputs == graph.inputs


def constant(b, array):
    return b.emit("constant", value=Array(np.asarray(array)))


def test_ops_on_constants_are_computed():
    b = Builder()
    x = b.input(TensorType(F32, (2, 2)), "x")
    table = constant(b, np.array([[1, 2], [3, 4]], "f4"))
    turned = b.emit("transpose", b.emit("exp", table), perm=(1, 0))
    graph = b.graph([b.emit("add", x, turned), b.emit("matmul", table, table)])
    folded = dce(fold_constants(graph))
    verify(folded)
    assert sorted(names(folded)) == ["add", "constant", "constant"]
    feed = [np.zeros((2, 2), "f4")]
    for a, c in zip(evaluate(graph, feed), evaluate(folded, feed), strict=True):
        np.testing.assert_array_equal(a, c)
    assert all(op.attr("value").data.flags.c_contiguous for op in folded.ops if op.name == "constant")


def test_large_constants_and_gathers_are_left_alone():
    b = Builder()
    large = constant(b, np.zeros(LARGEST + 1, "f4"))
    index = constant(b, np.array([9], "i4"))
    small = constant(b, np.zeros(3, "f4"))
    graph = b.graph([b.emit("exp", large), b.emit("gather", small, index, axis=0)])
    assert fold_constants(graph) is graph


def test_constants_beside_values_are_not_touched():
    graph = parse("graph g(%x: f32[2]) {\n  %y = exp(%x)\n  return %y\n}")
    assert fold_constants(graph) is graph


def test_outputs_get_an_op_of_their_own():
    b = Builder()
    x = b.input(TensorType(F32, (2,)), "x")
    table = constant(b, np.array([1, 2], "f4"))
    y = b.emit("exp", x)
    graph = b.graph([x, y, table, y, x, y])
    stored = store_outputs(graph)
    verify(stored)
    assert len(set(stored.outputs)) == 6
    assert stored.outputs[1] is y
    assert names(stored) == ["constant", "exp", *["stop_gradient"] * 5]
    feed = [np.array([0, 1], "f4")]
    for a, c in zip(evaluate(graph, feed), evaluate(stored, feed), strict=True):
        np.testing.assert_array_equal(a, c)
    assert store_outputs(stored) is stored
