"""Argument blocks, tables and loops of one binding, written into one row of words.

A loop is an entry like a kernel. Where the rows of its body are independent, its code is the driver's `shares`: each
share walks the table of its own rows through all steps, and no thread waits for another; so do loops that do not read
each other's results. Otherwise the entry is marked as a walk, and its kernels are shared one by one. Pointers to slices
move on after every step.

What does not live here: the walk (driver_ir.py), where values lie in the arena (binding.py), how much room a loop needs
(loop_room.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.dims import bind
from graphc.ir.graph import Value
from graphc.ir.program import Emitted
from graphc.runtime import driver
from graphc.runtime.loop_room import LoopRoom, Share, aligned, bytes_of, grouped, loop_rooms
from graphc.runtime.program import Loop, Program

PARALLEL_WORK = 1 << 17  # scalar operations below which waking threads costs more than it gives
SERIAL, SHARED, WALK = 0, 1, 2  # what the driver does with an entry


@dataclass(frozen=True)
class Place:
    """Where a value lies: its address, and the values it is a part of, each with the offset in it."""

    address: int
    roots: tuple[tuple[Value, int], ...] = ()

    def part(self, value: Value, offset: int) -> Place:
        """The place of `value`, which is the part of this one from `offset` on."""
        return Place(self.address + offset, ((value, 0), *self.moved(offset).roots))

    def moved(self, offset: int) -> Place:
        return Place(self.address + offset, tuple((root, at + offset) for root, at in self.roots))


Places = Mapping[Value, Place]
Entry = tuple[int, int, int]  # code, position of the argument block, how it is run


class Assembly:
    """The row of words while it is written; positions become addresses in `finish`."""

    def __init__(self, status: int, pool: int, constants: Mapping[Value, Place]):
        """constants: where the constants of all graphs lie."""
        self.words: list[int] = []
        self.pointers: list[tuple[int, tuple[tuple[Value, int], ...]]] = []
        self._positions: list[int] = []  # of words that hold a position in this row
        self._status, self._pool, self._constants = status, pool, constants

    def entries(self, program: Program, sizes: Mapping[str, int], places: Places, scratch: int,
                threads: int) -> list[Entry]:
        """The entries of a program, argument blocks written; threads: how many may share a kernel."""
        entries: list[Entry] = []
        for group in grouped(program):
            if isinstance(group, list):
                entries += self._loops(group, sizes, places, scratch, threads)
                continue
            way = SHARED if threads > 1 and worth_sharing(group.emitted, sizes) else SERIAL
            entries.append((group.address, self._block(group.emitted, sizes, places, scratch, threads), way))
        for new, state in program.late_copies:
            entries.append(self._copy(program, places[new], places[state], bytes_of(state.type, sizes)))
        return entries

    def finish(self) -> np.ndarray:
        """The words as an array, which must live as long as any table over it."""
        array = np.array(self.words or [0], np.int64)
        own = np.array(self._positions, np.int64)
        array[own] = array[own] * 8 + array.ctypes.data
        return array

    def words_of(self, value: Value) -> tuple[np.ndarray, np.ndarray]:
        """The positions of the words that point into `value`, and the offsets they have in it."""
        found = [(position, at) for position, roots in self.pointers for root, at in roots if root == value]
        return (np.array([p for p, _ in found], np.int64), np.array([at for _, at in found], np.int64))

    # ---- blocks

    def _place(self, places: Places, value: Value) -> Place:
        return places.get(value) or self._constants[value]

    def _pointer(self, place: Place) -> None:
        self.pointers.append((len(self.words), place.roots))
        self.words.append(place.address)

    def _position(self, position: int) -> None:
        self._positions.append(len(self.words))
        self.words.append(position)

    def _block(self, emitted: Emitted, sizes: Mapping[str, int], places: Places, scratch: int, threads: int) -> int:
        first = len(self.words)
        for word in emitted.words:
            if word.kind == "pointer":
                self._pointer(self._place(places, word.subject))
            elif word.kind == "size":
                self.words.append(int(bind(word.subject, sizes)))  # type: ignore[arg-type]
            else:
                self.words.append(scratch if word.kind == "scratch" else self._status)
                scratch += aligned(word.subject) * threads if word.kind == "scratch" else 0
        return first

    def _copy(self, program: Program, source: Place, target: Place, size: int) -> Entry:
        first = len(self.words)
        self._pointer(source)
        self._pointer(target)
        self.words.append(size)
        return program.copy_address, first, SERIAL

    # ---- loops

    def _loops(self, loops: Sequence[Loop], sizes: Mapping[str, int], places: Places, scratch: int,
               threads: int) -> list[Entry]:
        """What comes before loops that run side by side, and the loops: the walks of all of them are shared."""
        entries: list[Entry] = []
        walks: list[int] = []
        rooms = loop_rooms(loops, sizes, threads)
        for loop, room in zip(loops, rooms, strict=True):
            outer = self._outer(loop, room, places, scratch)
            entries += self._before(loop, room, sizes, places, outer, scratch, threads)
            walks += [self._walk(loop, room, share, outer, scratch) for share in room.shares]
            scratch += room.total
        if len(walks) == 1:
            return [*entries, (0, walks[0], WALK)]
        first = len(self.words)
        self.words.append(len(walks))
        for walk in walks:
            self._position(walk)
        return [*entries, (driver.native().shares_address, first, SHARED)]

    def _before(self, loop: Loop, room: LoopRoom, sizes: Mapping[str, int], places: Places, outer: Places,
                scratch: int, threads: int) -> list[Entry]:
        """The body's prologue, and copies of the initial values."""
        entries: list[Entry] = []
        if loop.body.prologue is not None:
            entries += self.entries(loop.body.prologue, sizes, outer, scratch + room.scratch, threads)
        op, body = loop.kernel.anchor, loop.body.plan.kernels.graph
        assert op is not None
        for start, value in zip(op.operands[:op.attr("carried")], body.inputs, strict=False):
            source = self._place(places, loop.stored(start))
            entries.append(self._copy(loop.body, source, outer[value], bytes_of(start.type, sizes)))
        return entries

    def _outer(self, loop: Loop, room: LoopRoom, places: Places, scratch: int) -> dict[Value, Place]:
        """Where the body's inputs and outputs lie for the first row, before the first step."""
        op, body = loop.kernel.anchor, loop.body.plan.kernels.graph
        assert op is not None
        carried, sliced = op.attr("carried"), op.attr("sliced")
        own = {value: Place(scratch + at) for value, at in room.offsets.items()}
        found = {value: own[value] for value in room.once}
        for i, (operand, value) in enumerate(zip(op.operands, body.inputs, strict=True)):
            if i < carried:
                result = op.results[i]
                found[value] = (own[result] if result in own else places[result]).part(value, 0)
            else:
                first = room.first_step(value) if i < carried + sliced else 0
                found[value] = self._place(places, loop.stored(operand)).part(value, first)
        for result, value in zip(op.results[carried:], body.outputs[carried:], strict=True):
            found[value] = (own[result] if result in own else places[result]).part(value, room.first_step(value))
        return found

    def _walk(self, loop: Loop, room: LoopRoom, share: Share, outer: Places, scratch: int) -> int:
        """The table and the walk of one share; the walk's position."""
        program = loop.body
        mine = {value: place.moved(share.first * room.row_bytes(value)) for value, place in outer.items()}
        mine.update({value: Place(scratch + at) for value, at in share.offsets.items()})
        for kernel in program.plan.kernels.kernels:
            mine.update({new: mine[old] for new, old in kernel.in_place.items()})
        pointers = len(self.pointers)
        entries = self.entries(program, share.sizes, mine, scratch + share.scratch, room.inner_threads)
        moves = [(position, room.moves[root]) for position, roots in self.pointers[pointers:]
                 for root, _ in roots if root in room.moves]
        table = len(self.words)
        for code, block, way in entries:
            self.words.append(code)
            self._position(block)
            self.words.append(way)
        advances = len(self.words)
        for position, step in moves:
            self._position(position)
            self.words.append(step)
        walk = len(self.words)
        self._position(table)
        self.words += [len(entries), room.steps]
        self._position(advances)
        self.words += [len(moves), self._status, self._pool]
        return walk


def worth_sharing(emitted: Emitted, sizes: Mapping[str, int]) -> bool:
    work, grid = bind(emitted.work, sizes), bind(emitted.grid, sizes)
    return int(grid) > 1 and int(work) >= PARALLEL_WORK  # type: ignore[arg-type]
