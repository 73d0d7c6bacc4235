"""Reduction kernels: a team of threads folds each row or column, with what comes before, between and after the folds.

A kernel runs over outer x reduce x inner. Softmax over the last axis of [B,1000], a warp a row:

    lane = index32(rest(cuda.threadIdx.x, 32))
    row = index32(cuda.blockIdx.x * 8 + quotient(cuda.threadIdx.x, 32))
    (pass 1)  each lane folds the maximum of its elements, the lanes exchange theirs by shuffles
    (pass 2)  the same for the sum of exp(x - maximum)
    (pass 3)  store exp(x - maximum) / sum

Where nothing lies behind the folded axes a team is one thread, a warp or a block, whichever a row is worth; else it is
every 32nd thread of a block, so that neighbouring threads read neighbouring columns. All of a team know every fold's
result. The order of the additions depends on the shapes alone: no atomic operation, the same bits on every run.

What does not live here: loops without folds (loops.py), the schedule of passes (graphc.codegen.folding).
"""

from __future__ import annotations

from contextlib import nullcontext

from graphc.codegen.expressions import Expressions
from graphc.codegen.folding import Pass, combine, initial, schedule
from graphc.codegen.nests import total_work
from graphc.codegen.positions import At
from graphc.codegen_cuda.loops import pieces
from graphc.codegen_cuda.source import CudaSource
from graphc.ir.dims import Dim, size_of
from graphc.ir.graph import Op, Value
from graphc.ir.kernel import Kernel, values_before_folds
from graphc.ir.program import Emitted
from graphc.ir.types import I32, I64, DType

WARP = 32
THREADS = 256
ALONE = 8  # elements that one thread folds by itself
ROW_OF_A_WARP = 1024
COLUMN_LANES = 8  # threads that share a column
MANY_LANES, LONG_COLUMN = 32, 1024


def emit_fold(kernel: Kernel, source: CudaSource) -> Emitted:
    """The kernel's body; see the module."""
    for output, input_ in kernel.aliases:
        source.pointer(kernel.outputs[output], alias=kernel.inputs[input_])
    rows = size_of(kernel.nest.inner) == 1
    team = (_Rows if rows else _Columns)(kernel, source)
    blocks = team.open()
    passes = schedule(kernel)
    with source.block(f"if {team.guard}:") if team.guard else nullcontext():
        for step in passes:
            team.walk(step)
            team.keep(step)
        team.store()
    return source.finish_with(total_work(kernel), blocks, team.threads)


