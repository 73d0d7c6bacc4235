"""Long sums over large weights are cut into parts, so that threads share the reading of the weights.

With few rows a product takes as long as it takes to read the second operand. Cut along the sum, each thread reads whole
rows of it, one after the other; cut along the columns, as products otherwise are, it would read pieces of all rows.

What does not live here: how a product is blocked (codegen_cpu/contract.py).
"""

from __future__ import annotations

from graphc.ir.graph import Graph, Op, Value
from graphc.passes.rewrite import Rewriter, rewrite

PARTS = 8  # whatever the number of threads: results do not depend on it
LEAST_TERMS = 4096
LEAST_BYTES = 4 << 20  # of the second operand: more than a core's own caches hold
MOST_ROWS = 64


def split_long_sum(op: Op, b: Rewriter) -> Value | None:
    """A product of few or unknown rows with a large second operand becomes a sum of products.

    graph before(%x: f32[B,8192], %w: f32[8192,256]) {
      %y = matmul(%x, %w)
      return %y
    }
    graph after(%x: f32[B,8192], %w: f32[8192,256]) {
      %r = reshape(%x){shape=(B,8,1024)}
      %p = transpose(%r){perm=(1,0,2)}
      %v = reshape(%w){shape=(8,1024,256)}
      %s = matmul(%p, %v)
      %y = reduce_sum(%s){axes=(0,)}
      return %y
    }
    """
    x, w = op.operands
    if x.type.rank != 2:
        return None
    (rows, terms), columns = x.type.shape, w.type.shape[1]
    if not isinstance(terms, int) or not isinstance(columns, int) or terms < LEAST_TERMS or terms % PARTS \
            or terms * columns * w.type.dtype.itemsize < LEAST_BYTES or (isinstance(rows, int) and rows > MOST_ROWS):
        return None
    parts = b.emit("transpose", b.emit("reshape", x, shape=(rows, PARTS, terms // PARTS)), perm=(1, 0, 2))
    weights = b.emit("reshape", w, shape=(PARTS, terms // PARTS, columns))
    return b.emit("reduce_sum", b.emit("matmul", parts, weights), axes=(0,))


def long_sums(graph: Graph) -> Graph:
    """Apply the rule."""
    return rewrite(graph, {"matmul": [split_long_sum]})
