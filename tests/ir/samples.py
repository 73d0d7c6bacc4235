"""One table of op samples: it drives type rule, value, gradient and every target. Every op stands here.

What does not live here: how samples become graphs and arrays (sampling.py), the checks (test_ops.py).
"""

import math
import operator
from itertools import accumulate

import numpy as np

from graphc.ir import BOOL, F32, F64, I32, I64, Array, symbol
from tests.ir.random_words import normals, uniforms, words
from tests.ir.sampling import (
    arrays_of,
    away_from_zero,
    between,
    between_integers,
    distinct,
    each,
    expected_of,
    fold,
    graph_of,
    integers,
    sample,
)
from tests.ir.scan_samples import SCAN
from tests.ir.window_samples import WINDOWS
from tests.ir.winograd_samples import WINOGRAD

__all__ = ["SAMPLES", "arrays_of", "expected_of", "graph_of"]

B, T = symbol("B"), symbol("T")
NAN, INF = math.nan, math.inf
POSITIVE = between(0.2, 3)
def _in_parts(a, b, parts):
    """The operands of a product cut along the sum, missing terms being zeros."""
    more = -a.shape[1] % parts
    a, b = np.pad(a, ((0, 0), (0, more))), np.pad(b, ((0, more), (0, 0)))
    return a.reshape(len(a), parts, -1).swapaxes(0, 1), b.reshape(parts, -1, b.shape[1])


EDGES = [NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 1e30]
KEY = (np.array([0x243F6A88, 0x85A308D3]),)
EMPTY = np.zeros((2, 0))


def distance(values):
    """The mean squared distance from the mean."""
    middle = math.fsum(values) / len(values)
    return math.fsum((v - middle) ** 2 for v in values) / len(values)


def signed(low, high):
    """A 64-bit integer from its two words."""
    word = high << 32 | low
    return word - (word >> 63 << 64)


def sign(x):
    return (x > 0) - (x < 0)