class _Team:
    """size: threads that fold one row or column together; lane: which of them a thread is."""

    size: int
    threads: int = THREADS
    guard: str = ""  # where the row or column exists; all of a warp agree
    owner: str = ""  # where this thread may store: not where it only takes part in the barriers

    def __init__(self, kernel: Kernel, source: CudaSource):
        self.kernel, self.source = kernel, source
        self.expressions = Expressions(kernel, source)
        self.extent: Dim = size_of(kernel.nest.reduce)
        self.folded: list[Value] = []

    def open(self) -> Dim:
        """Lines that say which row or column this is; the number of blocks."""
        raise NotImplementedError

    def at(self, r: str | None) -> At:
        raise NotImplementedError

    def exchange(self, op: Op, name: str, best: str | None) -> None:
        """Fold the results of all lanes into every one's."""
        raise NotImplementedError

    def _sized(self, few: tuple[int, int], more: tuple[int, int], many: int) -> int:
        """A team for so many elements: (at most, threads), in two steps; `many` beyond, and where nobody knows."""
        if not isinstance(self.extent, int):
            return many
        return next((threads for most, threads in (few, more) if self.extent <= most), many)

    # ---- one pass

    def walk(self, step: Pass) -> None:
        self.source.type_name(I32)
        if not step.folds and not step.stores:
            return
        best: dict[Op, str] = {}
        held: dict[Op, str] = {}
        self.expressions.fresh()
        for op in step.folds:
            held[op] = self.source.name("a")
            if op.name in ("argmax", "argmin"):
                best[op] = f"{held[op]}_best"
                self.source.line(f"{best[op]} = {self.expressions.value(op.operands[0], self.at('0'))}")
                self.source.line(f"{held[op]} = int32(0)")
            else:
                self.source.line(f"{held[op]} = {self._start(op)}")
        self.source.line("r = index32(0)" if self.size == 1 else "r = index32(lane)")
        with self.source.block(f"while r < {self.source.size(self.extent)}:"):
            self.expressions.fresh()
            for op in step.folds:
                element = self.expressions.value(op.operands[0], self.at("r"))
                if op in best:
                    self._keep_best(op, element, "r", held[op], best[op])
                else:
                    self._fold(op, held[op], element)
            if step.stores:
                with self.source.block(f"if {self.owner}:") if self.owner else nullcontext():
                    for value in step.stores:
                        self.expressions.store(value, self.at("r"))
            self.source.line(f"r = index32(r + {self.size})")
        for op in step.folds:
            if self.size > 1:
                self.exchange(op, held[op], best.get(op))
            text = held[op]
            if op in best:
                text = self.source.cast(text, op.result.type.dtype)
            elif op.result.type.dtype.kind == "bool":
                text = f"({text} != 0)"
            self.expressions.give(op.result, lambda at, text=text: text)  # type: ignore[misc]

    def keep(self, step: Pass) -> None:
        """What is made of folds alone and needed in further passes: by every lane."""
        self.expressions.fresh()
        needed = values_before_folds(self.kernel.graph, self.kernel.nest)
        for op in step.after:
            if op.result in needed:
                text = self.expressions.value(op.result, self.at(None))
                self.expressions.give(op.result, lambda at, text=text: text)  # type: ignore[misc]
        self.folded += [op.result for op in (*step.folds, *step.after)]

    def store(self) -> None:
        """The folds, and what is made of them, that leave the kernel: by the first lane, which may overwrite what it
        has read, and nobody else has."""
        stored = [value for value in self.folded if value in self.kernel.outputs]
        conditions = " and ".join(c for c in ("lane == 0" if self.size > 1 else "", self.owner) if c)
        if stored:
            self.expressions.fresh()
            with self.source.block(f"if {conditions}:") if conditions else nullcontext():
                texts = [self.expressions.value(value, self.at(None)) for value in stored]
                at = self.at(None).flat(self.source.size)
                for value, text in zip(stored, texts, strict=True):
                    self.source.store(value, at, text)

    # ---- one step

    def held_type(self, op: Op) -> DType:
        """What lanes hold: conditions as numbers."""
        dtype = op.result.type.dtype
        return I32 if dtype.kind == "bool" or op.name in ("argmax", "argmin") or dtype.itemsize < 4 else dtype

    def _start(self, op: Op) -> str:
        if op.result.type.dtype.kind == "bool":
            return f"int32({1 if op.name == 'reduce_all' else 0})"
        text, dtype = initial(op, self.source), self.held_type(op)
        return self.source.cast(text, dtype) if dtype is not op.result.type.dtype or dtype is I64 else text

    def _fold(self, op: Op, held: str, element: str) -> None:
        dtype = self.held_type(op)
        if op.result.type.dtype.kind == "bool":
            text = f"int32({held} {'&' if op.name == 'reduce_all' else '|'} int32({element}))"
        elif dtype is op.result.type.dtype:
            text = combine(op, held, element, self.source)
        else:
            text = self.source.cast(combine(op, held, element, self.source), dtype)
        self.source.line(f"{held} = {text}")

    def _keep_best(self, op: Op, element: str, place: str, held: str, best: str) -> None:
        """The first of the best; NaN is best of all."""
        sign = ">" if op.name == "argmax" else "<"
        better, same = f"{element} {sign} {best}", f"{element} == {best}"
        if op.operands[0].type.dtype.is_float:
            isnan = self.source.function("isnan")
            better += f" or ({isnan}({element}) and not {isnan}({best}))"
            same = f"({same} or ({isnan}({element}) and {isnan}({best})))"
        with self.source.block(f"if {better} or ({same} and {place} < {held}):"):
            self.source.line(f"{best} = {element}")
            self.source.line(f"{held} = int32({place})")

    def _meet(self, op: Op, held: str, other: str, best: str | None, other_best: str) -> None:
        if best is not None:
            self._keep_best(op, other_best, other, held, best)
        elif op.result.type.dtype.kind == "bool":
            self.source.line(f"{held} = int32({held} {'&' if op.name == 'reduce_all' else '|'} {other})")
        else:
            self._fold(op, held, other)


