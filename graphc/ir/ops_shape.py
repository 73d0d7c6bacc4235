"""Ops that move elements without changing them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir.dims import Dim, Shape, size_of
from graphc.ir.spec import Kind, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import TensorType


def _infer_transpose(x: TensorType, perm: tuple[int, ...]) -> TensorType:
    if sorted(perm) != list(range(x.rank)):
        raise ShapeError("transpose: perm must name every axis once", expected=f"a permutation of {x.rank} axes",
                         got=perm)
    return x.with_shape(tuple(x.shape[i] for i in perm))


define("transpose", kind=Kind.INDEX, infer=_infer_transpose, reference=lambda x, perm: np.transpose(x, perm),
       vjp=lambda ctx, g, x: [g.transpose(perm=tuple(int(i) for i in np.argsort(ctx.attrs["perm"])))])


def _infer_reshape(x: TensorType, shape: Shape) -> TensorType:
    if size_of(shape) != x.size:
        raise ShapeError("reshape: the number of elements changes", expected=f"{x.size} elements, of {x}",
                         got=f"{size_of(shape)}, of [{','.join(map(str, shape))}]")
    return x.with_shape(shape)


define("reshape", kind=Kind.INDEX, infer=_infer_reshape, reference=lambda x, shape: np.reshape(x, shape),
       vjp=lambda ctx, g, x: [g.reshape(shape=x.shape)])


def _infer_broadcast(x: TensorType, axes: tuple[int, ...], shape: Shape) -> TensorType:
    if len(axes) != x.rank or list(axes) != sorted(set(axes)) or any(not 0 <= a < len(shape) for a in axes):
        raise ShapeError("broadcast: axes must name one result axis per operand axis, in order",
                         expected=f"{x.rank} axes of a rank {len(shape)} result", got=axes)
    for dim, axis in zip(x.shape, axes, strict=True):
        if dim not in (1, shape[axis]):
            raise ShapeError(f"broadcast: size {dim} does not become {shape[axis]} on axis {axis}", got=x)
    return x.with_shape(shape)


def _broadcast(x: np.ndarray, axes: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    padded = [1] * len(shape)
    for size, axis in zip(x.shape, axes, strict=True):
        padded[axis] = size
    return np.broadcast_to(x.reshape(padded), shape).copy()


def _broadcast_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    axes, shape = ctx.attrs["axes"], ctx.attrs["shape"]
    kept = {axis for dim, axis in zip(x.shape, axes, strict=True) if dim == shape[axis]}
    folded = tuple(i for i in range(len(shape)) if i not in kept)
    summed = g.reduce_sum(axes=folded) if folded else g
    return [summed if summed.shape == x.shape else summed.reshape(shape=x.shape)]


define("broadcast", kind=Kind.INDEX, infer=_infer_broadcast, reference=_broadcast, vjp=_broadcast_vjp)


def _infer_slice(x: TensorType, starts: Shape, limits: Shape, strides: tuple[int, ...]) -> TensorType:
    if not len(starts) == len(limits) == len(strides) == x.rank:
        raise ShapeError("slice: one start, limit and stride per axis", expected=x.rank,
                         got=(len(starts), len(limits), len(strides)))
    shape: list[Dim] = []
    for axis, (dim, start, limit, stride) in enumerate(zip(x.shape, starts, limits, strides, strict=True)):
        if stride < 1 or (isinstance(start, int) and start < 0):
            raise ShapeError("slice: starts from 0 up, strides from 1 up", got=f"start {start}, stride {stride}")
        span = limit - start
        if (isinstance(span, int) and span < 0) or (isinstance(dim, int) and isinstance(limit, int) and limit > dim):
            raise ShapeError(f"slice: [{start}:{limit}] leaves axis {axis}", expected=f"inside {x}")
        shape.append((span + (stride - 1)) // stride)
    return x.with_shape(tuple(shape))


def _slice_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    starts, strides = ctx.attrs["starts"], ctx.attrs["strides"]
    if any(s != 1 for s in strides):
        g = _dilate(g, strides)
    high = tuple(dim - start - size for dim, start, size in zip(x.shape, starts, g.shape, strict=True))
    return [g.pad(low=starts, high=high, value=0.0)]


def _dilate(g: Traced, strides: tuple[int, ...]) -> Traced:
    """Zeros between the elements: [n] -> [(n - 1) * stride + 1] along every axis."""
    for axis, stride in enumerate(strides):
        if stride == 1:
            continue
        shape = g.shape
        apart = g.reshape(shape=(*shape[:axis + 1], 1, *shape[axis + 1:]))
        low = (0,) * apart.type.rank
        high = tuple(stride - 1 if i == axis + 1 else 0 for i in range(apart.type.rank))
        wide = apart.pad(low=low, high=high, value=0.0)
        joined = wide.reshape(shape=(*shape[:axis], shape[axis] * stride, *shape[axis + 1:]))
        limits = tuple(d - (stride - 1) if i == axis else d for i, d in enumerate(joined.shape))
        g = joined.slice(starts=(0,) * len(limits), limits=limits, strides=(1,) * len(limits))
    return g


def _slice(x: np.ndarray, starts: Any, limits: Any, strides: Any) -> np.ndarray:
    return x[tuple(slice(*part) for part in zip(starts, limits, strides, strict=True))].copy()


define("slice", kind=Kind.INDEX, infer=_infer_slice, reference=_slice, vjp=_slice_vjp)


def _infer_reverse(x: TensorType, axes: tuple[int, ...]) -> TensorType:
    if list(axes) != sorted(set(axes)) or any(not 0 <= a < x.rank for a in axes):
        raise ShapeError("reverse: axes must be sorted, distinct and inside the rank", expected=f"axes of {x}", got=axes)
    return x


define("reverse", kind=Kind.INDEX, infer=_infer_reverse, reference=lambda x, axes: np.flip(x, axes).copy(),
       vjp=lambda ctx, g, x: [g.reverse(axes=ctx.attrs["axes"])], involution=True)


def _infer_pad(x: TensorType, low: Shape, high: Shape, value: float) -> TensorType:
    if not len(low) == len(high) == x.rank:
        raise ShapeError("pad: one low and one high amount per axis", expected=x.rank, got=(len(low), len(high)))
    if any(isinstance(p, int) and p < 0 for p in (*low, *high)):
        raise ShapeError("pad: amounts from 0 up", got=(low, high))
    return x.with_shape(tuple(a + d + b for a, d, b in zip(low, x.shape, high, strict=True)))


def _pad_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    low = ctx.attrs["low"]
    limits = tuple(start + dim for start, dim in zip(low, x.shape, strict=True))
    return [g.slice(starts=low, limits=limits, strides=(1,) * len(low))]


define("pad", kind=Kind.INDEX, infer=_infer_pad, vjp=_pad_vjp,
       reference=lambda x, low, high, value: np.pad(x, list(zip(low, high, strict=True)), constant_values=value))


def _infer_concatenate(*types: TensorType, axis: int) -> TensorType:
    if not types or not 0 <= axis < types[0].rank:
        raise ShapeError("concatenate: needs operands and an axis of theirs", got=f"axis {axis} of {types}")
    first = types[0]
    total: Dim = 0
    for other in types:
        if other.dtype is not first.dtype:
            raise DTypeError("concatenate: operands have different element types", expected=first, got=other)
        if other.rank != first.rank or any(i != axis and a != b for i, (a, b) in
                                           enumerate(zip(first.shape, other.shape, strict=True))):
            raise ShapeError(f"concatenate: operands differ on another axis than {axis}", expected=first, got=other)
        total = total + other.shape[axis]
    return first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1:]))


def _concatenate_vjp(ctx: RuleContext, g: Traced, *parts: Traced) -> list[Traced]:
    axis, start, pulled = ctx.attrs["axis"], 0, []
    for part in parts:
        end = start + part.shape[axis]
        starts = tuple(start if i == axis else 0 for i in range(g.type.rank))
        limits = tuple(end if i == axis else d for i, d in enumerate(g.shape))
        pulled.append(g.slice(starts=starts, limits=limits, strides=(1,) * g.type.rank))
        start = end
    return pulled


define("concatenate", kind=Kind.INDEX, infer=_infer_concatenate, vjp=_concatenate_vjp,
       reference=lambda *xs, axis: np.concatenate(xs, axis))