ARITHMETIC = [
    sample("add", "f32[3,4]", "f32[3,4]", expected=each(operator.add)),
    sample("add", "f32[B,4]", "f32[B,4]", expected=each(operator.add), sizes={"B": 3}),
    sample("add", "i32[5]", "i32[5]", expected=each(operator.add)),
    sample("add", "u32[2]", "u32[2]", given=([2**32 - 1, 5], [1, 6]), expected=[0, 11]),
    sample("add", "f32[0,4]", "f32[0,4]", expected=np.zeros((0, 4))),
    sample("add", "f32[]", "f32[]", expected=each(operator.add)),
    sample("subtract", "f32[3,4]", "f32[3,4]", expected=each(operator.sub)),
    sample("subtract", "i64[5]", "i64[5]", expected=each(operator.sub)),
    sample("multiply", "f32[3,4]", "f32[3,4]", expected=each(operator.mul)),
    sample("multiply", "i32[5]", "i32[5]", expected=each(operator.mul)),
    sample("divide", "f32[3,4]", "f32[3,4]", domain=(None, away_from_zero()), expected=each(operator.truediv)),
    sample("divide", "f32[5]", "f32[5]", given=([1, -1, 0, INF, NAN], [0, 0, 0, INF, 1]),
           expected=[INF, -INF, NAN, NAN, NAN]),
    sample("floor_divide", "f32[3,4]", "f32[3,4]", given=(np.arange(-6, 6).reshape(3, 4) + 0.5, np.full((3, 4), 1.75)),
           expected=each(operator.floordiv)),
    sample("floor_divide", "i32[6]", "i32[6]", given=([7, -7, 7, -7, 5, 0], [2, 2, -2, -2, 0, 3]),
           expected=[3, -4, -4, 3, 0, 0]),
    sample("floor_divide", "f32[4]", "f32[4]", domain=(between_integers(-4, 4), lambda rng, shape: np.ones(shape)),
           smooth=False, expected=each(operator.floordiv)),
    sample("remainder", "f32[3,4]", "f32[3,4]", domain=(between_integers(-6, 6), lambda rng, shape: np.ones(shape)),
           expected=each(operator.mod)),
    sample("remainder", "f32[4]", "f32[4]", given=([5.5, -5.5, 5.5, -5.5], [3, 3, -3, -3]),
           expected=[2.5, 0.5, -0.5, -2.5]),
    sample("remainder", "i32[6]", "i32[6]", given=([7, -7, 7, -7, 5, 0], [3, 3, -3, -3, 0, 3]),
           expected=[1, 2, -2, -1, 0, 0]),
    sample("power", "f32[3,4]", "f32[3,4]", domain=(POSITIVE, None), expected=each(math.pow)),
    sample("power", "f32[6]", "f32[6]", given=([-2, -2, 0, 0, -8, 4], [3, 2, 0, 2, 0.5, -0.5]),
           expected=[-8, 4, 1, 0, NAN, 0.5]),
    sample("power", "i32[4]", "i32[4]", given=([2, -3, 0, 7], [10, 3, 0, 1]), expected=[1024, -27, 1, 7]),
    sample("maximum", "f32[3,4]", "f32[3,4]", domain=(between_integers(-3, 3), integers(-3, 3)), expected=each(max)),
    sample("maximum", "f32[4]", "f32[4]", given=([NAN, 1, INF, 0], [1, NAN, 2, -1]), expected=[NAN, NAN, INF, 0]),
    sample("maximum", "i32[5]", "i32[5]", expected=each(max)),
    sample("minimum", "f32[3,4]", "f32[3,4]", domain=(between_integers(-3, 3), integers(-3, 3)), expected=each(min)),
    sample("minimum", "f32[4]", "f32[4]", given=([NAN, 1, -INF, 0], [1, NAN, 2, -1]), expected=[NAN, NAN, -INF, -1]),
    sample("minimum", "i32[5]", "i32[5]", expected=each(min)),
    sample("negative", "f32[3,4]", expected=each(operator.neg)),
    sample("negative", "i32[5]", expected=each(operator.neg)),
    sample("absolute", "f32[3,4]", domain=away_from_zero(), expected=each(abs)),
    sample("absolute", "i32[3]", given=([-3, 0, 2],), expected=[3, 0, 2]),
    sample("sign", "f32[3,4]", domain=away_from_zero(), expected=each(sign)),
    sample("sign", "f32[5]", given=([NAN, -INF, 0, -2, 3],), expected=[NAN, -1, 0, -1, 1]),
    sample("sign", "i32[3]", given=([-3, 0, 2],), expected=[-1, 0, 1]),
    sample("square", "f32[3,4]", expected=each(lambda x: x * x)),
    sample("square", "i32[5]", expected=each(lambda x: x * x)),
    sample("relu", "f32[3,4]", domain=away_from_zero(), expected=each(lambda x: max(x, 0.0))),
    sample("relu", "f32[8]", given=(EDGES,), expected=[NAN, INF, 0, 0, 0, 1, 0, np.float32(1e30)]),
    sample("relu", "i32[3]", given=([-3, 0, 2],), expected=[0, 0, 2]),
    sample("floor", "f32[3,4]", domain=between_integers(-3, 3), expected=each(math.floor)),
    sample("ceil", "f32[3,4]", domain=between_integers(-3, 3), expected=each(math.ceil)),
    sample("rint", "f32[3,4]", domain=between_integers(-3, 3), expected=each(round)),
    sample("rint", "f32[6]", given=([0.5, 1.5, 2.5, -0.5, -1.5, NAN],), expected=[0, 2, 2, 0, -2, NAN]),
    sample("stop_gradient", "f32[3,4]", smooth=False, expected=each(float)),
    sample("stop_gradient", "bool[3]", expected=each(bool)),
]

