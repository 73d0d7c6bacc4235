"""Weights that a loop multiplies by in every step are packed once, in front of it; those that only change between
calls, before the first call.

A product reads blocks of BLOCK columns of its second operand. Where those do not lie as they are read, each run of a
kernel packs them; in a loop that is once a step. Instead they are laid out once, block behind block, or, if there are
few columns, row by row with zeros behind the last column; where they are used, a view makes a matrix of that again.

What does not live here: when a kernel packs (codegen_cpu/packing.py), what it reads without (codegen_cpu/contract.py).
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from graphc.ir.builder import Builder
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import Kind
from graphc.passes.loops import Loop, cone, each_scan

BLOCK = 64  # columns; every panel width divides it
LANES = 16
MANY = 256  # columns from which on rows lie so far apart that kernels pack them
LARGEST = 4 << 20  # bytes of weights of which a second form is kept between calls


def pack_weights(graph: Graph) -> Graph:
    """Pack the second operands of products in the bodies of scans, where they come from outside."""
    return each_scan(graph, _packed)


@dataclass(frozen=True)
class PackFixed:
    """Pack the weights among `fixed`, inputs that only change between calls, for products outside of loops."""

    fixed: Set[Value]

    def __call__(self, graph: Graph) -> Graph:
        b = Builder(graph.inputs)
        producers = graph.producers()
        new: dict[Value, Value] = {v: v for v in graph.inputs}
        changed = False
        for op in graph.ops:
            operands = [new[v] for v in op.operands]
            if op.name == "matmul" and op.result.type.rank == 2:
                way = _way(op.operands[1], producers)
                weights = way[-1].operands[0] if way else op.operands[1]
                size = weights.type.nbytes
                if weights in self.fixed and isinstance(size, int) and size <= LARGEST \
                        and _worth(way, op.operands[1]):
                    operands[1] = _view(_store(weights, way, b), op.operands[1].type.shape, b)
                    changed = True
            copy = b.add_existing(op) if tuple(operands) == op.operands else b.copy(op, operands)
            new.update(zip(op.results, copy.results, strict=True))
        return b.graph((new[v] for v in graph.outputs), graph.name, graph.donations) if changed else graph


def _packed(op: Op, operands: Sequence[Value], b: Builder) -> Sequence[Value] | None:
    loop = Loop.of(op, operands)
    producers = loop.producers()
    inner = Builder(op.attr("body").inputs)
    new: dict[Value, Value] = {v: v for v in inner.inputs}
    rest = {operand: value for value, operand in loop.rest.items()}
    for one in loop.ops:
        sources = [new[v] for v in one.operands]
        if one.name == "matmul" and one.result.type.rank == 2:
            way = _way(one.operands[1], producers)
            weights = loop.rest.get(way[-1].operands[0] if way else one.operands[1])
            if weights is not None and _worth(way, one.operands[1]):
                stored = _store(weights, way, b)
                if stored not in rest:
                    rest[stored] = Value(stored.type, stored.hint)
                    loop.rest[rest[stored]] = stored
                sources[1] = _view(rest[stored], one.operands[1].type.shape, inner)
        copy = inner.copy(one, sources)
        new.update(zip(one.results, copy.results, strict=True))
    loop.nexts, loop.stacked = [new[v] for v in loop.nexts], [new[v] for v in loop.stacked]
    if len(loop.rest) == len(op.attr("body").inputs) - len(loop.carried) - len(loop.sliced):
        return None
    read = cone({r: one for one in inner.ops for r in one.results}, [*loop.nexts, *loop.stacked])
    loop.rest = {value: operand for value, operand in loop.rest.items() if value in read}
    loop.ops = [one for one in inner.ops if any(r in read for r in one.results)]
    return loop.emit(b, loop.body.replace(donations=op.attr("body").donations))


def _way(value: Value, producers: dict[Value, Op]) -> list[Op]:
    """The movers between a value and where it lies, nearest first."""
    way: list[Op] = []
    while (op := producers.get(value)) is not None and op.spec.kind is Kind.INDEX and len(op.operands) == 1:
        way.append(op)
        value = op.operands[0]
    return way


def _worth(way: list[Op], value: Value) -> bool:
    rows, columns = value.type.shape
    if not isinstance(rows, int) or not isinstance(columns, int) or not rows * columns:
        return False
    return bool(way) or columns % LANES != 0 or (columns >= MANY and columns % BLOCK == 0)


def _store(weights: Value, way: list[Op], b: Builder) -> Value:
    """The packed weights, in the graph around the loop."""
    for op in reversed(way):
        weights = b.copy(op, (weights,)).result
    rows, columns = weights.type.shape
    assert isinstance(columns, int)
    if columns % BLOCK == 0 and columns >= MANY:
        blocks = b.emit("reshape", weights, shape=(rows, columns // BLOCK, BLOCK))
        return b.emit("stop_gradient", b.emit("transpose", blocks, perm=(1, 0, 2)))
    if columns % LANES:
        weights = b.emit("pad", weights, low=(0, 0), high=(0, -columns % BLOCK), value=0.0)
    return b.emit("stop_gradient", weights)


def _view(stored: Value, shape: Sequence[object], inner: Builder) -> Value:
    """The packed weights as a matrix again."""
    rows, columns = shape
    if stored.type.rank == 3:
        return inner.emit("reshape", inner.emit("transpose", stored, perm=(1, 0, 2)), shape=(rows, columns))
    if stored.type.shape[1] != columns:
        return inner.emit("slice", stored, starts=(0, 0), limits=(rows, columns), strides=(1, 1))
    return stored
