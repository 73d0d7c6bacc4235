"""The room of a loop: who takes which rows, and where what the body makes lies, as offsets in the scratch memory.

What does not live here: addresses, argument blocks and tables (assembly.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphc.ir.dims import bind, bind_shape, size_of, symbol
from graphc.ir.graph import Value
from graphc.ir.kernel import side_by_side
from graphc.ir.layout import ALIGNMENT
from graphc.ir.types import TensorType
from graphc.runtime.program import Launch, Loop, Program

SHARED_WORK = 1 << 16  # scalar operations of a whole loop below which one thread runs it


@dataclass(frozen=True)
class Share:
    """Rows from `first` on, for one thread; offsets of what their steps make, then its own scratch memory."""

    first: int
    sizes: Mapping[str, int]
    offsets: Mapping[Value, int]
    scratch: int


@dataclass(frozen=True)
class LoopRoom:
    """offsets: of results that nobody reads and of what is made before the first step (`once`); scratch: where that
    one's own scratch memory begins; moves: bytes that a pointer to a slice moves by after each step; total: bytes."""

    steps: int
    shares: tuple[Share, ...]
    inner_threads: int
    offsets: Mapping[Value, int]
    once: tuple[Value, ...]
    scratch: int
    moves: Mapping[Value, int]
    rows: Mapping[Value, int]
    total: int

    def row_bytes(self, value: Value) -> int:
        """Bytes of one row of a value of the body; 0 for one that all rows share."""
        return self.rows.get(value, 0)

    def first_step(self, value: Value) -> int:
        """The offset of the slice of the first step."""
        step = self.moves[value]
        return -step * (self.steps - 1) if step < 0 and self.steps else 0


def grouped(program: Program) -> list[Launch | list[Loop]]:
    """The launches in order; loops that run at the same time stand in one list."""
    launch_of = {launch.kernel: launch for launch in program.launches}
    groups: list[Launch | list[Loop]] = []
    for kernels in side_by_side(program.plan.kernels.kernels):
        launches = [launch_of[kernel] for kernel in kernels]
        loops = [launch for launch in launches if isinstance(launch, Loop)]
        groups += [loops] if loops else [launch for launch in launches if isinstance(launch, Launch)]
    return groups


def loop_rooms(loops: Sequence[Loop], sizes: Mapping[str, int], threads: int) -> list[LoopRoom]:
    """Lay out loops that run side by side, one room behind the other; one too small to be split takes one thread."""
    alone = len(loops) == 1 or threads == 1
    return [loop_room(loop, sizes, threads, alone) for loop in loops]


def loop_room(loop: Loop, sizes: Mapping[str, int], threads: int, alone: bool = True) -> LoopRoom:
    """Lay out a loop for these sizes, on up to `threads` threads, which share the kernels of one that is `alone`."""
    op, plan = loop.kernel.anchor, loop.body.plan
    assert op is not None
    body = plan.kernels.graph
    carried, sliced = op.attr("carried"), op.attr("sliced")
    steps = int(bind(op.attr("length"), sizes))  # type: ignore[arg-type]
    name, dim = op.kwargs.get("rows") or ("", 1)
    rows = int(bind(dim, sizes))  # type: ignore[arg-type]
    whole = {**sizes, name: rows} if name else dict(sizes)
    split = min(threads, rows) if name and threads > 1 and steps * _work(loop.body, whole) >= SHARED_WORK else 1

    total = 0
    offsets: dict[Value, int] = {}
    for result in op.results:
        if result not in loop.kernel.outputs:
            offsets[result] = total
            total += aligned(bytes_of(result.type, whole))
    once: tuple[Value, ...] = ()
    scratch = total
    if loop.body.prologue is not None:
        made, room = loop.body.prologue.plan.layout(sizes)
        once = tuple(made)
        offsets.update({value: total + at for value, at in made.items()})
        scratch = total + room
        total = scratch + scratch_bytes(loop.body.prologue, sizes, threads)
    inner_threads = threads if split == 1 and alone else 1
    shares = []
    for number in range(split):
        first, last = rows * number // split, rows * (number + 1) // split
        own = {**sizes, name: last - first} if name else dict(sizes)
        made, room = plan.layout(own)
        at = {value: total + offset for value, offset in made.items() if value not in body.outputs[carried:]}
        total += room
        shares.append(Share(first, own, at, total))
        total += scratch_bytes(loop.body, own, inner_threads)
    slices = [*body.inputs[carried:carried + sliced], *body.outputs[carried:]]
    sign = -1 if op.attr("reverse") else 1
    moves = {v: sign * bytes_of(v.type, whole) for v in slices}
    by_row = {v: bytes_of(v.type.with_shape(v.type.shape[1:]), whole) for v in (*body.inputs, *body.outputs)
              if name and v.type.rank and v.type.shape[0] == symbol(name)}
    return LoopRoom(steps, tuple(shares), inner_threads, offsets, once, scratch, moves, by_row, total)


def scratch_bytes(program: Program, sizes: Mapping[str, int], threads: int) -> int:
    """The most scratch memory that a kernel, or loops side by side, need."""
    needs = [0]
    for group in grouped(program):
        if isinstance(group, list):
            needs.append(sum(room.total for room in loop_rooms(group, sizes, threads)))
        else:
            needs.append(sum(aligned(w.subject) for w in group.emitted.words if w.kind == "scratch") * threads)
    return max(needs)


def _work(program: Program, sizes: Mapping[str, int]) -> int:
    """Scalar operations of all kernels once."""
    total = 0
    for launch in program.launches:
        if isinstance(launch, Loop):
            op = launch.kernel.anchor
            assert op is not None
            inner = dict(sizes)
            if op.kwargs.get("rows"):
                inner[op.attr("rows")[0]] = int(bind(op.attr("rows")[1], sizes))  # type: ignore[arg-type]
            total += int(bind(op.attr("length"), sizes)) * _work(launch.body, inner)  # type: ignore[arg-type]
        else:
            total += int(bind(launch.emitted.work, sizes))  # type: ignore[arg-type]
    return total


def bytes_of(type_: TensorType, sizes: Mapping[str, int]) -> int:
    return int(size_of(bind_shape(type_.shape, sizes))) * type_.dtype.itemsize  # type: ignore[arg-type]


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
