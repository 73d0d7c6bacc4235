"""Constant folding: what depends on constants alone is computed once, here.

Numbers that fill a whole tensor are folded by the algebraic rules, whatever the shape; this pass
folds small arrays.
"""

from __future__ import annotations

from graphc.ir.builder import Builder
from graphc.ir.evaluate import apply_reference
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import Array, Kind

LARGEST = 4096  # elements


def fold_constants(graph: Graph) -> Graph:
    """Replace ops on constants by constants, up to LARGEST elements."""
    builder = Builder(graph.inputs)
    known: dict[Value, Array] = {}
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    folded = False
    for op in graph.ops:
        if op.name == "constant":
            known[op.result] = op.attr("value")
        elif _foldable(op, known):
            known[op.result] = Array(apply_reference(op, [known[v].data for v in op.operands]))
            new[op.result] = builder.emit("constant", value=known[op.result], hint=op.result.hint)
            folded = True
            continue
        new.update(zip(op.results, builder.copy(op, (new[v] for v in op.operands)).results, strict=True))
    return builder.graph((new[v] for v in graph.outputs), graph.name, graph.donations) if folded else graph


def _foldable(op: Op, known: dict[Value, Array]) -> bool:
    size = op.results[0].type.size
    return (bool(op.operands) and len(op.results) == 1 and all(v in known for v in op.operands)
            and isinstance(size, int) and size <= LARGEST
            and op.spec.kind not in (Kind.GATHER, Kind.SCATTER, Kind.UPDATE, Kind.LOOP))
