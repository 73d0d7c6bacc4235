"""Fusion: which ops share a kernel.

Ops are visited in order; each joins the group of a producer where the loop structures fit and no
cycle arises, and pulls its other producers' groups in where it can. Anchors (contractions,
reductions) give a group its loop nest. Every producer/consumer pair leaves a Decision.

What does not live here: the order of kernels and shared buffers (make_kernels.py), code.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from graphc.ir.dims import Shape, size_of, split_axes
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.kernel import Decision, Nest, by_operand, in_parts, moves_long_rows
from graphc.ir.spec import Kind
from graphc.passes.costs import nominal
from graphc.passes.reads import Read, is_mover, reads_of, spreads_fold, stored_movers

MAX_OPS = 96
MAX_BUFFERS = 24
SMALL = 1 << 14  # elements: a launch takes longer


@dataclass(eq=False)
class Group:
    """Ops that will be one kernel; grows while fusion runs."""

    index: int
    ops: list[Op]
    nest: Nest
    anchor: Op | None = None
    above: int = 0  # bit set of the groups that must run before
    reads: set[Value] = field(default_factory=set)

    @property
    def contracts(self) -> bool:
        return self.anchor is not None and self.anchor.spec.kind is Kind.CONTRACT


@dataclass(frozen=True, eq=False)
class Groups:
    """The result: groups with their stored ops, the movers that are stored, the decisions."""

    groups: tuple[Group, ...]
    stored: frozenset[Op]
    decisions: tuple[Decision, ...]


def fuse(graph: Graph, *, enabled: bool = True, device: bool = False) -> Groups:
    """Cut the graph into groups. enabled=False leaves every op alone, for comparison.

    device: small kernels of one loop nest that have nothing to do with each other become one, for the launches.
    """
    return _Fusion(graph, enabled, device).run()


class _Fusion:
    def __init__(self, graph: Graph, enabled: bool, device: bool):
        self.graph, self.enabled, self.device = graph, enabled, device
        self.producers = graph.producers()
        self.stored = stored_movers(graph)
        self.group_of: dict[Op, Group] = {}
        self.groups: dict[int, Group] = {}
        self.reads: dict[Op, list[Read]] = {}
        self.decisions: list[Decision] = []
        self.newest = -1

    def run(self) -> Groups:
        for index, op in enumerate(op for op in self.graph.ops if not is_mover(op) or op in self.stored):
            self.reads[op] = reads_of(op, self.producers, self.stored)
            self._own_group(index, op)
            for producer in dict.fromkeys(self.producers.get(read.value) for read in self.reads[op]):
                if producer is not None:  # once, however many of its results are read
                    self._consider(producer, op)
        if self.enabled:
            self._join_copies()
            if self.device:
                self._join_small()
        self._check_partition()
        return Groups(tuple(self.groups.values()), frozenset(self.stored), tuple(map(self._settled, self.decisions)))

    def _join_copies(self) -> None:
        """A copy of an input joins a loop of the same shape: one that may then be written over the input, if any."""
        for group in list(self.groups.values()):
            reads = self.reads[group.ops[0]]
            if len(group.ops) > 1 or group.ops[0].name != "stop_gradient" or group.above \
                    or [read.path for read in reads] != [()]:
                continue
            loop = next((g for g in reversed(self.groups.values()) if g.anchor is None
                         and any(op.name != "stop_gradient" for op in g.ops) and not any(map(_stands_alone, g.ops))
                         and g.nest.domain == group.nest.domain and self._size_obstacle(g, group) is None), None)
            if loop is not None:
                self.newest = -1
                self._merge(loop, group)

    def _join_small(self) -> None:
        """Each small group joins an earlier one of its loop nest, as if the two were read by one op."""
        for second in list(self.groups.values()):
            if nominal(size_of(second.nest.domain)) > SMALL or second.contracts:
                continue
            for first in list(self.groups.values()):
                if first.index >= second.index:
                    break
                if first.nest == second.nest and (first.anchor is None) == (second.anchor is None) \
                        and self._obstacle(first, second, second.ops[0]) is None:
                    self.newest = -1
                    self._merge(first, second)
                    break

    def _own_group(self, index: int, op: Op) -> None:
        group = Group(index, [op], nest_of(op), anchor=op if _is_anchor(op) else None)
        group.reads = {read.value for read in self.reads[op]}
        for value in group.reads:
            if value in self.producers:
                producer = self.group_of[self.producers[value]]
                group.above |= producer.above | 1 << producer.index
        self.group_of[op] = self.groups[index] = group
        self.newest = index

    def _consider(self, producer: Op, op: Op) -> None:
        first, second = self.group_of[producer], self.group_of[op]
        reason = "already in one kernel" if first is second else self._obstacle(first, second, op)
        fused = first is second or reason is None
        if fused and first is not second:
            self._merge(first, second)
            reason = "one loop nest"
        self.decisions.append(Decision(producer, op, fused, reason or ""))

    def _settled(self, decision: Decision) -> Decision:
        """The decision as it stands in the end: a pair kept apart may meet in the group of a later op."""
        if decision.fused or self.group_of[decision.producer] is not self.group_of[decision.consumer]:
            return decision
        return Decision(decision.producer, decision.consumer, True, "one loop nest, through a later op")

    def _obstacle(self, first: Group, second: Group, op: Op) -> str | None:
        """Why the two groups cannot be one; None if they can."""
        if not self.enabled:
            return "fusion is off"
        for part in (*first.ops, *second.ops):
            if _stands_alone(part):
                return f"{part.name} is a kernel of its own"
        if first.anchor is not None and second.anchor is not None and \
                (first.contracts or second.contracts or first.nest != second.nest):
            return f"{first.anchor.name} and {second.anchor.name} have different loop nests"
        if second.contracts:
            return "a matmul's operand is stored before it runs"
        nest = first.nest if first.anchor is not None else second.nest
        if (first.anchor or second.anchor) and any(in_parts(part) for part in (*first.ops, *second.ops)):
            return "a concatenation is written part by part"
        if any(group.anchor and group.anchor.name not in ("matmul", "split_matmul") for group in (first, second)) \
                and any(by_operand(part) for part in (*first.ops, *second.ops)):
            return "rows are written elsewhere"
        if (first.contracts or second.contracts) and any(moves_long_rows(part) for part in (*first.ops, *second.ops)):
            return "long rows are faster moved apart"
        return (self._nest_obstacle(first, second, nest)
                or self._path_obstacle(first, second, nest)
                or self._size_obstacle(first, second)
                or self._cycle_obstacle(first, second))

    def _nest_obstacle(self, first: Group, second: Group, nest: Nest) -> str | None:
        for group in (first, second):
            if group.anchor is None and group.nest.domain not in (nest.domain, nest.folded) \
                    and not _same_order(group.nest.domain, nest, first.contracts or second.contracts):
                return f"loops over {_shape(group.nest.domain)} and {_shape(nest.domain)} differ"
        return None

    def _path_obstacle(self, first: Group, second: Group, nest: Nest) -> str | None:
        made = {r for part in (*first.ops, *second.ops) for r in part.results}
        for part in (*first.ops, *second.ops):
            for read in self.reads[part]:
                if read.value not in made:
                    continue
                reason = self._way_obstacle(read, part, nest, first.contracts or second.contracts)
                if reason:
                    return reason
        return None

    def _way_obstacle(self, read: Read, op: Op, nest: Nest, contracts: bool) -> str | None:
        producer = self.producers[read.value]
        shape = read.value.type.shape
        wanted = (op.operands if op.spec.kind is Kind.REDUCE or by_operand(op) else op.results)[0].type.shape
        if producer in self.stored:
            return f"{producer.name} is written element by element, in another order"
        if op in self.stored and not by_operand(op):
            return f"{op.name} moves elements between loop positions"
        if read.path and all(step.name == "reshape" for step in read.path) and _same_order(shape, nest, contracts) \
                and _same_order(wanted, nest, contracts):
            return None
        if not read.path:
            return None if shape == wanted else f"loops over {_shape(shape)} and {_shape(wanted)} differ"
        if nest.reduce and shape == nest.folded and wanted == nest.domain \
                and spreads_fold(read.path, len(nest.outer), nest.folded, nest.domain):
            return None
        return f"read through {read.path[0].name}, at other positions than {producer.name} is made"

    def _size_obstacle(self, first: Group, second: Group) -> str | None:
        if len(first.ops) + len(second.ops) > MAX_OPS:
            return f"the kernel would hold more than {MAX_OPS} ops"
        made = {r for op in (*first.ops, *second.ops) for r in op.results}
        if len((first.reads | second.reads) - made) > MAX_BUFFERS:
            return f"the kernel would read more than {MAX_BUFFERS} buffers"
        return None

    def _cycle_obstacle(self, first: Group, second: Group) -> str | None:
        for low, high in ((first, second), (second, first)):
            # a way from low to high that leaves low enters high from one of its producers
            sources = [self.group_of[self.producers[value]] for value in high.reads if value in self.producers]
            between = [group for group in sources
                       if group is not high and group is not low and group.above >> low.index & 1]
            if between:  # values are read in any order, but the text names the same group in every process
                return f"{min(between, key=lambda group: group.index).ops[0].name} must run between them"
        return None

    def _merge(self, first: Group, second: Group) -> None:
        """`first` takes over `second`, which is the group of the op at hand."""
        first.ops += second.ops
        first.reads |= second.reads
        if first.anchor is None and second.anchor is not None:
            first.anchor, first.nest = second.anchor, second.nest
        gone, kept, before = 1 << second.index, 1 << first.index, first.above
        first.above = (first.above | second.above) & ~(gone | kept)
        del self.groups[second.index]
        for op in second.ops:
            self.group_of[op] = first
        if first.above == before and second.index == self.newest:
            return  # nobody stands below the newest group yet, and those below the other know all that is above it
        for group in self.groups.values():
            if group.above & gone:
                group.above = group.above & ~gone | kept
            if group.above & kept:
                group.above |= first.above

    def _check_partition(self) -> None:
        seen = [op for group in self.groups.values() for op in group.ops]
        assert len(seen) == len(set(seen)) == len(self.reads), "every stored op belongs to exactly one group"
        for group in self.groups.values():
            assert not group.above >> group.index & 1, "groups are acyclic"


def nest_of(op: Op) -> Nest:
    """The loop nest an op asks for by itself."""
    shape = op.operands[0].type.shape if by_operand(op) else op.results[0].type.shape
    if op.spec.kind is Kind.REDUCE:
        operand = op.operands[0].type.shape
        attrs = op.kwargs
        axes = attrs["axes"] if "axes" in attrs else (attrs["axis"],)
        first, last = (axes[0], axes[-1] + 1) if axes else (len(operand), len(operand))
        return Nest(operand[:first], operand[first:last], operand[last:])
    return Nest(shape)


def _same_order(shape: Shape, nest: Nest, contracts: bool) -> bool:
    """Whether a contraction's rows and columns are groups of the axes of `shape`: one loop nest serves both."""
    return contracts and split_axes(shape, [size_of(nest.domain[:-1]), nest.domain[-1]]) is not None


def _stands_alone(op: Op) -> bool:
    """Whether an op is a kernel of its own."""
    return op.spec.kind in (Kind.SCATTER, Kind.UPDATE, Kind.LOOP) or op.name == "random_key"


def _is_anchor(op: Op) -> bool:
    return op.spec.kind in (Kind.CONTRACT, Kind.REDUCE, Kind.SCATTER, Kind.UPDATE, Kind.LOOP)


def _shape(shape: tuple) -> str:
    return f"({','.join(map(str, shape))})"
