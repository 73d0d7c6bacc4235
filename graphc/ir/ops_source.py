"""Values from nothing: constants, sizes, counters and counter-based random numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import random
from graphc.ir.dims import Dim, Shape
from graphc.ir.spec import Array, Kind, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import I64, U32, DType, TensorType, dtype_of

define("full", kind=Kind.SOURCE, infer=lambda value, shape, dtype: TensorType(dtype, shape),
       reference=lambda value, shape, dtype: np.full(shape, value, dtype.numpy))
define("constant", kind=Kind.SOURCE, reference=lambda value: value.data,
       infer=lambda value: TensorType(dtype_of(value.data.dtype), value.data.shape))


def _infer_iota(axis: int, shape: Shape, dtype: DType) -> TensorType:
    if not 0 <= axis < len(shape):
        raise ShapeError("iota: the axis lies outside the shape", expected=f"0 <= axis < {len(shape)}", got=axis)
    return TensorType(dtype, shape)


def _iota(axis: int, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
    column = np.arange(shape[axis]).astype(dtype.numpy).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return np.broadcast_to(column, shape).copy()


define("iota", kind=Kind.SOURCE, infer=_infer_iota, reference=_iota)
define("size", kind=Kind.SOURCE, infer=lambda dim, dtype: TensorType(dtype, ()),
       reference=lambda dim, dtype: np.asarray(dim, dtype.numpy))


def _infer_key(seed: TensorType, step: TensorType, stream: int) -> TensorType:
    if seed != TensorType(I64) or step != TensorType(I64):
        raise DTypeError("random_key: seed and step are i64 scalars", got=f"{seed}, {step}")
    return TensorType(U32, (2,))


define("random_key", kind=Kind.SOURCE, infer=_infer_key,
       reference=lambda seed, step, stream: random.key(int(seed), int(step), stream))


def _check_key(name: str, key: TensorType) -> None:
    if key != TensorType(U32, (2,)):
        raise DTypeError(f"{name}: wrong key", expected="u32[2]", got=key)


def _infer_bits(key: TensorType, shape: Shape) -> TensorType:
    _check_key("random_bits", key)
    return TensorType(U32, shape)


def _infer_random(key: TensorType, shape: Shape, dtype: DType) -> TensorType:
    _check_key("random", key)
    if not dtype.is_float:
        raise DTypeError("random: numbers are floats", got=dtype)
    return TensorType(dtype, shape)


def _no_gradient(ctx: RuleContext, g: Traced, key: Traced) -> list[Any]:
    return [None]


define("random_bits", kind=Kind.SOURCE, infer=_infer_bits, reference=random.bits)
define("random_uniform", kind=Kind.SOURCE, infer=_infer_random, vjp=_no_gradient,
       reference=lambda key, shape, dtype: random.uniform(key, shape).astype(dtype.numpy))


def _normal_body(ctx: RuleContext, key: Traced) -> Traced:
    """Box and Muller, on two streams of uniform numbers: one lies in (0, 1]."""
    shape, dtype = ctx.attrs["shape"], ctx.attrs["dtype"]
    rank = len(shape)
    both = ctx.emit("random_uniform", key, shape=(2, *shape), dtype=dtype)
    u, v = (both.slice(starts=(i, *[0] * rank), limits=(i + 1, *shape), strides=(1,) * (rank + 1)).reshape(shape=shape)
            for i in (0, 1))
    return ((1 - u).log() * -2.0).sqrt() * (v * (2 * math.pi)).cos()


def _normal(key: np.ndarray, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
    u, v = random.uniform(key, (2, *shape)).astype(dtype.numpy)
    return (np.sqrt(np.log(1 - u) * dtype.numpy.type(-2)) * np.cos(v * dtype.numpy.type(2 * math.pi))).astype(dtype.numpy)


define("random_normal", kind=Kind.COMPOSITE, infer=_infer_random, reference=_normal, body=_normal_body,
       vjp=_no_gradient)
assert Array and Dim
