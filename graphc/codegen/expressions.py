"""Scalar code: the lines that compute one element of a value at a position.

Walks from the wanted value through elementwise ops and movers down to loads. Ops of one kernel are
visited once per position and loop body.

What does not live here: loops (the targets' emitters), positions (positions.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from graphc.codegen.positions import ONE_TO_ONE, At, plus, single, times
from graphc.codegen.source import Source
from graphc.errors import CompileError
from graphc.ir.graph import Op, Value
from graphc.ir.kernel import Kernel, by_operand, in_parts
from graphc.ir.spec import Kind

_CALL = re.compile(r"\b([a-z_][a-z0-9_]*)\(")


class Expressions:
    """Emits element computations for one kernel; `fresh()` starts a new loop body."""

    def __init__(self, kernel: Kernel, source: Source):
        self.kernel, self.source = kernel, source
        self._producers = kernel.graph.producers()
        self._loaded = set(kernel.inputs)
        self._memo: dict[Any, str] = {}
        self._given: dict[Value, Callable[[At], str]] = {}

    def fresh(self) -> None:
        """Forget what the last loop body computed; what was given stays."""
        self._memo = {}

    def give(self, value: Value, text: Callable[[At], str]) -> None:
        """Take `value` as known from here on: a fold's result, a contraction's accumulator."""
        self._given[value] = text

    def value(self, value: Value, at: At) -> str:
        """The name of a variable that holds the element; its lines are written now."""
        key = (value, at)
        if key not in self._memo:
            self._memo[key] = self._compute(value, at)
        return self._memo[key]

    def store(self, value: Value, at: At) -> None:
        text = self.value(value, at)
        self.source.store(value, self.flat(at), text)

    def flat(self, at: At) -> str:
        """The element number at a position; a longer formula is computed once per loop body."""
        text = at.flat(self.source.size)
        if " " not in text:
            return text
        if text not in self._memo:
            self._memo[text] = self.source.name("x")
            self.source.line(f"{self._memo[text]} = {text}")
        return self._memo[text]

    def store_all(self, values: Sequence[Value], at: At) -> None:
        """Store several values. All are computed first: one may be written over what another reads."""
        movers = {value: self._producers[value] for value in values
                  if value in self._producers and by_operand(self._producers[value])}
        whole = [value for value in values if value not in movers]
        places = [at.fitted(value.type.shape, self.source.size) for value in whole]
        for value, place in zip(whole, places, strict=True):
            self.value(value, place)
        for op in movers.values():
            (self._store_parts if in_parts(op) else self._store_moved)(op, at)
        for value, place in zip(whole, places, strict=True):
            self.store(value, place)

    def _store_moved(self, op: Op, at: At) -> None:
        """A transpose, where its operand's element at the position `at` goes."""
        (x,) = op.operands
        here = at.fitted(x.type.shape, self.source.size)
        text, axes = self.value(x, here), here.axes(self.source.size)
        place = single(op.result.type.shape, [f"({axes[i]})" if " " in axes[i] else axes[i] for i in op.attr("perm")])
        self.source.store(op.result, self.flat(place), text)

    def _store_parts(self, op: Op, at: At) -> None:
        """A concatenation, at the place of one element of each part: `at` is a position in the parts."""
        axis, out = op.attr("axis"), op.result
        texts = at.axes(self.source.size)
        extent = self.source.size(op.operands[0].type.shape[axis])
        names = [self.value(part, at) for part in op.operands]
        for number, name in enumerate(names):
            start = str(number * int(extent)) if extent.isdigit() else times(str(number), extent)
            moved = plus(start, texts[axis])
            place = single(out.type.shape, [*texts[:axis], f"({moved})" if " " in moved else moved, *texts[axis + 1:]])
            self.source.store(out, self.flat(place), name)

    def _compute(self, value: Value, at: At) -> str:
        if value in self._given:
            return self._given[value](at)
        if value in self._loaded:
            return self._load(value, at)
        op = self._producers[value]
        if op.name in ONE_TO_ONE:
            return self.value(op.operands[0], ONE_TO_ONE[op.name](op, at, self.source.size))
        if op.spec.kind is Kind.ELEMENTWISE:
            return self._elementwise(op, at)
        emit = _SPECIAL.get(op.name)
        if emit is None:
            raise CompileError(f"no code for {op.name}", where=op.origin)
        return emit(self, op, at)

    def _load(self, value: Value, at: At) -> str:
        return self._assign(self.source.load(value, self.flat(at)))

    def _assign(self, text: str, comment: str = "") -> str:
        name = self.source.name()
        self.source.line(f"{name} = {text}" + (f"  # {comment}" if comment else ""))
        return name

    def _elementwise(self, op: Op, at: At) -> str:
        names = [self.value(v, at) for v in op.operands]
        result = op.result.type.dtype
        if op.name == "cast":
            return self._assign(self.source.cast(names[0], result), "cast")
        assert op.spec.scalar is not None, f"{op.name} is elementwise and has a scalar expression"
        for name in _CALL.findall(op.spec.scalar):
            self.source.function(name)
        text = op.spec.scalar.format(*names)
        if result.is_integer and result.name != "i64":
            text = self.source.cast(text, result)
        return self._assign(text, op.name)

    def full(self, op: Op, at: At) -> str:
        return self.source.constant(op.attr("value"), op.result.type.dtype)

    def dim_size(self, op: Op, at: At) -> str:
        return self._assign(self.source.cast(self.source.size(op.attr("dim")), op.result.type.dtype), "size")

    def iota(self, op: Op, at: At) -> str:
        return self._assign(self.source.cast(at.axes(self.source.size)[op.attr("axis")], op.result.type.dtype), "iota")

    def random(self, op: Op, at: At) -> str:
        (key,) = op.operands
        k0, k1 = (self.value(key, single((2,), [word])) for word in ("0", "1"))
        call = self.source.function(op.name)
        text = f"{call}({k0}, {k1}, {self.flat(at)})"
        if op.result.type.dtype.name == "f64":
            text = self.source.cast(text, op.result.type.dtype)
        return self._assign(text, op.name)

    def random_mask(self, op: Op, at: At) -> str:
        (key,) = op.operands
        k0, k1 = (self.value(key, single((2,), [word])) for word in ("0", "1"))
        drawn, dtype = f"{self.source.function('random_uniform')}({k0}, {k1}, {self.flat(at)})", op.attr("dtype")
        if dtype.name == "f64":
            drawn = self.source.cast(drawn, dtype)
        return self._assign(f"{drawn} >= {self.source.constant(op.attr('level'), dtype)}", op.name)

    def gather(self, op: Op, at: At) -> str:
        """A load at a computed position; an index out of range is reported and replaced by 0."""
        table, indices = op.operands
        axis, rank = op.attr("axis"), indices.type.rank
        texts = at.axes(self.source.size)
        index = self.value(indices, single(indices.type.shape, texts[axis:axis + rank]))
        extent = self.source.size(table.type.shape[axis])
        checked = self._assign(self.source.integer(index), "gather")
        with self.source.block(f"if {checked} < 0 or {checked} >= {extent}:"):
            self.source.report(status_code(self.kernel, op))
            self.source.line(f"{checked} = 0")
        return self.value(table, single(table.type.shape, [*texts[:axis], checked, *texts[axis + rank:]]))

    def place_rows(self, op: Op, at: At) -> str:
        """A row of the first operand, at a position that nobody has to check, or 0."""
        rows, first = op.operands
        index, column = at.axes(self.source.size)
        row = self._assign(self.source.integer(self.value(first, single(first.type.shape, [index]))), "place_rows")
        here = single(rows.type.shape, [row, column])
        return self._branch(f"{row} >= 0", rows, here, self.source.constant(0, rows.type.dtype))

    def pad(self, op: Op, at: At) -> str:
        (x,) = op.operands
        inside, texts = [], []
        for text, low, high, dim in zip(at.axes(self.source.size), op.attr("low"), op.attr("high"), x.type.shape,
                                        strict=True):
            moved = text if low == 0 else f"({text}) - {self.source.size(low)}"
            texts.append(moved)
            if low != 0:
                inside.append(f"{moved} >= 0")
            if high != 0:
                inside.append(f"{moved} < {self.source.size(dim)}")
        outside = self.source.constant(op.attr("value"), x.type.dtype)
        if not inside:
            return self.value(x, single(x.type.shape, texts))
        return self._branch(" and ".join(inside), x, single(x.type.shape, texts), outside)

    def spread(self, op: Op, at: At) -> str:
        """The element of a window that lies here, if the window's stride allows one, else 0."""
        (x,) = op.operands
        axes, texts = op.attr("axes"), at.axes(self.source.size)
        first, n = axes[0], len(axes)
        inside, places = [], []
        for i, (stride, dilation) in enumerate(zip(op.attr("strides"), op.attr("dilations"), strict=True)):
            start = self._assign(f"({texts[first + i]}) - ({texts[first + n + i]}) * {dilation}", "spread")
            place = start if stride == 1 else self._assign(self.source.quotient(start, stride))
            inside += [f"{start} >= 0", f"{place} < {self.source.size(x.type.shape[first + i])}"]
            inside += [f"{place} * {stride} == {start}"] if stride != 1 else []
            places.append(place)
        inner = single(x.type.shape, [*texts[:first], *places, *texts[first + n:]])
        return self._branch(" and ".join(inside), x, inner, self.source.constant(0, x.type.dtype))

    def concatenate(self, op: Op, at: At) -> str:
        axis, texts = op.attr("axis"), at.axes(self.source.size)
        name, start = self.source.name(), "0"
        self.source.line(f"{name} = {self.source.constant(0, op.result.type.dtype)}")
        for part in op.operands:
            end = self._assign(f"{start} + {self.source.size(part.type.shape[axis])}")
            inner = [*texts[:axis], f"({texts[axis]} - {start})", *texts[axis + 1:]]
            with self.source.block(f"if {start} <= {texts[axis]} < {end}:"):
                self._scoped_assign(name, part, single(part.type.shape, inner))
            start = end
        return name

    def _branch(self, condition: str, x: Value, at: At, outside: str) -> str:
        name = self.source.name()
        self.source.line(f"{name} = {outside}")
        with self.source.block(f"if {condition}:"):
            self._scoped_assign(name, x, at)
        return name

    def _scoped_assign(self, name: str, x: Value, at: At) -> None:
        """Compute x inside a branch: what is computed there is not known outside."""
        outer, self._memo = self._memo, dict(self._memo)
        self.source.line(f"{name} = {self.value(x, at)}")
        self._memo = outer


def status_code(kernel: Kernel, op: Op) -> int:
    """What a kernel writes into the status word when `op` meets an index out of range."""
    return 1 + kernel.graph.ops.index(op)


_SPECIAL: dict[str, Callable[[Expressions, Op, At], str]] = {
    "full": Expressions.full, "size": Expressions.dim_size, "iota": Expressions.iota,
    "random_bits": Expressions.random, "random_uniform": Expressions.random,
    "random_mask": Expressions.random_mask,
    "gather": Expressions.gather, "pad": Expressions.pad, "spread": Expressions.spread,
    "place_rows": Expressions.place_rows, "concatenate": Expressions.concatenate}
