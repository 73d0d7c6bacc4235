"""Sources: constants, counters, sizes and random numbers. Elements depend on their position alone.

What does not live here: the random number generator (random.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, DTypeError, ShapeError
from graphc.ir import random
from graphc.ir.checks import FLOATS, NUMBERS, check_axis, check_dim, check_dtype, check_number, check_shape
from graphc.ir.dims import Dim, Shape
from graphc.ir.spec import Array, Kind, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import BOOL, I64, U32, DType, TensorType, dtype_of

SEED = TensorType(I64)
KEY = TensorType(U32, (2,))


def _infer_full(*, value: float, shape: Shape, dtype: DType) -> TensorType:
    check_number("full", value, check_dtype("full", dtype))
    return TensorType(dtype, check_shape("full", shape))


FULL = define("full", kind=Kind.SOURCE, infer=_infer_full,
              reference=lambda *, value, shape, dtype: np.full(shape, value, dtype.numpy))


def _infer_constant(*, value: Array) -> TensorType:
    if not isinstance(value, Array):
        raise DTypeError("constant: value is no Array", got=type(value).__name__, fix="Wrap the NumPy array.")
    return TensorType(dtype_of(value.data.dtype), value.data.shape)


CONSTANT = define("constant", kind=Kind.SOURCE, infer=_infer_constant, reference=lambda *, value: value.data)


def _infer_iota(*, axis: int, shape: Shape, dtype: DType) -> TensorType:
    result = TensorType(check_dtype("iota", dtype, NUMBERS), check_shape("iota", shape))
    check_axis("iota", result, axis)
    return result


def _iota(*, axis: int, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
    count = np.arange(shape[axis]).astype(dtype.numpy)
    return np.broadcast_to(count.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape)


IOTA = define("iota", kind=Kind.SOURCE, infer=_infer_iota, reference=_iota)


def _infer_size(*, dim: Dim, dtype: DType) -> TensorType:
    check_dim("size", dim, "dim")
    return TensorType(check_dtype("size", dtype, NUMBERS))


SIZE = define("size", kind=Kind.SOURCE, infer=_infer_size,
              reference=lambda *, dim, dtype: np.asarray(dim, dtype.numpy))

# ---- random numbers


def _expect(op: str, got: TensorType, wanted: TensorType, what: str) -> None:
    if got.dtype != wanted.dtype:
        raise DTypeError(f"{op}: the {what} has another element type", expected=wanted, got=got)
    if got.shape != wanted.shape:
        raise ShapeError(f"{op}: the {what} has another shape", expected=wanted, got=got)


def _infer_key(seed: TensorType, step: TensorType, *, stream: int) -> TensorType:
    _expect("random_key", seed, SEED, "seed")
    _expect("random_key", step, SEED, "step")
    if not isinstance(stream, int) or not 0 <= stream <= random.MASK:
        raise ArgumentError("random_key: not a stream", expected="an int in [0, 2**32)", got=repr(stream))
    return KEY


def _random_key(seed: np.ndarray, step: np.ndarray, *, stream: int) -> np.ndarray:
    return random.random_key(int(seed), int(step), stream)


RANDOM_KEY = define("random_key", kind=Kind.SOURCE, infer=_infer_key, reference=_random_key)


def _infer_bits(key: TensorType, *, shape: Shape) -> TensorType:
    _expect("random_bits", key, KEY, "key")
    return TensorType(U32, check_shape("random_bits", shape))


RANDOM_BITS = define("random_bits", kind=Kind.SOURCE, infer=_infer_bits,
                     reference=lambda key, *, shape: random.random_bits(key, shape))


def _infer_drawn(op: str) -> Any:
    def infer(key: TensorType, *, shape: Shape, dtype: DType) -> TensorType:
        _expect(op, key, KEY, "key")
        return TensorType(check_dtype(op, dtype, FLOATS), check_shape(op, shape))

    return infer


RANDOM_UNIFORM = define("random_uniform", kind=Kind.SOURCE, infer=_infer_drawn("random_uniform"),
                        reference=lambda key, *, shape, dtype: random.random_uniform(key, shape, dtype.numpy))


def _infer_mask(key: TensorType, *, shape: Shape, dtype: DType, level: float) -> TensorType:
    _infer_drawn("random_mask")(key, shape=shape, dtype=dtype)
    check_number("random_mask", level, dtype)
    return TensorType(BOOL, shape)


def _random_mask(key: np.ndarray, *, shape: tuple[int, ...], dtype: DType, level: float) -> np.ndarray:
    return random.random_uniform(key, shape, dtype.numpy) >= dtype.numpy.type(level)


# Whether random_uniform is at least `level`. A source: whoever needs it draws it again, and nobody stores it.
RANDOM_MASK = define("random_mask", kind=Kind.SOURCE, infer=_infer_mask, reference=_random_mask)


def _random_normal_body(ctx: RuleContext, key: Traced) -> Traced:
    """Box and Muller's formula on two streams, as random.random_normal has it."""
    first = key.random_uniform(**ctx.attrs)
    second = (key + random.GOLDEN).random_uniform(**ctx.attrs)
    return (second * (2 * math.pi)).cos() * ((1 - first).log() * -2).sqrt()


RANDOM_NORMAL = define("random_normal", kind=Kind.COMPOSITE, infer=_infer_drawn("random_normal"),
                       reference=lambda key, *, shape, dtype: random.random_normal(key, shape, dtype.numpy),
                       body=_random_normal_body)
