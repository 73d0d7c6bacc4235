"""Dead code elimination."""

from __future__ import annotations

from graphc.ir.graph import Graph


def dce(graph: Graph) -> Graph:
    """Drop ops whose results nobody reads."""
    live, kept = set(graph.outputs), []
    for op in reversed(graph.ops):
        if live.intersection(op.results):
            kept.append(op)
            live.update(op.operands)
    if len(kept) == len(graph.ops):
        return graph
    return graph.replace(ops=tuple(reversed(kept)))