class _Rows(_Team):
    """The folded axes are the last: neighbouring threads read neighbouring elements of a row."""

    def open(self) -> Dim:
        rows = size_of(self.kernel.nest.outer)
        self.size = self._sized((ALONE, 1), (ROW_OF_A_WARP, WARP), THREADS)
        if self.size == THREADS:
            self.source.line("lane = index32(cuda.threadIdx.x)")
            self.source.line("row = index32(cuda.blockIdx.x)")
            return rows
        together = THREADS // self.size
        if self.size == 1:
            self.source.line(f"row = index32(cuda.blockIdx.x * {THREADS} + cuda.threadIdx.x)")
        else:
            self.source.line(f"lane = cuda.threadIdx.x % {WARP}")
            self.source.line(f"row = index32(cuda.blockIdx.x * {together} + cuda.threadIdx.x // {WARP})")
        self.guard = f"row < {self.source.size(rows)}"
        return pieces(rows, together)

    def at(self, r: str | None) -> At:
        nest = self.kernel.nest
        outer = ((nest.outer, "row"),) if nest.outer else ()
        middle = ((nest.reduce, r),) if r is not None else ()
        inner = ((nest.inner, "0"),) if nest.inner else ()
        return At((*outer, *middle, *inner))

    def exchange(self, op: Op, name: str, best: str | None) -> None:
        self._within_warp(op, name, best, WARP)
        if self.size == WARP:
            return
        warps = self.size // WARP
        shared = self.source.shared(self.held_type(op), warps)
        shared_best = self.source.shared(op.operands[0].type.dtype, warps) if best else ""
        with self.source.block(f"if lane % {WARP} == 0:"):
            self.source.line(f"{shared}[lane // {WARP}] = {name}")
            if best:
                self.source.line(f"{shared_best}[lane // {WARP}] = {best}")
        self.source.barrier()
        self.source.line(f"{name} = {shared}[0]")
        if best:
            self.source.line(f"{best} = {shared_best}[0]")
        for warp in range(1, warps):
            other, other_best = self.source.name("b"), self.source.name("b")
            self.source.line(f"{other} = {shared}[{warp}]")
            if best:
                self.source.line(f"{other_best} = {shared_best}[{warp}]")
            self._meet(op, name, other, best, other_best)

    def _within_warp(self, op: Op, name: str, best: str | None, lanes: int) -> None:
        step = lanes // 2
        while step:
            other, other_best = self.source.name("b"), self.source.name("b")
            self.source.line(f"{other} = cuda.shfl_xor_sync(0xffffffff, {name}, {step})")
            if best:
                self.source.line(f"{other_best} = cuda.shfl_xor_sync(0xffffffff, {best}, {step})")
            self._meet(op, name, other, best, other_best)
            step //= 2


class _Columns(_Team):
    """Axes follow the folded ones: neighbouring threads read neighbouring columns."""

    def open(self) -> Dim:
        inner = size_of((*self.kernel.nest.outer, *self.kernel.nest.inner))
        self.size = self._sized((ALONE, 1), (LONG_COLUMN, COLUMN_LANES), MANY_LANES)
        if self.size == 1:
            self.source.line(f"column = index32(cuda.blockIdx.x * {THREADS} + cuda.threadIdx.x)")
            self.guard = f"column < {self.source.size(inner)}"
            self._split()
            return pieces(inner, THREADS)
        self.threads = WARP * self.size
        self.source.line(f"lane = cuda.threadIdx.x // {WARP}")
        self.source.line(f"slot = cuda.threadIdx.x % {WARP}")
        self.source.line(f"wanted = index32(cuda.blockIdx.x * {WARP} + slot)")
        # Every thread meets the barriers; one without a column works on the last one and stores nothing.
        if not isinstance(inner, int) or inner % WARP:
            self.owner = f"wanted < {self.source.size(inner)}"
            last = self.source.size(inner - 1)
            self.source.line(f"column = index32(wanted if wanted < {last} else {last})")
        else:
            self.source.line("column = wanted")
        self._split()
        return pieces(inner, WARP)

    def _split(self) -> None:
        nest = self.kernel.nest
        if size_of(nest.outer) != 1:
            inner = self.source.size(size_of(nest.inner))
            self.source.line(f"i = column // {inner}")
            self.source.line(f"j = column % {inner}")

    def at(self, r: str | None) -> At:
        nest = self.kernel.nest
        alone = size_of(nest.outer) == 1
        outer = ((nest.outer, "0" if alone else "i"),) if nest.outer else ()
        middle = ((nest.reduce, r),) if r is not None else ()
        return At((*outer, *middle, (nest.inner, "column" if alone else "j")))

    def exchange(self, op: Op, name: str, best: str | None) -> None:
        shared = self.source.shared(self.held_type(op), self.size * WARP)
        shared_best = self.source.shared(op.operands[0].type.dtype, self.size * WARP) if best else ""
        self.source.line(f"{shared}[lane * {WARP} + slot] = {name}")
        if best:
            self.source.line(f"{shared_best}[lane * {WARP} + slot] = {best}")
        self.source.barrier()
        self.source.line(f"{name} = {shared}[slot]")
        if best:
            self.source.line(f"{best} = {shared_best}[slot]")
        self.source.line("t = index32(1)")
        with self.source.block(f"while t < {self.size}:"):
            other, other_best = self.source.name("b"), self.source.name("b")
            self.source.line(f"{other} = {shared}[t * {WARP} + slot]")
            if best:
                self.source.line(f"{other_best} = {shared_best}[t * {WARP} + slot]")
            self._meet(op, name, other, best, other_best)
            self.source.line("t = index32(t + 1)")
