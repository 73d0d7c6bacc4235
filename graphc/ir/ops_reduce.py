"""Reductions: folds of axes, positions of extremes, and the composites built on folds.

Reduced axes vanish from the shape; a reduction of no axes is its operand. Ties in reduce_max and
reduce_min share the gradient equally, as in TensorFlow.

What does not live here: running folds that keep the axis (cumsum, ops_gather.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from graphc.ir.checks import BOOLS, FLOATS, NUMBERS, check_axes, check_axis, check_kind, check_not_empty
from graphc.ir.dims import Shape, size_of
from graphc.ir.spec import Kind, OpSpec, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import I64, TensorType


def without(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """`shape` with `axes` removed."""
    return tuple(d for i, d in enumerate(shape) if i not in axes)


def spread(folded: Traced, shape: Shape, axes: tuple[int, ...]) -> Traced:
    """A fold's result, repeated along the folded axes until it has `shape` again."""
    return folded.broadcast(axes=tuple(i for i in range(len(shape)) if i not in axes), shape=shape)


def _infer(op: str, allowed: frozenset[str], needs_some: bool, x: TensorType, *, axes: tuple[int, ...]) -> TensorType:
    check_kind(op, allowed, x)
    check_axes(op, x, axes)
    if needs_some:
        check_not_empty(op, x, axes)
    return x.with_shape(without(x.shape, axes))


def _fold(name: str, function: np.ufunc, allowed: frozenset[str], *, needs_some: bool = False,
          vjp: Callable[..., Any] | None = None, **laws: Any) -> OpSpec:
    """Declare a fold by one of NumPy's binary functions; integers keep their type and wrap around."""
    def reference(x: np.ndarray, *, axes: tuple[int, ...]) -> np.ndarray:
        return function.reduce(x, axis=axes, dtype=x.dtype)

    return define(name, kind=Kind.REDUCE, infer=partial(_infer, name, allowed, needs_some), reference=reference,
                  vjp=vjp, **laws)


def _sum_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    return [spread(g, x.shape, ctx.attrs["axes"])]


def _prod_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    """The product of all other elements: y / x, and where x is the only zero the product of the rest."""
    axes = ctx.attrs["axes"]
    zero = x.equal(x.zeros())
    rest = zero.select(x.zeros() + 1, x).reduce_prod(axes=axes)
    zeros = zero.cast(dtype=x.dtype).reduce_sum(axes=axes)
    alone = zeros.equal(zeros.zeros() + 1).select(rest, rest.zeros())
    others = zero.select(spread(alone, x.shape, axes), spread(ctx.y, x.shape, axes) / x)
    return [spread(g, x.shape, axes) * others]


def _extreme_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    """The cotangent, divided among the elements that are equal to the extreme."""
    axes = ctx.attrs["axes"]
    chosen = x.equal(spread(ctx.y, x.shape, axes)).cast(dtype=x.dtype)
    return [chosen * spread(g / chosen.reduce_sum(axes=axes), x.shape, axes)]


REDUCE_SUM = _fold("reduce_sum", np.add, NUMBERS, vjp=_sum_vjp, combine="add")
REDUCE_PROD = _fold("reduce_prod", np.multiply, NUMBERS, vjp=_prod_vjp, combine="multiply")
REDUCE_MAX = _fold("reduce_max", np.maximum, NUMBERS, needs_some=True, vjp=_extreme_vjp, combine="maximum")
REDUCE_MIN = _fold("reduce_min", np.minimum, NUMBERS, needs_some=True, vjp=_extreme_vjp, combine="minimum")
REDUCE_ANY = _fold("reduce_any", np.logical_or, BOOLS, combine="logical_or")
REDUCE_ALL = _fold("reduce_all", np.logical_and, BOOLS, combine="logical_and")


def _position(name: str, function: Callable[..., Any]) -> OpSpec:
    """Declare argmax or argmin: the first position of the extreme along one axis; NaN is the extreme."""
    def infer(x: TensorType, *, axis: int) -> TensorType:
        check_kind(name, NUMBERS, x)
        check_axis(name, x, axis)
        check_not_empty(name, x, (axis,))
        return TensorType(I64, without(x.shape, (axis,)))

    return define(name, kind=Kind.REDUCE, infer=infer, reference=lambda x, *, axis: function(x, axis=axis))


ARGMAX = _position("argmax", np.argmax)
ARGMIN = _position("argmin", np.argmin)

# ---- composites


def _by_count(ctx: RuleContext, folded: Traced, x: Traced) -> Traced:
    """`folded` divided by the number of elements that each fold took."""
    count = size_of(x.shape[a] for a in ctx.attrs["axes"])
    if isinstance(count, int):
        return folded / float(count)
    return folded / ctx.size(count, x.dtype).broadcast(axes=(), shape=folded.shape)


def _mean(x: np.ndarray, *, axes: tuple[int, ...]) -> np.ndarray:
    """Sum over count; NaN where there is nothing."""
    count = size_of(x.shape[a] for a in axes)
    return np.divide(np.add.reduce(x, axis=axes, dtype=x.dtype), x.dtype.type(count))