COMPARISONS = [
    *(sample(name, f"{dtype}[3,4]", f"{dtype}[3,4]", domain=integers(-2, 3), expected=each(function))
      for dtype in ("f32", "i32") for name, function in (
          ("equal", operator.eq), ("not_equal", operator.ne), ("less", operator.lt), ("less_equal", operator.le),
          ("greater", operator.gt), ("greater_equal", operator.ge))),
    *(sample(name, "f32[3]", "f32[3]", given=([NAN, 1, INF], [NAN, NAN, INF]), expected=expected)
      for name, expected in (("equal", [0, 0, 1]), ("not_equal", [1, 1, 0]), ("less_equal", [0, 0, 1]),
                             ("greater", [0, 0, 0]))),
    sample("equal", "bool[4]", "bool[4]", given=([0, 0, 1, 1], [0, 1, 0, 1]), expected=[1, 0, 0, 1]),
    sample("isnan", "f32[8]", given=(EDGES,), expected=each(math.isnan)),
    sample("isfinite", "f32[8]", given=(EDGES,), expected=each(math.isfinite)),
    *(sample(name, "bool[4]", "bool[4]", given=([0, 0, 1, 1], [0, 1, 0, 1]), expected=expected)
      for name, expected in (("logical_and", [0, 0, 0, 1]), ("logical_or", [0, 1, 1, 1]),
                             ("logical_xor", [0, 1, 1, 0]))),
    sample("logical_not", "bool[2]", given=([0, 1],), expected=[1, 0]),
    sample("select", "bool[3,4]", "f32[3,4]", "f32[3,4]", expected=each(lambda c, x, y: x if c else y)),
    sample("select", "bool[3]", "f32[3]", "f32[3]", given=([1, 0, 1], [1, NAN, NAN], [NAN, 2, 2]),
           expected=[1, 2, NAN]),
    sample("select", "bool[3]", "i32[3]", "i32[3]", expected=each(lambda c, x, y: x if c else y)),
    sample("cast", "f32[3,4]", dtype=F64, expected=each(float)),
    sample("cast", "f64[3,4]", dtype=F32, smooth=False, expected=each(float)),
    sample("cast", "f32[6]", given=([-1.9, -0.5, 0, 0.5, 1.9, 100],), dtype=I32, expected=[-1, 0, 0, 0, 1, 100]),
    sample("cast", "f32[4]", given=([0, -0.0, 0.5, NAN],), dtype=BOOL, expected=[0, 0, 1, 1]),
    sample("cast", "bool[2]", given=([0, 1],), dtype=F32, expected=[0, 1]),
    sample("cast", "i32[5]", dtype=F32, expected=each(float)),
    sample("cast", "i64[2]", given=([2**32 + 7, -1],), dtype=I32, expected=[7, -1]),
]

