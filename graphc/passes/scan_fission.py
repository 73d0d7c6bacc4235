"""Work that need not be done step by step leaves the loop: products of all steps' inputs before it, sums behind it.

    hoist   a product whose operands no carried value goes into becomes one product over all steps, in front
    sink    a product or a fold that no carried value is made of becomes one over all steps, behind

A product of all steps reads its second operand once, not once a step, and the steps' rows fill its tiles. What remains
in the loop never mixes rows where only sums over rows did (weight gradients).

What does not live here: how an op becomes one over all steps (batching.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir.builder import Builder
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import Kind
from graphc.passes.batching import batch, can_batch, spread
from graphc.passes.costs import is_cheap, is_heavy, nominal
from graphc.passes.dce import dce
from graphc.passes.loops import Loop, cone, each_scan


def scan_fission(graph: Graph) -> Graph:
    """Hoist and sink what can be, in every scan."""
    return each_scan(graph, _fission)


def _fission(op: Op, operands: Sequence[Value], b: Builder) -> Sequence[Value] | None:
    loop = Loop.of(op, operands)
    count = len(loop.ops)
    _hoist(loop, b)
    behind = _Sink(loop)
    if len(loop.ops) == count and not behind.chosen:
        return None
    return behind.emit(b)


def hoist_invariants(graph: Graph) -> Graph:
    """Take out of every scan what is the same in all steps, such as weights in another form."""
    return each_scan(graph, _without_invariants)


def _without_invariants(op: Op, operands: Sequence[Value], b: Builder) -> Sequence[Value] | None:
    loop = Loop.of(op, operands)
    outer, worth = dict(loop.rest), set()
    name = (op.kwargs.get("rows") or ("",))[0]
    for one in loop.ops:
        if one.operands and len(one.results) == 1 and all(v in outer for v in one.operands) \
                and one.spec.kind is not Kind.LOOP and name not in one.result.type.symbols:
            b.origin = one.origin
            outer[one.result] = b.copy(one, [outer[v] for v in one.operands]).result
            if not is_cheap(one) or any(v in worth for v in one.operands):
                worth.add(one.result)
    if not worth:
        return None
    loop.ops = [one for one in loop.ops if one.results[0] not in worth]
    read = {v for one in loop.ops for v in one.operands} | {*loop.nexts, *loop.stacked}
    loop.rest.update({v: outer[v] for v in outer if v in worth and v in read})
    body = dce(loop.body.replace(donations=op.attr("body").donations))
    return loop.emit(b, body)


# ---- in front of the loop


def _hoist(loop: Loop, b: Builder) -> None:
    """Take out the heavy ops that depend on slices and on what every step reads, and the sums right behind them."""
    kind = dict.fromkeys(loop.rest, False) | dict.fromkeys(loop.sliced, True)  # known in front: is it a stack there?
    chosen: set[Op] = set()
    for op in loop.ops:
        if not _known(op, kind):
            continue
        stacked = [kind[v] for v in op.operands]
        kind.update(dict.fromkeys(op.results, any(stacked)))
        if is_heavy(op) or (op.spec.kind is Kind.ELEMENTWISE and _follows(op, loop, chosen)):
            chosen.add(op)
    if not chosen:
        return
    producers = loop.producers()
    needed = cone(producers, [v for op in chosen for v in op.operands])
    outer = {**loop.sliced, **loop.rest}
    for op in loop.ops:
        if op in chosen or (op.results[0] in needed and op.results[0] in kind):
            outer[op.results[0]] = _outside(op, b, outer, kind, loop)
    gone = {op.results[0] for op in chosen}
    kept = [op for op in loop.ops if op not in chosen]
    read = cone({r: op for op in kept for r in op.results}, [*loop.nexts, *loop.stacked])
    for value in (op.results[0] for op in loop.ops if op in chosen):
        if value in read:
            (loop.sliced if kind[value] else loop.rest)[value] = outer[value]
    assert gone
    loop.ops = [op for op in kept if any(r in read for r in op.results)]


def _known(op: Op, kind: dict[Value, bool]) -> bool:
    """Whether the op can run in front of the loop: its operands are known there, and so is a way to batch it."""
    if len(op.results) != 1 or not all(v in kind for v in op.operands):
        return False
    stacked = [kind[v] for v in op.operands]
    return not any(stacked) or can_batch(op, stacked)


def _follows(op: Op, loop: Loop, chosen: set[Op]) -> bool:
    return any(v in other.results for other in chosen for v in op.operands)


def _outside(op: Op, b: Builder, outer: dict[Value, Value], kind: dict[Value, bool], loop: Loop) -> Value:
    operands, stacked = [outer[v] for v in op.operands], [kind[v] for v in op.operands]
    b.origin = op.origin
    if any(stacked):
        return batch(op, b, operands, stacked, loop.op.attr("length"))
    return b.copy(op, operands).result


# ---- behind the loop


class _Sink:
    """Chooses the ops that run behind the loop, and emits the loop and them."""

    def __init__(self, loop: Loop):
        self.loop = loop
        self.producers = loop.producers()
        self.varies = varying(loop)
        inside = cone(self.producers, loop.nexts)
        self.free = [op for op in loop.ops if not any(r in inside for r in op.results)]
        self.chosen = self._choose()

    def _choose(self) -> set[Op]:
        """Heavy ops and folds that no carried value needs, with all that is made of them."""
        readers: dict[Value, list[Op]] = {}
        for op in self.loop.ops:
            for v in op.operands:
                readers.setdefault(v, []).append(op)
        able: dict[Op, bool] = {}
        for op in reversed(self.free):
            able[op] = self._batches(op) and all(able[r] for v in op.results for r in readers.get(v, ()))
        chosen: set[Op] = set()
        for op in self.free:
            if able[op] and (is_heavy(op) or op.spec.kind is Kind.REDUCE
                             or any(self.producers.get(v) in chosen for v in op.operands)):
                chosen.add(op)
        return chosen

    def _batches(self, op: Op) -> bool:
        stacked = [v in self.varies for v in op.operands]
        return len(op.results) == 1 and (not any(stacked) or can_batch(op, stacked))

    def emit(self, b: Builder) -> list[Value]:
        loop, carried = self.loop, len(self.loop.carried)
        wanted = list(loop.stacked)
        behind = self._behind()
        made = {r for op in behind for r in op.results}
        inner = {**loop.sliced, **loop.rest}
        boundary = [v for op in behind for v in op.operands if v not in made and v not in inner]
        loop.stacked = list(dict.fromkeys([*(v for v in wanted if v not in made), *boundary]))
        read = cone(self.producers, [*loop.nexts, *loop.stacked])
        loop.ops = [op for op in loop.ops if any(r in read for r in op.results)]
        results = loop.emit(b) if loop.carried or loop.stacked else ()
        stacks = dict(zip(loop.stacked, results[carried:], strict=True))
        outer = {**inner, **stacks}
        kind = dict.fromkeys(loop.rest, False) | dict.fromkeys((*loop.sliced, *stacks), True)
        for op in behind:
            kind[op.results[0]] = any(kind[v] for v in op.operands)
            outer[op.results[0]] = _outside(op, b, outer, kind, loop)
        length = loop.op.attr("length")
        return [*results[:carried], *(outer[v] if kind[v] else spread(b, outer[v], length) for v in wanted)]

    def _behind(self) -> list[Op]:
        """The chosen ops in order, and in front of them what only moves elements for them."""
        behind = set(self.chosen)
        for op in reversed(self.loop.ops):
            if op not in behind and any(op in (self.producers.get(v) for v in other.operands) for other in behind) \
                    and is_cheap(op) and len(op.operands) == 1 and op.spec.kind is not Kind.ELEMENTWISE \
                    and self._batches(op) and self._reaches(op):
                behind.add(op)
        return [op for op in self.loop.ops if op in behind]

    def _reaches(self, op: Op) -> bool:
        """Whether its operands behind the loop take no more room than its result."""
        return all(v not in self.varies or nominal(v.type.size) <= nominal(op.results[0].type.size)
                   for v in op.operands)


def varying(loop: Loop) -> set[Value]:
    """The values that differ from step to step."""
    varies = {*loop.carried, *loop.sliced}
    for op in loop.ops:
        if any(v in varies for v in op.operands):
            varies.update(op.results)
    return varies
