"""Every rewrite rule, run on the graphs of its own docstring, and checked on the reference."""

import numpy as np
import pytest

from graphc.errors import CompileError
from graphc.ir import Builder, op_spec, registered_ops
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse, parse_all
from graphc.ir.verify import verify
from graphc.passes import pipeline, rules_algebra, rules_layout
from graphc.passes.dce import dce
from graphc.passes.rewrite import RULES, rewrite
from graphc.passes.rules_legal import FOLDS, fold_items_apart, legalize, split_reduction

assert pipeline
TAGS = {}
for op_name, op_rules in [*RULES.items(), *((name, [split_reduction, fold_items_apart]) for name in FOLDS)]:
    for op_rule in op_rules:
        TAGS.setdefault(op_rule, []).append(op_name)


def graphs_of(rule):
    return parse_all(rule.__doc__[rule.__doc__.index("graph before"):])


def applied(rule, graph):
    return dce(rewrite(graph, {name: [rule] for name in TAGS[rule]}))


def structure(graph):
    """The graph without names: op names, operand numbers, attributes; outputs and their types."""
    number = {v: i for i, v in enumerate(graph.inputs)}
    lines = []
    for op in graph.ops:
        lines.append((op.name, tuple(number[v] for v in op.operands), op.attrs))
        for result in op.results:
            number[result] = len(number)
    return lines, [number[v] for v in graph.outputs], [v.type for v in graph.outputs]


@pytest.mark.parametrize("rule", TAGS, ids=lambda rule: rule.__name__)
def test_rule_does_what_its_docstring_says(rule):
    before, after = graphs_of(rule)
    assert {op.name for op in before.ops} & set(TAGS[rule])
    rewritten = applied(rule, before)
    verify(rewritten)
    assert structure(rewritten) == structure(after)


@pytest.mark.parametrize("rule", TAGS, ids=lambda rule: rule.__name__)
def test_rule_keeps_every_bit_special_values_included(rule):
    before, _ = graphs_of(rule)
    special = np.resize([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -3.0, 1e-42], 4000)
    positions = np.resize([2, 0, 1], 4000)
    feed = []
    for i, v in enumerate(before.inputs):
        shape = [5 if not isinstance(d, int) else d for d in v.type.shape]
        values = positions if v.type.dtype.is_integer else special
        feed.append(values[i:i + int(np.prod(shape))].reshape(shape).astype(v.type.dtype.numpy))
    if any(v.type.symbols for op in before.ops for v in op.results) and not feed:
        before = before.replace(inputs=(Builder().input(before.outputs[0].type, "like"),))
        feed = [np.zeros([5 if not isinstance(d, int) else d for d in before.inputs[0].type.shape], "f4")]
    for old, new in zip(evaluate(before, feed), evaluate(applied(rule, before), feed), strict=True):
        np.testing.assert_array_equal(old, new)
        if rule not in (rules_algebra.drop_add_zero, rules_layout.sum_of_parts):
            np.testing.assert_array_equal(np.signbit(old), np.signbit(new))


@pytest.mark.parametrize("rule", [r for r, names in TAGS.items() if len(names) > 1], ids=lambda rule: rule.__name__)
def test_every_tag_is_an_op_that_exists(rule):
    assert set(TAGS[rule]) <= registered_ops()
    assert len(set(TAGS[rule])) == len(TAGS[rule])


def splat_graph(name, dtype, value):
    b = Builder()
    bools = {"select": 1}.get(name, 0)
    count = {"select": 3}.get(name) or next(n for n in (1, 2) if fits(name, dtype, n))
    operands = [b.full(True, (2, 3), "bool") if i < bools else b.full(value, (2, 3), dtype) for i in range(count)]
    attrs = {"cast": {"dtype": operands[0].type.with_dtype("f64").dtype}}.get(name, {})
    return b.graph([b.emit(name, *operands, **attrs)])


