"""Outputs that nobody computes: a graph that returns an input needs an op that writes the result."""

from __future__ import annotations

from graphc.ir.builder import make_op
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import op_spec


def store_outputs(graph: Graph) -> Graph:
    """Give every output an op of its own: an identity where it is an input, a constant, or stood there before."""
    taken = set(graph.inputs) | {op.result for op in graph.ops if op.name == "constant"}
    copies: list[Op] = []
    outputs: list[Value] = []
    for value in graph.outputs:
        if value in taken:
            copies.append(make_op(op_spec("stop_gradient"), (value,), {}, hint=value.hint))
            value = copies[-1].result
        taken.add(value)
        outputs.append(value)
    return graph.replace(ops=(*graph.ops, *copies), outputs=tuple(outputs)) if copies else graph
