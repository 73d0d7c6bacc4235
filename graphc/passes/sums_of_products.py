"""What a loop added up step by step becomes one product with a longer sum.

What does not live here: how such sums come to stand behind a loop (scan_fission.py), sums that are cut (long_sums.py).
"""

from __future__ import annotations

from graphc.ir.graph import Graph, Op, Value
from graphc.passes.rewrite import Rewriter, rewrite


def sum_of_products(op: Op, b: Rewriter) -> Value | None:
    """Products summed over their batch are one product with a longer sum: what a loop adds up step by step.

    graph before(%x: f32[T,3,B], %y: f32[T,B,4]) {
      %p = matmul(%x, %y)
      %s = reduce_sum(%p){axes=(0,)}
      return %s
    }
    graph after(%x: f32[T,3,B], %y: f32[T,B,4]) {
      %t = transpose(%x){perm=(1,0,2)}
      %a = reshape(%t){shape=(3,B*T)}
      %b = reshape(%y){shape=(B*T,4)}
      %s = matmul(%a, %b)
      return %s
    }
    """
    product = b.made_by(op.operands[0], "matmul")
    if product is None or op.attr("axes") != (0,) or product.result.type.rank != 3:
        return None
    x, y = product.operands
    steps, rows, terms = x.type.shape
    across = b.emit("reshape", b.emit("transpose", x, perm=(1, 0, 2)), shape=(rows, steps * terms))
    return b.emit("matmul", across, b.emit("reshape", y, shape=(steps * terms, y.type.shape[2])))


def sums_of_products(graph: Graph) -> Graph:
    """Apply the rule."""
    return rewrite(graph, {"reduce_sum": [sum_of_products]})
