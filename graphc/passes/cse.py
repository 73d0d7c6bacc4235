"""Common subexpression elimination: the builder interns, so rebuilding is enough."""

from __future__ import annotations

from graphc.ir.builder import Builder
from graphc.ir.graph import Graph, Value


def cse(graph: Graph) -> Graph:
    """Make identical ops one op."""
    builder = Builder(graph.inputs)
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    for op in graph.ops:
        operands = tuple(new[v] for v in op.operands)
        copy = builder.add_existing(op) if operands == op.operands else builder.copy(op, operands)
        new.update(zip(op.results, copy.results, strict=True))
    if len(builder.ops) == len(graph.ops):
        return graph
    return builder.graph((new[v] for v in graph.outputs), graph.name, graph.donations)
