"""Winograd convolutions: F(4,3) along one spatial axis, F(4x4,3x3) along two.

A tile of 4 outputs along an axis is made of 6 products instead of 12 (Lavin and Gray, "Fast Algorithms for
Convolutional Neural Networks", 2015; points 0, 1, -1, 2, -2 and infinity):

    y = A' [(G w) * (B' x)]        w: 3 weights, x: 6 inputs, y: 4 outputs, * element by element

and along two axes each matrix is applied to both. Summed over channels, the products of one place of a tile are a
matmul of tiles and filters. The derivative with respect to w is G' [(B' x) * (A g)]: the same products, summed over
tiles.

    winograd           x [N,*S,C], u [6^n,C*O] -> [N,*P,O]    u: G applied to the weights of a convolution, by `points`
    winograd_gradient  x [N,*S,C], g [N,*P,O] -> [shares,6^n,C*O]  to be summed over axis 0, with G' to be applied

P = S + low + high - 2: x is taken as padded with low and high zeros along each spatial axis. Where `pool` of winograd
is more than 1 along an axis (2 or 4), the largest of so many neighbours stands for them, and what is left over at the
end is dropped. The optimizer makes these
ops behind autodiff, where they are faster; they have no gradients of their own.

What does not live here: when they are used (passes/rules_winograd.py).
"""

from __future__ import annotations

from functools import reduce
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir.checks import FLOATS, check_dim, check_kind, check_same_dtype
from graphc.ir.dims import Dim, Shape
from graphc.ir.spec import Kind, define
from graphc.ir.types import TensorType

