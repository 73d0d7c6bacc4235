"""Reverse-mode differentiation as a pass: chains, shared values, what is not reached, what has no rule.

Random graphs against differences: tests/fuzz.
"""

import numpy as np
import pytest

from graphc.errors import NotDifferentiableError, ShapeError
from graphc.ir import Builder, Kind, TensorType, dtype_of
from graphc.ir.builder import make_op
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.ir.spec import OpSpec
from graphc.ir.verify import verify
from graphc.passes.autodiff import gradients
from tests.ir.differences import gradient_graph

F32 = dtype_of("f32")


def gradient_of(text, *arrays):
    """The gradients of the sum of the outputs by the float inputs."""
    graph = parse(text)
    pulled = gradient_graph(graph)
    verify(pulled)
    ones = [np.ones(y.shape) for y in evaluate(graph, arrays, float64=True)]
    return evaluate(pulled, [*arrays, *ones], float64=True)


def test_chain():
    x = np.linspace(-1, 1, 5)
    (g,) = gradient_of("""graph g(%x: f32[5]) {
      %a = exp(%x)
      %b = tanh(%a)
      %c = square(%b)
      return %c
    }""", x)
    t = np.tanh(np.exp(x))
    np.testing.assert_allclose(g, 2 * t * (1 - t * t) * np.exp(x), rtol=1e-12)


def test_value_read_several_times_collects_all_its_cotangents():
    x, y = np.array([2.0, -3.0]), np.array([5.0, 7.0])
    gx, gy = gradient_of("""graph g(%x: f32[2], %y: f32[2]) {
      %a = multiply(%x, %x)
      %b = multiply(%a, %y)
      %c = add(%b, %a)
      %d = subtract(%c, %x)
      return %d
    }""", x, y)
    np.testing.assert_allclose(gx, 2 * x * y + 2 * x - 1)
    np.testing.assert_allclose(gy, x * x)


def test_several_outputs_add_up_and_an_output_may_stand_twice():
    x = np.array([0.5, 1.5])
    (g,) = gradient_of("""graph g(%x: f32[2]) {
      %a = exp(%x)
      %b = sin(%x)
      return %a, %b, %a
    }""", x)
    np.testing.assert_allclose(g, 2 * np.exp(x) + np.cos(x), rtol=1e-12)


def test_an_output_that_is_an_input():
    (g,) = gradient_of("graph g(%x: f32[2]) {\n  return %x\n}", np.ones(2))
    np.testing.assert_array_equal(g, [1, 1])


def pull(graph, outputs, wrt):
    b = Builder(graph.inputs)
    for op in graph.ops:
        b.add_existing(op)
    return gradients(b, graph.ops, outputs, [b.full_like(1.0, v) for v in outputs], wrt), b


def test_what_an_output_does_not_depend_on_has_no_gradient():
    graph = parse("""graph g(%x: f32[2], %y: f32[2], %i: i32[2]) {
      %a = exp(%x)
      %b = exp(%y)
      %c = stop_gradient(%b)
      %d = add(%a, %c)
      return %d
    }""")
    x, y, i = graph.inputs
    (gx, gy, gi), _ = pull(graph, graph.outputs, [x, y, i])
    assert gx is not None
    assert gy is None
    assert gi is None


def test_no_gradient_flows_through_integers_and_bools():
    graph = parse("""graph g(%x: f32[4], %i: i32[4]) {
      %n = cast(%x){dtype=i32}
      %m = add(%n, %i)
      %f = cast(%m){dtype=f32}
      %b = greater(%x, %f)
      %c = cast(%b){dtype=f32}
      %k = argmax(%x){axis=0}
      %t = cast(%k){dtype=f32}
      %tt = broadcast(%t){axes=(), shape=(4,)}
      %s = add(%c, %tt)
      return %s
    }""")
    (gx, gi), _ = pull(graph, graph.outputs, list(graph.inputs))
    assert gx is None
    assert gi is None