def fits(name, dtype, count):
    b = Builder()
    attrs = {"cast": {"dtype": b.full(0, (), "f64").type.dtype}}.get(name, {})
    try:
        b.emit(name, *[b.full(1, (), dtype)] * count, **attrs)
    except (TypeError, ValueError):
        return False
    return True


ELEMENTWISE = TAGS[rules_algebra.fold_splats]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_ops_on_numbers_are_folded_as_the_reference_computes_them(name):
    dtypes = ["bool"] if name.startswith("logical") else ["f32", "i32"] if fits(name, "i32", 1) or \
        fits(name, "i32", 2) else ["f32"]
    for dtype in dtypes:
        for value in (True, False) if dtype == "bool" else (0, 1, 3):
            graph = splat_graph(name, dtype, value)
            folded = dce(rewrite(graph))
            assert [op.name for op in folded.ops] == ["full"], op_spec(name)
            for a, b in zip(evaluate(graph, []), evaluate(folded, []), strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("text", "attrs"), [
    ("reduce_mean", "{axes=(0,)}"), ("reduce_max", "{axes=(1,)}"), ("reduce_min", "{axes=(0,1)}"),
    ("broadcast", "{axes=(1,2), shape=(2,4,5)}"), ("reshape", "{shape=(20,)}"), ("transpose", "{perm=(1,0)}"),
    ("slice", "{starts=(1,0), limits=(4,4), strides=(2,1)}"), ("reverse", "{axes=(0,)}")])
def test_moving_one_number_leaves_that_number(text, attrs):
    graph = parse("graph g() {\n  %x = full{value=2.5, shape=(4,5), dtype=f32}\n"
                  f"  %y = {text}(%x){attrs}\n  return %y\n}}")
    moved = dce(rewrite(graph))
    assert [op.name for op in moved.ops] == ["full"]
    np.testing.assert_array_equal(evaluate(graph, []), evaluate(moved, []))


@pytest.mark.parametrize("axes", ["0,2", "0,2,3", "0,1,3", "1,3", "0,2,4", "0,1,2,3,4", "2,", ""])
@pytest.mark.parametrize("name", ["reduce_sum", "reduce_max"])
def test_reductions_are_split_into_blocks_of_neighbours(name, axes):
    graph = parse(f"graph g(%x: f32[2,3,2,3,2]) {{\n  %y = {name}(%x){{axes=({axes})}}\n  return %y\n}}")
    legal = legalize(graph)
    verify(legal)
    for op in legal.ops:
        blocks = op.attr("axes")
        assert blocks == tuple(range(blocks[0], blocks[-1] + 1))
    x = np.random.default_rng(0).integers(-9, 9, (2, 3, 2, 3, 2)).astype("f4")
    np.testing.assert_array_equal(evaluate(graph, [x]), evaluate(legal, [x]))


def moved_to_front(result, *ops, inputs="%x: f32[2,5,6,3]"):
    lines = "\n".join(f"  {op}" for op in ("%a = transpose(%x){perm=(0,3,1,2)}", *ops, f"return {result}"))
    return parse(f"graph g({inputs}) {{\n{lines}\n}}")


@pytest.mark.parametrize(("text", "left"), [
    ("reduce_sum(%a){axes=(0,2,3)}", []), ("reduce_mean(%a){axes=(1,)}", []), ("reduce_max(%a){axes=(2,)}", [(0, 2, 1)]),
    ("reduce_min(%a){axes=(0,)}", [(2, 0, 1)]), ("logsumexp(%a){axes=(1,2,3)}", []),
    ("pad(%a){high=(0,1,2,3), low=(0,4,5,6), value=1.5}", [(0, 3, 1, 2)]), ("reverse(%a){axes=(1,3)}", [(0, 3, 1, 2)]),
    ("softmax(%a){axis=1}", [(0, 3, 1, 2)]), ("log_softmax(%a){axis=3}", [(0, 3, 1, 2)]),
    ("slice(%a){limits=(2,3,4,5), starts=(1,0,1,0), strides=(1,2,1,3)}", [(0, 3, 1, 2)])])
