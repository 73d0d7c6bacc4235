"""Reads and sums at computed positions, running sums, one-hot rows.

An index below 0 or past the end is an IndexRangeError on every target: no wrap, no clamp.
What does not live here: parts with fixed limits (slice, ops_shape.py).
"""

from __future__ import annotations

import numpy as np

from graphc.errors import DTypeError, IndexRangeError, ShapeError
from graphc.ir.checks import ALL, NUMBERS, check_axis, check_dim, check_dtype, check_kind
from graphc.ir.dims import Dim
from graphc.ir.spec import Kind, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import I32, I64, DType, TensorType


def check_indices(op: str, indices: TensorType) -> None:
    if not indices.dtype.is_integer:
        raise DTypeError(f"{op}: indices that are no integers", expected="an integer type", got=indices,
                         fix="Cast them first.")


def in_range(op: str, indices: np.ndarray, size: int) -> np.ndarray:
    """`indices` as they are. Raises IndexRangeError naming the first one outside [0, size)."""
    outside = np.flatnonzero((indices < 0) | (indices >= size))
    if outside.size:
        raise IndexRangeError(f"{op}: index out of range", expected=f"0 <= index < {size}",
                              got=_first_outside(indices, int(outside[0])))
    return indices


def _first_outside(indices: np.ndarray, number: int) -> str:
    place = tuple(int(i) for i in np.unravel_index(number, indices.shape))
    found = int(indices.flat[number])
    lost = " (it may stand for one that was not whole)" if found in (-2**31, -2**63) else ""
    return f"{found}" + (f" at position {place}" if place else "") + lost


def _infer_gather(x: TensorType, indices: TensorType, *, axis: int) -> TensorType:
    check_indices("gather", indices)
    check_axis("gather", x, axis)
    return x.with_shape((*x.shape[:axis], *indices.shape, *x.shape[axis + 1:]))


def _gather(x: np.ndarray, indices: np.ndarray, *, axis: int) -> np.ndarray:
    return np.take(x, in_range("gather", indices, x.shape[axis]), axis=axis)


def _gather_vjp(ctx: RuleContext, g: Traced, x: Traced, indices: Traced) -> list[Traced | None]:
    axis = ctx.attrs["axis"]
    return [g.gather_grad(indices, axis=axis, size=x.shape[axis]), None]


GATHER = define("gather", kind=Kind.GATHER, infer=_infer_gather, reference=_gather, vjp=_gather_vjp)


def _infer_gather_grad(g: TensorType, indices: TensorType, *, axis: int, size: Dim) -> TensorType:
    check_kind("gather_grad", NUMBERS, g)
    check_indices("gather_grad", indices)
    check_dim("gather_grad", size, "size")
    end = axis + indices.rank
    if not 0 <= axis <= end <= g.rank or g.shape[axis:end] != indices.shape:
        raise ShapeError(f"gather_grad: axes {axis} to {end} of the first operand are those of the indices",
                         expected=indices, got=g)
    return g.with_shape((*g.shape[:axis], size, *g.shape[end:]))


def _gather_grad(g: np.ndarray, indices: np.ndarray, *, axis: int, size: int) -> np.ndarray:
    """Zeros, to which every row of g is added at its index, in order."""
    total = np.zeros((*g.shape[:axis], size, *g.shape[axis + indices.ndim:]), g.dtype)
    rows = np.moveaxis(total, axis, 0)
    moved = np.moveaxis(g, range(axis, axis + indices.ndim), range(indices.ndim))
    np.add.at(rows, in_range("gather_grad", indices, size), moved)
    return total


def _gather_grad_vjp(ctx: RuleContext, g: Traced, rows: Traced, indices: Traced) -> list[Traced | None]:
    return [g.gather(indices, axis=ctx.attrs["axis"]), None]


GATHER_GRAD = define("gather_grad", kind=Kind.SCATTER, infer=_infer_gather_grad, reference=_gather_grad,
                     vjp=_gather_grad_vjp)


def _infer_cumsum(x: TensorType, *, axis: int) -> TensorType:
    check_kind("cumsum", NUMBERS, x)
    check_axis("cumsum", x, axis)
    return x


def _cumsum_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    """The running sum from the other end."""
    axis = ctx.attrs["axis"]
    return [g.reverse(axes=(axis,)).cumsum(axis=axis).reverse(axes=(axis,))]


CUMSUM = define("cumsum", kind=Kind.LOOP, infer=_infer_cumsum, vjp=_cumsum_vjp,
                reference=lambda x, *, axis: np.cumsum(x, axis=axis, dtype=x.dtype))


def _infer_one_hot(indices: TensorType, *, depth: Dim, dtype: DType) -> TensorType:
    check_indices("one_hot", indices)
    check_dim("one_hot", depth, "depth")
    return TensorType(check_dtype("one_hot", dtype, ALL), (*indices.shape, depth))


def _one_hot(indices: np.ndarray, *, depth: int, dtype: DType) -> np.ndarray:
    """1 where the last axis counts to the index, else 0; all zeros for an index outside [0, depth)."""
    return (np.arange(depth) == indices[..., None]).astype(dtype.numpy)


def _one_hot_body(ctx: RuleContext, indices: Traced) -> Traced:
    """Positions equal to the index, counted in a type that holds them all."""
    if indices.dtype not in (I32, I64):
        indices = indices.cast(dtype=I64)
    rank, shape = len(indices.shape), (*indices.shape, ctx.attrs["depth"])
    counted = ctx.emit("iota", axis=rank, shape=shape, dtype=indices.dtype)
    hit = counted.equal(indices.broadcast(axes=tuple(range(rank)), shape=shape))
    return hit if ctx.attrs["dtype"] == hit.dtype else hit.cast(dtype=ctx.attrs["dtype"])


ONE_HOT = define("one_hot", kind=Kind.COMPOSITE, infer=_infer_one_hot, reference=_one_hot, body=_one_hot_body)
