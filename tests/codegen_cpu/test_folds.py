"""Reduction kernels: long rows, columns, short rows; several folds and passes in one kernel; what is stored between."""

import numpy as np
import pytest

from graphc.compiler import compile_graph
from graphc.ir.parser import parse
from tests.codegen_cpu.agreement import assert_agrees

LENGTHS = (1, 2, 15, 16, 17, 31, 32, 33, 47, 64, 65, 130)
EVERY_FOLD = """
  %sum = reduce_sum(%x){{axes=({a},)}}
  %largest = reduce_max(%x){{axes=({a},)}}
  %smallest = reduce_min(%x){{axes=({a},)}}
  %scaled = tanh(%x)
  %product = reduce_prod(%scaled){{axes=({a},)}}
  return %sum, %largest, %smallest, %product
}}"""


@pytest.mark.parametrize(("shape", "axis"), [("N,M", 1), ("N,M", 0), ("M", 0), ("2,M,3", 1), ("1,M,1", 1), ("N,M,1", 1),
                                             ("1,N,M", 1)])
def test_every_length_of_symbolic_axes(shape, axis, thread_counts):
    assert_agrees(f"graph g(%x: f32[{shape}]) {{" + EVERY_FOLD.format(a=axis),
                  [{"N": n, "M": m} for m in LENGTHS for n in ((3,) if m % 2 else (70,))], thread_counts)


@pytest.mark.parametrize("length", [1, 5, 31, 32, 40, 64, 65, 100])
def test_every_length_of_known_axes(length, thread_counts):
    for shape, axis in ((f"N,{length}", 1), (f"{length},N", 0)):
        assert_agrees(f"graph g(%x: f32[{shape}]) {{" + EVERY_FOLD.format(a=axis), [{"N": 1}, {"N": 3}, {"N": 130}],
                      thread_counts)


