"""Large items go through a network one by one: what lies between takes the memory of one item, not of all.

Frames of a film, large images: where the intermediate values of an item are larger than caches anyway, and nothing but
small results is kept of them, a chain of ops that never mixes items becomes a loop over them. Training keeps what lies
between for the gradient, so nothing would be won there, and nothing is done.

What does not live here: which ops mix items (scan_rows.py), loops over time.
"""

from __future__ import annotations

from graphc.ir.builder import Builder
from graphc.ir.dims import Dim
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import Kind, op_spec
from graphc.passes.costs import is_heavy, nominal
from graphc.passes.scan_rows import attrs_for_rows, keeps_rows

LARGE = 8 << 20  # bytes of one item's largest value inside, at least
FEW = 4  # how many times the values inside must be larger than the results
SHARED = 4  # how many times larger than an item's own values what all items read may be


def item_loops(graph: Graph) -> Graph:
    """Let the items of one chain of ops, if any is worth it, go through it one by one."""
    for rows in dict.fromkeys(op.result.type.shape[0] for op in graph.ops if is_heavy(op)):
        region = _Region(graph, rows)
        if rows != 1 and region.pays():
            return region.looped()
    return graph


class _Region:
    """The ops that keep rows (axis 0, of size `rows`) apart, from the first heavy one on."""

    def __init__(self, graph: Graph, rows: Dim):
        self.graph, self.rows = graph, rows
        self.producers = graph.producers()
        self.ops: dict[Op, None] = {}
        self.made: set[Value] = set()
        for op in graph.ops:
            if self._joins(op):
                self.ops.update(dict.fromkeys([*self._spread(op), op]))
                self.made.update(r for one in (*self._spread(op), op) for r in one.results)
        outer = [(op, i, v) for op in self.ops for i, v in enumerate(op.operands) if v not in self.made]
        self.sliced = dict.fromkeys(v for op, i, v in outer if self._rowed(op, i))
        self.rest = dict.fromkeys(v for op, i, v in outer if not self._rowed(op, i))
        read = {*graph.outputs, *(v for op in graph.ops if op not in self.ops for v in op.operands)}
        self.outputs = [r for op in self.ops for r in op.results if r in read]

    def _joins(self, op: Op) -> bool:
        if len(op.results) != 1 or op.spec.kind in (Kind.SOURCE, Kind.LOOP, Kind.SCATTER, Kind.GATHER):
            return False
        if not any(v in self.made for v in op.operands) and not is_heavy(op):
            return False
        has = {v: self._rowed(op, i) for i, v in enumerate(op.operands)}
        own = sum(_each(v) for v in (*op.operands, op.result) if has.get(v, True))
        common = sum(nominal(v.type.nbytes) for v in op.operands if not has[v])
        return keeps_rows(op, has, self.rows) and common <= SHARED * own

    def _rowed(self, op: Op, position: int) -> bool:
        """Whether an operand has a row for each item."""
        value = op.operands[position]
        if value in self.made or value.type.shape[:1] != (self.rows,):
            return value in self.made
        return op.spec.kind is Kind.ELEMENTWISE or (position == 0 and op.name != "broadcast")

    def _spread(self, op: Op) -> list[Op]:
        """The operands' makers that repeat something for all items: each item makes its own."""
        makers = [self.producers[v] for v in op.operands if v in self.producers and v not in self.made]
        return [maker for maker in makers if maker.results[0].type.shape[:1] == (self.rows,)
                and (maker.name == "full" or (maker.name == "broadcast" and 0 not in maker.attr("axes")))]

    def pays(self) -> bool:
        inner = [_each(r) for op in self.ops for r in op.results if r not in self.outputs]
        return bool(self.sliced) and max(inner, default=0) >= LARGE \
            and sum(inner) >= FEW * sum(map(_each, self.outputs)) and self._in_one_piece()

    def _in_one_piece(self) -> bool:
        """Whether what the loop reads can run in front of it."""
        front = self._front()
        return all(v not in self.producers or self.producers[v] in front for v in (*self.sliced, *self.rest))

    def _front(self) -> dict[Op, None]:
        """The other ops that do not depend on the loop's results."""
        behind: set[Value] = set(self.outputs)
        front: dict[Op, None] = {}
        for op in self.graph.ops:
            if op in self.ops:
                continue
            if behind.isdisjoint(op.operands):
                front[op] = None
            else:
                behind.update(op.results)
        return front

    def looped(self) -> Graph:
        front, b = self._front(), Builder(self.graph.inputs)
        new: dict[Value, Value] = {v: v for v in self.graph.inputs}

        def copy(op: Op) -> None:
            operands = tuple(new[v] for v in op.operands)
            made = b.add_existing(op) if operands == op.operands else b.copy(op, operands)
            new.update(zip(op.results, made.results, strict=True))

        for op in front:
            copy(op)
        operands = [new[v] for v in (*self.sliced, *self.rest)]
        attrs = {"body": self._body(), "carried": 0, "sliced": len(self.sliced), "length": self.rows, "reverse": False}
        loop = b.emit_op(op_spec("scan"), operands, attrs, origin=next(iter(self.ops)).origin)
        new.update(zip(self.outputs, loop.results, strict=True))
        for op in self.graph.ops:
            if op not in self.ops and op not in front:
                copy(op)
        return b.graph((new[v] for v in self.graph.outputs), self.graph.name, self.graph.donations)

    def _body(self) -> Graph:
        b = Builder()
        slices = {v: b.input(v.type.with_shape(v.type.shape[1:]), v.hint) for v in self.sliced}
        new = {v: b.input(v.type, v.hint) for v in self.rest}
        new.update({v: b.emit("reshape", leaf, shape=(1, *v.type.shape[1:])) for v, leaf in slices.items()})
        for op in self.ops:
            made = b.emit_op(op.spec, (new[v] for v in op.operands), attrs_for_rows(op, 1), hint=op.result.hint,
                             origin=op.origin)
            new[op.result] = made.result
        return b.graph([b.emit("reshape", new[v], shape=v.type.shape[1:]) for v in self.outputs], "item")


def _each(value: Value) -> int:
    """Bytes of one row."""
    return nominal(value.type.with_shape(value.type.shape[1:]).nbytes) if value.type.rank else 0
