"""Convolution and max pooling: composites over windows, channels last, without padding of their own.

    convolution           x [N,*S,C], w [*K,C,O] -> [N,*P,O]
                          sum over k, c of x[n, p * stride + k * dilation, c] w[k, c, o]
    convolution_gradient  x [N,*S,C], g [N,*P,O] -> [*K,C,O]
                          the same sum over n, p: what a convolution's weights get of the cotangent g
    depthwise_convolution x [N,*S,C], w [*K,C,M] -> [N,*P,C*M]
                          the sum over k for each channel c by itself, M filters for each: channel c * M + m
    max_pool              x [N,*S,C] -> [N,*P,C]
                          the largest element of each window; the first place that holds it gets the gradient

Gradients are convolutions and contractions again, so that one kind of kernel serves all three.

What does not live here: padding (`pad`), averages (a sum over `windows`), other layouts (transposes in front).
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir.checks import FLOATS, check_kind, check_same_dtype
from graphc.ir.dims import Dim, Shape, size_of
from graphc.ir.ops_window import WINDOWS, Ints, side_by_side
from graphc.ir.spec import Kind, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import I8, I32, TensorType

APART = 1 << 18  # bytes of weights whose gradients are kept for each item of a batch


def _spatial(rank: int) -> Ints:
    return tuple(range(1, rank - 1))


def _infer_convolution(x: TensorType, w: TensorType, *, strides: Ints, dilations: Ints) -> TensorType:
    check_kind("convolution", FLOATS, x, w)
    check_same_dtype("convolution", x, w)
    if x.rank < 3 or w.rank != x.rank:
        raise ShapeError("convolution: operands of unfit ranks", expected="[N,*S,C] and [*K,C,O] of equal rank",
                         got=f"{x} and {w}")
    if x.shape[-1] != w.shape[-2]:
        raise ShapeError("convolution: numbers of channels differ", expected=f"{x.shape[-1]} channels in the kernel",
                         got=f"{x} and {w}")
    seen = WINDOWS.infer(x, axes=_spatial(x.rank), shape=w.shape[:-2], strides=strides, dilations=dilations)
    return x.with_shape((*seen.shape[:x.rank - 1], w.shape[-1]))


def _convolution(x: np.ndarray, w: np.ndarray, *, strides: Ints, dilations: Ints) -> np.ndarray:
    axes = _spatial(x.ndim)
    seen = WINDOWS.reference(x, axes=axes, shape=w.shape[:-2], strides=strides, dilations=dilations)
    return np.tensordot(seen, w, axes=w.ndim - 1)


def _columns(x: Traced, kernel: Shape, strides: Ints, dilations: Ints) -> Traced:
    """The windows of x as a matrix: one row for each position, one column for each weight of a filter."""
    seen = x.windows(axes=_spatial(len(x.shape)), shape=kernel, strides=strides, dilations=dilations)
    at = len(x.shape) - 1
    return seen.reshape(shape=(size_of(seen.shape[:at]), size_of(seen.shape[at:])))


def _matrix(x: Traced) -> Traced:
    return x.reshape(shape=(size_of(x.shape[:-1]), x.shape[-1]))


def _convolution_body(ctx: RuleContext, x: Traced, w: Traced) -> Traced:
    columns = _columns(x, w.shape[:-2], ctx.attrs["strides"], ctx.attrs["dilations"])
    return columns.matmul(_matrix(w)).reshape(shape=ctx.op.result.type.shape)


def _convolution_vjp(ctx: RuleContext, g: Traced, x: Traced, w: Traced) -> list[Traced]:
    strides, dilations = ctx.attrs["strides"], ctx.attrs["dilations"]
    to_weights = x.convolution_gradient(g, shape=w.shape[:-2], strides=strides, dilations=dilations)
    return [_to_input(g, x, w, strides, dilations), to_weights]


def _to_input(g: Traced, x: Traced, w: Traced, strides: Ints, dilations: Ints) -> Traced:
    """The convolution of g, its elements as far apart as the windows were, with the kernel turned round."""
    n = len(x.shape) - 2
    turned = w.reverse(axes=tuple(range(n))).transpose(perm=(*range(n), n + 1, n))
    around = _around(g, x, w.shape[:-2], strides, dilations)
    return around.convolution(turned, strides=(1,) * n, dilations=dilations)


def _around(g: Traced, x: Traced, kernel: Shape, strides: Ints, dilations: Ints) -> Traced:
    """g, its elements as far apart as the windows were, with zeros around: as many windows as x has places."""
    rank = len(x.shape)
    apart = _apart(g, strides)
    low: list[Dim] = [0] * rank
    high: list[Dim] = [0] * rank
    for i, axis in enumerate(_spatial(rank)):
        reach = (kernel[i] - 1) * dilations[i]
        low[axis] = reach
        high[axis] = x.shape[axis] - apart.shape[axis]  # what no window reached is added to the reach
    return apart.pad(low=tuple(low), high=tuple(high), value=0.0)


def _apart(g: Traced, strides: Ints) -> Traced:
    """stride - 1 zeros between neighbours along the spatial axes."""
    if all(s == 1 for s in strides):
        return g
    axes = _spatial(len(g.shape))
    alone = g.reshape(shape=(*g.shape[:-1], *(1 for _ in axes), g.shape[-1]))
    extents = tuple((g.shape[axis] - 1) * s + 1 for axis, s in zip(axes, strides, strict=True))
    laid = alone.spread(axes=axes, extents=extents, strides=strides, dilations=(1,) * len(axes))
    return laid.reshape(shape=(g.shape[0], *extents, g.shape[-1]))


CONVOLUTION = define("convolution", kind=Kind.COMPOSITE, infer=_infer_convolution, reference=_convolution,
                     body=_convolution_body, vjp=_convolution_vjp)


def _infer_gradient(x: TensorType, g: TensorType, *, shape: Ints, strides: Ints, dilations: Ints) -> TensorType:
    check_kind("convolution_gradient", FLOATS, x, g)
    check_same_dtype("convolution_gradient", x, g)
    if x.rank < 3:
        raise ShapeError("convolution_gradient: an operand of unfit rank", expected="[N,*S,C]", got=x)
    seen = WINDOWS.infer(x, axes=_spatial(x.rank), shape=shape, strides=strides, dilations=dilations)
    if g.rank != x.rank or g.shape[:-1] != seen.shape[:x.rank - 1]:
        raise ShapeError("convolution_gradient: the cotangent does not fit", got=g,
                         expected=f"{seen.shape[:x.rank - 1]} in front of the filters")
    return x.with_shape((*shape, x.shape[-1], g.shape[-1]))


def _gradient(x: np.ndarray, g: np.ndarray, *, shape: Ints, strides: Ints, dilations: Ints) -> np.ndarray:
    axes = _spatial(x.ndim)
    seen = WINDOWS.reference(x, axes=axes, shape=shape, strides=strides, dilations=dilations)
    places = tuple(range(x.ndim - 1))
    return np.tensordot(seen, g, axes=(places, places))


def _gradient_body(ctx: RuleContext, x: Traced, g: Traced) -> Traced:
    """The product of each item's windows and cotangents, summed over the items.

    Few weights: the sum is a step of its own, and threads share the items. Many: one product over all items, since
    their products would not fit in a cache.
    """
    result = ctx.op.result.type
    columns = _columns(x, ctx.attrs["shape"], ctx.attrs["strides"], ctx.attrs["dilations"])
    size = size_of(result.shape) * result.dtype.itemsize
    if not isinstance(size, int) or size > APART:
        return columns.transpose(perm=(1, 0)).matmul(_matrix(g)).reshape(shape=result.shape)
    items, places = x.shape[0], size_of(g.shape[1:-1])
    apart = columns.reshape(shape=(items, places, columns.shape[1])).transpose(perm=(0, 2, 1))
    by_item = apart.matmul(g.reshape(shape=(items, places, g.shape[-1])))
    return by_item.reduce_sum(axes=(0,)).reshape(shape=result.shape)


def _gradient_vjp(ctx: RuleContext, h: Traced, x: Traced, g: Traced) -> list[Traced]:
    strides, dilations = ctx.attrs["strides"], ctx.attrs["dilations"]
    return [_to_input(g, x, h, strides, dilations), x.convolution(h, strides=strides, dilations=dilations)]


CONVOLUTION_GRADIENT = define("convolution_gradient", kind=Kind.COMPOSITE, infer=_infer_gradient,
                              reference=_gradient, body=_gradient_body, vjp=_gradient_vjp)


def _infer_depthwise(x: TensorType, w: TensorType, *, strides: Ints, dilations: Ints) -> TensorType:
    check_kind("depthwise_convolution", FLOATS, x, w)
    check_same_dtype("depthwise_convolution", x, w)
    if x.rank < 3 or w.rank != x.rank or x.shape[-1] != w.shape[-2]:
        raise ShapeError("depthwise_convolution: operands that do not fit", expected="[N,*S,C] and [*K,C,M]",
                         got=f"{x} and {w}")
    seen = WINDOWS.infer(x, axes=_spatial(x.rank), shape=w.shape[:-2], strides=strides, dilations=dilations)
    return x.with_shape((*seen.shape[:x.rank - 1], w.shape[-2] * w.shape[-1]))


def _depthwise(x: np.ndarray, w: np.ndarray, *, strides: Ints, dilations: Ints) -> np.ndarray:
    axes, n = _spatial(x.ndim), x.ndim - 2
    seen = WINDOWS.reference(x, axes=axes, shape=w.shape[:-2], strides=strides, dilations=dilations)
    total = (seen[..., None] * w).sum(axis=tuple(range(1 + n, 1 + 2 * n)))
    return total.reshape(*total.shape[:-2], total.shape[-2] * total.shape[-1])


def _filtered(seen: Traced, w: Traced, n: int) -> Traced:
    """The products of [N,*P,*K,C,M] and [*K,C,M], summed over K."""
    offsets = tuple(range(1 + n, 1 + 2 * n))
    weights = w.broadcast(axes=tuple(range(1 + n, 3 + 2 * n)), shape=seen.shape)
    if seen.shape[-1] == 1:  # one block of axes to sum over, and channels as its neighbours
        flat = seen.shape[:-1]
        return (seen.reshape(shape=flat) * weights.reshape(shape=flat)).reduce_sum(axes=offsets)
    return (seen * weights).reduce_sum(axes=offsets)


def _depthwise_body(ctx: RuleContext, x: Traced, w: Traced) -> Traced:
    n = len(w.shape) - 2
    seen = x.windows(axes=_spatial(n + 2), shape=w.shape[:-2], **ctx.attrs)
    return _filtered(_repeated(seen, w.shape[-1]), w, n).reshape(shape=ctx.op.result.type.shape)


def _repeated(x: Traced, count: Dim) -> Traced:
    """[...,C] as [...,C,count]."""
    return x.broadcast(axes=tuple(range(len(x.shape))), shape=(*x.shape, count))


def _depthwise_vjp(ctx: RuleContext, g: Traced, x: Traced, w: Traced) -> list[Traced]:
    n, (*kernel, channels, filters) = len(w.shape) - 2, w.shape
    strides, dilations = ctx.attrs["strides"], ctx.attrs["dilations"]
    around = _around(g, x, tuple(kernel), strides, dilations)
    seen = around.windows(axes=_spatial(n + 2), shape=tuple(kernel), strides=(1,) * n, dilations=dilations)
    turned = w.reverse(axes=tuple(range(n)))
    by_filter = _filtered(seen.reshape(shape=(*seen.shape[:-1], channels, filters)), turned, n)
    to_x = by_filter if filters == 1 else by_filter.reduce_sum(axes=(2 + n,))
    seen = _repeated(x.windows(axes=_spatial(n + 2), shape=tuple(kernel), **ctx.attrs), filters)
    apart = g.reshape(shape=(*g.shape[:-1], channels, filters))
    here = apart.broadcast(axes=(*range(1 + n), 1 + 2 * n, 2 + 2 * n), shape=seen.shape)
    if filters == 1:
        seen, here = (t.reshape(shape=t.shape[:-1]) for t in (seen, here))
    return [to_x, (seen * here).reduce_sum(axes=tuple(range(1 + n))).reshape(shape=w.shape)]


DEPTHWISE_CONVOLUTION = define("depthwise_convolution", kind=Kind.COMPOSITE, infer=_infer_depthwise,
                               reference=_depthwise, body=_depthwise_body, vjp=_depthwise_vjp)


def _infer_max_pool(x: TensorType, *, shape: Ints, strides: Ints) -> TensorType:
    check_kind("max_pool", FLOATS, x)
    if x.rank < 3:
        raise ShapeError("max_pool: an operand of unfit rank", expected="[N,*S,C]", got=x)
    seen = WINDOWS.infer(x, axes=_spatial(x.rank), shape=shape, strides=strides, dilations=(1,) * len(shape))
    return x.with_shape((*seen.shape[:x.rank - 1], x.shape[-1]))


def _seen(x: Traced, attrs: dict[str, Any]) -> Traced:
    return x.windows(axes=_spatial(len(x.shape)), shape=attrs["shape"], strides=attrs["strides"],
                     dilations=(1,) * len(attrs["shape"]))


def _max_pool(x: np.ndarray, *, shape: Ints, strides: Ints) -> np.ndarray:
    axes = _spatial(x.ndim)
    seen = WINDOWS.reference(x, axes=axes, shape=shape, strides=strides, dilations=(1,) * len(shape))
    return seen.max(axis=tuple(axis + len(axes) for axis in axes))


def _max_pool_body(ctx: RuleContext, x: Traced) -> Traced:
    n = len(ctx.attrs["shape"])
    return _seen(x, ctx.attrs).reduce_max(axes=tuple(range(1 + n, 1 + 2 * n)))


def _max_pool_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    """The cotangent, at the first place of each window that holds its largest element."""
    axes, shape = _spatial(len(x.shape)), ctx.attrs["shape"]
    n, extents = len(shape), tuple(x.shape[axis] for axis in axes)
    seen = _seen(x, ctx.attrs)
    outer = (*range(1 + n), 1 + 2 * n)

    def everywhere(folded: Traced) -> Traced:
        return folded.broadcast(axes=outer, shape=seen.shape)

    flat = (*seen.shape[:1 + n], size_of(shape), x.shape[-1])
    kind = I8 if prod(shape) < 128 else I32  # a byte for each window is kept for the gradient
    number = ctx.emit("iota", axis=1 + n, shape=flat, dtype=kind).reshape(shape=seen.shape)
    behind = Traced(ctx.b, ctx.b.full_like(prod(shape), number.value))
    first = seen.equal(everywhere(ctx.y)).select(number, behind).reduce_min(axes=tuple(range(1 + n, 1 + 2 * n)))
    if shape == ctx.attrs["strides"]:  # each element is in one window: everything is said at its own place
        at, mine = (side_by_side(t, axes, extents, value) for t, value in ((everywhere(first), -1), (number, -2)))
        there = side_by_side(everywhere(g), axes, extents)
        return [mine.equal(at).select(there, there.zeros())]
    chosen = number.equal(everywhere(first)).select(everywhere(g), seen.zeros())
    return [chosen.overlap_add(axes=axes, extents=extents, strides=ctx.attrs["strides"], dilations=(1,) * n)]


MAX_POOL = define("max_pool", kind=Kind.COMPOSITE, infer=_infer_max_pool, reference=_max_pool, body=_max_pool_body,
                  vjp=_max_pool_vjp)
