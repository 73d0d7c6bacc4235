"""One program bound to sizes and addresses: the table, the argument blocks, the arena's layout.

What does not live here: writing them (assembly.py), checks of the inputs (signature.py), the walk (driver.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from graphc.ir.dims import bind
from graphc.ir.graph import Value
from graphc.ir.program import MemoryPlan
from graphc.runtime import driver, threads
from graphc.runtime.assembly import Assembly, Place
from graphc.runtime.buffers import empty_aligned
from graphc.runtime.loop_room import aligned, scratch_bytes
from graphc.runtime.program import Program
from graphc.runtime.scales import table_of

STAGED_BYTES = 1 << 16  # inputs up to this size are copied into the arena, larger ones pointed at
PARALLEL_BYTES = 1 << 15  # the same for rows to be moved


class Arena:
    """One aligned block of memory that grows to the largest binding and never shrinks."""

    def __init__(self) -> None:
        self._block = empty_aligned((0,), np.uint8)

    def reserve(self, size: int) -> None:
        """Make room for `size` bytes, which may move the arena."""
        if size > self._block.size:
            self._block = empty_aligned((size,), np.uint8)

    @property
    def address(self) -> int:
        return self._block.ctypes.data

    def view(self, offset: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        return self._block[offset:offset + nbytes].view(dtype).reshape(shape)


class Binding:
    """The program for one set of input shapes."""

    def __init__(self, program: Program, sizes: Mapping[str, int], shapes: Sequence[tuple[int, ...]],
                 arena: Arena, given: Mapping[Value, int] = MappingProxyType({})):
        """given: addresses of values that lie elsewhere, such as what a prologue made."""
        self._program, self._sizes, self._arena = program, sizes, arena
        self._shapes = dict(zip(program.inputs, shapes, strict=True))
        self._threads = threads.count()  # which another thread may change meanwhile; scratch memory is for as many
        offsets = self._lay_out()
        arena.reserve(self._total)
        self._addresses = {**given, **{v: arena.address + offset for v, offset in offsets.items()}}
        for value, state in program.states.items():
            self._addresses[value] = table_of(state).ctypes.data
        for kernel in program.plan.kernels.kernels:
            self._addresses.update({new: self._addresses[old] for new, old in kernel.in_place.items()})
        self._status = np.zeros(1, np.int64)
        self._constants = _constants(program.plan)
        self._blocks, self._table, assembly = self._assemble()
        self._words = [assembly.words_of(v) for v in program.inputs]
        self._result_words = [assembly.words_of(v) for v in program.returned]
        self.stages = [arena.view(offsets[v], s, v.type.dtype.numpy) if v in offsets else None
                       for v, s in self._shapes.items()]
        self.views = [arena.view(offsets[v], self._shape(v), v.type.dtype.numpy) for v in program.returned]
        self._held: list[np.ndarray] = []
        self._saved: np.ndarray | None = None  # the blocks of one step, while those of many run
        self._rooms: dict[int, np.ndarray] = {}
        self._walk = driver.prepare(self._table, self._status, threads.pool_address(self._threads))

    def addresses_of(self, values: Iterable[Value]) -> dict[Value, int]:
        return {value: self._addresses[value] for value in values}

    # ---- layout

    def _shape(self, value: Value) -> tuple[int, ...]:
        return tuple(int(bind(d, self._sizes)) for d in value.type.shape)  # type: ignore[arg-type]

    def _nbytes(self, value: Value) -> int:
        return int(bind(value.type.nbytes, self._sizes))  # type: ignore[arg-type]

    def _lay_out(self) -> dict[Value, int]:
        """Offsets of everything that lies in the arena: values, staged inputs, scratch."""
        offsets, total = self._program.plan.layout(self._sizes)
        for value in self._program.inputs:
            if self._nbytes(value) <= STAGED_BYTES and value not in offsets:
                offsets[value] = total
                total += aligned(self._nbytes(value))
        self._scratch = total
        self._total = total + scratch_bytes(self._program, self._sizes, self._threads)
        return offsets

    def _assemble(self) -> tuple[np.ndarray, np.ndarray, Assembly]:
        """The argument blocks of all launches, one behind the other, and the table over them."""
        constants = {value: Place(array.ctypes.data) for value, array in self._constants.items()}
        assembly = Assembly(self._status.ctypes.data, threads.pool_address(self._threads), constants)
        program = self._program
        tracked = {*program.inputs, *program.returned}
        places = {v: Place(at, ((v, 0),) if v in tracked else ()) for v, at in self._addresses.items()}
        places.update({v: Place(0, ((v, 0),)) for v in program.inputs if v not in places})
        entries = assembly.entries(program, self._sizes, places, self._arena.address + self._scratch, self._threads)
        blocks = assembly.finish()
        table = np.array([(code, blocks.ctypes.data + 8 * first, way) for code, first, way in entries], np.int64)
        return blocks, table.reshape(-1, 3), assembly

    # ---- running

    def feed(self, given: Sequence[np.ndarray]) -> None:
        """Copy small inputs to their stage, point at large ones."""
        self._restore()
        for i, array in enumerate(given):
            stage = self.stages[i]
            if stage is not None:
                stage[...] = array
            else:
                self._point(i, array)

    def _point(self, i: int, array: np.ndarray) -> None:
        held = np.ascontiguousarray(array, self._program.inputs[i].type.dtype.numpy)
        self._aim(self._words[i], held)
        self._held.append(held)

    def _aim(self, words: tuple[np.ndarray, np.ndarray], array: np.ndarray) -> None:
        """Let these words, each at its offset, point into `array`."""
        positions, offsets = words
        self._blocks[positions] = array.ctypes.data + offsets

    def run(self) -> int:
        """One step; nonzero if a kernel met an index out of range."""
        status = self._walk()
        if self._held:
            self._held.clear()
        return status

    def results(self) -> list[np.ndarray]:
        return [view.copy() for view in self.views]

    def run_steps(self, given: Sequence[np.ndarray], stepped: Sequence[bool], results: Sequence[np.ndarray],
                  steps: int, rows: np.ndarray | None) -> int | None:
        """Steps by one native call; the step that met an index out of range, or None."""
        self._restore()
        self._saved = self._blocks.copy()
        try:
            return self._run_steps(given, stepped, results, steps, rows)
        finally:
            self._restore()

    def _run_steps(self, given: Sequence[np.ndarray], stepped: Sequence[bool], results: Sequence[np.ndarray],
                   steps: int, rows: np.ndarray | None) -> int | None:
        table, base = self._table, self._blocks.ctypes.data
        advances: list[tuple[int, int]] = []
        taken: list[int] = []
        for i, (array, moves) in enumerate(zip(given, stepped, strict=True)):
            if moves and rows is not None:
                taken.append(i)
                array = self._taken(i)
            elif moves:
                advances += [(base + 8 * int(w), array.nbytes // steps) for w in self._words[i][0]]
            self._aim(self._words[i], array)
        for words, result in zip(self._result_words, results, strict=True):
            self._aim(words, result)
            advances += [(base + 8 * int(w), result.nbytes // steps) for w in words[0]]
        if rows is not None:
            takers = np.array([self._take_words(i, given[i], rows, steps) for i in taken], np.int64)
            first = takers.ctypes.data
            starts = range(first, first + takers.nbytes, takers.strides[0])
            advances += [(start + 8, rows.nbytes // steps) for start in starts]
            shared = (takers[:, 3] * takers[:, 4] >= PARALLEL_BYTES) & (self._threads > 1)
            takes = np.stack([np.full(len(taken), self._program.take_address), np.array(starts), shared], 1)
            table = np.concatenate([takes, table])
        return driver.run_steps(table, self._status, steps, advances, threads.pool_address(self._threads))

    def _restore(self) -> None:
        """Let the blocks be those of one step again; also where an exception kept an earlier call from doing it."""
        if self._saved is not None:
            self._blocks[:] = self._saved
            self._saved = None

    def _taken(self, i: int) -> np.ndarray:
        """Where the rows of input i for one step lie."""
        if i not in self._rooms:
            value, stage = self._program.inputs[i], self.stages[i]
            self._rooms[i] = empty_aligned(self._shapes[value], value.type.dtype.numpy) if stage is None else stage
        return self._rooms[i]

    def _take_words(self, i: int, array: np.ndarray, rows: np.ndarray, steps: int) -> tuple[int, ...]:
        row_bytes = array.nbytes // max(len(array), 1)
        return array.ctypes.data, rows.ctypes.data, self._taken(i).ctypes.data, len(rows) // steps, row_bytes


def _constants(plan: MemoryPlan) -> dict[Value, np.ndarray]:
    """The data of all constants, those in the bodies of loops among them."""
    held = {op.result: np.ascontiguousarray(op.attr("value").data)
            for op in plan.kernels.graph.ops if op.name == "constant"}
    for inner in (*plan.loops.values(), *([plan.prologue] if plan.prologue is not None else [])):
        held.update(_constants(inner))
    return held
