"""From groups to kernels in execution order, with the buffers they may write in place.

What does not live here: the choice of groups (fuse.py), sizes and addresses (plan_memory.py).
"""

from __future__ import annotations

import heapq

from graphc.ir.graph import Graph, Op, Value
from graphc.ir.kernel import Kernel, KernelGraph, KernelKind
from graphc.ir.spec import Kind
from graphc.passes.fuse import Group, Groups
from graphc.passes.reads import is_mover

_KINDS = {Kind.CONTRACT: KernelKind.CONTRACT, Kind.REDUCE: KernelKind.REDUCE,
          Kind.SCATTER: KernelKind.SCATTER, Kind.LOOP: KernelKind.SCAN}
_IN_PLACE = (KernelKind.CONTRACT, KernelKind.LOOP)


def make_kernels(graph: Graph, groups: Groups) -> KernelGraph:
    """One kernel per group, ordered so that whoever reads an old state runs before it is overwritten."""
    pieces = {group.index: _piece(graph, group, groups) for group in groups.groups}
    above = {group.index: group.above for group in groups.groups}
    in_place = _donate(graph, groups, pieces, above)
    kernels = []
    for position, index in enumerate(_order(above)):
        group = next(g for g in groups.groups if g.index == index)
        piece, kind = pieces[index], _kind(group)
        aliases = tuple((piece.outputs.index(new), piece.inputs.index(old))
                        for new, old in in_place.items() if new in piece.outputs)
        kernels.append(Kernel(f"k{position}_{_title(group)}", kind, piece, group.nest, group.anchor, aliases))
    return KernelGraph(graph, tuple(kernels), groups.decisions)


def _piece(graph: Graph, group: Group, groups: Groups) -> Graph:
    """The group as a graph: its own ops, and the movers it reads through. Constants lie in memory like inputs."""
    producers = graph.producers()
    own = set(group.ops)
    wanted, pending = set(own), [v for op in group.ops for v in op.operands]
    inputs: dict[Value, None] = {}
    while pending:
        value = pending.pop()
        op = producers.get(value)
        if op in wanted:
            continue
        if op is None or op in groups.stored or not is_mover(op) or op.name == "constant":
            inputs[value] = None
        else:
            wanted.add(op)
            pending.extend(op.operands)
    ops = tuple(op for op in graph.ops if op in wanted)
    reads = dict.fromkeys(v for op in ops for v in op.operands if v in inputs)
    outside = _read_outside(graph, own, groups)
    outputs = tuple(r for op in ops if op in own for r in op.results if r in outside)
    return Graph(graph.name, tuple(reads), ops, outputs)


def _read_outside(graph: Graph, own: set[Op], groups: Groups) -> set[Value]:
    """Values that another group reads, directly or through movers; a dead mover reads nothing."""
    read = set(graph.outputs)
    for op in reversed(graph.ops):
        if op not in own and (not is_mover(op) or op in groups.stored or op.results[0] in read):
            read.update(op.operands)
    return read


def _donate(graph: Graph, groups: Groups, pieces: dict[int, Graph], above: dict[int, int]) -> dict[Value, Value]:
    """new value -> old value for the states that can be overwritten where they lie.

    Orders the readers of the old value first, and every kernel that may meet an index out of range: no state
    has changed when it does.
    """
    maker = {v: index for index, piece in pieces.items() for v in piece.outputs}
    by_index = {group.index: group for group in groups.groups}
    checked = [i for i, piece in pieces.items() if any(op.spec.kind in (Kind.GATHER, Kind.SCATTER) for op in piece.ops)]
    chosen: dict[Value, Value] = {}
    for output, input_ in graph.donations:
        new, old = graph.outputs[output], graph.inputs[input_]
        index = maker.get(new)
        if index is None or new in chosen or graph.outputs.count(new) > 1 or old in graph.outputs:
            continue
        if _kind(by_index[index]) not in _IN_PLACE or not _reads_in_place(pieces[index], old, new):
            continue
        earlier = [*checked, *(i for i, piece in pieces.items() if old in piece.inputs and i != index)]
        if index in checked or any(above[i] >> index & 1 for i in earlier):
            continue
        chosen[new] = old
        for i in earlier:
            _run_before(above, i, index)
    return chosen


def _reads_in_place(piece: Graph, old: Value, new: Value) -> bool:
    """Whether every op of the piece that reads `old` does so at the position where `new` is written."""
    return all(not is_mover(op) and op.spec.kind is Kind.ELEMENTWISE
               for op in piece.ops if old in op.operands) and old.type == new.type and old in piece.inputs


def _run_before(above: dict[int, int], first: int, second: int) -> None:
    added = above[first] | 1 << first
    for index in above:
        if index == second or above[index] >> second & 1:
            above[index] |= added


def _order(above: dict[int, int]) -> list[int]:
    """A topological order; among what may run, the oldest group first."""
    waiting = {index: {i for i in above if bits >> i & 1} for index, bits in above.items()}
    ready = [index for index, needs in waiting.items() if not needs]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        done = heapq.heappop(ready)
        order.append(done)
        del waiting[done]
        for index, needs in waiting.items():
            if done in needs:
                needs.discard(done)
                if not needs:
                    heapq.heappush(ready, index)
    assert not waiting, "groups are acyclic"
    return order


def _kind(group: Group) -> KernelKind:
    return KernelKind.LOOP if group.anchor is None else _KINDS[group.anchor.spec.kind]


def _title(group: Group) -> str:
    names = list(dict.fromkeys(op.name for op in group.ops))
    return "_".join(names[:3]) + (f"_and_{len(names) - 3}_more" if len(names) > 3 else "")