REDUCE_MEAN = define("reduce_mean", kind=Kind.COMPOSITE, infer=partial(_infer, "reduce_mean", FLOATS, False),
                     reference=_mean,
                     body=lambda ctx, x: _by_count(ctx, x.reduce_sum(axes=ctx.attrs["axes"]), x),
                     vjp=lambda ctx, g, x: [spread(_by_count(ctx, g, x), x.shape, ctx.attrs["axes"])])


def _variance(x: np.ndarray, *, axes: tuple[int, ...]) -> np.ndarray:
    """The mean squared distance from the mean; NaN where there is nothing."""
    center = np.expand_dims(_mean(x, axes=axes), axes)
    return _mean(np.square(x - center), axes=axes)


def _variance_body(ctx: RuleContext, x: Traced) -> Traced:
    axes = ctx.attrs["axes"]
    return (x - spread(x.reduce_mean(axes=axes), x.shape, axes)).square().reduce_mean(axes=axes)


def _variance_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    """2 g / n times the distance from the mean: what the mean itself would add sums to nothing."""
    axes = ctx.attrs["axes"]
    distance = x - spread(x.reduce_mean(axes=axes), x.shape, axes)
    return [spread(_by_count(ctx, g + g, x), x.shape, axes) * distance]


REDUCE_VARIANCE = define("reduce_variance", kind=Kind.COMPOSITE,
                         infer=partial(_infer, "reduce_variance", FLOATS, False), reference=_variance,
                         body=_variance_body, vjp=_variance_vjp)


def _infer_along(op: str, x: TensorType, *, axis: int) -> TensorType:
    check_kind(op, FLOATS, x)
    check_axis(op, x, axis)
    check_not_empty(op, x, (axis,))
    return x


def _exp_shifted(x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """x less its maximum, and the exponential of that: no overflow."""
    shifted = x - np.max(x, axis=axis, keepdims=True)
    return shifted, np.exp(shifted)


def _softmax(x: np.ndarray, *, axis: int) -> np.ndarray:
    _, e = _exp_shifted(x, axis)
    return e / np.sum(e, axis=axis, keepdims=True)


def _log_softmax(x: np.ndarray, *, axis: int) -> np.ndarray:
    shifted, e = _exp_shifted(x, axis)
    return shifted - np.log(np.sum(e, axis=axis, keepdims=True))


def _shift(x: Traced, axes: tuple[int, ...]) -> Traced:
    return x - spread(x.reduce_max(axes=axes), x.shape, axes)


def _softmax_body(ctx: RuleContext, x: Traced) -> Traced:
    axes = (ctx.attrs["axis"],)
    e = _shift(x, axes).exp()
    return e / spread(e.reduce_sum(axes=axes), x.shape, axes)


def _softmax_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    axes, y = (ctx.attrs["axis"],), ctx.y
    return [(g - spread((g * y).reduce_sum(axes=axes), x.shape, axes)) * y]


def _log_softmax_body(ctx: RuleContext, x: Traced) -> Traced:
    axes = (ctx.attrs["axis"],)
    shifted = _shift(x, axes)
    return shifted - spread(shifted.exp().reduce_sum(axes=axes).log(), x.shape, axes)


def _log_softmax_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    axes = (ctx.attrs["axis"],)
    return [g - ctx.y.exp() * spread(g.reduce_sum(axes=axes), x.shape, axes)]


SOFTMAX = define("softmax", kind=Kind.COMPOSITE, infer=partial(_infer_along, "softmax"), reference=_softmax,
                 body=_softmax_body, vjp=_softmax_vjp)
LOG_SOFTMAX = define("log_softmax", kind=Kind.COMPOSITE, infer=partial(_infer_along, "log_softmax"),
                     reference=_log_softmax, body=_log_softmax_body, vjp=_log_softmax_vjp)


def _logsumexp(x: np.ndarray, *, axes: tuple[int, ...]) -> np.ndarray:
    """log(sum(exp(x))), shifted by the maximum where that is finite."""
    largest = np.max(x, axis=axes, keepdims=True)
    shift = np.where(np.isfinite(largest), largest, x.dtype.type(0))
    total = np.log(np.sum(np.exp(x - shift), axis=axes, keepdims=True)) + shift
    return np.squeeze(total, axis=axes)


def _logsumexp_body(ctx: RuleContext, x: Traced) -> Traced:
    axes = ctx.attrs["axes"]
    largest = x.reduce_max(axes=axes)
    shift = largest.isfinite().select(largest, largest.zeros())
    return (x - spread(shift, x.shape, axes)).exp().reduce_sum(axes=axes).log() + shift


def _logsumexp_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    axes = ctx.attrs["axes"]
    return [spread(g, x.shape, axes) * (x - spread(ctx.y, x.shape, axes)).exp()]


LOGSUMEXP = define("logsumexp", kind=Kind.COMPOSITE, infer=partial(_infer, "logsumexp", FLOATS, True),
                   reference=_logsumexp, body=_logsumexp_body, vjp=_logsumexp_vjp)
