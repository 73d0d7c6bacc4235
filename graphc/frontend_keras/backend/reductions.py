"""Reductions of K: sums, means, extremes, logic, positions of extremes, running sums.

What does not live here: normalisation (normalization.py), losses (losses.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.frontend_keras.backend.config import floatx
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.tensor import Tensor, apply_op, as_tensor, cast, full, reshape_to

Axis = int | Sequence[int] | np.ndarray | None


def normal_axis(axis: int, x: Tensor, extra: int = 0) -> int:
    """`axis` counted from the front. Raises ShapeError where `x` (with `extra` new axes) has no such axis."""
    rank = x.rank + extra
    if not -rank <= axis < rank:
        raise ShapeError(f"axis {axis} does not exist", where=current_origin(), got=f"shape {tuple(x.shape)}")
    return int(axis) % rank


def normal_axes(axis: Axis, x: Tensor) -> tuple[int, ...]:
    """Axes sorted and counted from the front; None is all of them."""
    if axis is None:
        return tuple(range(x.rank))
    return tuple(sorted({normal_axis(int(a), x) for a in np.atleast_1d(np.asarray(axis, np.int64))}))


def _reduce(name: str, x: Tensor, axis: Axis, keepdims: bool) -> Tensor:
    axes = normal_axes(axis, x)
    reduced = apply_op(name, x, axes=axes) if axes else x
    return with_axes(reduced, x, axes) if keepdims else reduced


def with_axes(reduced: Tensor, x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """`reduced` with the removed axes of `x` back as axes of size 1."""
    return reshape_to(reduced, tuple(1 if i in axes else d for i, d in enumerate(x.dims)))


def _float(x: Tensor) -> Tensor:
    return x if x.type.dtype.is_float else cast(x, floatx())


def max(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return _reduce("reduce_max", as_tensor(x), axis, keepdims)


def min(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return _reduce("reduce_min", as_tensor(x), axis, keepdims)


def sum(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return _reduce("reduce_sum", as_tensor(x), axis, keepdims)


def prod(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return _reduce("reduce_prod", as_tensor(x), axis, keepdims)


def mean(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean; bools and integers are cast to floatx first."""
    return _reduce("reduce_mean", _float(as_tensor(x)), axis, keepdims)


def var(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean squared distance from the mean."""
    x = _float(as_tensor(x))
    return _reduce("reduce_variance", x, axis, keepdims) if normal_axes(axis, x) else full(0, x.dims, x.type.dtype)


def std(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return apply_op("sqrt", var(x, axis, keepdims))


def any(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return _reduce("reduce_any", cast(x, "bool"), axis, keepdims)


def all(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    return _reduce("reduce_all", cast(x, "bool"), axis, keepdims)


def argmax(x: Tensor, axis: int = -1) -> Tensor:
    """The first position of the largest element along `axis`, int64."""
    return apply_op("argmax", x, axis=normal_axis(axis, x))


def argmin(x: Tensor, axis: int = -1) -> Tensor:
    """The first position of the smallest element along `axis`, int64."""
    return apply_op("argmin", x, axis=normal_axis(axis, x))


def logsumexp(x: Tensor, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(x))), without overflow."""
    return _reduce("logsumexp", _float(as_tensor(x)), axis, keepdims)


def cumsum(x: Tensor, axis: int = 0) -> Tensor:
    """Running sums along `axis`."""
    return apply_op("cumsum", x, axis=normal_axis(axis, x))


def cumprod(x: Tensor, axis: int = 0) -> Tensor:
    """Running products along `axis`, whose size must be known: log2(size) rounds of shift and multiply."""
    axis = normal_axis(axis, x)
    size: Any = x.dims[axis]
    if not isinstance(size, int):
        raise ShapeError("cumprod needs an axis of known size", where=current_origin(), got=tuple(x.shape))
    shift = 1
    while shift < size:
        x = x * _shifted(x, axis, shift)
        shift *= 2
    return x


def _shifted(x: Tensor, axis: int, by: int) -> Tensor:
    """`x` moved up along `axis`, ones moved in."""
    limits = tuple(d - by if i == axis else d for i, d in enumerate(x.dims))
    ones = full(1, tuple(by if i == axis else d for i, d in enumerate(x.dims)), x.type.dtype)
    kept = apply_op("slice", x, starts=(0,) * x.rank, limits=limits, strides=(1,) * x.rank)
    return apply_op("concatenate", ones, kept, axis=axis)
