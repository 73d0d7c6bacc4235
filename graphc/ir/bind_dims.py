"""Binding of symbolic dimensions to numbers or to other dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphc.ir.builder import Builder
from graphc.ir.dims import Dim, SymExpr, bind, bind_shape, symbols
from graphc.ir.graph import Graph, Value


@dataclass(frozen=True)
class BindDims:
    """Replace symbols by the given sizes everywhere; symbols not named stay symbolic."""

    sizes: Mapping[str, Dim]

    def __call__(self, graph: Graph) -> Graph:
        if not self.sizes or not (graph_symbols(graph) & self.sizes.keys()):
            return graph
        builder = Builder()
        new: dict[Value, Value] = {
            v: builder.input(v.type.with_shape(bind_shape(v.type.shape, self.sizes)), v.hint) for v in graph.inputs}
        for op in graph.ops:
            attrs = {name: bind_attr(value, self.sizes) for name, value in op.attrs}
            copy = builder.emit_op(op.spec, (new[v] for v in op.operands), attrs,
                                   hint=op.hint, origin=op.origin)
            new.update(zip(op.results, copy.results, strict=True))
        return builder.graph((new[v] for v in graph.outputs), graph.name, graph.donations)


def bind_attr(value: Any, sizes: Mapping[str, Dim]) -> Any:
    """An attribute with its dimensions bound; tuples and graphs are walked."""
    if isinstance(value, SymExpr):
        return bind(value, sizes)
    if isinstance(value, Graph):
        return BindDims(sizes)(value)
    if isinstance(value, tuple):
        return tuple(bind_attr(v, sizes) for v in value)
    return value


def graph_symbols(graph: Graph) -> set[str]:
    """Names of all symbols in types and attributes, and in the bodies of loops."""
    values = (*graph.inputs, *(r for op in graph.ops for r in op.results))
    attrs = (_attr_symbols(value) for op in graph.ops for _, value in op.attrs)
    return symbols(*(d for v in values for d in v.type.shape)).union(*attrs)


def _attr_symbols(value: Any) -> set[str]:
    if isinstance(value, Graph):
        return graph_symbols(value)
    if isinstance(value, tuple):
        return set().union(*map(_attr_symbols, value))
    return set(symbols(value)) if isinstance(value, SymExpr) else set()
