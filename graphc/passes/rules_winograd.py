"""Rules that make Winograd's convolutions of plain ones where that is faster.

What does not live here: the algorithm (graphc.ir.ops_winograd).
"""

from __future__ import annotations

from math import prod

import numpy as np

from graphc.ir.dims import Dim, Shape
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.ops_winograd import SIZE, TILE, points
from graphc.ir.spec import Array
from graphc.passes.rewrite import Rewriter, rewrite

LANES = 16  # channels are read and filters made in vectors of at most so many
LEAST_TILES = 16  # of an item: fewer do not make up for reading the transformed weights, which are 4 times as many
TRANSFORMS = {"winograd": (6, 5), "winograd_gradient": (6, 6)}
# operations of the transforms for each point and channel (of x, of the other operand or the result), in multiply-adds


def speedup(op: str, outputs: Shape, channels: Dim, filters: Dim) -> float:
    """How many times fewer operations Winograd's algorithm needs than the plain sum; 0 where it cannot be used.

    outputs are the sizes of the spatial axes of the result.
    """
    n = len(outputs)
    if n not in (1, 2) or not isinstance(channels, int) or not isinstance(filters, int) or channels < LANES \
            or filters % LANES or filters == 0 or (op == "winograd_gradient" and channels % LANES):
        return 0.0
    known = [dim for dim in outputs if isinstance(dim, int)]
    tiles = prod(-(-dim // TILE) for dim in known)
    if len(known) == n and tiles < LEAST_TILES ** (n / 2):
        return 0.0
    used = prod(known) / (tiles * TILE ** len(known)) if tiles else 0.0
    of_input, of_other = TRANSFORMS[op]
    plain = (3 * TILE) ** n * channels * filters * used
    return plain / (SIZE ** n * (channels * filters + of_input * channels + of_other * filters))


PAYS = 1.3  # the speed-up from which it is used
SHARES = ((1 << 20, 8), (1 << 22, 4))  # (bytes of a gradient's products, parts of the sum): more stays a plain sum


def _margins(x: Value, b: Rewriter) -> tuple[Value, Shape, Shape]:
    """The value that x is with zeros around its spatial axes, and how many."""
    n = x.type.rank - 2
    pad = b.made_by(x, "pad")
    if pad is not None and pad.attr("value") == 0:
        low, high = pad.attr("low"), pad.attr("high")
        if all(d == 0 for d in (low[0], high[0], low[-1], high[-1])):
            return pad.operands[0], low[1:-1], high[1:-1]
    return x, (0,) * n, (0,) * n


def _fits(op: Op, shape: Shape) -> bool:
    return all(k == 3 for k in shape) and all(v == 1 for v in (*op.attr("strides"), *op.attr("dilations")))


def _constant(matrix: np.ndarray, like: Value, b: Rewriter) -> Value:
    return b.emit("constant", value=Array(matrix.astype(like.type.dtype.numpy)))


def convolve_by_tiles(op: Op, b: Rewriter) -> Value | None:
    """A convolution with windows of 3, stride 1, over enough channels becomes Winograd's, which takes the padding.

    graph before(%x: f32[B,30,30,16], %w: f32[3,3,16,32]) {
      %p = pad(%x){high=(0,1,1,0), low=(0,1,1,0), value=0.0}
      %y = convolution(%p, %w){dilations=(1,1), strides=(1,1)}
      return %y
    }
    """
    x, w = op.operands
    *shape, channels, filters = w.type.shape
    outputs = op.result.type.shape[1:-1]
    if not _fits(op, tuple(shape)) or speedup("winograd", outputs, channels, filters) < PAYS:
        return None
    n = len(shape)
    inner, low, high = _margins(x, b)
    flat = b.emit("reshape", w, shape=(3 ** n, channels * filters))
    u = b.emit("matmul", _constant(points(n), x, b), flat)
    return b.emit("winograd", inner, u, low=low, high=high, pool=(1,) * n)


def sum_by_tiles(op: Op, b: Rewriter) -> Value | None:
    """The gradient of such a convolution's weights likewise.

    graph before(%x: f32[B,30,30,16], %g: f32[B,28,28,32]) {
      %w = convolution_gradient(%x, %g){dilations=(1,1), shape=(3,3), strides=(1,1)}
      return %w
    }
    """
    x, g = op.operands
    *shape, channels, filters = op.result.type.shape
    if not _fits(op, tuple(shape)) or speedup("winograd_gradient", g.type.shape[1:-1], channels, filters) < PAYS:
        return None
    n = len(shape)
    size = SIZE ** n * channels * filters * x.type.dtype.itemsize
    shares = next((parts for most, parts in SHARES if size <= most), 0)
    if shares == 0:
        return None
    inner, low, high = _margins(x, b)
    parts = b.emit("winograd_gradient", inner, g, low=low, high=high, shares=shares)
    total = b.emit("reduce_sum", parts, axes=(0,))
    back = b.emit("matmul", _constant(points(n).T, x, b), total)
    return b.emit("reshape", back, shape=op.result.type.shape)


def winograd(graph: Graph) -> Graph:
    """Apply the rules of this file."""
    return rewrite(graph, {"convolution": [convolve_by_tiles], "convolution_gradient": [sum_by_tiles]})
