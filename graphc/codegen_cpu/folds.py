"""Reduction kernels: passes over the folded axes, with what comes before, between and after them.

A kernel runs over outer x reduce x inner. Values made per element of that space are recomputed in
each pass that needs them; folds and what is computed from folds alone are kept. Softmax over the
last axis of [B,10] becomes

    for i in range(lo, hi):
        (pass 1)  fold the maximum over r
        (pass 2)  fold the sum of exp(x - maximum)
        (pass 3)  store exp(x - maximum) / sum

Floating-point folds along contiguous axes run in LANES accumulators whose number does not depend on the
machine, and are then added in a fixed tree: results do not depend on the number of threads.
Where inner axes follow the folded ones, or rows are short, COLUMNS neighbouring columns or rows are folded
at a time, side by side in vector lanes.

What does not live here: loops without folds (loops.py).
"""

from __future__ import annotations

from graphc.codegen.expressions import Expressions
from graphc.codegen.folding import COMBINE, Pass, combine, initial, schedule
from graphc.codegen.nests import collapsed, total_work
from graphc.codegen.positions import At
from graphc.codegen_cpu.loops import share
from graphc.codegen_cpu.source import KernelSource
from graphc.ir.dims import Dim, Shape, size_of
from graphc.ir.graph import Op, Value
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted
from graphc.ir.types import DType

LANES = 16
COLUMNS = 64
SHORT = 64  # rows up to this length are folded side by side


def emit_fold(kernel: Kernel, source: KernelSource) -> Emitted:
    """The kernel's body; see the module."""
    passes = schedule(kernel)
    emitter = _Rows(kernel, source) if _long_rows(kernel) else _Columns(kernel, source)
    grid = emitter.emit(passes)
    return source.finish(work=total_work(kernel), grid=grid)


def _long_rows(kernel: Kernel) -> bool:
    """Whether one row by itself is worth a loop."""
    nest, rows = kernel.nest, size_of(kernel.nest.outer)
    extent = size_of(nest.reduce)
    return size_of(nest.inner) == 1 and (rows == 1 or not isinstance(extent, int) or extent > SHORT)


