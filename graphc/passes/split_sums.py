"""Products of few tiles and many terms are cut along the sum, so that every multiprocessor of a device has a part.

What does not live here: tiles (codegen_cuda/contractions.py), long sums on the CPU (long_sums.py).
"""

from __future__ import annotations

from graphc.ir.graph import Graph, Op, Value
from graphc.passes.costs import nominal
from graphc.passes.rewrite import Rewriter, rewrite

BLOCKS = 264  # two for each multiprocessor of an H200
TILE = 32  # rows and columns of the smallest tile
LEAST_TERMS = 512  # of a part: what a further pass over the parts costs is soon made up for


def split_product(op: Op, b: Rewriter) -> Value | None:
    """
    graph before(%x: f32[B,8192], %w: f32[8192,256]) {
      %y = matmul(%x, %w)
      return %y
    }
    graph after(%x: f32[B,8192], %w: f32[8192,256]) {
      %s = split_matmul(%x, %w){parts=16}
      %y = reduce_sum(%s){axes=(0,)}
      return %y
    }
    """
    x, w = op.operands
    if x.type.rank != 2:
        return None
    rows, terms, columns = (nominal(d) for d in (*x.type.shape, w.type.shape[1]))
    tiles = max(-(-rows // TILE) * -(-columns // TILE), 1)
    parts = min(BLOCKS // tiles, terms // LEAST_TERMS)
    if parts < 2:
        return None
    return b.emit("reduce_sum", b.emit("split_matmul", x, w, parts=parts), axes=(0,))


def split_sums(graph: Graph) -> Graph:
    """Apply the rule."""
    return rewrite(graph, {"matmul": [split_product]})
