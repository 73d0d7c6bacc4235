"""Movers: ops that place elements elsewhere without changing them.

What does not live here: reads at computed positions (ops_gather.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir.checks import check_axes, check_axis, check_number, check_shape
from graphc.ir.dims import Dim, Shape, SymExpr, size_of
from graphc.ir.spec import Kind, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import I64, TensorType


def _infer_transpose(x: TensorType, *, perm: tuple[int, ...]) -> TensorType:
    if not isinstance(perm, tuple) or sorted(perm) != list(range(x.rank)):
        raise ShapeError("transpose: perm does not name every axis once",
                         expected=f"an order of {tuple(range(x.rank))}", got=f"{perm!r} for {x}")
    return x.with_shape(tuple(x.shape[i] for i in perm))


def _transpose_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    perm = ctx.attrs["perm"]
    return [g.transpose(perm=tuple(perm.index(i) for i in range(len(perm))))]


TRANSPOSE = define("transpose", kind=Kind.INDEX, infer=_infer_transpose, vjp=_transpose_vjp,
                   reference=lambda x, *, perm: np.transpose(x, perm))


def _infer_reshape(x: TensorType, *, shape: Shape) -> TensorType:
    check_shape("reshape", shape)
    if size_of(shape) != x.size:
        raise ShapeError("reshape: the number of elements would change", expected=f"{x.size} elements",
                         got=f"{size_of(shape)} in {x.with_shape(shape)}, made of {x}")
    return x.with_shape(shape)


RESHAPE = define("reshape", kind=Kind.INDEX, infer=_infer_reshape,
                 reference=lambda x, *, shape: np.reshape(x, shape),
                 vjp=lambda ctx, g, x: [g.reshape(shape=x.shape)])


def _infer_broadcast(x: TensorType, *, axes: tuple[int, ...], shape: Shape) -> TensorType:
    result = x.with_shape(check_shape("broadcast", shape))
    check_axes("broadcast", result, axes)
    if len(axes) != x.rank:
        raise ShapeError("broadcast: one result axis per operand axis", expected=f"{x.rank} axes for {x}",
                         got=repr(axes))
    for i, axis in enumerate(axes):
        if x.shape[i] not in (1, shape[axis]):
            raise ShapeError(f"broadcast: axis {i} does not fit axis {axis} of the result",
                             expected=f"a size of 1 or {shape[axis]}", got=f"{x}, to become {result}")
    return result


def _broadcast(x: np.ndarray, *, axes: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    spread = [1] * len(shape)
    for i, axis in enumerate(axes):
        spread[axis] = x.shape[i]
    return np.broadcast_to(x.reshape(spread), shape)


def _broadcast_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    """The sum over all axes along which elements were repeated."""
    shape = ctx.attrs["shape"]
    kept = [axis for axis, dim in zip(ctx.attrs["axes"], x.shape, strict=True) if dim == shape[axis]]
    repeated = tuple(axis for axis in range(len(shape)) if axis not in kept)
    total = g.reduce_sum(axes=repeated) if repeated else g
    return [total if total.shape == x.shape else total.reshape(shape=x.shape)]


BROADCAST = define("broadcast", kind=Kind.INDEX, infer=_infer_broadcast, reference=_broadcast, vjp=_broadcast_vjp)


def _infer_slice(x: TensorType, *, starts: Shape, limits: Shape, strides: tuple[int, ...]) -> TensorType:
    for name, attr in (("starts", starts), ("limits", limits), ("strides", strides)):
        check_shape("slice", attr, name)
        if len(attr) != x.rank:
            raise ShapeError(f"slice: {name} has one entry per axis", expected=f"{x.rank} for {x}", got=attr)
    for axis, (start, limit, stride, dim) in enumerate(zip(starts, limits, strides, x.shape, strict=True)):
        if isinstance(stride, SymExpr) or stride < 1:
            raise ShapeError(f"slice: the stride of axis {axis}", expected="an int of at least 1", got=stride)
        if _known_negative(limit - start) or _known_negative(dim - limit):
            raise ShapeError(f"slice: axis {axis} of {x} has no such part", expected=f"0 <= start <= limit <= {dim}",
                             got=f"start {start}, limit {limit}")
    return x.with_shape(tuple((limit - start + stride - 1) // stride
                              for start, limit, stride in zip(starts, limits, strides, strict=True)))


def _known_negative(dim: Dim) -> bool:
    return isinstance(dim, int) and dim < 0


def _slice(x: np.ndarray, *, starts: Any, limits: Any, strides: Any) -> np.ndarray:
    return x[tuple(slice(a, b, s) for a, b, s in zip(starts, limits, strides, strict=True))]


def _slice_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    """Zeros where nothing was read; every element at the place it was read from."""
    low, high = list(ctx.attrs["starts"]), []
    for axis, (start, limit, stride) in enumerate(zip(low, ctx.attrs["limits"], ctx.attrs["strides"], strict=True)):
        count = g.shape[axis]
        if stride == 1:
            high.append(x.shape[axis] - limit)
        elif isinstance(count, int) and count > 0:
            g = _dilate(g, axis, stride)
            high.append(x.shape[axis] - start - g.shape[axis])
        else:
            g = _place(ctx, g, axis, start, stride, x.shape[axis])
            low[axis] = 0
            high.append(0)
    return [g.pad(low=tuple(low), high=tuple(high), value=0.0)]


def _dilate(g: Traced, axis: int, stride: int) -> Traced:
    """stride - 1 zeros between neighbours; the axis holds (n - 1) * stride + 1 elements then."""
    before, n, after = g.shape[:axis], g.shape[axis], g.shape[axis + 1:]
    rank = len(g.shape)
    apart = g.reshape(shape=(*before, n, 1, *after)).pad(
        low=(0,) * (rank + 1), high=(*(0 for _ in before), 0, stride - 1, *(0 for _ in after)), value=0.0)
    limits = (*before, (n - 1) * stride + 1, *after)
    return apart.reshape(shape=(*before, n * stride, *after)).slice(
        starts=(0,) * rank, limits=limits, strides=(1,) * rank)


def _place(ctx: RuleContext, g: Traced, axis: int, start: Dim, stride: int, size: Dim) -> Traced:
    """The same by a scatter: for an axis whose number of elements is not known, and may be none."""
    count = (g.shape[axis],)
    indices = ctx.emit("iota", axis=0, shape=count, dtype=I64) * stride
    if start != 0:
        indices = indices + ctx.size(start, I64).broadcast(axes=(), shape=count)
    return g.gather_grad(indices, axis=axis, size=size)


SLICE = define("slice", kind=Kind.INDEX, infer=_infer_slice, reference=_slice, vjp=_slice_vjp)


def _infer_reverse(x: TensorType, *, axes: tuple[int, ...]) -> TensorType:
    check_axes("reverse", x, axes)
    return x


REVERSE = define("reverse", kind=Kind.INDEX, infer=_infer_reverse, reference=lambda x, *, axes: np.flip(x, axes),
                 vjp=lambda ctx, g, x: [g.reverse(axes=ctx.attrs["axes"])], involution=True)


def _infer_pad(x: TensorType, *, low: Shape, high: Shape, value: float) -> TensorType:
    for name, attr in (("low", low), ("high", high)):
        check_shape("pad", attr, name)
        if len(attr) != x.rank:
            raise ShapeError(f"pad: {name} has one entry per axis", expected=f"{x.rank} for {x}", got=attr)
    check_number("pad", value, x.dtype)
    return x.with_shape(tuple(a + d + b for a, d, b in zip(low, x.shape, high, strict=True)))


def _pad_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    low = ctx.attrs["low"]
    limits = tuple(a + d for a, d in zip(low, x.shape, strict=True))
    return [g.slice(starts=low, limits=limits, strides=(1,) * len(low))]


PAD = define("pad", kind=Kind.INDEX, infer=_infer_pad, vjp=_pad_vjp,
             reference=lambda x, *, low, high, value: np.pad(x, list(zip(low, high, strict=True)),
                                                             constant_values=value))


def _infer_concatenate(*types: TensorType, axis: int) -> TensorType:
    if not types:
        raise ShapeError("concatenate: nothing to put together", expected="at least one operand", got=0)
    first = types[0]
    check_axis("concatenate", first, axis)
    for other in types[1:]:
        if other.dtype != first.dtype:
            raise DTypeError("concatenate: operands of different element types", expected=first.dtype, got=other,
                             fix="Cast one of them.")
        if _other_axes(other, axis) != _other_axes(first, axis):
            raise ShapeError(f"concatenate: shapes differ beside axis {axis}", expected=f"{first} but for that axis",
                             got=other)
    total: Dim = sum((t.shape[axis] for t in types[1:]), first.shape[axis])
    return first.with_shape((*first.shape[:axis], total, *first.shape[axis + 1:]))


def _other_axes(type_: TensorType, axis: int) -> tuple[Shape, Shape]:
    return type_.shape[:axis], type_.shape[axis + 1:]


def _concatenate_vjp(ctx: RuleContext, g: Traced, *parts: Traced) -> list[Traced]:
    axis, start = ctx.attrs["axis"], 0
    pulled = []
    for part in parts:
        starts, limits = [0] * len(g.shape), list(g.shape)
        starts[axis], limits[axis] = start, start + part.shape[axis]
        pulled.append(g.slice(starts=tuple(starts), limits=tuple(limits), strides=(1,) * len(starts)))
        start = limits[axis]
    return pulled


CONCATENATE = define("concatenate", kind=Kind.INDEX, infer=_infer_concatenate, vjp=_concatenate_vjp,
                     reference=lambda *parts, axis: np.concatenate(parts, axis))