FUNCTIONS = [
    sample("sqrt", "f32[3,4]", domain=POSITIVE, expected=each(math.sqrt)),
    sample("sqrt", "f32[4]", given=([-1, 0, INF, NAN],), expected=[NAN, 0, INF, NAN]),
    sample("rsqrt", "f32[3,4]", domain=POSITIVE, expected=each(lambda x: x ** -0.5)),
    sample("rsqrt", "f32[4]", given=([-1, 0, INF, NAN],), expected=[NAN, INF, 0, NAN]),
    sample("reciprocal", "f32[3,4]", domain=away_from_zero(), expected=each(lambda x: x ** -1)),
    sample("exp", "f32[3,4]", expected=each(math.exp)),
    sample("exp", "f32[5]", given=([-INF, INF, NAN, 0, -1000],), expected=[0, INF, NAN, 1, 0]),
    sample("expm1", "f32[3,4]", expected=each(math.expm1)),
    sample("expm1", "f32[3]", domain=between(-1e-6, 1e-6), smooth=False, expected=each(math.expm1)),
    sample("log", "f32[3,4]", domain=POSITIVE, expected=each(math.log)),
    sample("log", "f32[5]", given=([0, -1, INF, NAN, 1],), expected=[-INF, NAN, INF, NAN, 0]),
    sample("log1p", "f32[3,4]", domain=POSITIVE, expected=each(math.log1p)),
    sample("log1p", "f32[3]", domain=between(-1e-6, 1e-6), smooth=False, expected=each(math.log1p)),
    sample("tanh", "f32[3,4]", expected=each(math.tanh)),
    sample("tanh", "f32[5]", given=([-INF, INF, NAN, 100, -0.0],), expected=[-1, 1, NAN, 1, 0]),
    sample("sigmoid", "f32[3,4]", expected=each(lambda x: (1 + math.tanh(x / 2)) / 2)),
    sample("sigmoid", "f32[6]", given=([-INF, INF, NAN, 200, -200, 0],), expected=[0, 1, NAN, 1, 0, 0.5]),
    sample("erf", "f32[3,4]", expected=each(lambda x: 1 - math.erfc(x))),
    sample("erf", "f32[6]", given=([0, 0.5, 1, 2, -INF, NAN],),
           expected=[0, 0.5204998778130465, 0.8427007929497149, 0.9953222650189527, -1, NAN]),
    sample("sin", "f32[3,4]", expected=each(math.sin)),
    sample("cos", "f32[3,4]", expected=each(math.cos)),
    sample("cos", "f32[4]", given=([1e4, -1e4, INF, NAN],), expected=[math.cos(1e4), math.cos(1e4), NAN, NAN]),
]

