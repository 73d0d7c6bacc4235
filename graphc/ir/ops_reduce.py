"""Ops that fold axes away, and the composites made of them: means, softmax and its kin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir.dims import size_of
from graphc.ir.spec import Kind, define
from graphc.ir.traced import RuleContext, Traced
from graphc.ir.types import BOOL, I64, TensorType


def _check_axes(name: str, x: TensorType, axes: tuple[int, ...]) -> None:
    if list(axes) != sorted(set(axes)) or any(not 0 <= a < x.rank for a in axes):
        raise ShapeError(f"{name}: axes must be sorted, distinct and inside the rank", expected=f"axes of {x}", got=axes)


def _fold_rule(name: str, kinds: tuple[str, ...]) -> Callable[..., TensorType]:
    def infer(x: TensorType, axes: tuple[int, ...]) -> TensorType:
        _check_axes(name, x, axes)
        if x.dtype.kind not in kinds:
            raise DTypeError(f"{name}: wrong element type", expected=" or ".join(kinds), got=x)
        return x.with_shape(tuple(d for i, d in enumerate(x.shape) if i not in axes))

    return infer


def spread(g: Traced, like: Traced, axes: tuple[int, ...]) -> Traced:
    """A fold's value repeated along the folded axes of `like`."""
    kept = tuple(i for i in range(like.type.rank) if i not in axes)
    return g.broadcast(axes=kept, shape=like.shape)


def _same_dtype(reference: Callable[..., Any]) -> Callable[..., np.ndarray]:
    return lambda x, axes: np.asarray(reference(x, axis=axes)).astype(x.dtype, copy=False)


