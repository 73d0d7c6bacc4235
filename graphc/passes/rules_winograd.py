"""Rules that make Winograd's convolutions of plain ones where that is faster.

What does not live here: the algorithm (graphc.ir.ops_winograd).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from graphc.ir.dims import Dim, Shape
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.ops_winograd import SIZE, TILE, points
from graphc.ir.spec import Array
from graphc.passes.choices import DEFAULT, Choices, Verdict
from graphc.passes.rewrite import Rewriter, rewrite

LANES = 16  # channels are read and filters made in vectors of at most so many
LARGE = 1 << 20  # bytes of transformed weights that a core's own cache does not hold beside a block of tiles,
LEAST_TILES = 16  # and how many tiles of an image make up for reading them, which are 4 times as many as the weights
_TILED = {"convolution": "winograd", "convolution_gradient": "winograd_gradient"}
TRANSFORMS = {"winograd": (6, 5), "winograd_gradient": (6, 6)}
# operations of the transforms for each point and channel (of x, of the other operand or the result), in multiply-adds


def speedup(op: str, outputs: Shape, channels: int, filters: int) -> float:
    """How many times fewer operations Winograd's algorithm needs than the plain sum.

    outputs are the sizes of the spatial axes of the result; unknown ones count as whole tiles.
    """
    n, known = len(outputs), [dim for dim in outputs if isinstance(dim, int)]
    tiles = prod(-(-dim // TILE) for dim in known)
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


def verdict(op: Op, choices: Choices = DEFAULT) -> Verdict:
    """The algorithm for a convolution or for the gradient of its weights."""
    weights = op.operands[1].type.shape if op.name == "convolution" else op.result.type.shape
    outputs = op.result.type.shape[1:-1] if op.name == "convolution" else op.operands[1].type.shape[1:-1]
    *shape, channels, filters = weights
    obstacle = _obstacle(op, tuple(shape), outputs, channels, filters)
    if obstacle is None and choices.precision == "highest":
        obstacle = "precision is highest"
    if obstacle is not None:
        return Verdict("direct", obstacle)
    assert isinstance(channels, int), "no obstacle"
    assert isinstance(filters, int), "no obstacle"
    gain = speedup(_TILED[op.name], outputs, channels, filters)
    reason = f"{gain:.1f} times fewer operations than plain sums"
    if choices.convolution != "auto":
        return Verdict(choices.convolution, f"asked for; {reason}")
    n = len(outputs)
    large = SIZE ** n * channels * filters * op.result.type.dtype.itemsize > LARGE
    known = all(isinstance(dim, int) for dim in outputs)
    if large and known and prod(-(-dim // TILE) for dim in outputs) < LEAST_TILES ** (n / 2):
        return Verdict("direct", "few tiles, for which the transformed weights would have to be read")
    return Verdict("winograd" if gain >= PAYS else "direct", reason)


def _obstacle(op: Op, shape: Shape, outputs: Shape, channels: Dim, filters: Dim) -> str | None:
    """Why Winograd's algorithm cannot be used; None if it can."""
    if len(shape) not in (1, 2) or any(k != 3 for k in shape):
        return f"windows of {' x '.join(map(str, shape))}"
    if any(s != 1 for s in op.attr("strides")):
        return f"strides {' x '.join(map(str, op.attr('strides')))}"
    if any(d != 1 for d in op.attr("dilations")):
        return f"dilations {' x '.join(map(str, op.attr('dilations')))}"
    if not isinstance(channels, int) or not isinstance(filters, int) or filters == 0:
        return "unknown sizes of the weights"
    if channels < LANES or (op.name == "convolution_gradient" and channels % LANES):
        return f"{channels} channels do not fill vectors of {LANES}"
    if filters % LANES:
        return f"{filters} filters do not fill vectors of {LANES}"
    if op.name == "convolution_gradient" and _shares(op) == 0:
        return "sums of products too large for the cache"
    return None


def _shares(op: Op) -> int:
    """Into how many parts the sum for a gradient is cut; 0 where its products would not fit in the cache."""
    *shape, channels, filters = op.result.type.shape
    size = SIZE ** len(shape) * channels * filters * op.result.type.dtype.itemsize
    return next((parts for most, parts in SHARES if isinstance(size, int) and size <= most), 0)


def _constant(matrix: np.ndarray, like: Value, b: Rewriter) -> Value:
    return b.emit("constant", value=Array(matrix.astype(like.type.dtype.numpy)))


def _convolve_by_tiles(op: Op, b: Rewriter) -> Value:
    """Winograd's convolution, which takes the padding in front."""
    x, w = op.operands
    *shape, channels, filters = w.type.shape
    n = len(shape)
    inner, low, high = _margins(x, b)
    flat = b.emit("reshape", w, shape=(3 ** n, channels * filters))
    u = b.emit("matmul", _constant(points(n), x, b), flat)
    return b.emit("winograd", inner, u, low=low, high=high, pool=(1,) * n)


def _sum_by_tiles(op: Op, b: Rewriter) -> Value:
    """The gradient of such a convolution's weights."""
    x, g = op.operands
    n = x.type.rank - 2
    inner, low, high = _margins(x, b)
    parts = b.emit("winograd_gradient", inner, g, low=low, high=high, shares=_shares(op))
    total = b.emit("reduce_sum", parts, axes=(0,))
    back = b.emit("matmul", _constant(points(n).T, x, b), total)
    return b.emit("reshape", back, shape=op.result.type.shape)


_MAKE = {"convolution": _convolve_by_tiles, "convolution_gradient": _sum_by_tiles}


@dataclass(frozen=True)
class Winograd:
    """The pass: convolutions with windows of 3 and stride 1 over enough channels become Winograd's.

    graph before(%x: f32[B,30,30,16], %w: f32[3,3,16,32]) {
      %p = pad(%x){high=(0,1,1,0), low=(0,1,1,0), value=0.0}
      %y = convolution(%p, %w){dilations=(1,1), strides=(1,1)}
      return %y
    }
    graph after(%x: f32[B,30,30,16], %w: f32[3,3,16,32]) {
      %f = reshape(%w){shape=(9,512)}
      %u = matmul(%G, %f)
      %y = winograd(%x, %u){high=(1,1), low=(1,1), pool=(1,1)}
      return %y
    }
    """

    choices: Choices = DEFAULT

    def __call__(self, graph: Graph) -> Graph:
        return rewrite(graph, {name: [self._rule] for name in _MAKE})

    def _rule(self, op: Op, b: Rewriter) -> Value | None:
        return _MAKE[op.name](op, b) if verdict(op, self.choices).algorithm == "winograd" else None


def verdicts(graph: Graph, choices: Choices) -> list[tuple[Op, Verdict]]:
    """What is decided for each convolution of a graph that has not been optimized."""
    return [(op, verdict(op, choices)) for op in graph.ops if op.name in _MAKE]