REDUCTIONS = [
    sample("reduce_sum", "f32[3,4,5]", axes=(1,), expected=fold(math.fsum, 1)),
    sample("reduce_sum", "f32[3,4,5]", axes=(0, 2), expected=fold(math.fsum, 0, 2)),
    sample("reduce_sum", "f32[B,4]", axes=(0,), expected=fold(math.fsum, 0), sizes={"B": 3}),
    sample("reduce_sum", "f32[B,100]", axes=(1,), expected=fold(math.fsum, 1), sizes={"B": 7}),
    sample("reduce_sum", "f32[70,40]", axes=(0, 1), expected=fold(math.fsum, 0, 1)),
    sample("reduce_sum", "i32[3,4]", axes=(1,), expected=fold(sum, 1)),
    sample("reduce_sum", "f32[2,0]", given=(EMPTY,), axes=(1,), expected=[0, 0]),
    sample("reduce_sum", "f32[3]", axes=(), expected=each(float)),
    sample("reduce_prod", "f32[3,4,5]", axes=(1,), expected=fold(math.prod, 1)),
    sample("reduce_prod", "f32[3,4]", domain=distinct(), axes=(0, 1), expected=fold(math.prod, 0, 1)),
    sample("reduce_prod", "i64[4]", axes=(0,), expected=fold(math.prod, 0)),
    *(sample(f"reduce_{name}", "f32[3,4,5]", domain=distinct(), axes=axes, expected=fold(function, *axes))
      for name, function in (("max", max), ("min", min)) for axes in ((1,), (0, 2), (0, 1, 2))),
    sample("reduce_max", "f32[2,3]", given=([[1, NAN, 2], [-INF, -1, -2]],), axes=(1,), expected=[NAN, -1]),
    sample("reduce_min", "f32[2,3]", given=([[1, NAN, 2], [INF, 1, 2]],), axes=(1,), expected=[NAN, 1]),
    sample("reduce_max", "i32[3,4]", axes=(0,), expected=fold(max, 0)),
    sample("reduce_min", "i32[3,4]", axes=(0,), expected=fold(min, 0)),
    sample("reduce_any", "bool[3,4]", axes=(1,), expected=fold(any, 1)),
    sample("reduce_all", "bool[3,2]", axes=(1,), expected=fold(all, 1)),
    sample("argmax", "f32[3,4,5]", domain=distinct(), axis=1, expected=fold(lambda v: v.index(max(v)), 1)),
    sample("argmax", "i32[3,40]", axis=1, expected=fold(lambda v: v.index(max(v)), 1)),
    sample("argmax", "f32[3,3]", given=([[1, NAN, 2], [1, 3, 3], [NAN, NAN, 5]],), axis=1, expected=[1, 1, 0]),
    sample("argmin", "f32[B,4]", axis=0, expected=fold(lambda v: v.index(min(v)), 0), sizes={"B": 6}),
    sample("argmin", "f32[2,3]", given=([[1, NAN, 0], [1, 1, 3]],), axis=1, expected=[1, 0]),
    sample("reduce_variance", "f32[3,4,5]", axes=(0, 2), expected=fold(distance, 0, 2)),
    sample("reduce_variance", "f32[B,4]", axes=(0,), expected=fold(distance, 0), sizes={"B": 5}),
    sample("reduce_variance", "f32[2,0]", given=(EMPTY,), axes=(1,), expected=[NAN, NAN]),
    sample("reduce_mean", "f32[3,4,5]", axes=(0, 2), expected=fold(lambda v: math.fsum(v) / len(v), 0, 2)),
    sample("reduce_mean", "f32[B,4]", axes=(0,), expected=fold(lambda v: math.fsum(v) / len(v), 0), sizes={"B": 5}),
    sample("reduce_mean", "f32[2,0]", given=(EMPTY,), axes=(1,), expected=[NAN, NAN]),
    sample("softmax", "f32[3,4]", axis=1, expected=lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
    sample("softmax", "f32[3,B]", axis=0, expected=lambda x: np.exp(x) / np.exp(x).sum(0), sizes={"B": 4}),
    sample("softmax", "f32[1,3]", given=([[1000, 1000, -1000]],), axis=1, expected=[[0.5, 0.5, 0]]),
    sample("log_softmax", "f32[3,4]", axis=1, expected=lambda x: x - np.log(np.exp(x).sum(1, keepdims=True))),
    sample("log_softmax", "f32[1,2]", given=([[1000, 0]],), axis=1, expected=[[0, -1000]]),
    sample("logsumexp", "f32[3,4,5]", axes=(0, 2),
           expected=fold(lambda v: math.log(math.fsum(map(math.exp, v))), 0, 2)),
    sample("logsumexp", "f32[4,2]", given=([[-INF, -INF], [INF, 1], [1000, 1000], [NAN, 1]],), axes=(1,),
           expected=[-INF, INF, 1000 + math.log(2), NAN]),
]

CONTRACTIONS = [
    sample("matmul", "f32[3,4]", "f32[4,5]", expected=lambda a, b: np.einsum("mk,kn->mn", a, b)),
    sample("matmul", "f32[B,4]", "f32[4,5]", expected=lambda a, b: np.einsum("mk,kn->mn", a, b), sizes={"B": 3}),
    sample("matmul", "f32[2,3,4]", "f32[2,4,5]", expected=lambda a, b: np.einsum("bmk,bkn->bmn", a, b)),
    sample("matmul", "f32[B,2,3,4]", "f32[B,2,4,5]", expected=lambda a, b: np.einsum("abmk,abkn->abmn", a, b),
           sizes={"B": 3}),
    sample("matmul", "f32[33,70]", "f32[70,17]", expected=lambda a, b: np.einsum("mk,kn->mn", a, b)),
    sample("matmul", "f32[2,0]", "f32[0,3]", expected=np.zeros((2, 3))),
    *(sample("split_matmul", "f32[B,70]", "f32[70,17]", parts=parts, sizes={"B": rows}, smooth=False,
             expected=lambda a, b, n=parts: np.einsum("pmk,pkn->pmn", *_in_parts(a, b, n)))
      for parts, rows in ((1, 3), (2, 33), (3, 5), (9, 40), (80, 3))),
]

MOVERS = [
    sample("transpose", "f32[2,3,4]", perm=(2, 0, 1), expected=lambda x: np.einsum("abc->cab", x)),
    sample("transpose", "i32[B,3]", perm=(1, 0), expected=lambda x: np.einsum("ab->ba", x), sizes={"B": 4}),
    sample("reshape", "f32[2,3,4]", shape=(6, 4), expected=lambda x: np.vstack([x[0], x[1]])),
    sample("reshape", "f32[B,3,4]", shape=(B * 3, 4), expected=lambda x: np.concatenate(list(x)), sizes={"B": 2}),
    sample("reshape", "bool[]", shape=(1, 1), expected=lambda x: [[x]]),
    sample("broadcast", "f32[3]", axes=(1,), shape=(2, 3, 4),
           expected=lambda x: x[None, :, None] + np.zeros((2, 3, 4))),
    sample("broadcast", "f32[2,1,4]", axes=(0, 1, 2), shape=(2, 3, 4), expected=lambda x: x + np.zeros((2, 3, 4))),
    sample("broadcast", "f32[]", axes=(), shape=(B, 3), expected=lambda x: x * np.ones((2, 3)), sizes={"B": 2}),
    sample("broadcast", "f32[B,1]", axes=(0, 2), shape=(B, 2, 3), sizes={"B": 2},
           expected=lambda x: x[:, None, :] + np.zeros((2, 2, 3))),
    sample("broadcast", "f32[1,3]", axes=(0, 1), shape=(1, 3), expected=each(float)),
    sample("slice", "f32[5,6]", starts=(1, 2), limits=(4, 6), strides=(1, 1), expected=lambda x: x[1:4, 2:6]),
    sample("slice", "f32[7,6]", starts=(1, 0), limits=(7, 6), strides=(3, 2), expected=lambda x: x[1::3, ::2]),
    sample("slice", "f32[8,2]", starts=(0, 0), limits=(7, 2), strides=(3, 1), expected=lambda x: x[:7:3]),
    sample("slice", "f32[3,6]", starts=(2, 1), limits=(2, 5), strides=(2, 1), expected=np.zeros((0, 4))),
    sample("slice", "f32[B,6]", starts=(1, 0), limits=(B, 6), strides=(1, 2), expected=lambda x: x[1:, ::2],
           sizes={"B": 4}),
    sample("slice", "f32[T,2]", starts=(1, 0), limits=(T, 2), strides=(2, 1), expected=lambda x: x[1::2],
           sizes={"T": 6}),
    sample("slice", "f32[T]", starts=(T - 2,), limits=(T,), strides=(1,), expected=lambda x: x[-2:], sizes={"T": 6}),
    sample("reverse", "f32[2,3,4]", axes=(0, 2), expected=lambda x: x[::-1, :, ::-1]),
    sample("reverse", "i32[5]", axes=(0,), expected=lambda x: x[[4, 3, 2, 1, 0]]),
    sample("pad", "f32[2,3]", low=(1, 0), high=(0, 2), value=0.0,
           expected=lambda x: np.block([[np.zeros((1, 5))], [x, np.zeros((2, 2))]])),
    sample("pad", "f32[B,2]", low=(0, 1), high=(0, 1), value=-INF, sizes={"B": 3},
           expected=lambda x: np.hstack([np.full((3, 1), -INF), x, np.full((3, 1), -INF)]), smooth=False),
    sample("pad", "f32[T]", low=(0,), high=(T,), value=1.5, sizes={"T": 3},
           expected=lambda x: np.append(x, [1.5, 1.5, 1.5])),
    sample("pad", "i32[2]", low=(1,), high=(1,), value=7, given=([1, 2],), expected=[7, 1, 2, 7]),
    sample("concatenate", "f32[2,3]", "f32[2,1]", "f32[2,2]", axis=1, expected=lambda x, y, z: np.hstack([x, y, z])),
    sample("concatenate", "f32[B,2]", "f32[3,2]", axis=0, expected=lambda x, y: np.vstack([x, y]), sizes={"B": 2}),
    sample("concatenate", "i32[3]", axis=0, expected=each(int)),
    sample("concatenate", "f32[2,0,2]", "f32[2,3,2]", axis=1, expected=lambda x, y: y),
]

TABLE = np.array([[1.5, 2.5, -3.0], [0.0, NAN, 4.0]], np.float32)
SOURCES = [
    sample("full", value=2.5, shape=(2, 3), dtype=F32, expected=[[2.5] * 3] * 2),
    sample("full", value=True, shape=(), dtype=BOOL, expected=True),
    sample("full", value=-3, shape=(2,), dtype=I64, expected=[-3, -3]),
    sample("full", value=NAN, shape=(2,), dtype=F32, expected=[NAN, NAN]),
    sample("full", value=0.5, shape=(B, 2), dtype=F32, sizes={"B": 3}, expected=[[0.5] * 2] * 3),
    sample("constant", value=Array(TABLE), expected=[[1.5, 2.5, -3], [0, NAN, 4]]),
    sample("constant", value=Array(np.array([3, 1, 2], np.int32)), expected=[3, 1, 2]),
    sample("iota", axis=1, shape=(2, 3), dtype=F32, expected=[[0, 1, 2], [0, 1, 2]]),
    sample("iota", axis=0, shape=(3, 2), dtype=I32, expected=[[0, 0], [1, 1], [2, 2]]),
    sample("iota", axis=1, shape=(2, B), dtype=I64, sizes={"B": 4}, expected=[[0, 1, 2, 3]] * 2),
    sample("size", dim=7, dtype=I64, expected=7),
    sample("size", dim=(2 * B + 5) // 3, dtype=F32, sizes={"B": 6}, expected=5),
    sample("random_key", "i64[]", "i64[]", stream=0,
           given=(signed(0x13198A2E, 0x03707344), signed(0x243F6A88, 0x85A308D3)), expected=[0xC4923A9C, 0x483DF7A0]),
    sample("random_key", "i64[]", "i64[]", given=(-1, -1), stream=0, expected=[0x1CB996FC, 0xBB002BE7]),
    sample("random_key", "i64[]", "i64[]", given=(0, signed(3 * 0x9E3779B9 % 2**32, 3)), stream=3,
           expected=[0x6B200159, 0x99BA4EFE]),
    sample("random_bits", "u32[2]", given=KEY, shape=(3, 5), expected=words(*KEY, (3, 5))),
    sample("random_mask", "u32[2]", given=KEY, shape=(4, 30), dtype=F32, level=0.25,
           expected=np.array(uniforms(*KEY, (4, 30))) >= 0.25),
    sample("random_mask", "u32[2]", given=KEY, shape=(B, 3), dtype=F64, level=0.5, sizes={"B": 5},
           expected=np.array(uniforms(*KEY, (5, 3))) >= 0.5),
    sample("random_uniform", "u32[2]", given=KEY, shape=(4, 3), dtype=F32, expected=uniforms(*KEY, (4, 3))),
    sample("random_uniform", "u32[2]", given=KEY, shape=(B, 3), dtype=F32, sizes={"B": 2},
           expected=uniforms(*KEY, (2, 3))),
    sample("random_uniform", "u32[2]", given=KEY, shape=(4,), dtype=F64, expected=uniforms(*KEY, (4,))),
    sample("random_normal", "u32[2]", given=KEY, shape=(4, 3), dtype=F32, expected=normals(*KEY, (4, 3))),
]

POSITIONS = [
    sample("gather", "f32[4,3]", "i32[5]", domain=(None, integers(0, 4)), axis=0,
           expected=lambda x, i: np.eye(4)[i] @ x),
    sample("gather", "f32[3,4,2]", "i64[2,3]", domain=(None, integers(0, 4)), axis=1,
           expected=lambda x, i: np.einsum("ijk,akb->aijb", np.eye(4)[i], x)),
    sample("gather", "f32[4,3]", "i32[B]", domain=(None, integers(0, 4)), axis=0, sizes={"B": 6},
           expected=lambda x, i: np.eye(4)[i] @ x),
    sample("gather", "f32[4,3]", "i32[]", given=(np.arange(12).reshape(4, 3), 2), axis=0, expected=[6, 7, 8]),
    sample("gather_grad", "f32[5,3]", "i32[5]", domain=(None, integers(0, 4)), axis=0, size=4,
           expected=lambda g, i: np.eye(4)[i].T @ g),
    sample("gather_grad", "f32[3,2,3,2]", "i64[2,3]", domain=(None, integers(0, 4)), axis=1, size=4,
           expected=lambda g, i: np.einsum("ijk,aijb->akb", np.eye(4)[i], g)),
    sample("gather_grad", "f32[B,3]", "i32[B]", domain=(None, integers(0, 4)), axis=0, size=4, sizes={"B": 6},
           expected=lambda g, i: np.eye(4)[i].T @ g),
    sample("first_positions", "i32[6]", given=([3, 1, 3, 0, 1, 3],), size=5, expected=[3, 1, -1, 0, -1]),
    sample("first_positions", "i64[B]", domain=integers(0, 4), size=4, sizes={"B": 7},
           expected=lambda i: [list(i).index(k) if k in i else -1 for k in range(4)]),
    sample("sum_rows", "f32[4,3]", "i32[4]", domain=(None, integers(0, 4)), smooth=False, expected=lambda g, i: np.eye(4)[i].T @ g),
    sample("sum_rows", "f32[B,3]", "i32[B]", domain=(None, integers(0, 6)), sizes={"B": 6},
           smooth=False, expected=lambda g, i: np.eye(6)[i].T @ g),
    sample("place_rows", "f32[B,3]", "i32[5]", domain=(None, integers(-1, 4)), sizes={"B": 4},
           smooth=False, expected=lambda rows, i: np.eye(5)[i][:, :4] @ rows),
    sample("scatter_rows", "f32[5,3]", "i32[4]", "i32[4]", "f32[4,3]", "f32[]",
           given=(np.ones((5, 3)), [3, 0, 3, 4], [0, 1, 0, 3], np.arange(12).reshape(4, 3), 0.5),
           smooth=False, expected=[[6, 8, 10], [1, 1, 1], [1, 1, 1], [0, 2, 4], [18, 20, 22]]),
    sample("scatter_rows", "f32[4,2]", "i64[B]", "i32[B]", "f32[B,2]", "f32[]", sizes={"B": 2},
           given=(np.full((4, 2), 2.0**80), [1, 1], [0, 0], np.ones((2, 2)), 2.0**-40),
           smooth=False, expected=[[2.0**40] * 2, [1, 1], [2.0**40] * 2, [2.0**40] * 2]),
    sample("cumsum", "f32[3,4]", axis=1, expected=lambda x: [list(accumulate(row)) for row in x]),
    sample("cumsum", "f32[B,4]", axis=0, expected=lambda x: np.tril(np.ones((3, 3))) @ x, sizes={"B": 3}),
    sample("cumsum", "i32[5]", axis=0, expected=lambda x: list(accumulate(x))),
    sample("one_hot", "i32[2,3]", domain=integers(0, 4), depth=4, dtype=F32, expected=lambda i: np.eye(4)[i]),
    sample("one_hot", "i64[3]", given=([1, -1, 3],), depth=3, dtype=F32, expected=[[0, 1, 0], [0, 0, 0], [0, 0, 0]]),
    sample("one_hot", "u8[2]", given=([5, 44],), depth=300, dtype=F32, expected=lambda i: np.eye(300)[i]),
    sample("one_hot", "i32[B]", domain=integers(0, 2), depth=2, dtype=BOOL, sizes={"B": 3},
           expected=lambda i: np.eye(2)[i]),
]

SAMPLES = [*ARITHMETIC, *COMPARISONS, *FUNCTIONS, *REDUCTIONS, *CONTRACTIONS, *MOVERS, *SOURCES, *POSITIONS,
           *WINDOWS, *WINOGRAD, *SCAN]
