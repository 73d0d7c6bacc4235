"""Poolings that change places: the same bits, and only where nobody reads what lay between."""

import numpy as np
import pytest

from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.ir.verify import verify
from graphc.passes.dce import dce
from graphc.passes.pools import pool_first, pool_in_winograd

LAYERS = """graph g(%x: f32[B,9,8,16], %b: f32[16]) {
  %bb = broadcast(%b){axes=(3,), shape=(B,9,8,16)}
  %z = add(%x, %bb)
  %r = relu(%z)
  %p = max_pool(%r){shape=(3,2), strides=(2,2)}
  return %p
}"""
CONVOLUTION = """graph g(%x: f32[B,9,8,16], %u: f32[36,256]) {
  %y = winograd(%x, %u){high=(0,1), low=(1,0), pool=(1,1)}
  %p = max_pool(%y){shape=(2,4), strides=(2,4)}
  return %p
}"""


def names(graph):
    return [op.name for op in graph.ops]


def arrays_of(graph):
    rng = np.random.default_rng(0)
    return [rng.normal(size=[2 if str(d) == "B" else d for d in v.type.shape]).astype("f4") for v in graph.inputs]


def same_bits(before, after):
    verify(after)
    feed = arrays_of(before)
    feed[0].flat[[3, 700]] = np.nan, -np.inf
    return all(a.tobytes() == b.tobytes() for a, b in zip(evaluate(before, feed), evaluate(after, feed), strict=True))


def test_bias_and_relu_come_behind():
    before = parse(LAYERS)
    after = dce(pool_first(before))
    assert names(after) == ["max_pool", "broadcast", "add", "relu"]
    assert same_bits(before, after)


@pytest.mark.parametrize("change", [
    ("return %p", "return %p, %r"), ("return %p", "return %p, %z"), ("relu", "negative"),
    ("%r = relu(%z)", "%r = multiply(%z, %z)"), ("relu", "square")])
def test_nothing_moves_past_what_others_read_or_what_turns_the_order_round(change):
    text = LAYERS.replace(*change)
    before = parse(text)
    after = dce(pool_first(before))
    assert names(after).index("max_pool") >= 2
    assert same_bits(before, after)


def test_a_bias_that_differs_from_place_to_place_stays():
    before = parse(LAYERS.replace("%b: f32[16]", "%b: f32[8,16]").replace("axes=(3,)", "axes=(2,3)"))
    assert names(dce(pool_first(before))) == ["broadcast", "add", "max_pool", "relu"]


def test_a_convolution_takes_its_pooling():
    before = parse(CONVOLUTION)
    after = dce(pool_in_winograd(before))
    assert names(after) == ["winograd"]
    assert after.ops[0].attr("pool") == (2, 4)
    verify(after)
    for old, new in zip(evaluate(before, arrays_of(before)), evaluate(after, arrays_of(before)), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("change", [("return %p", "return %p, %y"), ("strides=(2,4)", "strides=(1,4)"),
                                    ("shape=(2,4), strides=(2,4)", "shape=(3,2), strides=(3,2)"),
                                    ("pool=(1,1)", "pool=(2,1)")])
def test_other_poolings_stay(change):
    graph = parse(CONVOLUTION.replace(*change))
    assert pool_in_winograd(graph) is graph
