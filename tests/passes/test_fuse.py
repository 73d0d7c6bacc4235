"""Fusion: which ops share a kernel, and the reason recorded for every pair."""

import random
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphc.ir import Builder, TensorType, dtype_of
from graphc.ir.graph import Value
from graphc.ir.parser import parse
from graphc.passes.fuse import MAX_BUFFERS, MAX_OPS, fuse
from graphc.passes.make_kernels import make_kernels
from graphc.passes.pipeline import optimize
from graphc.passes.reads import is_mover, reads_of
from tests.fuzz.graphs import random_graph


def fused(text, **options):
    """The names of the ops of every group, and what was decided."""
    groups = fuse(parse(text), **options)
    return [[op.name for op in g.ops] for g in groups.groups], [str(d) for d in groups.decisions]


def pairs_of(graph, groups):
    """Producer and consumer of every stored value that a stored op reads, directly or through movers."""
    producers, stored = graph.producers(), set(groups.stored)
    ops = [op for op in graph.ops if not is_mover(op) or op in stored]
    return {(producers[read.value], op) for op in ops for read in reads_of(op, producers, stored)
            if read.value in producers}


def assert_sound(graph, *, enabled=True):
    groups = fuse(graph, enabled=enabled)
    home = Counter(op for group in groups.groups for op in group.ops)
    assert home == Counter(op for op in graph.ops if not is_mover(op) or op in groups.stored)
    of = {op: group for group in groups.groups for op in group.ops}
    assert Counter((d.producer, d.consumer) for d in groups.decisions) == Counter(pairs_of(graph, groups))
    for decision in groups.decisions:
        assert decision.reason
        assert decision.fused == (of[decision.producer] is of[decision.consumer])
    made = set(graph.inputs) | {op.result for op in graph.ops if op.name == "constant"}
    for kernel in make_kernels(graph, groups).kernels:
        assert made.issuperset(kernel.inputs), "a kernel runs before what it reads is made"
        assert not made.intersection(kernel.outputs)
        made.update(kernel.outputs)
    assert made.issuperset(graph.outputs)


@settings(suppress_health_check=[HealthCheck.large_base_example, HealthCheck.data_too_large])
@given(st.randoms(use_true_random=False), st.integers(3, 25), st.booleans())
def test_every_op_in_one_group_every_pair_decided_and_no_cycle(rng, ops, gradient):
    graph = optimize(random_graph(rng, ops, gradient=gradient).graph)
    assert_sound(graph)
    assert_sound(graph, enabled=False)


def test_many_larger_graphs_are_cut_soundly():
    for seed in range(40):
        assert_sound(optimize(random_graph(random.Random(seed), 60, gradient=seed % 2 == 0).graph))


def test_elementwise_chain_is_one_kernel():
    groups, decisions = fused("""graph g(%x: f32[B,3], %y: f32[B,3]) {
      %a = add(%x, %y)    # first
      %b = tanh(%a)       # second
      %c = multiply(%a, %b)
      return %c
    }""")
    assert groups == [["add", "tanh", "multiply"]]
    assert decisions == ["fused: add (first) -> tanh (second): one loop nest",
                         "fused: add (first) -> multiply: one loop nest",
                         "fused: tanh (second) -> multiply: already in one kernel"]


def test_softmax_is_one_kernel_of_three_passes():
    groups, decisions = fused("""graph g(%x: f32[B,10]) {
      %m = reduce_max(%x){axes=(1,)}
      %mm = broadcast(%m){axes=(0,), shape=(B,10)}
      %d = subtract(%x, %mm)
      %e = exp(%d)
      %s = reduce_sum(%e){axes=(1,)}
      %ss = broadcast(%s){axes=(0,), shape=(B,10)}
      %y = divide(%e, %ss)
      return %y
    }""")
    assert groups == [["reduce_max", "subtract", "exp", "reduce_sum", "divide"]]
    assert all(d.startswith("fused") for d in decisions)


def test_epilogue_joins_the_contraction():
    groups, _ = fused("""graph g(%x: f32[B,4], %w: f32[4,5], %b: f32[5]) {
      %h = matmul(%x, %w)
      %bb = broadcast(%b){axes=(1,), shape=(B,5)}
      %z = add(%h, %bb)
      %y = relu(%z)
      return %y
    }""")
    assert groups == [["matmul", "add", "relu"]]


