"""A product of gathered rows and weights, where neither table nor weights change: gathered rows of their product.

    %x = gather(%table, %i) : f32[n,D]                 %p = matmul(%table, %w) : f32[V,N], once
    %y = matmul(%x, %w) : f32[n,N]              ──►    %y = gather(%p, %i) : f32[n,N]

The same sums, so the same numbers; it pays once more rows were gathered than the table has.

What does not live here: who counts them (runtime/adaptive.py), movers between gather and product (rules_layout.py).
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from graphc.ir.builder import Builder
from graphc.ir.dims import Dim
from graphc.ir.graph import Graph, Value
from graphc.ir.spec import Kind
from graphc.passes.dce import dce
from graphc.passes.rewrite import rewrite

LARGEST = 64 << 20  # bytes of a product that is kept


@dataclass(frozen=True)
class GatheredProducts:
    """A graph with products of tables: what they cost, and what each call then saves, in multiplications."""

    graph: Graph
    cost: int
    saved: Dim


def gathered_products(graph: Graph, fixed: Set[Value]) -> GatheredProducts | None:
    """None where there is no such product. fixed: the inputs that only change between calls."""
    b = Builder(graph.inputs)
    producers, known = graph.producers(), _known(graph, fixed)
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    cost: Dim = 0
    saved: Dim = 0
    for op in graph.ops:
        rows = producers.get(op.operands[0]) if op.name == "matmul" and op.operands[1] in known else None
        if rows is None or rows.name != "gather" or rows.attr("axis") != 0 or rows.operands[0] not in known \
                or not _fits(rows.operands[0], op.result):
            operands = [new[v] for v in op.operands]
            copy = b.add_existing(op) if operands == list(op.operands) else b.copy(op, operands)
            new.update(zip(op.results, copy.results, strict=True))
            continue
        table, indices = rows.operands
        b.origin = op.origin
        product = b.emit("matmul", new[table], new[op.operands[1]])
        new[op.result] = b.emit("gather", product, new[indices], axis=0)
        (size, depth), (count, columns) = table.type.shape, op.result.type.shape
        cost, saved = cost + size * depth * columns, saved + count * depth * columns
    if not isinstance(cost, int) or not cost:
        return None
    made = b.graph((new[v] for v in graph.outputs), graph.name, graph.donations)
    return GatheredProducts(dce(rewrite(made)), cost, saved)


def _known(graph: Graph, fixed: Set[Value]) -> set[Value]:
    """What depends on fixed inputs alone."""
    known = set(fixed)
    for op in graph.ops:
        if op.operands and op.spec.kind in (Kind.INDEX, Kind.ELEMENTWISE) and known.issuperset(op.operands) \
                and not any(r.type.symbols for r in op.results):
            known.update(op.results)
    return known


def _fits(table: Value, product: Value) -> bool:
    shape = (table.type.shape[0], product.type.shape[-1])
    size = product.type.with_shape(shape).nbytes
    return product.type.rank == 2 and isinstance(size, int) and isinstance(table.type.size, int) and size <= LARGEST
