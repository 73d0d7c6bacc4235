"""The threads of some blocks while a kernel runs in lockstep: which of them are active, what they share, who used what.

What does not live here: statements and expressions (interpreter.py), how a launch begins (__init__.py).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from graphc.errors import GraphcError

POISON = {"f": np.nan, "i": -0x5A5A5A5A, "u": 0x5A5A5A5A, "b": 1}
NOBODY, MANY = -1, -2  # who read or wrote a place last
Array = np.ndarray


class KernelError(GraphcError):
    """A kernel did what it must not: which fault, where in the source, which thread."""

@dataclass
class Memory:
    """An array that threads share, and who used each element since the last barrier."""

    name: str
    data: Array  # [blocks, count] of shared memory, [count] of global memory
    writers: Array = field(init=False)
    readers: Array = field(init=False)
    written_in: tuple[Array, Array] = field(init=False)  # of global memory: block, and how many barriers it had met
    read_in: tuple[Array, Array] = field(init=False)
    shared: bool = False

    def __post_init__(self) -> None:
        self.writers = np.full(self.data.shape, NOBODY, np.int32)
        self.readers = np.full(self.data.shape, NOBODY, np.int32)
        if not self.shared:
            blocks, barriers = (np.full(self.data.shape, NOBODY, np.int32) for _ in range(2))
            self.written_in, self.read_in = (blocks, barriers), (blocks.copy(), barriers.copy())

    def forget(self, blocks: Any) -> None:
        """A barrier: what these blocks did before it is done."""
        self.writers[blocks] = NOBODY
        self.readers[blocks] = NOBODY


@dataclass(frozen=True)
class Parsed:
    """A kernel's source, read once."""

    parameters: tuple[str, ...]
    words: tuple[str, ...]
    body: tuple[ast.stmt, ...]
    lines: tuple[str, ...]
    constants: Mapping[str, Any]
    threads: int

    @property
    def double(self) -> bool:
        """Whether the kernel works on float64."""
        return any("f64" in word for word in self.words) or any("float64" in line for line in self.lines)


@cache
def parsed(source: str) -> Parsed:
    tree = ast.parse(source)
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    names: dict[str, Any] = {"np": np}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            exec(compile(ast.Module([node], []), "<kernel>", "exec"), names)
    signature, threads = names.pop("SIGNATURE"), names.pop("THREADS")
    names.pop("np")
    names.pop("__builtins__")
    return Parsed(tuple(a.arg for a in function.args.args), tuple(signature.split()), tuple(function.body),
                   tuple(source.splitlines()), names, threads)


