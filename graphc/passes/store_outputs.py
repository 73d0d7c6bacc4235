"""Outputs that nobody computes: a graph that returns an input needs an op that writes the result."""

from __future__ import annotations

from graphc.ir.builder import Builder
from graphc.ir.graph import Graph, Value


def store_outputs(graph: Graph) -> Graph:
    """Give every output that is an input or a constant an op of its own (an identity)."""
    given = set(graph.inputs) | {op.result for op in graph.ops if op.name == "constant"}
    if not given.intersection(graph.outputs):
        return graph
    builder = Builder(graph.inputs)
    for op in graph.ops:
        builder.add_existing(op)
    copies: dict[Value, Value] = {v: builder.emit("stop_gradient", v, hint=v.hint)
                                  for v in dict.fromkeys(graph.outputs) if v in given}
    return builder.graph((copies.get(v, v) for v in graph.outputs), graph.name, graph.donations)
