"""CUDA kernels run without a GPU: their own source, statement by statement, one NumPy lane for each thread.

All threads of a batch of blocks take every statement together, those that a condition excludes as masked lanes, so
that a launch of a million threads is a few hundred NumPy calls. On the way the executor checks what a GPU does not:

    bounds      every load and store against the extent of its value, and that element numbers fit in 32 bits
    races       two threads at one place between two barriers of their block, one of them writing; two blocks at one
                place of global memory
    barriers    all threads of a block meet at each, or none; all of a warp take part in its shuffles and votes
    poison      shared memory and results begin as NaN or as numbers that no kernel makes
    types       no number becomes a float64 that the source did not ask for

A fault raises KernelError, which names the kernel, the line and one thread.

What does not live here: what scalar functions mean (graphc.ir's reference functions), memory and launches of whole
programs (graphc.runtime_cuda).
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from graphc.errors import GraphcError
from graphc.ir import random
from graphc.ir.spec import op_spec

WARP = 32
LANES = 1 << 17  # threads that run at a time
POISON = {"f": np.nan, "i": -0x5A5A5A5A, "u": 0x5A5A5A5A, "b": 1}
NOBODY, MANY = -1, -2  # who read or wrote a place last
TRANSCENDENTAL = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf", "power", "sin", "cos", "rsqrt")
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


def run_kernel(source: str, arguments: Sequence[Array | int], blocks: int, name: str = "kernel",
               chosen: Sequence[int] | None = None) -> list[Array | None]:
    """Run a launch of `blocks` blocks, or the chosen ones of them; arrays (of one axis, one for each pointer of
    SIGNATURE) change in place. Of each, which elements were written. Raises KernelError.
    """
    kernel = _parsed(source)
    if len(arguments) != len(kernel.words):
        raise KernelError("a launch with the wrong number of arguments", where=name, expected=len(kernel.words),
                          got=len(arguments))
    memories = {parameter: Memory(parameter, value) for parameter, value in
                zip(kernel.parameters, arguments, strict=True) if isinstance(value, np.ndarray)}
    for parameter, word in zip(kernel.parameters, kernel.words, strict=True):
        if word.startswith("const_"):
            memories[parameter].data = memories[parameter].data.view()
            memories[parameter].data.flags.writeable = False
    scalars = {p: np.int64(v) for p, v in zip(kernel.parameters, arguments, strict=True)
               if not isinstance(v, np.ndarray)}
    together = max(LANES // kernel.threads, 1)
    numbers = np.arange(blocks) if chosen is None else np.asarray(chosen, np.int64)
    for first in range(0, len(numbers), together):
        _Run(kernel, name, memories, scalars, numbers[first:first + together], blocks).run()
    return [memories[p].writers != NOBODY if p in memories else None for p in kernel.parameters]


@dataclass(frozen=True)
class _Parsed:
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
def _parsed(source: str) -> _Parsed:
    tree = ast.parse(source)
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef))
    names: dict[str, Any] = {"np": np}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            exec(compile(ast.Module([node], []), "<kernel>", "exec"), names)
    signature, threads = names.pop("SIGNATURE"), names.pop("THREADS")
    names.pop("np")
    names.pop("__builtins__")
    return _Parsed(tuple(a.arg for a in function.args.args), tuple(signature.split()), tuple(function.body),
                   tuple(source.splitlines()), names, threads)


class _Run:
    """Some blocks of a launch, all their threads in step."""

    def __init__(self, kernel: _Parsed, name: str, memories: dict[str, Memory], scalars: Mapping[str, Any],
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

    def run(self) -> None:
        with np.errstate(all="ignore"):
            self.execute(self.kernel.body)

    # ---- faults

    def fault(self, problem: str, lanes: Array | None = None, **more: Any) -> KernelError:
        who = ""
        if lanes is not None:
            lane = int(np.flatnonzero(lanes)[0])
            who = f", block {self.block_number[lane]}, thread {self.thread[lane]}"
        text = self.kernel.lines[self.line - 1].strip() if self.line else ""
        return KernelError(problem, where=f"kernel {self.name}, line {self.line}: {text}{who}", **more)

    # ---- statements

    def execute(self, body: Sequence[ast.stmt]) -> None:
        for node in body:
            self.line = node.lineno
            if isinstance(node, ast.Assign):
                self.assign(node.targets[0], node.value)
            elif isinstance(node, ast.If):
                condition = self.lanes(self.value(node.test)).astype(bool)
                self.within(condition, node.body)
                if node.orelse:
                    self.within(~condition, node.orelse)
            elif isinstance(node, ast.While):
                self.loop(node)
            elif isinstance(node, ast.Expr):
                self.value(node.value)
            elif not isinstance(node, ast.Pass):
                raise self.fault(f"a statement that kernels do not have: {type(node).__name__}")

    def within(self, condition: Array, body: Sequence[ast.stmt]) -> None:
        """Run `body` for the lanes where the condition holds."""
        mask, every = self.mask, self.all
        self.mask = mask & condition
        self.all = every and bool(condition.all())
        if self.mask.any():
            self.execute(body)
        self.mask, self.all = mask, every

    def loop(self, node: ast.While) -> None:
        mask, every = self.mask, self.all
        while True:
            self.line = node.lineno
            condition = self.lanes(self.value(node.test)).astype(bool)
            self.mask = self.mask & condition
            self.all = self.all and bool(condition.all())
            if not self.mask.any():
                break
            self.execute(node.body)
        self.mask, self.all = mask, every

    def assign(self, target: ast.expr, given: ast.expr) -> None:
        if isinstance(given, ast.Call) and ast.unparse(given.func) == "cuda.shared.array":
            assert isinstance(target, ast.Name)
            self.share(target.id, given)
            return
        value = self.value(given)
        if isinstance(target, ast.Tuple):
            for one, part in zip(target.elts, value, strict=True):
                assert isinstance(one, ast.Name)
                self.bind(one.id, part)
        elif isinstance(target, ast.Name):
            self.bind(target.id, value)
        elif isinstance(target, ast.Subscript):
            assert isinstance(target.value, ast.Name)
            self.store(self.memories[target.value.id], self.value(target.slice), value)
        else:
            raise self.fault("an assignment that kernels do not have")

    def bind(self, name: str, value: Any) -> None:
        old = self.names.get(name)
        if old is not None and np.asarray(old).dtype != np.asarray(value).dtype:
            raise self.fault(f"{name} changes its type", expected=np.asarray(old).dtype, got=np.asarray(value).dtype)
        if self.all:
            self.names[name] = value
            return
        value = self.lanes(value)
        if old is None:
            old = np.full(self.count, POISON[value.dtype.kind]).astype(value.dtype)
        self.names[name] = np.where(self.mask, value, old)

    def share(self, name: str, call: ast.Call) -> None:
        if name in self.memories:
            raise self.fault(f"{name} is a shared array already")
        count, dtype = ast.literal_eval(call.args[0]), np.dtype(_dtype(ast.unparse(call.args[1])))
        data = np.full((self.blocks, count), POISON[dtype.kind]).astype(dtype)
        self.memories[name] = Memory(name, data, shared=True)

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

    # ---- expressions

    def lanes(self, value: Any) -> Array:
        array = np.asarray(value)
        return array if array.shape == (self.count,) else np.broadcast_to(array, (self.count,))

    def value(self, node: ast.expr) -> Any:
        made = self._value(node)
        if not self.kernel.double and isinstance(made, np.ndarray | np.generic) and made.dtype == np.float64:
            raise self.fault("a number becomes a float64")
        return made

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            if node.id not in self.names:
                raise self.fault(f"{node.id} has no value yet")
            return self.names[node.id]
        if isinstance(node, ast.Constant):
            known: Any = node.value
            return np.bool_(known) if isinstance(known, bool) else np.int64(known)
        if isinstance(node, ast.BinOp):
            return _BINARY[type(node.op)](_promoted(self.value(node.left)), _promoted(self.value(node.right)))
        if isinstance(node, ast.UnaryOp):
            value = self.value(node.operand)
            return np.logical_not(value) if isinstance(node.op, ast.Not) else np.negative(value)
        if isinstance(node, ast.Compare):
            return self.compare(node)
        if isinstance(node, ast.BoolOp):
            return self.logic(node)
        if isinstance(node, ast.IfExp):
            return np.where(self.value(node.test), self.value(node.body), self.value(node.orelse))
        if isinstance(node, ast.Subscript):
            assert isinstance(node.value, ast.Name)
            return self.load(self.memories[node.value.id], self.value(node.slice))
        if isinstance(node, ast.Attribute):
            return self.coordinate(ast.unparse(node))
        if isinstance(node, ast.Call):
            return self.call(node)
        raise self.fault(f"an expression that kernels do not have: {type(node).__name__}")

    def compare(self, node: ast.Compare) -> Any:
        left, result = self.value(node.left), None
        for operator, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node)
            one = _COMPARISONS[type(operator)](left, right)
            result, left = one if result is None else result & one, right
        return result

    def logic(self, node: ast.BoolOp) -> Any:
        """The later operands only where the earlier ones leave it open, as threads do."""
        mask, every = self.mask, self.all
        result = self.lanes(self.value(node.values[0])).astype(bool)
        for operand in node.values[1:]:
            open_ = result if isinstance(node.op, ast.And) else ~result
            self.mask, self.all = mask & open_, False
            if self.mask.any():
                value = self.lanes(self.value(operand)).astype(bool)
                result = np.where(self.mask, value, result)
            self.mask, self.all = mask, every
        return result

    def coordinate(self, text: str) -> Any:
        if text == "cuda.threadIdx.x":
            return self.thread
        if text == "cuda.blockIdx.x":
            return self.block_number
        if text == "cuda.gridDim.x":
            return np.int64(self.grid)
        raise self.fault(f"no such coordinate: {text}")

    def call(self, node: ast.Call) -> Any:
        name = ast.unparse(node.func)
        if name == "cuda.syncthreads":
            self.barrier()
            return None
        if name in ("load4", "store4"):
            return self.four(name, node)
        values = [self.value(argument) for argument in node.args]
        if name in ("mma_tf32", "mma_bfloat16"):
            return self.matrices(name, values)
        if name.startswith("cuda."):
            return self.exchange(name, values)
        if name == "index32":
            return self.narrow(values[0])
        if name in ("quotient", "rest"):
            wrong = self.mask & ((self.lanes(values[0]) < 0) | (self.lanes(values[1]) <= 0))
            if wrong.any():
                raise self.fault("a division that threads do without signs", wrong)
        if _dtype(name) is not None:
            return np.asarray(values[0]).astype(_dtype(name))
        return self.apply(_function(name), values)

    def apply(self, function: Callable[..., Any], values: Sequence[Any]) -> Any:
        """A function of the active lanes' values; the others' may be anything."""
        if self.all or all(np.ndim(value) == 0 for value in values):
            return function(*values)
        made = np.asarray(function(*(self.lanes(value)[self.mask] for value in values)))
        if made.ndim > 1 or made.shape != (np.count_nonzero(self.mask),):
            return tuple(made) if made.ndim > 1 else made
        whole = np.full(self.count, POISON[made.dtype.kind]).astype(made.dtype)
        whole[self.mask] = made
        return whole

    def narrow(self, value: Any) -> Any:
        """A number of 32 bits, kept in 64 as Numba does in arithmetic. Raises KernelError for one that does not fit."""
        whole = np.asarray(value).astype(np.int64)
        wrong = self.lanes(np.abs(whole) >= 1 << 31) & self.mask
        if wrong.any():
            raise self.fault("a number that 32 bits do not hold", wrong, got=int(self.lanes(whole)[wrong][0]))
        return whole

    def four(self, name: str, node: ast.Call) -> Any:
        """Four neighbours as one access, which must begin at a multiple of four."""
        pointer = node.args[0]
        assert isinstance(pointer, ast.Name)
        memory, index = self.memories[pointer.id], self.lanes(self.value(node.args[1]))
        crooked = self.mask & (index % 4 != 0)
        if crooked.any():
            raise self.fault("four neighbours that do not begin at a multiple of four", crooked,
                             got=int(index[crooked][0]))
        if name == "load4":
            return tuple(self.load(memory, index + i) for i in range(4))
        for i, value in enumerate(node.args[2:]):
            self.store(memory, index + i, self.value(value))
        return None

    def whole_warps(self) -> None:
        active = self.mask.reshape(-1, min(WARP, self.kernel.threads))
        if (active.any(axis=1) != active.all(axis=1)).any() or self.kernel.threads % WARP:
            raise self.fault("an exchange that not all threads of a warp take part in")

    def matrices(self, name: str, values: Sequence[Any]) -> tuple[Array, ...]:
        """A tensor-core instruction: each warp's threads hold parts of a[16,k], b[k,8] and c[16,8].

        Which parts: PTX ISA, "Matrix Fragments for mma.m16n8k8" and "m16n8k16". The terms are summed in float64.
        """
        self.whole_warps()
        held = [self.lanes(value).reshape(-1, 8, 4) for value in values]  # warp, group, member of the group
        if name == "mma_tf32":
            wrong = self.mask & np.logical_or.reduce([_low_bits(value).reshape(-1) for value in held[:6]])
            if wrong.any():
                raise self.fault("an operand that is no tf32", wrong)
            held = [v[..., None] for v in held[:6]] + held[6:]
        else:
            held = [np.stack(_bfloat16_pair(v), axis=-1) for v in held[:6]] + held[6:]
        held = [v.astype(np.float64) for v in held]
        warps, width = len(held[0]), held[0].shape[-1]
        a = np.stack([np.stack(held[0:4:2], 2), np.stack(held[1:4:2], 2)], 1).reshape(warps, 16, 8 * width)
        b = np.stack(held[4:6], 2).reshape(warps, 8, 8 * width)
        with np.errstate(all="ignore"):
            c = np.einsum("wmk,wnk->wmn", a, b).reshape(warps, 2, 8, 4, 2)
            made = [(c[:, r // 2, :, :, r % 2] + held[6 + r]).astype(np.float32).reshape(-1) for r in range(4)]
        return tuple(made)

    def exchange(self, name: str, values: Sequence[Any]) -> Any:
        """Shuffles and votes of a warp."""
        self.whole_warps()
        lane = self.thread % WARP
        base = np.arange(self.count) - lane
        if name == "cuda.shfl_xor_sync":
            return self.lanes(values[1])[base + (lane ^ int(values[2]))]
        if name == "cuda.ballot_sync":
            bits = (self.lanes(values[1]).astype(np.int64) << lane).reshape(-1, WARP).sum(axis=1)
            return np.repeat(bits, WARP)
        raise self.fault(f"no such exchange: {name}")


_BINARY: dict[type, Callable[..., Any]] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.true_divide, ast.BitAnd: np.bitwise_and,
    ast.BitOr: np.bitwise_or, ast.BitXor: np.bitwise_xor, ast.RShift: np.right_shift, ast.LShift: np.left_shift}
_COMPARISONS: dict[type, Callable[..., Any]] = {
    ast.Lt: np.less, ast.LtE: np.less_equal, ast.Gt: np.greater, ast.GtE: np.greater_equal, ast.Eq: np.equal,
    ast.NotEq: np.not_equal}
_DTYPES = {"boolean": np.bool_, **{name: getattr(np, name) for name in (
    "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")}}


def _promoted(value: Any) -> Any:
    """An operand of arithmetic: Numba makes integers 64 bits wide."""
    kind, size = np.asarray(value).dtype.kind, np.asarray(value).dtype.itemsize
    if kind == "i" and size < 8:
        return np.asarray(value).astype(np.int64)
    return np.asarray(value).astype(np.uint64) if kind == "u" and size < 8 else value


def _dtype(name: str) -> Any:
    return _DTYPES.get(name)


def _word(x: Any) -> Array:
    return (np.asarray(x).astype(np.int64) & 0xFFFFFFFF).astype(np.uint32)


def _random_bits(k0: Any, k1: Any, element: Any) -> Array:
    low, high = _word(element), _word(np.asarray(element).astype(np.int64) >> 32)
    return random.mix32(random.mix32(low ^ _word(k0)) + _word(k1) + high * np.uint32(random.GOLDEN))


def _random_uniform(k0: Any, k1: Any, element: Any) -> Array:
    return (_random_bits(k0, k1, element) >> np.uint32(8)).astype(np.float32) * np.float32(2.0 ** -24)


def _threefry(k0: Any, k1: Any, c0: Any, c1: Any) -> tuple[Array, ...]:
    words = [int(np.ravel(_word(x))[0]) for x in (k0, k1, c0, c1)]  # one thread makes a key
    made = random.threefry2x32((words[0], words[1]), (words[2], words[3]))
    return tuple(np.array([word], np.uint32) for word in made)


def _first_bit(x: Any) -> Array:
    low = np.asarray(x) & -np.asarray(x)
    return np.where(low == 0, 0, np.log2(np.maximum(low, 1).astype(np.float64))).astype(np.int64)


def _rounded(x: Any, bits: int, to_even: bool) -> Array:
    """The bits of float32 numbers without their last `bits`, to the nearest; ties to even, or away from zero."""
    word = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    half = np.uint64(1 << bits - 1)
    up = half - np.uint64(1) + (word >> np.uint64(bits) & np.uint64(1)) if to_even else half
    finite = word & np.uint64(0x7F800000) != 0x7F800000
    return (np.where(finite, word + up, word) >> np.uint64(bits) << np.uint64(bits)).astype(np.uint32)


def _tf32(x: Any) -> Array:
    return _rounded(x, 13, to_even=False).view(np.float32)


def _low_bits(x: Any) -> Array:
    """Whether a float32 has bits that a tf32 has not; what a NaN carries does not count."""
    return (np.asarray(x, np.float32).view(np.uint32) & np.uint32(0x1FFF) != 0) & ~np.isnan(x)


def _to_bfloat16_pair(low: Any, high: Any) -> Array:
    return (_rounded(low, 16, to_even=True) >> np.uint32(16)) | _rounded(high, 16, to_even=True)


def _bfloat16_pair(word: Array) -> tuple[Array, Array]:
    return (word << np.uint32(16)).view(np.float32), (word & np.uint32(0xFFFF0000)).view(np.float32)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "quotient": lambda a, b: np.floor_divide(a, b), "rest": lambda a, b: np.remainder(a, b),
    "first_bit": _first_bit, "without_first_bit": lambda x: np.asarray(x) & (np.asarray(x) - 1),
    "tf32": _tf32, "bfloat16_pair": _to_bfloat16_pair, "random_bits": _random_bits,
    "random_uniform": _random_uniform, "threefry2x32": _threefry}


@cache
def _function(name: str) -> Callable[..., Any]:
    """What a function of kernels means: its own definition here, or the op's reference."""
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    reference = op_spec(name).reference

    def whole(*operands: Any) -> Any:
        """Functions with a rounding error of their own are computed in float64 and rounded once."""
        arrays = np.broadcast_arrays(*operands)
        if name in TRANSCENDENTAL and arrays[0].dtype == np.float32:
            return reference(*(array.astype(np.float64) for array in arrays)).astype(np.float32)
        return reference(*arrays)

    return whole
