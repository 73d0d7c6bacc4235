"""Reads and additions at computed positions, running sums, one-hot rows."""

from __future__ import annotations

import numpy as np

from graphc.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ir.dims import Dim
from graphc.ir.spec import Kind, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import DType, TensorType


def _check_indices(name: str, indices: TensorType) -> None:
    if not indices.dtype.is_integer:
        raise DTypeError(f"{name}: indices are integers", got=indices)


def check_range(name: str, indices: np.ndarray, size: int) -> None:
    """Raise IndexRangeError naming the first position outside 0..size-1 and its value."""
    bad = (indices < 0) | (indices >= size)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise IndexRangeError(f"{name}: the index at position {where} is out of range", expected=f"0 <= index < {size}",
                              got=int(indices[where]))


def _infer_gather(x: TensorType, indices: TensorType, axis: int) -> TensorType:
    _check_indices("gather", indices)
    if not 0 <= axis < x.rank:
        raise ShapeError("gather: the axis lies outside the operand", expected=f"an axis of {x}", got=axis)
    return x.with_shape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1:]))


def _gather(x: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
    check_range("gather", indices, x.shape[axis])
    return np.take(x, indices, axis)


def _gather_vjp(ctx: RuleContext, g: Traced, x: Traced, indices: Traced) -> list[Traced | None]:
    axis = ctx.attrs["axis"]
    return [g.gather_grad(indices, axis=axis, size=x.shape[axis]), None]


define("gather", kind=Kind.GATHER, infer=_infer_gather, reference=_gather, vjp=_gather_vjp)


def _infer_gather_grad(g: TensorType, indices: TensorType, axis: int, size: Dim) -> TensorType:
    _check_indices("gather_grad", indices)
    if g.shape[axis:axis + indices.rank] != indices.shape:
        raise ShapeError("gather_grad: the indices do not fit", expected=f"{indices.shape} at axis {axis}", got=g)
    return g.with_shape((*g.shape[:axis], size, *g.shape[axis + indices.rank:]))


def _gather_grad(g: np.ndarray, indices: np.ndarray, axis: int, size: int) -> np.ndarray:
    check_range("gather_grad", indices, size)
    before, after = g.shape[:axis], g.shape[axis + indices.ndim:]
    total = np.zeros((*before, size, *after), g.dtype)
    flat = g.reshape((*before, indices.size, *after))
    np.add.at(np.moveaxis(total, axis, 0), indices.ravel(), np.moveaxis(flat, axis, 0))
    return total


define("gather_grad", kind=Kind.SCATTER, infer=_infer_gather_grad, reference=_gather_grad,
       vjp=lambda ctx, g, x, indices: [g.gather(indices, axis=ctx.attrs["axis"]), None])


def _infer_cumsum(x: TensorType, axis: int) -> TensorType:
    if not 0 <= axis < x.rank:
        raise ShapeError("cumsum: the axis lies outside the operand", expected=f"an axis of {x}", got=axis)
    return x


def _cumsum_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    axis = ctx.attrs["axis"]
    return [g.reverse(axes=(axis,)).cumsum(axis=axis).reverse(axes=(axis,))]


define("cumsum", kind=Kind.LOOP, infer=_infer_cumsum, vjp=_cumsum_vjp,
       reference=lambda x, axis: np.cumsum(x, axis, dtype=x.dtype))


def _infer_one_hot(indices: TensorType, depth: Dim, dtype: DType) -> TensorType:
    _check_indices("one_hot", indices)
    return TensorType(dtype, (*indices.shape, depth))


def _one_hot(indices: np.ndarray, depth: int, dtype: DType) -> np.ndarray:
    return (indices[..., None] == np.arange(depth)).astype(dtype.numpy)


def _one_hot_body(ctx: RuleContext, indices: Traced) -> Traced:
    shape = (*indices.shape, ctx.attrs["depth"])
    wide = indices.broadcast(axes=tuple(range(indices.type.rank)), shape=shape)
    column = ctx.emit("iota", axis=len(shape) - 1, shape=shape, dtype=indices.dtype)
    return wide.equal(column).cast(dtype=ctx.attrs["dtype"])


define("one_hot", kind=Kind.COMPOSITE, infer=_infer_one_hot, reference=_one_hot, body=_one_hot_body)
