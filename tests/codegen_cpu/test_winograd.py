"""Winograd kernels: tiles at every kind of border, vectors that overlap, epilogues, blocks and shares."""

import pytest

from tests.codegen_cpu.agreement import assert_agrees


def one(x, u, low, high, dtype="f32", pool=None):
    return (f"graph g(%x: {dtype}[{x}], %u: {dtype}[{u}]) {{\n"
            f"  %y = winograd(%x, %u){{high={high}, low={low}, pool={pool or (1,) * len(low)}}}\n  return %y\n}}")


def two(x, g, low, high, dtype="f32"):
    return (f"graph g(%x: {dtype}[{x}], %g: {dtype}[{g}]) {{\n"
            f"  %y = winograd_gradient(%x, %g){{high={high}, low={low}, shares=5}}\n  return %y\n}}")


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("channels", [16, 19, 40])
@pytest.mark.parametrize("filters", [16, 48, 80])
def test_channels_and_filters(channels, filters, dtype, thread_counts):
    assert_agrees(one(f"B,11,8,{channels}", f"36,{channels * filters}", (1, 0), (0, 1), dtype), [{"B": 1}, {"B": 3}],
                  thread_counts, kernels=1, normal=True)


@pytest.mark.parametrize("low", [0, 1, 3])
@pytest.mark.parametrize("high", [0, 2])
def test_borders_of_symbolic_sizes(low, high, thread_counts):
    sizes = [{"B": 2, "H": h, "W": w} for h in (3, 4, 6, 10) for w in (3, 5, 9)]
    assert_agrees(one("B,H,W,16", "36,256", (low, 1), (high, 0)), sizes, thread_counts, kernels=1, normal=True)


def test_along_one_axis(thread_counts):
    sizes = [{"B": b, "T": t} for b in (1, 5) for t in (3, 4, 7, 100)]
    assert_agrees(one("B,T,17", "6,544", (2,), (0,)), sizes, thread_counts, kernels=1, normal=True)


@pytest.mark.parametrize("pool", [(2, 2), (4, 1), (1, 4)])
def test_pooling(pool, thread_counts):
    sizes = [{"B": 2, "H": h, "W": w} for h in (6, 7, 10) for w in (7, 9)]
    assert_agrees(one("B,H,W,16", "36,512", (1, 0), (0, 1), pool=pool), sizes, thread_counts, kernels=1, normal=True)


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize(("channels", "filters"), [(16, 16), (48, 32), (32, 80)])
def test_gradient(channels, filters, dtype, thread_counts):
    assert_agrees(two(f"B,9,10,{channels}", f"B,9,9,{filters}", (1, 0), (1, 1), dtype), [{"B": 1}, {"B": 2}, {"B": 21}],
                  thread_counts, kernels=1, normal=True)


def test_gradient_along_one_axis(thread_counts):
    assert_agrees(two("B,30,16", "B,28,32", (0,), (0,)), [{"B": 1}, {"B": 9}], thread_counts, kernels=1, normal=True)


def test_no_items(thread_counts):
    assert_agrees(one("B,8,8,16", "36,256", (0, 0), (0, 0)), [{"B": 0}], thread_counts)
    assert_agrees(two("B,8,8,16", "B,6,6,16", (0, 0), (0, 0)), [{"B": 0}], thread_counts)


def test_epilogue_with_bias_scale_for_each_item_residual_and_activation(thread_counts):
    assert_agrees("""graph g(%x: f32[B,9,7,16], %u: f32[36,512], %b: f32[32], %s: f32[B,32], %r: f32[B,9,7,32]) {
      %y = winograd(%x, %u){high=(1,1), low=(1,1), pool=(1,1)}
      %bb = broadcast(%b){axes=(3,), shape=(B,9,7,32)}
      %ss = broadcast(%s){axes=(0,3), shape=(B,9,7,32)}
      %a = add(%y, %bb)
      %m = multiply(%a, %ss)
      %d = add(%m, %r)
      %z = relu(%d)
      return %z
    }""", [{"B": 1}, {"B": 4}], thread_counts, kernels=1, normal=True)