def _first_wins(reference: Callable[..., Any], empty: Callable[[np.dtype], Any]) -> Callable[..., np.ndarray]:
    def fold(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
        return np.asarray(reference(x, axis=axes, initial=empty(x.dtype))).astype(x.dtype, copy=False)

    return fold


def _extreme_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    axes = ctx.attrs["axes"]
    hits = x.equal(spread(ctx.y, x, axes)).cast(dtype=x.dtype)
    share = g / hits.reduce_sum(axes=axes)
    return [hits * spread(share, x, axes)]


def _prod_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    return [spread(g * ctx.y, x, ctx.attrs["axes"]) / x]


_NUMBERS = ("int", "uint", "float")
define("reduce_sum", kind=Kind.REDUCE, infer=_fold_rule("reduce_sum", _NUMBERS), reference=_same_dtype(np.sum),
       vjp=lambda ctx, g, x: [spread(g, x, ctx.attrs["axes"])])
define("reduce_prod", kind=Kind.REDUCE, infer=_fold_rule("reduce_prod", _NUMBERS), reference=_same_dtype(np.prod),
       vjp=_prod_vjp)
define("reduce_max", kind=Kind.REDUCE, infer=_fold_rule("reduce_max", _NUMBERS), vjp=_extreme_vjp,
       reference=_first_wins(np.max, lambda d: -np.inf if d.kind == "f" else np.iinfo(d).min))
define("reduce_min", kind=Kind.REDUCE, infer=_fold_rule("reduce_min", _NUMBERS), vjp=_extreme_vjp,
       reference=_first_wins(np.min, lambda d: np.inf if d.kind == "f" else np.iinfo(d).max))
define("reduce_any", kind=Kind.REDUCE, infer=_fold_rule("reduce_any", ("bool",)), reference=_same_dtype(np.any))
define("reduce_all", kind=Kind.REDUCE, infer=_fold_rule("reduce_all", ("bool",)), reference=_same_dtype(np.all))


def _arg_rule(name: str) -> Callable[..., TensorType]:
    def infer(x: TensorType, axis: int) -> TensorType:
        _check_axes(name, x, (axis,))
        if x.shape[axis] == 0:
            raise ShapeError(f"{name}: nothing to choose from along axis {axis}", got=x)
        return TensorType(I64, tuple(d for i, d in enumerate(x.shape) if i != axis))

    return infer


define("argmax", kind=Kind.REDUCE, infer=_arg_rule("argmax"),
       reference=lambda x, axis: np.asarray(np.argmax(x, axis=axis), np.int64))
define("argmin", kind=Kind.REDUCE, infer=_arg_rule("argmin"),
       reference=lambda x, axis: np.asarray(np.argmin(x, axis=axis), np.int64))


# ---- composites


def _mean_body(ctx: RuleContext, x: Traced) -> Traced:
    axes = ctx.attrs["axes"]
    total = x.reduce_sum(axes=axes)
    count = ctx.size(size_of(x.shape[a] for a in axes), x.dtype)
    return total / count.broadcast(axes=(), shape=total.shape)


def _mean_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    axes = ctx.attrs["axes"]
    count = ctx.size(size_of(x.shape[a] for a in axes), x.dtype)
    return [spread(g / count.broadcast(axes=(), shape=g.shape), x, axes)]


def _mean(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    with np.errstate(all="ignore"):
        count = np.prod([x.shape[a] for a in axes], dtype=x.dtype)
        return np.asarray(np.sum(x, axis=axes) / count, x.dtype)


define("reduce_mean", kind=Kind.COMPOSITE, infer=_fold_rule("reduce_mean", ("float",)), reference=_mean,
       body=_mean_body, vjp=_mean_vjp)


def _softmax(x: np.ndarray, axis: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)


def _log_softmax(x: np.ndarray, axis: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        shifted = x - x.max(axis=axis, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def _softmax_rule(name: str) -> Callable[..., TensorType]:
    def infer(x: TensorType, axis: int) -> TensorType:
        _check_axes(name, x, (axis,))
        if not x.dtype.is_float:
            raise DTypeError(f"{name}: wrong element type", expected="float", got=x)
        return x

    return infer


def _softmax_body(ctx: RuleContext, x: Traced) -> Traced:
    axes = (ctx.attrs["axis"],)
    e = (x - spread(x.reduce_max(axes=axes), x, axes)).exp()
    return e / spread(e.reduce_sum(axes=axes), x, axes)


def _softmax_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    axes = (ctx.attrs["axis"],)
    inner = (g * ctx.y).reduce_sum(axes=axes)
    return [ctx.y * (g - spread(inner, x, axes))]


def _log_softmax_body(ctx: RuleContext, x: Traced) -> Traced:
    axes = (ctx.attrs["axis"],)
    shifted = x - spread(x.reduce_max(axes=axes), x, axes)
    return shifted - spread(shifted.exp().reduce_sum(axes=axes).log(), x, axes)


def _log_softmax_vjp(ctx: RuleContext, g: Traced, x: Traced) -> list[Traced]:
    axes = (ctx.attrs["axis"],)
    return [g - ctx.y.exp() * spread(g.reduce_sum(axes=axes), x, axes)]


define("softmax", kind=Kind.COMPOSITE, infer=_softmax_rule("softmax"), reference=_softmax, body=_softmax_body,
       vjp=_softmax_vjp)
define("log_softmax", kind=Kind.COMPOSITE, infer=_softmax_rule("log_softmax"), reference=_log_softmax,
       body=_log_softmax_body, vjp=_log_softmax_vjp)


def _finite_max(x: Traced, axes: tuple[int, ...]) -> Traced:
    top = x.reduce_max(axes=axes)
    return top.isfinite().select(top, top.zeros())


def _logsumexp(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    with np.errstate(all="ignore"):
        top = x.max(axis=axes, keepdims=True)
        top = np.where(np.isfinite(top), top, 0).astype(x.dtype)
        return np.asarray(np.log(np.exp(x - top).sum(axis=axes)) + top.reshape(np.sum(x, axis=axes).shape), x.dtype)


def _logsumexp_body(ctx: RuleContext, x: Traced) -> Traced:
    axes = ctx.attrs["axes"]
    top = _finite_max(x, axes)
    return (x - spread(top, x, axes)).exp().reduce_sum(axes=axes).log() + top


define("logsumexp", kind=Kind.COMPOSITE, infer=_fold_rule("logsumexp", ("float",)), reference=_logsumexp,
       body=_logsumexp_body,
       vjp=lambda ctx, g, x: [spread(g, x, ctx.attrs["axes"]) * (x - spread(ctx.y, x, ctx.attrs["axes"])).exp()])

assert BOOL