class Threads:
    """Some blocks of a launch, all their threads in step."""

    def __init__(self, kernel: Parsed, name: str, memories: dict[str, Memory], scalars: Mapping[str, Any],
                 numbers: Array, grid: int):
        self.kernel, self.name, self.memories = kernel, name, dict(memories)
        self.blocks, self.grid = len(numbers), grid
        self.count = self.blocks * kernel.threads
        self.thread = np.tile(np.arange(kernel.threads), self.blocks)
        self.block = np.repeat(np.arange(self.blocks), kernel.threads)  # of those that run now
        self.block_number = np.repeat(numbers, kernel.threads)
        self.number = self.block_number * kernel.threads + self.thread  # in the launch
        self.names: dict[str, Any] = {**kernel.constants, **scalars}
        self.mask = np.ones(self.count, bool)
        self.all = True
        self.line = 0
        self.barriers = np.zeros(self.blocks, np.int32)  # that each block has met

    # ---- faults

    def fault(self, problem: str, lanes: Array | None = None, **more: Any) -> KernelError:
        who = ""
        if lanes is not None:
            lane = int(np.flatnonzero(lanes)[0])
            who = f", block {self.block_number[lane]}, thread {self.thread[lane]}"
        text = self.kernel.lines[self.line - 1].strip() if self.line else ""
        return KernelError(problem, where=f"kernel {self.name}, line {self.line}: {text}{who}", **more)

    def lanes(self, value: Any) -> Array:
        array = np.asarray(value)
        return array if array.shape == (self.count,) else np.broadcast_to(array, (self.count,))

    # ---- memory

    def place(self, memory: Memory, index: Any) -> tuple[Any, ...]:
        """Where the active lanes are in a memory. Raises KernelError for a place outside."""
        index = self.lanes(index)
        if index.dtype.kind not in "iu":
            raise self.fault("an element number that is no integer", got=index.dtype)
        count = memory.data.shape[-1]
        outside = self.mask & ((index < 0) | (index >= count))
        if outside.any():
            raise self.fault(f"outside of {memory.name}", outside, expected=f"0 to {count - 1}",
                             got=int(index[outside][0]))
        chosen = index[self.mask]
        return (self.block[self.mask], chosen) if memory.shared else (chosen,)

    def load(self, memory: Memory, index: Any) -> Array:
        place = self.place(memory, index)
        who = self.who()
        writers, readers = self.users(memory, place)
        self.race(memory, (writers != NOBODY) & (writers != who), "read by another thread than wrote it", place)
        if memory.shared or memory.data.flags.writeable:
            memory.readers[place] = np.where((readers == NOBODY) | (readers == who), who, MANY)
            # Two lanes at one place: the last one stays; if it is not the only one, there are many.
            seen = memory.readers[place]
            memory.readers[place] = np.where((seen != who) & (seen != NOBODY), MANY, seen)
            if not memory.shared:
                self.read_now(memory, place, readers)
        made = np.full(self.count, POISON[memory.data.dtype.kind]).astype(memory.data.dtype)
        made[self.mask] = memory.data[place]
        return made

    def store(self, memory: Memory, index: Any, value: Any) -> None:
        if not memory.data.flags.writeable:
            raise self.fault(f"{memory.name} is const and written to")
        place = self.place(memory, index)
        value = self.lanes(value)
        if value.dtype != memory.data.dtype and (value.dtype.kind, memory.data.dtype.kind) not in \
                (("i", "i"), ("u", "u"), ("i", "u"), ("u", "i")):
            raise self.fault(f"a {value.dtype} stored into {memory.name}", expected=memory.data.dtype)
        if memory.name.startswith("e"):  # the status word: any of those who report may win
            memory.data[place] = value[self.mask].astype(memory.data.dtype)
            return
        who = self.who()
        writers, readers = self.users(memory, place)
        self.race(memory, (writers != NOBODY) & (writers != who), "written by two threads", place)
        self.race(memory, (readers != NOBODY) & (readers != who), "written where another thread has read", place)
        memory.writers[place] = who
        if not memory.shared:
            memory.written_in[0][place], memory.written_in[1][place] = self.now()
        self.race(memory, memory.writers[place] != who, "written by two threads", place)
        memory.data[place] = value[self.mask].astype(memory.data.dtype)

    def who(self) -> Array:
        found: Array = self.number[self.mask].astype(np.int32)
        return found

    def now(self) -> tuple[Array, Array]:
        """Of each active lane its block, and how many barriers that has met."""
        return self.block_number[self.mask].astype(np.int32), self.barriers[self.block[self.mask]]

    def users(self, memory: Memory, place: tuple[Any, ...]) -> tuple[Array, Array]:
        """Who wrote and who read there, but for those of a lane's own block before its last barrier."""
        if memory.shared:
            return memory.writers[place], memory.readers[place]
        block, met = self.now()
        found = []
        for users, (blocks, barriers) in ((memory.writers, memory.written_in), (memory.readers, memory.read_in)):
            done = (blocks[place] == block) & (barriers[place] < met)
            found.append(np.where(done, NOBODY, users[place]))
        return found[0], found[1]

    def read_now(self, memory: Memory, place: tuple[Any, ...], readers: Array) -> None:
        """readers: those there were before."""
        block, met = self.now()
        blocks, barriers = memory.read_in
        blocks[place] = np.where((readers == NOBODY) | (blocks[place] == block), block, MANY)
        seen = blocks[place]  # two lanes at one place, as above
        blocks[place] = np.where(seen != block, MANY, seen)
        barriers[place] = met

    def race(self, memory: Memory, wrong: Array, problem: str, place: tuple[Any, ...]) -> None:
        if wrong.any():
            lanes = np.zeros(self.count, bool)
            lanes[np.flatnonzero(self.mask)[wrong]] = True
            raise self.fault(f"a race: element {int(place[-1][wrong][0])} of {memory.name} is {problem}, with no "
                             "barrier between", lanes)

    def barrier(self) -> None:
        active = self.mask.reshape(self.blocks, self.kernel.threads)
        some, every = active.any(axis=1), active.all(axis=1)
        if (some != every).any():
            block = int(np.flatnonzero(some != every)[0])
            lanes = np.zeros_like(active)
            lanes[block] = ~active[block]
            raise self.fault("a barrier that not all threads of a block meet", lanes.ravel())
        self.barriers[some] += 1
        for memory in self.memories.values():
            if memory.shared:
                memory.forget(some)