def test_what_follows_channels_moved_to_the_front_reads_them_where_they_were(text, left):
    graph = moved_to_front("%y", f"%y = {text}")
    moved = dce(rewrite(graph))
    verify(moved)
    assert [op.attr("perm") for op in moved.ops if op.name == "transpose"] == left
    assert not left or moved.ops[-1].name == "transpose"
    x = np.random.default_rng(0).integers(-9, 9, (2, 5, 6, 3)).astype("f4")
    for a, b in zip(evaluate(graph, [x], float64=True), evaluate(moved, [x], float64=True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_an_operand_of_another_origin_keeps_the_channels_in_front():
    graph = moved_to_front("%y", "%b = reshape(%z){shape=(2,3,5,6)}", "%y = add(%a, %b)",
                           inputs="%x: f32[2,5,6,3], %z: f32[180]")
    assert rewrite(graph) is graph


def test_of_a_net_with_channels_first_one_transpose_of_the_data_is_left():
    graph = parse("""graph net(%x: f32[B,3,8,8], %w: f32[3,3,3,4], %bias: f32[4], %v: f32[1,1,7,4], %seed: i64[],
                              %step: i64[]) {
      %a = transpose(%x){perm=(0,2,3,1)}
      %b = convolution(%a, %w){dilations=(1,1), strides=(1,1)}
      %c = transpose(%b){perm=(0,3,1,2)}
      %d = broadcast(%bias){axes=(1,), shape=(B,4,6,6)}
      %e = add(%c, %d)
      %f = relu(%e)
      %key = random_key(%seed, %step){stream=1}
      %u = random_uniform(%key){dtype=f32, shape=(B,4,1,1)}
      %drop = broadcast(%u){axes=(0,1,2,3), shape=(B,4,6,6)}
      %g = multiply(%f, %drop)
      %mean = reduce_mean(%g){axes=(0,2,3)}
      %m = broadcast(%mean){axes=(1,), shape=(B,4,6,6)}
      %n = subtract(%g, %m)
      %pool = max_pool(%a){shape=(3,3), strides=(1,1)}
      %h = transpose(%pool){perm=(0,3,1,2)}
      %i = concatenate(%n, %h){axis=1}
      %k = transpose(%i){perm=(0,2,3,1)}
      %l = convolution(%k, %v){dilations=(1,1), strides=(1,1)}
      %o = transpose(%l){perm=(0,3,1,2)}
      %p = add(%o, %n)
      %y = reduce_max(%p){axes=(2,3)}
      return %y
    }""")
    moved = dce(rewrite(graph))
    verify(moved)
    assert [op.operands for op in moved.ops if op.name == "transpose"] == [moved.inputs[:1]]
    rng = np.random.default_rng(0)
    feed = [rng.standard_normal(shape) for shape in ((2, 3, 8, 8), (3, 3, 3, 4), (4,), (1, 1, 7, 4))]
    feed += [np.int64(7), np.int64(3)]
    for old, new in zip(evaluate(graph, feed, float64=True), evaluate(moved, feed, float64=True), strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-13)


def test_rules_that_do_not_come_to_rest_are_named():
    def swap(op, b):
        return b.emit("add", *op.operands[::-1])

    graph = parse("graph g(%x: f32[2], %y: f32[2]) {\n  %z = add(%x, %y)\n  return %z\n}")
    with pytest.raises(CompileError, match="rewrite: rewriting did not come to rest in 20 sweeps; got last rules swap"):
        rewrite(graph, {"add": [swap]})


def test_a_graph_that_no_rule_fits_is_the_same_object():
    graph = parse("graph g(%x: f32[2], %y: f32[2]) {\n  %z = add(%x, %y)\n  return %z\n}")
    assert rewrite(graph) is graph
