"""Pooling functions of K: the largest or the average element of each window.

What does not live here: padding and layouts (sliding.py), pooling of whole axes (reductions.py).
"""

from __future__ import annotations

from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras.backend.config import normalize_data_format
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.sliding import Sliding, in_layout, ints
from graphc.frontend_keras.backend.tensor import Tensor, apply_op, divide, full


def pool2d(x: Tensor, pool_size: Any, strides: Any = (1, 1), padding: str = "valid", data_format: str | None = None,
           pool_mode: str = "max") -> Tensor:
    """The maximum or average ("max", "avg") of each window of images; padding never counts.

    Raises ShapeError where a window does not fit, ArgumentError for another padding or mode.
    """
    return _pooled(x, pool_size, strides, padding, data_format, pool_mode, 2)


def pool3d(x: Tensor, pool_size: Any, strides: Any = (1, 1, 1), padding: str = "valid",
           data_format: str | None = None, pool_mode: str = "max") -> Tensor:
    """The same for volumes."""
    return _pooled(x, pool_size, strides, padding, data_format, pool_mode, 3)


def _pooled(x: Tensor, pool_size: Any, strides: Any, padding: str, data_format: str | None, pool_mode: str,
            count: int) -> Tensor:
    if padding not in ("valid", "same"):
        raise ArgumentError(f"Invalid padding: {padding!r}", where=current_origin(), expected="valid or same")
    sliding = Sliding("pool_size", ints(pool_size, count, "pool_size"), ints(strides, count, "strides"), (1,) * count,
                      padding, normalize_data_format(data_format))
    if pool_mode == "max":
        out = apply_op("max_pool", sliding.enter(x, -float("inf")), shape=sliding.size, strides=sliding.strides)
    elif pool_mode == "avg":
        out = _averaged(x, sliding)
    else:
        raise ArgumentError(f"Invalid pooling mode: {pool_mode!r}", where=current_origin(), expected="max or avg")
    return in_layout(out, sliding.layout)


def _averaged(x: Tensor, sliding: Sliding) -> Tensor:
    inside = sliding.enter(x)
    seen = sliding.windows(inside)
    if inside.dims[1:-1] == _spatial(x, sliding):
        return apply_op("reduce_mean", seen, axes=sliding.offsets)
    ones = full(1.0, (1, *_spatial(x, sliding), 1), x.type.dtype)
    counts = sliding.windows(Sliding(**{**vars(sliding), "layout": "channels_last"}).enter(ones))
    total, count = (apply_op("reduce_sum", t, axes=sliding.offsets) for t in (seen, counts))
    return divide(total, count)


def _spatial(x: Tensor, sliding: Sliding) -> tuple[Any, ...]:
    return x.dims[1:-1] if sliding.layout == "channels_last" else x.dims[2:]
