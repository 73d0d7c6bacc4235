"""Kernels from groups: their order, their kinds, and which new states are written over the old ones."""

import pytest

from graphc.ir.kernel import KernelKind
from graphc.ir.parser import parse
from graphc.passes.fuse import fuse
from graphc.passes.make_kernels import make_kernels
from graphc.passes.pipeline import optimize


def kernels_of(text, **options):
    graph = optimize(parse(text))
    return make_kernels(graph, fuse(graph, **options)).kernels


def aliases(kernels):
    """(kernel, new value, old value) by hints, for all that is written in place."""
    return [(i, k.outputs[o].hint, k.inputs[n].hint) for i, k in enumerate(kernels) for o, n in k.aliases]


def names(kernels):
    return [[op.name for op in k.graph.ops] for k in kernels]


def test_kinds():
    kernels = kernels_of("""graph g(%x: f32[B,4], %w: f32[4,4], %i: i32[4]) {
      %m = matmul(%x, %w)
      %s = reduce_sum(%x){axes=(0,)}
      %c = cumsum(%x){axis=0}
      %t = tanh(%x)
      %g = gather_grad(%w, %i){axis=1, size=9}
      return %m, %s, %c, %t, %g
    }""")
    assert [k.kind for k in kernels] == [KernelKind.CONTRACT, KernelKind.REDUCE, KernelKind.PREFIX, KernelKind.LOOP,
                                         KernelKind.SCATTER]


def test_movers_stand_in_every_kernel_that_reads_through_them():
    kernels = kernels_of("""graph g(%x: f32[B,4], %b: f32[4], %i: i32[B,4]) {
      %bb = broadcast(%b){axes=(1,), shape=(B,4)}
      %y = add(%x, %bb)
      %s = multiply(%bb, %bb)
      %t = gather(%b, %i){axis=0}
      %r = reduce_sum(%t){axes=(0,)}
      return %y, %s, %r
    }""")
    assert names(kernels) == [["broadcast", "add"], ["broadcast", "multiply"], ["gather", "reduce_sum"]]
    assert [[v.hint for v in k.inputs] for k in kernels] == [["b", "x"], ["b"], ["b", "i"]]


def test_constants_lie_in_memory_like_inputs():
    kernels = kernels_of("""graph g(%x: f32[2]) {
      %c = constant{value=f32[2](1.0, 2.0)}
      %y = add(%x, %c)
      return %y
    }""")
    assert [[v.hint for v in k.inputs] for k in kernels] == [["x", "c"]]


def test_update_is_written_in_place():
    assert aliases(kernels_of("""graph g(%g: f32[3], %w: f32[3]) {
      %n = subtract(%w, %g)
      return %n -> %w
    }""")) == [(0, "n", "w")]


def test_update_behind_a_contraction_is_written_in_place():
    kernels = kernels_of("""graph g(%x: f32[B,3], %d: f32[B,4], %w: f32[3,4]) {
      %t = transpose(%x){perm=(1,0)}
      %g = matmul(%t, %d)
      %n = subtract(%w, %g)
      return %n -> %w
    }""")
    assert aliases(kernels) == [(0, "n", "w")]
    assert kernels[0].kind is KernelKind.CONTRACT


def test_readers_of_the_old_state_run_first():
    kernels = kernels_of("""graph g(%g: f32[3], %w: f32[3]) {
      %n = subtract(%w, %g)
      %c = cumsum(%w){axis=0}
      %s = reduce_sum(%w){axes=(0,)}
      return %n -> %w, %c, %s
    }""")
    assert names(kernels) == [["cumsum"], ["reduce_sum"], ["subtract"]]
    assert aliases(kernels) == [(2, "n", "w")]