class _Rows:
    """Folds along the last axes: one row at a time, LANES accumulators a fold."""

    def __init__(self, kernel: Kernel, source: KernelSource):
        self.kernel, self.source = kernel, source
        self.expressions = Expressions(kernel, source)
        self.extent: Dim = size_of(kernel.nest.reduce)

    def emit(self, passes: list[Pass]) -> Dim:
        rows = size_of(self.kernel.nest.outer)
        share(self.source, self.source.size(rows, runtime=True))
        with self.source.block("for i in range(lo, hi):"):
            for step in passes:
                if step.folds or step.stores:
                    self._walk(step)
                self._finish(step)
        return rows

    def _element(self, r: str) -> At:
        nest = self.kernel.nest
        outer = ((nest.outer, "i"),) if nest.outer else ()
        inner = ((nest.inner, "0"),) if nest.inner else ()
        return At((*outer, (nest.reduce, r), *inner))

    def _row(self) -> At:
        nest = self.kernel.nest
        outer = ((nest.outer, "i"),) if nest.outer else ()
        inner = ((nest.inner, "0"),) if nest.inner else ()
        return At((*outer, *inner))

    def _walk(self, step: Pass) -> None:
        in_lanes = [op for op in step.folds if op.result.type.dtype.is_float and op.name in COMBINE]
        plain = [op for op in step.folds if op not in in_lanes]
        if isinstance(self.extent, int) and self.extent < 2 * LANES:
            in_lanes, plain = [], step.folds
        lanes = {op: self.source.scratch(op.result.type.dtype, LANES) for op in in_lanes}
        extent = self.source.size(self.extent)
        for op, (name, start) in lanes.items():
            with self.source.block(f"for t in range({LANES}):"):
                self.source.line(f"{_lane(name, start)} = {initial(op, self.source)}")
        accumulators = {op: self._open(op) for op in plain}
        if in_lanes and not plain:
            self._lane_loops(step, lanes, extent)
        elif in_lanes:
            with self.source.block(f"for r in range({extent}):"):
                self._body(step.stores, self._element("r"), accumulators,
                           {op: _lane(n, s).replace("+ t]", f"+ r % {LANES}]") for op, (n, s) in lanes.items()})
        else:
            with self.source.block(f"for r in range({extent}):"):
                self._body(step.stores, self._element("r"), accumulators, {})
        for op, (name, start) in lanes.items():
            accumulators[op] = self._tree(op, name, start)
        for op, accumulator in accumulators.items():
            self.expressions.give(op.result, lambda at, text=accumulator: text)  # type: ignore[misc]

    def _lane_loops(self, step: Pass, lanes: dict[Op, tuple[str, str]], extent: str) -> None:
        with self.source.block(f"for r0 in range(0, {extent} - {LANES - 1}, {LANES}):"), \
                self.source.block(f"for t in range({LANES}):"):
            self._body(step.stores, self._element("r0 + t"), {}, {op: _lane(n, s) for op, (n, s) in lanes.items()})
        with self.source.block(f"for t in range({extent} % {LANES}):"):
            self.source.line(f"r = {extent} - {extent} % {LANES} + t")
            self._body(step.stores, self._element("r"), {}, {op: _lane(n, s) for op, (n, s) in lanes.items()})

    def _body(self, stores: list[Value], at: At, accumulators: dict[Op, str], lanes: dict[Op, str]) -> None:
        self.expressions.fresh()
        for op in (*lanes, *accumulators):
            element = self.expressions.value(op.operands[0], at)
            if op.name in ("argmax", "argmin"):
                self._keep_best(op, element, accumulators[op], at)
                continue
            held = lanes.get(op) or accumulators[op]
            self.source.line(f"{held} = {combine(op, held, element, self.source)}")
        for value in stores:
            self.expressions.store(value, at)

    def _open(self, op: Op) -> str:
        name = self.source.name("a")
        if op.name in ("argmax", "argmin"):
            self.source.line(f"{name} = 0")
            self.expressions.fresh()
            first = self.expressions.value(op.operands[0], self._element("0"))
            self.source.line(f"{name}_best = {first}")
        else:
            self.source.line(f"{name} = {initial(op, self.source)}")
        return name

    def _keep_best(self, op: Op, element: str, name: str, at: At) -> None:
        sign = ">" if op.name == "argmax" else "<"
        nan = f" or ({element} != {element} and {name}_best == {name}_best)"
        nan = nan if op.operands[0].type.dtype.is_float else ""
        with self.source.block(f"if {element} {sign} {name}_best{nan}:"):
            self.source.line(f"{name}_best = {element}")
            self.source.line(f"{name} = {at.blocks[1 if self.kernel.nest.outer else 0][1]}")

    def _tree(self, op: Op, name: str, start: str) -> str:
        held = [f"{name}[{start} + {i}]" for i in range(LANES)]
        while len(held) > 1:
            half = len(held) // 2
            merged = []
            for low, high in zip(held[:half], held[half:], strict=True):
                text = self.source.name("a")
                self.source.line(f"{text} = {combine(op, low, high, self.source)}")
                merged.append(text)
            held = merged
        return held[0]

    def _finish(self, step: Pass) -> None:
        self.expressions.fresh()
        for op in step.folds:
            if op.result in self.kernel.outputs:
                self._store_row(op.result, self.expressions.value(op.result, self._row()))
        for op in step.after:
            text = self.expressions.value(op.result, self._row())
            self.expressions.give(op.result, lambda at, text=text: text)  # type: ignore[misc]
            if op.result in self.kernel.outputs:
                self._store_row(op.result, text)

    def _store_row(self, value: Value, text: str) -> None:
        self.source.line(f"{self.source.pointer(value)}[{self._row().flat(self.source.size)}] = {text}")


