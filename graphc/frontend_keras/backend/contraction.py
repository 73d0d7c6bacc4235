"""Products of K: dot, batch_dot, bias_add.

What does not live here: convolutions (convolution.py).
"""

from __future__ import annotations

from typing import Any

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras.backend.config import normalize_data_format
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.reductions import normal_axis
from graphc.frontend_keras.backend.tensor import Tensor, apply_op, assume, binary, matmul, meet, reshape_to
from graphc.ir.dims import size_of


def dot(x: Tensor, y: Tensor) -> Tensor:
    """The sum over the last axis of `x` and the second last of `y`: (..., k) and (k, n) give (..., n).

    With more axes in `y`: (2, 3) and (4, 3, 5) give (2, 4, 5). Raises ShapeError for vectors and sizes that differ.
    """
    if x.rank < 2 or y.rank < 2:
        raise ShapeError("dot needs operands of at least 2 axes", where=current_origin(),
                         got=f"{tuple(x.shape)} and {tuple(y.shape)}")
    if x.rank == 2 and y.rank == 2:
        return matmul(x, y)
    inner = meet(x.dims[-1], y.dims[-2], "dot cannot sum over axes of different sizes, shapes", x, y)
    x, y = assume(x, (*x.dims[:-1], inner)), assume(y, (*y.dims[:-2], inner, y.dims[-1]))
    shape = (*x.dims[:-1], *y.dims[:-2], y.dims[-1])
    if y.rank > 2:
        y = apply_op("transpose", y, perm=(y.rank - 2, *range(y.rank - 2), y.rank - 1))
    rows = reshape_to(x, (size_of(x.dims[:-1]), inner))
    return reshape_to(matmul(rows, reshape_to(y, (inner, size_of(y.dims[1:])))), shape)


def batch_dot(x: Tensor, y: Tensor, axes: Any = None) -> Tensor:
    """For each row of the batch the sum over one axis of `x` and one of `y`; the result has at least 2 axes.

    axes  the two axes to sum over, one number for both, or None for the last of `x` and the second last of `y`.
    Of more than 2 axes, those between the batch and the last two belong to the batch in both operands.
    """
    over = _summed_axes(x, y, axes)
    x_rank, y_rank = x.rank, y.rank
    missing = x_rank - y_rank
    x = reshape_to(x, (*x.dims, *(1,) * -missing)) if missing < 0 else x
    y = reshape_to(y, (*y.dims, *(1,) * missing)) if missing > 0 else y
    if x.rank == 2:
        out = _row_products(x, y, over)
    else:
        x = x if over[0] == x.rank - 1 else _swapped(x)
        y = _swapped(y) if over[1] == y.rank - 1 else y
        out = matmul(x, y)
    if missing:
        at = x_rank + y_rank - 3 if missing > 0 else x_rank - 1
        gone = range(at, at + (missing if missing > 0 else -missing))
        out = reshape_to(out, tuple(d for i, d in enumerate(out.dims) if i not in gone))
    return out if out.rank > 1 else reshape_to(out, (*out.dims, 1))


def _summed_axes(x: Tensor, y: Tensor, axes: Any) -> tuple[int, int]:
    if axes is None:
        return x.rank - 1, y.rank - 2
    pair = (axes, axes) if isinstance(axes, int) else tuple(axes)
    if any(isinstance(a, (list, tuple)) for a in pair) or len(pair) != 2:
        raise ArgumentError("Multiple target dimensions are not supported", where=current_origin(),
                            expected="None, int, (int, int)", got=axes)
    return normal_axis(pair[0], x), normal_axis(pair[1], y)


def _row_products(x: Tensor, y: Tensor, over: tuple[int, int]) -> Tensor:
    x = x if over[0] == over[1] else apply_op("transpose", x, perm=(1, 0))
    return apply_op("reduce_sum", binary("multiply", x, y), axes=(over[1],))


def _swapped(x: Tensor) -> Tensor:
    return apply_op("transpose", x, perm=(*range(x.rank - 2), x.rank - 1, x.rank - 2))


def bias_add(x: Tensor, bias: Tensor, data_format: str | None = None) -> Tensor:
    """`x` plus a bias of one value per channel, or of the shape of one row of `x` without its batch.

    The channels are axis 1 or the last one. Raises ShapeError for a bias of another rank or size.
    """
    layout = normalize_data_format(data_format)
    if bias.rank not in (1, x.rank - 1):
        raise ShapeError(f"Unexpected bias dimensions {bias.rank}, expect to be 1 or {x.rank - 1} dimensions",
                         where=current_origin(), got=f"{tuple(bias.shape)} for {tuple(x.shape)}")
    if layout == "channels_first" and x.rank > 2:
        shape = (*bias.dims, *(1,) * (x.rank - 2)) if bias.rank == 1 else (bias.dims[-1], *bias.dims[:-1])
        bias = reshape_to(bias, shape)
    return x + bias