def test_kernels_that_check_indices_run_before_any_state_changes():
    kernels = kernels_of("""graph g(%g: f32[3], %w: f32[3], %t: f32[5,2], %i: i32[4]) {
      %n = subtract(%w, %g)
      %r = gather(%t, %i){axis=0}
      %z = gather_grad(%r, %i){axis=0, size=5}
      return %n -> %w, %z
    }""")
    assert names(kernels)[-1] == ["subtract"]
    assert aliases(kernels) == [(2, "n", "w")]


NOT_IN_PLACE = {
    "its kernel checks indices": """graph g(%t: f32[3], %i: i32[3], %w: f32[3]) {
      %r = gather(%t, %i){axis=0}
      %n = subtract(%w, %r)
      return %n -> %w
    }""",
    "a kernel behind it checks indices": """graph g(%t: f32[3], %j: i32[3], %w: f32[3]) {
      %n = add(%w, %w)
      %c = cumsum(%n){axis=0}
      %i = cast(%c){dtype=i32}
      %r = gather(%t, %i){axis=0}
      return %n -> %w, %r
    }""",
    "the old value is read behind it": """graph g(%x: f32[3], %w: f32[3]) {
      %n = add(%w, %x)
      %c = cumsum(%n){axis=0}
      %d = add(%c, %w)
      return %n -> %w, %d
    }""",
    "the old value is read at other positions": """graph g(%w: f32[3]) {
      %r = reverse(%w){axes=(0,)}
      %n = add(%w, %r)
      return %n -> %w
    }""",
    "the old value is an operand of the contraction": """graph g(%w: f32[3,3]) {
      %m = matmul(%w, %w)
      %n = add(%m, %w)
      return %n -> %w
    }""",
    "its kernel does not read the old value": """graph g(%x: f32[3], %w: f32[3]) {
      %n = exp(%x)
      return %n -> %w
    }""",
    "its kernel folds": """graph g(%x: f32[3,4], %w: f32[3]) {
      %s = reduce_sum(%x){axes=(1,)}
      %n = add(%w, %s)
      return %n -> %w
    }""",
}


@pytest.mark.parametrize("reason", NOT_IN_PLACE)
def test_what_is_not_written_in_place(reason):
    assert aliases(kernels_of(NOT_IN_PLACE[reason])) == []


def test_states_that_change_places():
    kernels = kernels_of("graph g(%a: f32[3], %b: f32[3]) {\n  return %b -> %a, %a -> %b\n}")
    assert aliases(kernels) == []
    crossed = kernels_of("""graph g(%a: f32[3], %b: f32[3]) {
      %s = add(%a, %b)
      %x = subtract(%s, %b)
      %y = subtract(%s, %a)
      return %x -> %a, %y -> %b
    }""")
    assert len(crossed) == 1
    assert aliases(crossed) == [(0, "x", "a"), (0, "y", "b")]


def test_one_new_value_for_two_states_and_for_the_caller():
    kernels = kernels_of("""graph g(%x: f32[3], %a: f32[3], %b: f32[3]) {
      %n = add(%x, %a)
      return %n -> %a, %n -> %b, %n
    }""")
    assert [(new, old) for _, new, old in aliases(kernels)] == [("n", "a")]
    assert sum(len(k.outputs) for k in kernels) == 3


def test_old_state_returned_beside_the_new_one():
    kernels = kernels_of("""graph g(%x: f32[3], %a: f32[3]) {
      %n = add(%x, %a)
      return %n -> %a, %a
    }""")
    assert names(kernels) == [["add", "stop_gradient"]]
    assert aliases(kernels) == [(0, "n", "a")]


def test_kernels_are_named_by_their_ops():
    kernels = kernels_of("""graph g(%x: f32[3]) {
      %a = exp(%x)
      %b = tanh(%a)
      %c = add(%b, %x)
      %d = sin(%c)
      %e = cumsum(%d){axis=0}
      return %e
    }""")
    assert [k.name for k in kernels] == ["k0_exp_tanh_add_and_1_more", "k1_cumsum"]
    assert kernels[0].origins == ()