class _Columns:
    """COLUMNS folds at a time: neighbouring columns, or neighbouring rows where rows are short.

    Where the kernel tells the inner axes apart, columns are neighbours along the last one, and the others are numbered
    by `i` as well: no column's place has to be worked out by division.
    """

    def __init__(self, kernel: Kernel, source: KernelSource):
        self.kernel, self.source = kernel, source
        self.expressions = Expressions(kernel, source)
        nest = kernel.nest
        self._rows = size_of(nest.inner) == 1
        apart = not self._rows and len(nest.inner) > 1 and nest.inner[-1] != 1 and nest.inner not in collapsed(kernel)
        self._first, self._width = "j0 + t", "width"  # a column's number, and how many there are
        self._before, self._last = (nest.inner[:-1], nest.inner[-1:]) if apart else ((), nest.inner)

    def emit(self, passes: list[Pass]) -> Dim:
        nest = self.kernel.nest
        inner, outer = size_of(self._last), size_of((*nest.outer, *self._before))
        if self._rows:
            inner, outer = size_of(nest.outer), size_of(nest.inner)
        pieces = (inner + (COLUMNS - 1)) // COLUMNS
        share(self.source, self.source.size(outer * pieces, runtime=True))
        with self.source.block("for piece in range(lo, hi):"):
            one = isinstance(inner, int) and inner <= COLUMNS
            self.source.line("i = piece" if one else f"i = piece // {self.source.size(pieces)}")
            if not one:
                self.source.line(f"j0 = piece % {self.source.size(pieces)} * {COLUMNS}")
            self._first = "t" if one else "j0 + t"
            self._width = str(inner) if one else str(COLUMNS) if isinstance(inner, int) and inner % COLUMNS == 0 \
                else f"min({COLUMNS}, {self.source.size(inner)} - j0)"
            if not self._width.isdigit():
                self.source.line(f"width = {self._width}")
                self._width = "width"
            for step in passes:
                self._walk(step)
                self._finish(step)
        return outer * pieces

    def _at(self, r: str | None) -> At:
        nest = self.kernel.nest
        first, last = (self._first, "0") if self._rows else ("i", self._first)
        before: tuple[tuple[Shape, str], ...] = ()
        if self._before:
            size = self.source.size(size_of(self._before))
            first, before = f"i // {size}", ((self._before, f"i % {size}"),)
        outer = ((nest.outer, first),) if nest.outer else ()
        middle = ((nest.reduce, r),) if r is not None else ()
        inner = ((self._last, last),) if self._last else ()
        return At((*outer, *middle, *before, *inner))

    def _row(self, value: Value, dtype: DType) -> str:
        """Scratch for one number per column; the value is read from there from now on."""
        name, start = self.source.scratch(dtype, COLUMNS)
        text = f"{name}[{start} + t]"
        self.expressions.give(value, lambda at: text)
        return text

    def _walk(self, step: Pass) -> None:
        if not step.folds and not step.stores:
            return
        folds = {op: self._row(op.result, op.result.type.dtype) for op in step.folds}
        best = {op: "{}[{} + t]".format(*self.source.scratch(op.operands[0].type.dtype, COLUMNS))
                for op in step.folds if op.name in ("argmax", "argmin")}
        if folds:
            with self.source.block(f"for t in range({self._width}):"):
                self._open(folds, best)
        extent = self.source.size(size_of(self.kernel.nest.reduce))
        with self.source.block(f"for r in range({extent}):"), self.source.block(f"for t in range({self._width}):"):
            self.expressions.fresh()
            for op, held in folds.items():
                element = self.expressions.value(op.operands[0], self._at("r"))
                if op in best:
                    self._keep_best(op, element, held, best[op])
                else:
                    self.source.line(f"{held} = {combine(op, held, element, self.source)}")
            for value in step.stores:
                self.expressions.store(value, self._at("r"))

    def _open(self, folds: dict[Op, str], best: dict[Op, str]) -> None:
        self.expressions.fresh()
        for op, held in folds.items():
            if op in best:
                self.source.line(f"{best[op]} = {self.expressions.value(op.operands[0], self._at('0'))}")
                self.source.line(f"{held} = 0")
            else:
                self.source.line(f"{held} = {initial(op, self.source)}")

    def _keep_best(self, op: Op, element: str, held: str, best: str) -> None:
        sign = ">" if op.name == "argmax" else "<"
        nan = f" or ({element} != {element} and {best} == {best})" if op.operands[0].type.dtype.is_float else ""
        with self.source.block(f"if {element} {sign} {best}{nan}:"):
            self.source.line(f"{best} = {element}")
            self.source.line(f"{held} = r")

    def _finish(self, step: Pass) -> None:
        if not step.after and not any(op.result in self.kernel.outputs for op in step.folds):
            return
        at = self._at(None)
        with self.source.block(f"for t in range({self._width}):"):
            self.expressions.fresh()
            for op in step.after:
                text = self.expressions.value(op.result, at)
                row = self._row(op.result, op.result.type.dtype)
                self.source.line(f"{row} = {text}")
            for op in (*step.folds, *step.after):
                if op.result in self.kernel.outputs:
                    self.expressions.store(op.result, at)


def _lane(name: str, start: str) -> str:
    return f"{name}[{start} + t]"
