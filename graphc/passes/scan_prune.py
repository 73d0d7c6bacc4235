"""Scans without what nobody needs: two that run the same body are one; results that nobody reads, and what only they
need, are gone; what does not change from step to step is not carried.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir.builder import Builder
from graphc.ir.graph import Graph, Op, Value
from graphc.passes.loops import Loop, cone, each_scan


def merge_scans(graph: Graph) -> Graph:
    """Scans of the same body over the same operands become one, with the results of all."""
    groups: list[list[Op]] = []
    for op in graph.ops:
        if op.name == "scan":
            group = next((g for g in groups if _alike(g[0], op)), None)
            groups.append([op]) if group is None else group.append(op)
    if all(len(group) == 1 for group in groups):
        return graph
    first = {op: group for group in groups for op in group[:1]}
    place: dict[Op, dict[Value, Value]] = {}

    builder = Builder(graph.inputs)
    new: dict[Value, Value] = {v: v for v in graph.inputs}
    for op in graph.ops:
        if op in place:
            new.update({old: new[kept] for old, kept in place[op].items()})
            continue
        if op in first and len(first[op]) > 1:
            new.update(_merged(builder, first[op], [new[v] for v in op.operands], place, new))
            continue
        operands = tuple(new[v] for v in op.operands)
        copy = builder.add_existing(op) if operands == op.operands else builder.copy(op, operands)
        new.update(zip(op.results, copy.results, strict=True))
    return builder.graph((new[v] for v in graph.outputs), graph.name, graph.donations)


def _merged(builder: Builder, group: list[Op], operands: list[Value], place: dict[Op, dict[Value, Value]],
            new: dict[Value, Value]) -> dict[Value, Value]:
    """The one scan of a group: what the first op's results become; notes what those of the others do."""
    loop = Loop.of(group[0], operands)
    wanted: list[tuple[Op, list[Value]]] = []
    for op in group:
        values = _renamed(op.attr("body"), group[0].attr("body"))
        wanted.append((op, [values[v] for v in op.attr("body").outputs]))
    loop.stacked = list(dict.fromkeys(v for op, outs in wanted for v in outs[op.attr("carried"):]))
    results = loop.emit(builder)
    carried = len(loop.carried)
    position = {v: i for i, v in enumerate(loop.stacked, start=carried)}
    made: dict[Value, Value] = {}
    for op, outs in wanted:
        these = {r: results[i if i < carried else position[v]]
                 for i, (r, v) in enumerate(zip(op.results, outs, strict=True))}
        if op is group[0]:
            made = these
        else:
            new.update({v: v for v in results})
            place[op] = these
    return made


def _alike(a: Op, b: Op) -> bool:
    keys = ("carried", "sliced", "length", "reverse")
    return a.operands == b.operands and all(a.attr(k) == b.attr(k) for k in keys) \
        and _same_graph(a.attr("body"), b.attr("body"))


def _same_graph(a: Graph, b: Graph) -> bool:
    """Whether the ops are the same, one by one; outputs may differ."""
    if a is b:
        return True
    if len(a.ops) != len(b.ops) or [v.type for v in a.inputs] != [v.type for v in b.inputs]:
        return False
    new = dict(zip(b.inputs, a.inputs, strict=True))
    for x, y in zip(a.ops, b.ops, strict=True):
        if x.name != y.name or x.operands != tuple(new[v] for v in y.operands) or not _same_attrs(x, y):
            return False
        new.update(zip(y.results, x.results, strict=True))
    return True


def _same_attrs(x: Op, y: Op) -> bool:
    return len(x.attrs) == len(y.attrs) and all(n == m and _same_attr(v, w)
                                                for (n, v), (m, w) in zip(x.attrs, y.attrs, strict=True))


def _same_attr(v: Any, w: Any) -> bool:
    if isinstance(v, Graph):
        return isinstance(w, Graph) and _same_graph(v, w) and \
            [_renamed(w, v)[o] for o in w.outputs] == list(v.outputs)
    return type(v) is type(w) and repr(v) == repr(w) if isinstance(v, float) else bool(v == w)


def _renamed(graph: Graph, like: Graph) -> dict[Value, Value]:
    """The value of `like` for each value of `graph`, which has the same ops."""
    new = dict(zip(graph.inputs, like.inputs, strict=True))
    for x, y in zip(graph.ops, like.ops, strict=True):
        new.update(zip(x.results, y.results, strict=True))
    return new


