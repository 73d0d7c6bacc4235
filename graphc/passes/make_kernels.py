"""From groups to kernels in execution order, with the buffers they may write in place.

What does not live here: the choice of groups (fuse.py), sizes and addresses (plan_memory.py).
"""

from __future__ import annotations

from collections import Counter
from functools import cache

from graphc.ir.graph import Graph, Value
from graphc.ir.kernel import Kernel, KernelGraph, KernelKind, values_before_folds
from graphc.ir.spec import Kind
from graphc.passes.costs import nominal
from graphc.passes.fuse import Group, Groups
from graphc.passes.reads import is_mover

_KINDS = {Kind.CONTRACT: KernelKind.CONTRACT, Kind.REDUCE: KernelKind.REDUCE,
          Kind.SCATTER: KernelKind.SCATTER, Kind.UPDATE: KernelKind.SCATTER,
          Kind.LOOP: KernelKind.PREFIX}
_IN_PLACE = (KernelKind.CONTRACT, KernelKind.LOOP, KernelKind.SCATTER)


def make_kernels(graph: Graph, groups: Groups, *, device: bool = False) -> KernelGraph:
    """One kernel per group, ordered so that whoever reads an old state runs before it is overwritten.

    device: reductions overwrite states as well, with what is made of their folds in the end.
    """
    whole = _Whole(graph, groups)
    pieces = {group.index: _piece(whole, group, groups) for group in groups.groups}
    above = {group.index: group.above for group in groups.groups}
    in_place = _donate(graph, groups, pieces, above, device)
    kernels = []
    by_index = {group.index: group for group in groups.groups}
    for position, index in enumerate(_order(above, pieces, set(graph.outputs))):
        group = by_index[index]
        piece, kind = pieces[index], _kind(group)
        mine = [(piece.outputs.index(new), old) for new, old in in_place.items() if new in piece.outputs]
        aliases = tuple((new, piece.inputs.index(old)) for new, old in mine if old in piece.inputs)
        overwrites = tuple((new, old) for new, old in mine if old not in piece.inputs)
        kernels.append(Kernel(f"k{position}_{_title(group)}", kind, piece, group.nest, group.anchor, aliases,
                              overwrites))
    return KernelGraph(graph, tuple(kernels), groups.decisions)


class _Whole:
    """What all pieces ask of the graph, worked out once."""

    def __init__(self, graph: Graph, groups: Groups):
        self.graph, self.producers = graph, graph.producers()
        self.position = {op: i for i, op in enumerate(graph.ops)}
        self.outputs = set(graph.outputs)
        self.readers: dict[Value, set[int]] = {}
        for group in groups.groups:
            for value in group.reads:
                self.readers.setdefault(value, set()).add(group.index)

    def read_outside(self, value: Value, group: Group) -> bool:
        """Whether another group reads the value, directly or through movers, or it is an output."""
        return value in self.outputs or bool(self.readers.get(value, set()) - {group.index})


def _piece(whole: _Whole, group: Group, groups: Groups) -> Graph:
    """The group as a graph: its own ops, and the movers it reads through. Constants lie in memory like inputs."""
    producers = whole.producers
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
    ops = tuple(sorted(wanted, key=whole.position.__getitem__))
    reads = dict.fromkeys(v for op in ops for v in op.operands if v in inputs)
    outputs = tuple(r for op in ops if op in own for r in op.results if whole.read_outside(r, group))
    return Graph(whole.graph.name, tuple(reads), ops, outputs)


def _donate(graph: Graph, groups: Groups, pieces: dict[int, Graph], above: dict[int, int],
            device: bool) -> dict[Value, Value]:
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
        if old in pieces[index].inputs and not _may_overwrite(by_index[index], pieces[index], old, new, device):
            continue
        earlier = [*checked, *(i for i, piece in pieces.items() if old in piece.inputs and i != index)]
        if index in checked or any(above[i] >> index & 1 for i in earlier):
            continue
        chosen[new] = old
        for i in earlier:
            _run_before(above, i, index)
    return chosen


def _may_overwrite(group: Group, piece: Graph, old: Value, new: Value, device: bool) -> bool:
    """Whether a kernel that reads the old value can write the new one over it."""
    if not _reads_in_place(piece, old, new):
        return False
    if _kind(group) in _IN_PLACE:
        return True
    return device and _kind(group) is KernelKind.REDUCE and new not in values_before_folds(piece, group.nest) \
        and old not in values_before_folds(piece, group.nest)


def _reads_in_place(piece: Graph, old: Value, new: Value) -> bool:
    """Whether every op of the piece that reads `old` does so at the position where `new` is written."""
    if piece.ops[-1].spec.kind is Kind.UPDATE:
        return piece.ops[-1].operands[0] is old and old not in piece.ops[-1].operands[1:]
    return all(not is_mover(op) and op.spec.kind is Kind.ELEMENTWISE
               for op in piece.ops if old in op.operands) and old.type == new.type and old in piece.inputs


def _run_before(above: dict[int, int], first: int, second: int) -> None:
    added = above[first] | 1 << first
    for index in above:
        if index == second or above[index] >> second & 1:
            above[index] |= added


def _order(above: dict[int, int], pieces: dict[int, Graph], kept: set[Value]) -> list[int]:
    """A topological order; among what may run, what gives back most memory, else the oldest group; loops last, so that
    those which do not wait for each other stand side by side.

    Memory is counted for symbols of size NOMINAL; `kept` is what nobody gives back.
    """
    waiting = {index: {i for i in above if bits >> i & 1} for index, bits in above.items()}
    made = {v for piece in pieces.values() for v in piece.outputs}
    readers = Counter(v for piece in pieces.values() for v in piece.inputs if v in made and v not in kept)
    loops = {index for index, piece in pieces.items() if any(op.name == "scan" for op in piece.ops)}
    ready = {index for index, needs in waiting.items() if not needs}
    below: dict[int, list[int]] = {}
    for index, needs in waiting.items():
        for i in needs:
            below.setdefault(i, []).append(index)

    @cache  # of this call: one of the module would keep every value of every model
    def size(value: Value) -> int:
        return nominal(value.type.nbytes)

    def given_back(index: int) -> int:
        piece = pieces[index]
        return sum(size(v) for v in piece.inputs if readers.get(v) == 1) - sum(size(v) for v in piece.outputs)

    order: list[int] = []
    while ready:
        done = min(ready, key=lambda index: (index in loops, -max(given_back(index), 0), index))
        ready.remove(done)
        order.append(done)
        readers.subtract(v for v in pieces[done].inputs if v in readers)
        for index in below.get(done, ()):
            waiting[index].discard(done)
            if not waiting[index]:
                ready.add(index)
    assert len(order) == len(above), "groups are acyclic"
    return order


def _kind(group: Group) -> KernelKind:
    if group.anchor is None:
        return KernelKind.LOOP
    return KernelKind.SCAN if group.anchor.name == "scan" else _KINDS[group.anchor.spec.kind]


def _title(group: Group) -> str:
    names = list(dict.fromkeys(op.name for op in group.ops))
    return "_".join(names[:3]) + (f"_and_{len(names) - 3}_more" if len(names) > 3 else "")