def test_only_the_float_operand_of_a_gather_gets_a_gradient():
    table, i = np.arange(12.0).reshape(4, 3), np.array([1, 1, 3])
    (g,) = gradient_of("""graph g(%x: f32[4,3], %i: i32[3]) {
      %y = gather(%x, %i){axis=0}
      return %y
    }""", table, i)
    np.testing.assert_array_equal(g, [[0] * 3, [2] * 3, [0] * 3, [1] * 3])


def test_gradient_by_a_value_in_the_middle():
    graph = parse("""graph g(%x: f32[2]) {
      %a = exp(%x)
      %b = square(%a)
      return %b
    }""")
    middle = graph.ops[0].result
    (g, gx), b = pull(graph, graph.outputs, [middle, graph.inputs[0]])
    x = np.array([0.5, 1.0], "f4")
    by_middle, by_x = evaluate(b.graph([g, gx]), [x], float64=True)
    np.testing.assert_allclose(by_middle, 2 * np.exp(x.astype(float)))
    np.testing.assert_allclose(by_x, 2 * np.exp(2 * x.astype(float)))


def test_ops_of_the_gradient_are_shared_with_the_forward_pass_and_named_after_their_layer():
    graph = parse("""graph g(%x: f32[2]) {
      %a = exp(%x)    # dense_1
      return %a
    }""")
    (g,), b = pull(graph, graph.outputs, [graph.inputs[0]])
    assert [op.name for op in b.ops] == ["exp", "full", "multiply"]
    assert b.ops[-1].origin == "dense_1/grad"
    assert b.ops[-1].operands[1] is graph.outputs[0]
    assert b.ops[-1].result is g


def without_rule():
    spec = OpSpec("mystery", Kind.ELEMENTWISE, infer=lambda x: x, reference=np.exp, scalar="exp({0})")
    b = Builder()
    x = b.input(TensorType(F32, (2,)), "x")
    op = b.add_existing(make_op(spec, (b.emit("sin", x),), {}, origin="dense_7"))
    return b, x, op.result


def test_an_op_without_rule_is_named_with_its_layer():
    b, x, y = without_rule()
    b.origin = "outside"
    with pytest.raises(NotDifferentiableError, match="^dense_7: mystery has no gradient$"):
        gradients(b, tuple(b.ops), [y], [b.full_like(1.0, y)], [x])
    assert b.origin == "outside"


def test_an_op_without_rule_beside_the_way_does_not_matter():
    b, _x, y = without_rule()
    z = b.input(TensorType(F32, (2,)), "z")
    total = b.emit("add", y, z)
    (g,) = gradients(b, tuple(b.ops), [total], [b.full_like(1.0, total)], [z])
    assert g is not None


def test_a_cotangent_of_another_type_is_refused():
    graph = parse("graph g(%x: f32[2]) {\n  %a = exp(%x)\n  return %a\n}")
    b = Builder(graph.inputs)
    op = b.add_existing(graph.ops[0])
    with pytest.raises(NotDifferentiableError, match=r"another type than its value; expected f32\[2\]; got f32\[3\]"):
        gradients(b, graph.ops, [op.result], [b.full(1.0, (3,))], list(graph.inputs))


def test_a_rule_that_fails_names_its_op_and_layer():
    def broken(ctx, g, x):
        return [g.reshape(shape=(5,))]

    spec = OpSpec("broken", Kind.ELEMENTWISE, infer=lambda x: x, reference=np.exp, scalar="exp({0})", vjp=broken)
    b = Builder()
    x = b.input(TensorType(F32, (2,)), "x")
    y = b.add_existing(make_op(spec, (x,), {}, origin="dense_7")).result
    with pytest.raises(ShapeError) as caught:
        gradients(b, tuple(b.ops), [y], [b.full_like(1.0, y)], [x])
    assert caught.value.__notes__ == ["in the gradient of broken, layer dense_7"]
