"""Sizes as tensors, and tensors as sizes.

`K.shape(x)` is an ordinary int32 tensor. Where such a tensor, or something computed from it, is used as a shape
again (`K.reshape(x, (K.shape(x)[0], -1))`), it is followed back to the dimensions it is made of.

What does not live here: the static shape with its Nones (Tensor.shape).
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.frontend_keras.backend.lowering import walk
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.symbols import BATCH, fresh_dim
from graphc.frontend_keras.backend.tensor import Alias, Tensor, apply_op, full, reshape_to
from graphc.ir.dims import Dim, Shape, SymExpr
from graphc.ir.types import I32


def size_tensor(dim: Dim, dtype: Any = I32) -> Tensor:
    """A dimension as a scalar tensor."""
    return full(dim, (), dtype) if isinstance(dim, int) else apply_op("size", dim=dim, dtype=dtype)


def shape(x: Tensor) -> Tensor:
    """The sizes of `x` as an int32 tensor of one axis."""
    sizes = [reshape_to(size_tensor(d), (1,)) for d in x.dims]
    if not sizes:
        return full(0, (0,), I32)
    return sizes[0] if len(sizes) == 1 else apply_op("concatenate", *sizes, axis=0)


def dims_of(sizes: Any) -> Shape:
    """A shape given as numbers, tensors and Nones, or as one tensor, in dimensions.

    None is the batch on axis 0 and a fresh size elsewhere; -1 stays -1. Raises ShapeError for a tensor that
    is not made of sizes.
    """
    if isinstance(sizes, Tensor):
        found = known_values(sizes)
        if found is None or found.ndim > 1:
            raise ShapeError("a shape must be made of numbers and of K.shape of some tensor", where=current_origin(),
                             got=sizes)
        return tuple(found.reshape(-1).tolist())
    if isinstance(sizes, (int, np.integer)):
        return (int(sizes),)
    return tuple(_dim_of(s, axis) for axis, s in enumerate(sizes))


def _dim_of(size: Any, axis: int) -> Dim:
    if size is None:
        return BATCH if axis == 0 else fresh_dim()
    return dim_of(size)


def dim_of(size: Any) -> Dim:
    """One size, a number or a scalar tensor, as a dimension."""
    if isinstance(size, Tensor):
        (dim,) = dims_of(size)
        return dim
    if isinstance(size, SymExpr):
        return size
    if int(size) != size:
        raise ShapeError("a size must be a whole number", where=current_origin(), got=size)
    return int(size)


def known_values(t: Tensor) -> np.ndarray | None:
    """The elements of an integer tensor as dimensions, or None where they are not known before the call."""
    known: dict[Tensor, np.ndarray | None] = {}
    for node in walk([t]):
        operands = [known.get(s) for s in node.operands]
        if isinstance(node, Alias):
            known[node] = operands[0]
        elif node.op is None or node.op.name not in _FOLLOWED or any(v is None for v in operands):
            known[node] = None
        else:
            found = _FOLLOWED[node.op.name](*operands, **node.op.kwargs)
            known[node] = None if found is None else _object(found, np.shape(found))
    return known[t]


def _object(value: Any, shape: Any = ()) -> np.ndarray:
    filled = np.empty(shape, dtype=object)
    filled[...] = value
    return filled


def _slice(x: np.ndarray, starts: Shape, limits: Shape, strides: Shape) -> np.ndarray:
    return x[tuple(slice(a, b, s) for a, b, s in zip(starts, limits, strides, strict=True))]


def _broadcast(x: np.ndarray, axes: tuple[int, ...], shape: tuple[int, ...]) -> np.ndarray:
    spread = [x.shape[axes.index(a)] if a in axes else 1 for a in range(len(shape))]
    return np.broadcast_to(x.reshape(spread), shape)


def _product(x: np.ndarray, axes: tuple[int, ...]) -> Dim | None:
    return prod(x.reshape(-1).tolist(), start=1) if len(axes) == x.ndim else None


_FOLLOWED: dict[str, Callable[..., Any]] = {
    "size": lambda dim, dtype: dim,
    "full": lambda value, shape, dtype: _object(value, shape),
    "constant": lambda value: value.data.astype(object),
    "cast": lambda x, dtype: x if dtype.is_integer else None,
    "reshape": lambda x, shape: x.reshape(shape),
    "broadcast": _broadcast,
    "concatenate": lambda *parts, axis: np.concatenate(parts, axis),
    "slice": _slice,
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "floor_divide": lambda x, y: x // y,
    "reduce_prod": _product,
}
