"""A scan taken apart, so that passes can change it and put it together again.

What does not live here: what is changed (scan_prune.py, scan_fission.py, scan_rows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from graphc.ir.builder import Builder
from graphc.ir.graph import Graph, Op, Value

Inputs = dict[Value, Value]  # an input of the body -> the operand


@dataclass
class Loop:
    """A scan whose parts can be changed; results says what each old result has become, where that is known.

    nexts are the carried values' next ones, in the order of `carried`; stacked what each step leaves behind.
    """

    op: Op
    carried: Inputs
    sliced: Inputs
    rest: Inputs
    ops: list[Op]
    nexts: list[Value]
    stacked: list[Value]
    results: dict[Value, Value] = field(default_factory=dict)

    @classmethod
    def of(cls, op: Op, operands: Sequence[Value]) -> Loop:
        body: Graph = op.attr("body")
        first, second = op.attr("carried"), op.attr("carried") + op.attr("sliced")
        pairs = list(zip(body.inputs, operands, strict=True))
        return cls(op, dict(pairs[:first]), dict(pairs[first:second]), dict(pairs[second:]), list(body.ops),
                   list(body.outputs[:first]), list(body.outputs[first:]))

    @property
    def body(self) -> Graph:
        old: Graph = self.op.attr("body")
        return Graph(old.name, (*self.carried, *self.sliced, *self.rest), tuple(self.ops),
                     (*self.nexts, *self.stacked))

    def producers(self) -> dict[Value, Op]:
        return {r: op for op in self.ops for r in op.results}

    def operands(self) -> tuple[Value, ...]:
        return (*self.carried.values(), *self.sliced.values(), *self.rest.values())

    def emit(self, b: Builder, body: Graph | None = None, **more: object) -> tuple[Value, ...]:
        """The scan in its present form; its results: the last carried values, then the stacks."""
        attrs = {**self.op.kwargs, "body": self.body if body is None else body, "carried": len(self.carried),
                 "sliced": len(self.sliced), **more}
        return b.emit_op(self.op.spec, self.operands(), attrs, hint=self.op.hint,
                         origin=self.op.origin).results


def cone(producers: dict[Value, Op], values: Iterable[Value]) -> set[Value]:
    """All values that `values` are made of, and themselves."""
    seen: set[Value] = set()
    pending = list(values)
    while pending:
        value = pending.pop()
        if value not in seen:
            seen.add(value)
            if value in producers:
                pending.extend(producers[value].operands)
    return seen


def each_scan(graph: Graph, change: Callable[[Op, Sequence[Value], Builder], Sequence[Value] | None]) -> Graph:
    """The graph with the results of scans replaced by what `change(op, operands, builder)` returns, if anything."""
    if not any(op.name == "scan" for op in graph.ops):
        return graph
    builder = Builder(graph.inputs)
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    changed = False
    for op in graph.ops:
        operands = tuple(new[v] for v in op.operands)
        if op.name == "scan":
            builder.origin = op.origin
            results = change(op, operands, builder)
            if results is not None:
                changed = True
                new.update(zip(op.results, results, strict=True))
                continue
        copy = builder.add_existing(op) if operands == op.operands else builder.copy(op, operands)
        new.update(zip(op.results, copy.results, strict=True))
    return builder.graph((new[v] for v in graph.outputs), graph.name, graph.donations) if changed else graph


def each_body(graph: Graph, change: Callable[[Graph, Op], Graph]) -> Graph:
    """The graph with `change(body, scan)` as the body of every scan."""

    def replaced(op: Op, operands: Sequence[Value], b: Builder) -> Sequence[Value] | None:
        old = op.attr("body")
        new = change(old, op)
        if new is old:
            return None
        return b.emit_op(op.spec, operands, {**op.kwargs, "body": new}, hint=op.hint,
                         origin=op.origin).results

    return each_scan(graph, replaced)


def carrying(body: Graph, op: Op) -> Graph:
    """The body with its carried values as states, which their next values may be written over."""
    return body.replace(donations=tuple((i, i) for i in range(op.attr("carried"))))
