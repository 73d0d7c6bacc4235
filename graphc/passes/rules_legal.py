"""Rules that always run: they leave only forms that kernels can be made of.

A reduction folds one contiguous block of axes, and a large one leaves an axis to share between threads; a reduction
of no axes is its operand.
"""

from __future__ import annotations

from graphc.ir.dims import size_of
from graphc.ir.graph import Graph, Op, Value
from graphc.passes.rewrite import Rewriter, rewrite

ITEMS, EACH = 4, 256  # fewer items, or less of each, are folded at once
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


def fold_items_apart(op: Op, b: Rewriter) -> Value | None:
    """A fold of leading axes of which nothing is left in front is done in two: items apart, then their results.

    Threads share the items, and the result does not depend on how many share them.

    graph before(%x: f32[B,16,16,2]) {
      %y = reduce_sum(%x){axes=(0,1,2)}
      return %y
    }
    graph after(%x: f32[B,16,16,2]) {
      %a = reduce_sum(%x){axes=(1,2)}
      %y = reduce_sum(%a){axes=(0,)}
      return %y
    }
    """
    (x,), axes = op.operands, op.attr("axes")
    items = x.type.shape[0] if x.type.shape else 1
    each = size_of(x.type.shape[1:len(axes)])
    if len(axes) < 2 or axes != tuple(range(len(axes))) or (isinstance(items, int) and items < ITEMS) \
            or (isinstance(each, int) and each < EACH):
        return None
    return b.emit(op.name, b.emit(op.name, x, axes=axes[1:]), axes=(0,))


def legalize(graph: Graph) -> Graph:
    """Apply the rules of this file."""
    return rewrite(graph, {name: [split_reduction, fold_items_apart] for name in FOLDS})
