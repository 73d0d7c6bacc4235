"""Rules that always run: they leave only forms that kernels can be made of.

A reduction folds one contiguous block of axes; a reduction of no axes is its operand.
"""

from __future__ import annotations

from graphc.ir.graph import Graph, Op, Value
from graphc.passes.rewrite import Rewriter, rewrite

FOLDS = ("reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_any", "reduce_all")


def split_reduction(op: Op, b: Rewriter) -> Value | None:
    """A reduction over axes that are not neighbours becomes one per block of neighbours.

    graph before(%x: f32[2,3,4,5]) {
      %y = reduce_sum(%x){axes=(0,2,3)}
      return %y
    }
    graph after(%x: f32[2,3,4,5]) {
      %a = reduce_sum(%x){axes=(2,3)}
      %y = reduce_sum(%a){axes=(0,)}
      return %y
    }
    """
    axes = op.attr("axes")
    if not axes:
        return op.operands[0]
    first = next(i for i in range(len(axes)) if axes[-1] - axes[i] == len(axes) - 1 - i)
    if first == 0:
        return None
    last_block = b.emit(op.name, op.operands[0], axes=axes[first:])
    return b.emit(op.name, last_block, axes=axes[:first])


def legalize(graph: Graph) -> Graph:
    """Apply the rules of this file."""
    return rewrite(graph, {name: [split_reduction] for name in FOLDS})