X = "%x: f32[B,4]"
APART = {
    "a matmul's operand is stored before it runs": f"""graph g({X}, %w: f32[4,5]) {{
      %a = tanh(%x)
      %y = matmul(%a, %w)
      return %y
    }}""",
    "matmul and reduce_sum have different loop nests": f"""graph g({X}, %w: f32[4,5]) {{
      %a = matmul(%x, %w)
      %y = reduce_sum(%a){{axes=(1,)}}
      return %y
    }}""",
    "reduce_sum and reduce_sum have different loop nests": f"""graph g({X}) {{
      %a = reduce_sum(%x){{axes=(1,)}}
      %y = reduce_sum(%a){{axes=(0,)}}
      return %y
    }}""",
    "read through transpose, at other positions than tanh is made": """graph g(%x: f32[4,4]) {
      %a = tanh(%x)
      %t = transpose(%a){perm=(1,0)}
      %y = add(%a, %t)
      return %y
    }""",
    "transpose moves elements between loop positions": """graph g(%x: f32[4,4]) {
      %a = tanh(%x)
      %t = transpose(%a){perm=(1,0)}
      return %t
    }""",
    "loops over (B,4) and (4,B) differ": f"""graph g({X}, %z: f32[4,B]) {{
      %a = tanh(%x)
      %t = transpose(%a){{perm=(1,0)}}
      %y = add(%z, %t)
      return %y
    }}""",
    "cumsum is a kernel of its own": f"""graph g({X}) {{
      %a = tanh(%x)
      %y = cumsum(%a){{axis=0}}
      return %y
    }}""",
    "gather_grad is a kernel of its own": f"""graph g({X}, %i: i32[B]) {{
      %a = tanh(%x)
      %y = gather_grad(%a, %i){{axis=0, size=3}}
      return %y
    }}""",
    "random_key is a kernel of its own": """graph g(%s: i64[]) {
      %a = add(%s, %s)
      %k = random_key(%a, %s){stream=0}
      return %k
    }""",
    "cumsum must run between them": f"""graph g({X}) {{
      %a = tanh(%x)
      %c = cumsum(%a){{axis=0}}
      %y = add(%a, %c)
      return %y
    }}""",
}


@pytest.mark.parametrize("reason", APART)
def test_what_stays_apart_says_why(reason):
    _, decisions = fused(APART[reason])
    assert [d for d in decisions if d.startswith("apart") and d.endswith(reason)], decisions


def test_fusion_may_be_off():
    groups, decisions = fused("""graph g(%x: f32[3]) {
      %a = tanh(%x)
      %b = exp(%a)
      return %b
    }""", enabled=False)
    assert groups == [["tanh"], ["exp"]]
    assert decisions == ["apart: tanh -> exp: fusion is off"]


def test_a_pair_kept_apart_may_meet_in_the_group_of_a_later_op():
    groups, decisions = fused("""graph g(%x: f32[B,4], %f: f32[B]) {
      %a = tanh(%f)
      %aa = broadcast(%a){axes=(0,), shape=(B,4)}
      %c = add(%x, %aa)
      %s = reduce_sum(%c){axes=(1,)}
      %d = multiply(%s, %a)
      return %d
    }""")
    assert groups == [["tanh", "add", "reduce_sum", "multiply"]]
    assert decisions[0] == "fused: tanh -> add: one loop nest, through a later op"


def chain(count, inputs=1):
    b = Builder()
    given_inputs = [b.input(TensorType(dtype_of("f32"), (3,)), f"x{i}") for i in range(inputs)]
    value = given_inputs[0]
    for i in range(count):
        value = b.emit("add", value, given_inputs[(i + 1) % inputs]) if inputs > 1 else b.emit("tanh", value)
    return b.graph([value])


def test_kernels_do_not_grow_without_bound():
    for graph, reason in ((chain(MAX_OPS * 2 + 10), f"the kernel would hold more than {MAX_OPS} ops"),
                          (chain(60, 61), f"the kernel would read more than {MAX_BUFFERS} buffers")):
        groups = fuse(graph)
        assert_sound(graph)
        assert len(groups.groups) == 3
        assert max(len(group.ops) for group in groups.groups) <= MAX_OPS
        assert [d.reason for d in groups.decisions if not d.fused] == [reason] * 2


def test_reasons_do_not_depend_on_where_values_lie_in_memory():
    """Two ops must run between the pair: the text names the first, not the one that a set yields first."""
    text = """graph g(%x: f32[B,5], %i: i32[5]) {
      %a = exp(%x)
      %c = cumsum(%a){axis=1}
      %b = gather_grad(%a, %i){axis=1, size=5}
      %s = add(%c, %b)
      %t = multiply(%s, %a)
      return %t
    }"""
    rng, found, kept = random.Random(0), set(), []
    for _ in range(40):
        holes = [Value(TensorType(dtype_of("f32"))) for _ in range(400)]
        kept.append(rng.sample(holes, 200))
        del holes
        found.add("\n".join(map(str, fuse(parse(text)).decisions)))
    assert len(found) == 1
    assert "must run between them" in found.pop()