def prune_scans(graph: Graph) -> Graph:
    """Drop what nobody reads, carry nothing that never changes, and let the body know the numbers it is given."""
    read = set(graph.outputs) | {v for op in graph.ops for v in op.operands}

    def change(op: Op, operands: Sequence[Value], b: Builder) -> Sequence[Value] | None:
        return _Prune(op, operands, b, read).run()

    return each_scan(graph, change)


class _Prune:
    def __init__(self, op: Op, operands: Sequence[Value], b: Builder, read: set[Value]):
        self.op, self.b, self.read = op, b, read
        self.loop = Loop.of(op, operands)

    def run(self) -> Sequence[Value] | None:
        loop, carried = self.loop, len(self.loop.carried)
        before = (len(loop.carried), len(loop.sliced), len(loop.rest), len(loop.stacked), len(loop.ops))
        finals: dict[int, Value] = {}
        self._constants_inside()
        self._unchanged(finals)
        stacks = self._stacks(carried)
        self._dead(finals)
        after = (len(loop.carried), len(loop.sliced), len(loop.rest), len(loop.stacked), len(loop.ops))
        if before == after:
            return None
        return self._results(finals, stacks, carried)

    def _constants_inside(self) -> None:
        """A number that fills an operand is a number inside."""
        makers = {op.result: op for op in self.b.ops if op.name == "full"}
        inside = []
        for value, operand in list(self.loop.rest.items()):
            maker = makers.get(operand)
            if maker is not None:
                del self.loop.rest[value]
                inside.append(Op(maker.spec, (), maker.attrs, (value,), maker.origin))
        self.loop.ops[:0] = inside

    def _unchanged(self, finals: dict[int, Value]) -> None:
        """A carried value that stays as it is is one that every step reads."""
        loop, pairs = self.loop, list(self.loop.carried.items())
        nexts, loop.nexts, loop.carried = loop.nexts, [], {}
        for i, ((value, operand), following) in enumerate(zip(pairs, nexts, strict=True)):
            if following is value:
                finals[i] = loop.rest[value] = operand
            else:
                loop.carried[value] = operand
                loop.nexts.append(following)

    def _stacks(self, carried: int) -> dict[int, Value | None]:
        """For each stacked result: the operand that it is, or the value of the body; unread ones are not there."""
        loop, stacks = self.loop, {}
        kept: dict[Value, None] = {}
        for i, value in enumerate(loop.stacked, start=carried):
            if self.op.results[i] in self.read:
                stacks[i] = loop.sliced.get(value)
                if value not in loop.sliced:
                    kept[value] = None
        self._stacked_before, loop.stacked = list(loop.stacked), list(kept)
        return stacks

    def _dead(self, finals: dict[int, Value]) -> None:
        loop = self.loop
        inputs = list(loop.carried)
        names = [i for i in range(len(inputs) + len(finals)) if i not in finals]
        live = {v for v, i in zip(inputs, names, strict=True) if self.op.results[i] in self.read}
        producers = loop.producers()
        while True:
            wanted = [*loop.stacked, *(n for v, n in zip(inputs, loop.nexts, strict=True) if v in live)]
            needed = cone(producers, wanted)
            more = {v for v in inputs if v in needed} - live
            if not more:
                break
            live |= more
        self._live = {i: v for v, i in zip(inputs, names, strict=True) if v in live}
        loop.nexts = [n for v, n in zip(inputs, loop.nexts, strict=True) if v in live]
        loop.carried = {v: o for v, o in loop.carried.items() if v in live}
        loop.sliced = {v: o for v, o in loop.sliced.items() if v in needed}
        loop.rest = {v: o for v, o in loop.rest.items() if v in needed}
        loop.ops = [op for op in loop.ops if any(r in needed for r in op.results)]

    def _results(self, finals: dict[int, Value], stacks: dict[int, Value | None], carried: int) -> list[Value]:
        loop = self.loop
        made = loop.emit(self.b) if loop.carried or loop.stacked else ()
        last = dict(zip(self._live, made, strict=False))
        position = {v: r for v, r in zip(loop.stacked, made[len(loop.carried):], strict=True)}
        results = []
        for i, old in enumerate(self.op.results):
            if i < carried:
                value = finals.get(i) or last.get(i)
            elif i in stacks:
                value = stacks[i] or position[self._stacked_before[i - carried]]
            else:
                value = None
            results.append(self.b.full_like(0, old) if value is None else value)
        return results