KERNELS = {
    "softmax of rows": """graph g(%x: f32[N,M]) {
      %y = softmax(%x){axis=1}
      return %y
    }""",
    "softmax of columns": """graph g(%x: f32[M,N]) {
      %y = softmax(%x){axis=0}
      return %y
    }""",
    "softmax between": """graph g(%x: f32[2,M,N]) {
      %y = log_softmax(%x){axis=1}
      return %y
    }""",
    "softmax of short rows": """graph g(%x: f32[N,10]) {
      %y = softmax(%x){axis=1}
      return %y
    }""",
    "passes that store what they fold, and what lies between": """graph g(%x: f32[N,M], %w: f32[N]) {
      %t = tanh(%x)
      %s = reduce_sum(%t){axes=(1,)}
      %m = multiply(%s, %w)
      %mm = broadcast(%m){axes=(0,), shape=(N,M)}
      %d = subtract(%t, %mm)
      %q = square(%d)
      %v = reduce_max(%q){axes=(1,)}
      %r = sqrt(%v)
      %rr = broadcast(%r){axes=(0,), shape=(N,M)}
      %y = multiply(%d, %rr)
      return %t, %s, %m, %d, %v, %r, %y
    }""",
    "the same of columns": """graph g(%x: f32[M,N], %w: f32[N]) {
      %t = tanh(%x)
      %s = reduce_sum(%t){axes=(0,)}
      %m = multiply(%s, %w)
      %mm = broadcast(%m){axes=(1,), shape=(M,N)}
      %d = subtract(%t, %mm)
      %q = square(%d)
      %v = reduce_max(%q){axes=(0,)}
      %r = sqrt(%v)
      %rr = broadcast(%r){axes=(1,), shape=(M,N)}
      %y = multiply(%d, %rr)
      return %t, %s, %m, %d, %v, %r, %y
    }""",
    "positions beside sums": """graph g(%x: f32[N,M]) {
      %t = tanh(%x)
      %s = reduce_sum(%t){axes=(1,)}
      %u = sign(%t)
      %p = reduce_max(%u){axes=(1,)}
      return %t, %s, %p
    }""",
    "what is made of inputs alone, at the shape of the folds": """graph g(%x: f32[N,M], %w: f32[N]) {
      %e = exp(%w)
      %s = reduce_sum(%x){axes=(1,)}
      %y = add(%s, %e)
      %ee = broadcast(%e){axes=(0,), shape=(N,M)}
      %yy = broadcast(%y){axes=(0,), shape=(N,M)}
      %z = multiply(%ee, %yy)
      return %e, %y, %z
    }""",
    "reads at other positions": """graph g(%x: f32[N,M], %t: f32[M,N], %v: f32[M], %i: i32[N,M]) {
      %r = reverse(%x){axes=(0,1)}
      %a = transpose(%t){perm=(1,0)}
      %b = broadcast(%v){axes=(1,), shape=(N,M)}
      %c = add(%r, %a)
      %d = multiply(%c, %b)
      %u = pad(%v){low=(0,), high=(5,), value=1.0}
      %g = gather(%u, %i){axis=0}
      %e = add(%d, %g)
      %s = reduce_sum(%e){axes=(1,)}
      %l = reduce_max(%e){axes=(1,)}
      return %s, %l
    }""",
    "moments of a batch": """graph g(%x: f32[N,M], %gamma: f32[M], %beta: f32[M]) {
      %m = reduce_mean(%x){axes=(0,)}
      %mm = broadcast(%m){axes=(1,), shape=(N,M)}
      %d = subtract(%x, %mm)
      %q = square(%d)
      %v = reduce_mean(%q){axes=(0,)}
      %eps = full{value=0.001, shape=(M,), dtype=f32}
      %ve = add(%v, %eps)
      %i = rsqrt(%ve)
      %s = multiply(%i, %gamma)
      %ss = broadcast(%s){axes=(1,), shape=(N,M)}
      %n = multiply(%d, %ss)
      %bb = broadcast(%beta){axes=(1,), shape=(N,M)}
      %y = add(%n, %bb)
      return %y, %m, %v
    }""",
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernel(name, thread_counts):
    assert_agrees(KERNELS[name], [{"N": 3, "M": 5}, {"N": 1, "M": 1}, {"N": 70, "M": 33}, {"N": 2, "M": 130},
                                  {"N": 0, "M": 4}] if "batch" not in name else [{"N": 3, "M": 5}, {"N": 70, "M": 66}],
                  thread_counts, kernels=1)


def test_blocks_of_axes_and_of_several_inner_and_outer_axes(thread_counts):
    assert_agrees("""graph g(%x: f32[2,B,3,T,2,2]) {
      %a = reduce_sum(%x){axes=(2,3)}
      %b = reduce_max(%x){axes=(0,1)}
      %c = reduce_sum(%x){axes=(4,5)}
      %d = reduce_sum(%x){axes=(0,1,2,3,4,5)}
      %e = reduce_sum(%x){axes=(0,2,5)}
      %f = argmax(%x){axis=3}
      return %a, %b, %c, %d, %e, %f
    }""", [{"B": 1, "T": 1}, {"B": 3, "T": 5}, {"B": 7, "T": 13}], thread_counts)


def test_integers_and_bools_fold_exactly_in_long_rows(thread_counts):
    assert_agrees("""graph g(%x: i32[N,M], %y: u8[N,M], %c: bool[N,M]) {
      %a = reduce_sum(%x){axes=(1,)}
      %b = reduce_sum(%y){axes=(1,)}
      %p = reduce_prod(%x){axes=(1,)}
      %d = reduce_any(%c){axes=(1,)}
      %e = reduce_all(%c){axes=(1,)}
      %f = argmax(%y){axis=1}
      return %a, %b, %p, %d, %e, %f
    }""", [{"N": 3, "M": m} for m in (1, 16, 70, 200)], thread_counts)


def test_sums_of_many_numbers_lose_little():
    """LANES partial sums: the error grows with n / 16, not with n."""
    x = np.random.default_rng(0).uniform(0, 1, 200_000).astype("f4")
    f = compile_graph(parse("graph g(%x: f32[N]) {\n  %y = reduce_sum(%x){axes=(0,)}\n  return %y\n}"))
    exact = x.astype(float).sum()
    assert abs(float(f(x)[0]) - exact) < 200_000 / 16 * 2.0**-24 * exact