TILE, SIZE = 4, 6  # outputs and inputs of a tile along one axis
POOLS = (1, 2, 4)  # neighbours within a tile
B = np.array([[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
              [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]], float)
A = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], float)
G = np.array([[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
              [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]], float)


def points(axes: int) -> np.ndarray:
    """G for `axes` spatial axes as one matrix [6^n, 3^n]: u = points @ w, both flattened."""
    return reduce(np.kron, [G] * axes)


def places(extent: Dim, low: Dim, high: Dim) -> Dim:
    """The number of outputs along an axis."""
    return extent + low + high - 2


def _check(op: str, x: TensorType, second: TensorType, low: Any, high: Any) -> int:
    """The number of spatial axes. Raises ShapeError or DTypeError for operands or paddings that do not fit."""
    check_kind(op, FLOATS, x, second)
    check_same_dtype(op, x, second)
    n = x.rank - 2
    if n not in (1, 2):
        raise ShapeError(f"{op}: an operand of unfit rank", expected="[N,S,C] or [N,S,S,C]", got=x)
    for name, margin in (("low", low), ("high", high)):
        if not isinstance(margin, tuple) or len(margin) != n:
            raise ShapeError(f"{op}: {name} holds one size for each spatial axis", expected=f"{n} sizes",
                             got=repr(margin))
        for dim in margin:
            check_dim(op, dim, name)
    for axis, dims in enumerate(zip(x.shape[1:-1], low, high, strict=True)):
        count = places(*dims)
        if isinstance(count, int) and count < 1:
            raise ShapeError(f"{op}: a window does not fit spatial axis {axis} of {x}", expected="at least 3 elements",
                             got=count + 2)
    return n


def _infer_winograd(x: TensorType, u: TensorType, *, low: Shape, high: Shape, pool: tuple[int, ...]) -> TensorType:
    n = _check("winograd", x, u, low, high)
    if not isinstance(pool, tuple) or len(pool) != n or not all(p in POOLS for p in pool):
        raise ShapeError("winograd: pool holds how many neighbours become one along each spatial axis",
                         expected=f"{n} of {POOLS}", got=repr(pool))
    channels, wide = x.shape[-1], u.shape[-1] if u.shape else 0
    if u.rank != 2 or u.shape[0] != SIZE ** n or not isinstance(channels, int) or not isinstance(wide, int) \
            or channels < 1 or wide % channels:
        raise ShapeError("winograd: the transformed weights do not fit",
                         expected=f"[{SIZE ** n},{channels}*filters]", got=u)
    outputs = (places(*dims) // p for *dims, p in zip(x.shape[1:-1], low, high, pool, strict=True))
    return x.with_shape((x.shape[0], *outputs, wide // channels))


def _tiles(x: np.ndarray, size: int, low: tuple[int, ...], counts: tuple[int, ...]) -> np.ndarray:
    """[N,*T,*size,C]: the patches of `size` elements that begin 4 apart, zeros around x."""
    n = len(counts)
    extents = tuple(TILE * (t - 1) + size for t in counts)
    around = np.zeros((x.shape[0], *extents, x.shape[-1]), x.dtype)
    inside = tuple(slice(before, before + min(s, e - before)) for before, s, e in zip(low, x.shape[1:-1], extents))
    around[(slice(None), *inside)] = x[(slice(None), *(slice(0, part.stop - part.start) for part in inside))]
    axes = tuple(range(1, 1 + n))
    seen = np.lib.stride_tricks.sliding_window_view(around, (size,) * n, axes)
    seen = seen[(slice(None), *(slice(None, None, TILE),) * n)]
    return np.moveaxis(seen, range(-n, 0), range(1 + n, 1 + 2 * n))


def _applied(matrix: np.ndarray, patches: np.ndarray, axes: range) -> np.ndarray:
    """The matrix applied along each of these axes."""
    for axis in axes:
        patches = np.moveaxis(np.tensordot(matrix.astype(patches.dtype), patches, (1, axis)), 0, axis)
    return patches


def _counts(extents: tuple[int, ...], low: tuple[int, ...], high: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-(s + before + after - 2) // TILE) for s, before, after in zip(extents, low, high, strict=True))


def _rows(patches: np.ndarray, n: int) -> np.ndarray:
    """[6^n, tiles, C] of [N,*T,*6,C]."""
    tiles = prod(patches.shape[:1 + n])
    return patches.reshape(tiles, SIZE ** n, patches.shape[-1]).swapaxes(0, 1)


def _winograd(x: np.ndarray, u: np.ndarray, *, low: tuple[int, ...], high: tuple[int, ...],
              pool: tuple[int, ...]) -> np.ndarray:
    n, counts = x.ndim - 2, _counts(x.shape[1:-1], low, high)
    inner = range(1 + n, 1 + 2 * n)
    products = _rows(_applied(B, _tiles(x, SIZE, low, counts), inner), n) @ u.reshape(SIZE ** n, x.shape[-1], -1)
    patches = products.swapaxes(0, 1).reshape(x.shape[0], *counts, *(SIZE,) * n, products.shape[-1])
    made = _applied(A, patches, inner)
    order = (0, *(axis for i in range(n) for axis in (1 + i, 1 + n + i)), 1 + 2 * n)
    made = made.transpose(order).reshape(x.shape[0], *(TILE * t for t in counts), products.shape[-1])
    kept = [(s + before + after - 2) // p for s, before, after, p in zip(x.shape[1:-1], low, high, pool, strict=True)]
    made = made[(slice(None), *(slice(0, k * p) for k, p in zip(kept, pool, strict=True)))]
    apart = made.reshape(x.shape[0], *(d for pair in zip(kept, pool, strict=True) for d in pair), made.shape[-1])
    return apart.max(axis=tuple(range(2, 2 + 2 * n, 2)))


WINOGRAD = define("winograd", kind=Kind.CONTRACT, infer=_infer_winograd, reference=_winograd)


def _infer_gradient(x: TensorType, g: TensorType, *, low: Shape, high: Shape, shares: int) -> TensorType:
    n = _check("winograd_gradient", x, g, low, high)
    wanted = (x.shape[0], *map(places, x.shape[1:-1], low, high))
    if g.rank != x.rank or g.shape[:-1] != wanted:
        raise ShapeError("winograd_gradient: the cotangent does not fit", expected=f"{wanted} in front of the filters",
                         got=g)
    if not isinstance(shares, int) or isinstance(shares, bool) or shares < 1:
        raise ShapeError("winograd_gradient: shares is the number of parts of the sum", expected="an int of at least 1",
                         got=repr(shares))
    return x.with_shape((shares, SIZE ** n, x.shape[-1] * g.shape[-1]))


def _gradient(x: np.ndarray, g: np.ndarray, *, low: tuple[int, ...], high: tuple[int, ...],
              shares: int) -> np.ndarray:
    n, counts = x.ndim - 2, _counts(x.shape[1:-1], low, high)
    inner = range(1 + n, 1 + 2 * n)
    seen = _rows(_applied(B, _tiles(x, SIZE, low, counts), inner), n).swapaxes(1, 2)
    told = _rows(_applied(A.T, _tiles(g, TILE, (0,) * n, counts), inner), n)
    cuts = [told.shape[1] * i // shares for i in range(shares + 1)]
    sums = np.stack([seen[..., a:b] @ told[:, a:b] for a, b in pairwise(cuts)])
    return sums.reshape(shares, SIZE ** n, -1)


WINOGRAD_GRADIENT = define("winograd_gradient", kind=Kind.CONTRACT, infer=_infer_gradient, reference=_gradient)
