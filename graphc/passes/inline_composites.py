"""Inlining of composites: softmax, means and the like become the ops of their bodies."""

from __future__ import annotations

from collections.abc import Container

from graphc.ir.builder import Builder
from graphc.ir.graph import Graph, Value
from graphc.ir.spec import Kind
from graphc.ir.traced import RuleContext, Traced


def inline_composites(graph: Graph) -> Graph:
    """Replace every composite by its body, until none is left."""
    while any(op.spec.kind is Kind.COMPOSITE for op in graph.ops):
        graph = inline_once(graph)
    return graph


def inline_once(graph: Graph, names: Container[str] | None = None) -> Graph:
    """Replace composites, those of the given names or all, by their bodies."""
    builder = Builder(graph.inputs)
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    for op in graph.ops:
        operands = tuple(new[v] for v in op.operands)
        if op.spec.kind is Kind.COMPOSITE and (names is None or op.name in names):
            builder.origin = op.origin
            assert op.spec.body is not None, f"{op.name} is a composite and has a body"
            body = op.spec.body(RuleContext(builder, op), *(Traced(builder, v) for v in operands))
            new[op.result] = body.value
        else:
            new.update(zip(op.results, builder.copy(op, operands).results, strict=True))
    return builder.graph((new[v] for v in graph.outputs), graph.name, graph.donations)
