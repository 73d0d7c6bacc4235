"""Sliding windows, and what convolution and pooling are made of them.

A window op works on neighbouring axes. `windows` turns each of them into positions and puts one axis of offsets for
each behind the last:

    windows [.., S1, S2, ..] -> [.., P1, P2, K1, K2, ..]      result[p, k] = x[p * stride + k * dilation]
    P = (S - (K - 1) * dilation - 1) // stride + 1

`overlap_add` is its transpose. A convolution is a matmul over windows, a pooling a reduction of their offsets;
padding is `pad` in front of them.

What does not live here: movers without repetition (ops_shape.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir.checks import FLOATS, check_axes, check_kind, check_shape
from graphc.ir.dims import Dim, Shape
from graphc.ir.spec import Kind, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import I64, TensorType

Ints = tuple[int, ...]


def _check_window(op: str, x: TensorType, axes: Any, **ints: Any) -> None:
    """Raise ShapeError unless axes are neighbours and each of `ints` holds one positive int for each of them."""
    check_axes(op, x, axes)
    if not axes or axes != tuple(range(axes[0], axes[0] + len(axes))):
        raise ShapeError(f"{op}: axes are neighbours", expected="such as (1, 2)", got=repr(axes))
    for name, values in ints.items():
        if not isinstance(values, tuple) or len(values) != len(axes) \
                or not all(isinstance(v, int) and not isinstance(v, bool) and v >= 1 for v in values):
            raise ShapeError(f"{op}: {name} holds one int of at least 1 for each axis", expected=f"{len(axes)} ints",
                             got=repr(values))


def positions(extent: Dim, size: int, stride: int, dilation: int) -> Dim:
    """How many windows of `size` elements, `dilation` apart, lie `stride` apart in `extent` elements."""
    return (extent - (size - 1) * dilation - 1) // stride + 1


def _infer_windows(x: TensorType, *, axes: Ints, shape: Ints, strides: Ints, dilations: Ints) -> TensorType:
    _check_window("windows", x, axes, shape=shape, strides=strides, dilations=dilations)
    counts = []
    for axis, *window in zip(axes, shape, strides, dilations, strict=True):
        count = positions(x.shape[axis], *window)
        if isinstance(count, int) and count < 1:
            raise ShapeError(f"windows: a window does not fit axis {axis} of {x}",
                             expected=f"at least {(window[0] - 1) * window[2] + 1} elements", got=x.shape[axis])
        counts.append(count)
    return x.with_shape((*x.shape[:axes[0]], *counts, *shape, *x.shape[axes[-1] + 1:]))


def _windows(x: np.ndarray, *, axes: Ints, shape: Ints, strides: Ints, dilations: Ints) -> np.ndarray:
    spans = tuple((k - 1) * d + 1 for k, d in zip(shape, dilations, strict=True))
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axes)  # offsets behind all other axes
    every: tuple[Any, ...] = (slice(None),)
    view = view[every * axes[0] + tuple(slice(None, None, s) for s in strides)
                + every * (x.ndim - 1 - axes[-1]) + tuple(slice(None, None, d) for d in dilations)]
    return np.moveaxis(view, range(-len(axes), 0), range(axes[-1] + 1, axes[-1] + 1 + len(axes)))


def _windows_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    attrs = ctx.attrs
    extents = tuple(x.shape[axis] for axis in attrs["axes"])
    return [g.overlap_add(axes=attrs["axes"], extents=extents, strides=attrs["strides"], dilations=attrs["dilations"])]


WINDOWS = define("windows", kind=Kind.INDEX, infer=_infer_windows, reference=_windows, vjp=_windows_vjp)


def _offsets(axes: Ints) -> Ints:
    """Where the axes of offsets lie that belong to axes of positions."""
    return tuple(axis + len(axes) for axis in axes)


def _check_spread(op: str, g: TensorType, axes: Ints, extents: Shape, strides: Ints, dilations: Ints) -> Ints:
    """The sizes of the windows; raises ShapeError unless g may be the windows of `extents` elements."""
    _check_window(op, g, axes, strides=strides, dilations=dilations)
    check_shape(op, extents, "extents")
    if axes[-1] + len(axes) >= g.rank or len(extents) != len(axes):
        raise ShapeError(f"{op}: an axis of offsets and an extent for each axis of positions", got=f"{extents}, {g}")
    sizes = tuple(g.shape[axis] for axis in _offsets(axes))
    for axis, extent, size, stride, dilation in zip(axes, extents, sizes, strides, dilations, strict=True):
        if not isinstance(size, int):
            raise ShapeError(f"{op}: the size of a window is known", got=g)
        if g.shape[axis] != positions(extent, size, stride, dilation):
            raise ShapeError(f"{op}: axis {axis} does not hold the windows of {extent} elements", got=g,
                             expected=positions(extent, size, stride, dilation))
    return sizes  # type: ignore[return-value]


def _spread_slices(axes: Ints, counts: Ints, sizes: Ints, strides: Ints,
                   dilations: Ints) -> Iterator[tuple[Ints, tuple[Any, ...], tuple[Any, ...]]]:
    """For each offset: the offset, where its elements lie, and where they stand among the windows."""
    for offset in product(*map(range, sizes)):
        places: tuple[Any, ...] = tuple(slice(k * d, k * d + (n - 1) * s + 1 if n else k * d, s)
                       for k, d, n, s in zip(offset, dilations, counts, strides, strict=True))
        yield offset, places, (*(slice(None),) * (axes[-1] + 1), *offset)


def _infer_spread(g: TensorType, *, axes: Ints, extents: Shape, strides: Ints, dilations: Ints) -> TensorType:
    _check_spread("spread", g, axes, extents, strides, dilations)
    return g.with_shape((*g.shape[:axes[0]], *extents, *g.shape[axes[-1] + 1:]))


def _spread(g: np.ndarray, *, axes: Ints, extents: Ints, strides: Ints, dilations: Ints) -> np.ndarray:
    result = np.zeros((*g.shape[:axes[0]], *extents, *g.shape[axes[-1] + 1:]), g.dtype)
    counts, sizes = (tuple(g.shape[a] for a in some) for some in (axes, _offsets(axes)))
    before: tuple[Any, ...] = (slice(None),) * axes[0]
    for offset, places, part in _spread_slices(axes, counts, sizes, strides, dilations):
        result[(*before, *places, *offset)] = g[part]
    return result


def _spread_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    """The elements that were spread: of the windows of g those whose offset is their own."""
    axes, n = ctx.attrs["axes"], len(ctx.attrs["axes"])
    sizes = tuple(x.shape[axis] for axis in _offsets(axes))
    seen = g.windows(axes=axes, shape=sizes, strides=ctx.attrs["strides"], dilations=ctx.attrs["dilations"])
    zeros = Traced(ctx.b, ctx.b.full_like(0.0, seen.value))
    for i in range(n):
        first, second = axes[-1] + 1 + i, axes[-1] + 1 + n + i
        numbers = [ctx.emit("iota", axis=axis, shape=seen.shape, dtype=I64) for axis in (first, second)]
        seen = ctx.emit("select", ctx.emit("equal", *numbers), seen, zeros)
    return [seen.reduce_sum(axes=_offsets(axes))]


SPREAD = define("spread", kind=Kind.INDEX, infer=_infer_spread, reference=_spread, vjp=_spread_vjp)


def _infer_overlap_add(g: TensorType, *, axes: Ints, extents: Shape, strides: Ints, dilations: Ints) -> TensorType:
    check_kind("overlap_add", FLOATS, g)
    _check_spread("overlap_add", g, axes, extents, strides, dilations)
    return g.with_shape((*g.shape[:axes[0]], *extents, *g.shape[axes[-1] + 1 + len(axes):]))


def _overlap_add(g: np.ndarray, *, axes: Ints, extents: Ints, strides: Ints, dilations: Ints) -> np.ndarray:
    result = np.zeros((*g.shape[:axes[0]], *extents, *g.shape[axes[-1] + 1 + len(axes):]), g.dtype)
    counts, sizes = (tuple(g.shape[a] for a in some) for some in (axes, _offsets(axes)))
    for _, places, part in _spread_slices(axes, counts, sizes, strides, dilations):
        result[(*(slice(None),) * axes[0], *places)] += g[part]
    return result


def _overlap_add_body(ctx: RuleContext, g: Traced) -> Traced:
    axes = ctx.attrs["axes"]
    sizes = tuple(g.shape[axis] for axis in _offsets(axes))
    if sizes == ctx.attrs["strides"] and set(ctx.attrs["dilations"]) == {1}:
        return side_by_side(g, axes, ctx.attrs["extents"])
    return g.spread(**ctx.attrs).reduce_sum(axes=_offsets(axes))


def side_by_side(g: Traced, axes: Ints, extents: Shape, value: float = 0.0) -> Traced:
    """Windows without gap or overlap: every element is moved once; what no window reaches is `value`."""
    n, first = len(axes), axes[0]
    pairs = [axis for i in range(n) for axis in (first + i, first + n + i)]
    rest = range(first + 2 * n, len(g.shape))
    whole = tuple(g.shape[axis] * g.shape[axis + n] for axis in axes)
    joined = g.transpose(perm=(*range(first), *pairs, *rest)).reshape(
        shape=(*g.shape[:first], *whole, *g.shape[first + 2 * n:]))
    left = tuple(extent - dim for extent, dim in zip(extents, whole, strict=True))
    zeros = (0,) * len(joined.shape)
    return joined.pad(low=zeros, high=(*zeros[:first], *left, *zeros[first + n:]), value=value)


def _overlap_add_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    axes = ctx.attrs["axes"]
    sizes = tuple(x.shape[axis] for axis in _offsets(axes))
    return [g.windows(axes=axes, shape=sizes, strides=ctx.attrs["strides"], dilations=ctx.attrs["dilations"])]


OVERLAP_ADD = define("overlap_add", kind=Kind.COMPOSITE, infer=_infer_overlap_add, reference=_overlap_add,
                     body=_overlap_add_body, vjp=_overlap_add_vjp)
