"""The verifier finds each way in which a graph can break its own rules, and shows the op."""

from dataclasses import replace

import numpy as np
import pytest

import graphc.ir
from graphc.errors import VerifyError
from graphc.ir.dims import symbol
from graphc.ir.graph import Graph, Value
from graphc.ir.parser import parse
from graphc.ir.spec import Kind, OpSpec
from graphc.ir.types import F32, I8, TensorType
from graphc.ir.verify import verify

assert graphc.ir
B = symbol("B")


@pytest.fixture
def mlp():
    return parse("""graph mlp(%x: f32[B,784], %w: f32[784,10], %b: f32[10]) {
      %h = matmul(%x, %w)                          # dense_1
      %bb = broadcast(%b){axes=(1,), shape=(B,10)} # dense_1
      %z = add(%h, %bb)                            # dense_1
      %w1 = negative(%w)
      return %z, %w1 -> %w
    }""")


def message(graph):
    with pytest.raises(VerifyError) as caught:
        verify(graph)
    return str(caught.value)


def with_op(graph, position, **changes):
    ops = list(graph.ops)
    ops[position] = replace(ops[position], **changes)
    return graph.replace(ops=tuple(ops))


def test_a_valid_graph_passes(mlp):
    verify(mlp)
    verify(Graph("empty", (), (), ()))


def test_a_wrong_type_is_shown_beside_the_rule(mlp):
    wrong = Value(TensorType(F32, (B, 7)), "z")
    graph = with_op(mlp, 2, results=(wrong,)).replace(outputs=(wrong,), donations=())
    assert message(graph) == ("op 2 (add) is typed f32[B,7], its rule says f32[B,10]\n"
                              "->   %z = add(%h, %bb) : f32[B,7]    # dense_1")


def test_values_are_defined_before_they_are_read(mlp):
    matmul, broadcast, add, negative = mlp.ops
    swapped = mlp.replace(ops=(add, matmul, broadcast, negative))
    assert message(swapped).startswith("op 0 (add) reads operand 0 before it is defined\n->   %z = add(%h, %bb)")
    stranger = Value(mlp.ops[2].operands[0].type)
    assert "op 2 (add) reads operand 1 before" in message(with_op(mlp, 2, operands=(add.operands[0], stranger)))
    assert "%<undefined>" in message(with_op(mlp, 2, operands=(add.operands[0], stranger)))


def test_an_op_cannot_read_itself(mlp):
    add = mlp.ops[2]
    assert "op 2 (add) reads operand 1 before it is defined" in message(
        with_op(mlp, 2, operands=(add.operands[0], add.result)))


def test_values_are_defined_once(mlp):
    assert "op 4 (add) defines result 0 a second time" in message(mlp.replace(ops=(*mlp.ops, mlp.ops[2])))
    assert "op 1 (broadcast) defines result 0 a second time" in message(with_op(mlp, 1, results=(mlp.inputs[0],)))
    assert message(mlp.replace(inputs=(*mlp.inputs, mlp.inputs[0]))) == "input 3 stands twice among the inputs; got x"


def test_outputs_are_defined(mlp):
    stranger = Value(TensorType(F32, (3,)))
    assert message(mlp.replace(outputs=(stranger,), donations=())) == "output 0 is never defined; got f32[3]"


@pytest.mark.parametrize(("donations", "words"), [
    (((2, 0),), "names output 2, and there are 2"), (((0, 3),), "names input 3, and there are 3"),
    (((-1, 0),), "names output -1"), (((1, 1), (1, 1)), "output 1 is donated twice"),
    (((0, 1), (1, 1)), "input 1 is donated twice"), (((0, 0),), "expected f32[B,784]; got f32[B,10]")])
def test_donations_fit(mlp, donations, words):
    assert words in message(mlp.replace(donations=donations))


def test_attributes_are_sorted_each_once(mlp):
    attrs = mlp.ops[1].attrs
    assert "not sorted, each once: shape, axes" in message(with_op(mlp, 1, attrs=attrs[::-1]))
    assert "not sorted" in message(with_op(mlp, 1, attrs=(*attrs, attrs[-1])))


@pytest.mark.parametrize(("attrs", "words"), [
    ((("axes", [1]), ("shape", (B, 10))), "attribute axes: attributes cannot be of type list"),
    ((("axes", np.arange(1)), ("shape", (B, 10))), "cannot be of type ndarray"),
    ((("axes", 1), ("shape", (B, 10))), "op 1 (broadcast) breaks its rule: "),
    ((("axes", (True,)), ("shape", (B, 10))), "op 1 (broadcast) breaks its rule: "),
    ((("axes", (1,)),), "op 1 (broadcast) breaks its rule: "),
    ((("axes", (1,)), ("shape", (B, 11))), "op 1 (broadcast) breaks its rule: "),
    ((("axes", (1,)), ("other", 1), ("shape", (B, 10))), "op 1 (broadcast) breaks its rule: TypeError")])
def test_attributes_are_of_their_kind(mlp, attrs, words):
    assert words in message(with_op(mlp, 1, attrs=attrs))


def test_operands_fit_the_rule(mlp):
    assert "op 0 (matmul) breaks its rule: " in message(with_op(mlp, 0, operands=mlp.inputs[:1]))


def test_ops_come_from_the_table(mlp):
    fake = OpSpec("add", Kind.ELEMENTWISE, lambda x, y: x, np.add)
    assert "op 2 (add) is not in the op table" in message(with_op(mlp, 2, spec=fake))
    assert "(nothing) is not in the op table" in message(with_op(mlp, 2, spec=replace(fake, name="nothing")))


@pytest.mark.parametrize(("type", "words"), [
    (TensorType(F32, (-1,)), "input 0: f32[-1] has a negative size"),
    (TensorType(F32, (1,) * 33), "more than 32 axes"), (TensorType(F32, (2**62, 2)), "larger than any memory"),
    (TensorType(F32, (2.0,)), "neither int nor symbolic"),
    (TensorType(F32, (np.int64(2),)), "neither int nor symbolic"),
    (TensorType(F32, [2]), "is not a type"), (TensorType("f32", (2,)), "is not a type")])
def test_types_are_possible(type, words):
    value = Value(type)
    assert words in message(Graph("g", (value,), (), (value,)))


def test_the_largest_type_there_can_be():
    value = Value(TensorType(I8, (2**63 - 1,)))
    verify(Graph("g", (value,), (), (value,)))
    value = Value(TensorType(I8, (2**63,)))
    assert "larger than any memory" in message(Graph("g", (value,), (), (value,)))
    for shape in ((1,) * 32, (0,), (2**62, 0)):
        value = Value(TensorType(F32, shape))
        verify(Graph("g", (value,), (), (value,)))


def test_a_graph_inside_an_op_is_verified_too(mlp, monkeypatch):
    loop = OpSpec("loop", Kind.LOOP, lambda body: TensorType(F32, ()), lambda body: 0)
    monkeypatch.setitem(graphc.ir.spec._TABLE, "loop", loop)
    op = replace(mlp.ops[0], spec=loop, operands=(), attrs=(("body", mlp),), results=(Value(TensorType(F32, ())),))
    verify(Graph("outer", (), (op,), op.results))
    bad = replace(op, attrs=(("body", mlp.replace(donations=((0, 0),))),))
    text = message(Graph("outer", (), (bad,), bad.results))
    assert text.startswith("op 0 (loop): in the graph body: output 0 is donated to input 0 of another type\n->   %v1 =")
