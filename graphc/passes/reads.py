"""What each stored op reads, seen through the movers that are never stored.

What does not live here: the choice of groups (fuse.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphc.ir.dims import Shape
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import Kind
from graphc.ir.views import in_blocks, passes_through, view_of
from graphc.passes.pack_weights import BLOCK

MOVERS = (Kind.INDEX, Kind.SOURCE, Kind.GATHER)


@dataclass(frozen=True, slots=True)
class Read:
    """One stored value read by an op; path holds the movers passed on the way, nearest first."""

    value: Value
    path: tuple[Op, ...]


def is_mover(op: Op) -> bool:
    """Whether the op can be read through, element by element."""
    return op.spec.kind in MOVERS and op.name != "random_key"


def stored_movers(graph: Graph) -> set[Op]:
    """Movers whose result must lie in memory: outputs, and operands that anchors cannot read through.

    Constants lie there already.
    """
    producers = graph.producers()
    stored = {producers[v] for v in graph.outputs if v in producers and is_mover(producers[v])}
    for op in graph.ops:
        if op.name in ("matmul", "split_matmul"):
            stored.update(_unreadable(op, producers))
        elif op.name == "windows":
            stored.update(_padded(op, producers))
        elif op.name == "scan":  # another shape of what lies in memory lies there too
            stored.update(m for v in op.operands if (m := producers.get(_unshaped(v, producers))) and is_mover(m))
        elif op.spec.kind in (Kind.CONTRACT, Kind.SCATTER, Kind.UPDATE, Kind.LOOP):
            stored.update(producers[v] for v in op.operands if v in producers and is_mover(producers[v]))
    return {op for op in stored if op.name != "constant"}


def _unshaped(value: Value, producers: dict[Value, Op]) -> Value:
    while (op := producers.get(value)) is not None and op.name == "reshape":
        value = op.operands[0]
    return value


def _padded(op: Op, producers: dict[Value, Op]) -> Iterator[Op]:
    """A padding under windows that overlap: each element would be checked once for every window that holds it."""
    pad = producers.get(op.operands[0])
    shape, strides = op.result.type.shape[op.attr("axes")[-1] + 1:], op.attr("strides")
    if pad is not None and pad.name == "pad" and any(size != stride for size, stride in
                                                     zip(shape, strides, strict=False)):
        yield pad


def _unreadable(op: Op, producers: dict[Value, Op]) -> Iterator[Op]:
    """Movers in front of a contraction that must be stored: no view of a stored value, or one it cannot walk.

    A contraction walks rows and columns of several digits, but batches and the second operand's columns
    of one, or of blocks as packed weights have them.
    """
    for side, value in enumerate(op.operands):
        view, blocked = view_of(value, producers, lambda op: False)
        if blocked is not None:
            yield blocked
        packed = side == 1 and in_blocks(view.axes[-1]) and view.axes[-1][1].extent % BLOCK == 0
        single = view.axes[:-2] if side == 0 or packed else (*view.axes[:-2], view.axes[-1])
        producer = producers.get(value)
        if producer is not None and is_mover(producer) and any(len(axis) > 1 for axis in single):
            yield producer
        first = _first_of_other_kind(value, producers)
        if first is not None:
            yield first


def _first_of_other_kind(value: Value, producers: dict[Value, Op]) -> Op | None:
    """The first mover on the way to the data that no view passes through, if any."""
    while (op := producers.get(value)) is not None and is_mover(op):
        if not passes_through(op):
            return op
        value = op.operands[0]
    return None


def reads_of(op: Op, producers: dict[Value, Op], stored: set[Op]) -> list[Read]:
    """Every stored value that `op` reads, with the way to it; the same value may appear twice."""
    found: list[Read] = []
    pending: list[tuple[Value, tuple[Op, ...]]] = [(v, ()) for v in reversed(op.operands)]
    while pending:
        value, path = pending.pop()
        producer = producers.get(value)
        if producer is None or producer in stored or not is_mover(producer):
            found.append(Read(value, path))
        else:
            pending.extend((v, (*path, producer)) for v in reversed(producer.operands))
    return found


def spreads_fold(path: tuple[Op, ...], outer: int, folded: Shape, domain: Shape) -> bool:
    """Whether the way is one broadcast that repeats a fold along the folded axes.

    outer is the number of axes in front of the folded ones.
    """
    if len(path) != 1 or path[0].name != "broadcast":
        return False
    gap = len(domain) - len(folded)
    axes = tuple(i if i < outer else i + gap for i in range(len(folded)))
    return path[0].attr("axes") == axes and path[0].result.type.shape == domain
