"""Updates of a table of which a batch names few rows: only these rows are computed and written.

A row without gradient changes in a way that the optimizer's formula tells: not at all (a parameter under Adagrad,
RMSprop or Adadelta, the sums of Adagrad), or by one factor for the whole table (the averages of RMSprop and Adadelta).
A table that decays is kept as w with v = scale * w: a step multiplies the scale, and only rows with a gradient are
written. The dense rule stays where a row moves without a gradient (momentum, Adam), where the gradient is needed as a
whole (penalties, norms), and where anything else reads the update; it finds the gradient in the rows that were summed.

    %d = gather_grad(%g, %i){axis=0, size=V} : f32[V,D]      %at = first_positions(%i){size=V} : i32[V]
    ... elementwise, over [V,D] ...                     ──►  %first = gather(%at, %i) : i32[n]
    return %new -> %state                                    %sum = sum_rows(%g, %first) : f32[n,D]
                                                             ... the same ops, over [n,D] of gathered rows ...
                                                             %t = scatter_rows(%state, %i, %first, %new, %scale)
                                                             return %t -> %state

What does not live here: the ops (ir/ops_rows.py), who multiplies a scale into its table before others read the table
(runtime/scales.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from graphc.ir.builder import Builder
from graphc.ir.dims import Dim, size_of
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.ops_rows import FOLD
from graphc.ir.spec import Kind
from graphc.ir.types import TensorType
from graphc.passes.costs import nominal
from graphc.passes.dce import dce

FEWEST = 1 << 14  # numbers in a table; a smaller one is updated as a whole


@dataclass(frozen=True)
class Uniform:
    """One number for the whole table: what a scalar holds, or a number."""

    number: Value | float | None


@dataclass(frozen=True)
class Scaled:
    """The value that a state had, times some scalars."""

    state: Value
    factors: tuple[Value | float, ...] = ()


ZERO = Uniform(0.0)
Known = Uniform | Scaled | None  # what a value is where the gradient is zero; None where nobody can say


def sparse_updates(graph: Graph, scalable: Set[Value]) -> tuple[Graph, dict[Value, Value]]:
    """The graph with sparse updates, and scale -> state for the states that it keeps with a scale.

    scalable: the inputs that may be kept so. Scales are further inputs, and states themselves.
    """
    scales: dict[Value, Value] = {}
    for source in [op for op in graph.ops if op.name == "gather_grad" and _names_few(op)]:
        update = _update_of(graph, source, scalable)
        if update is not None:
            made = {state: Value(TensorType(state.type.dtype), f"{state.hint}_scale")
                    for state in dict.fromkeys(found.state for found in update.outputs.values() if found.factors)}
            graph = _Rows(graph, update, made).graph()
            scales.update((scale, state) for state, scale in made.items())
        elif source.result not in graph.outputs:
            graph = _placed(graph, source)
    return dce(graph), scales


def _names_few(op: Op) -> bool:
    """Whether the gradient is that of a large table's rows, and likely fewer than the table has."""
    (_, indices), shape = op.operands, op.result.type.shape
    return op.attr("axis") == 0 and len(shape) == 2 and all(isinstance(d, int) for d in shape) \
        and nominal(op.result.type.size) >= FEWEST and nominal(shape[0]) >= 2 * nominal(indices.type.size)


# ---- which updates


@dataclass(frozen=True)
class _Update:
    """The ops between a gradient and the states they update; for each such output what it is without gradient."""

    source: Op
    ops: list[Op]
    outputs: Mapping[int, Scaled]


def _update_of(graph: Graph, source: Op, scalable: Set[Value]) -> _Update | None:
    """None where all rows have to be computed."""
    ops = _region(graph, source)
    if ops is None:
        return None
    known, donated, readers = _without_gradient(graph, source, ops), dict(graph.donations), graph.consumers()
    made = {op.result for op in ops}
    outputs = {}
    for position, value in enumerate(graph.outputs):
        if value in made:
            found = known[value]
            state = graph.inputs[donated[position]] if position in donated else None
            if not isinstance(found, Scaled) or found.state is not state:
                return None
            if found.factors and (found.state not in scalable or found.state in graph.outputs
                                  or not set(readers[found.state]) <= set(ops)):
                return None
            outputs[position] = found
    return _Update(source, ops, outputs) if outputs else None


def _region(graph: Graph, source: Op) -> list[Op] | None:
    """The ops that lie between the gradient and updates of states, all elementwise over the table.

    None where there are others, or where a value of theirs is read elsewhere.
    """
    shape = source.result.type.shape
    producers, readers = graph.producers(), graph.consumers()
    states = {graph.inputs[i] for _, i in graph.donations}
    found: set[Op] = set()
    pending = list(readers.get(source.result, ()))
    while pending:
        op = pending.pop()
        if op in found:
            continue
        if op.spec.kind is not Kind.ELEMENTWISE or op.result.type.shape != shape:
            return None
        found.add(op)
        pending += readers.get(op.result, ())
        for value in op.operands:
            maker = producers.get(value)
            if maker is None and value not in states:
                return None
            if maker is not None and maker is not source and not _is_uniform(maker):
                pending.append(maker)
    if source.result in graph.outputs:
        return None
    return [op for op in graph.ops if op in found]


def _is_uniform(op: Op) -> bool:
    return op.name == "full" or (op.name == "broadcast" and op.operands[0].type.size == 1)


# ---- what happens to rows without gradient


def _without_gradient(graph: Graph, source: Op, ops: list[Op]) -> dict[Value, Known]:
    """What the ops make of rows whose gradient is zero."""
    producers = graph.producers()
    known: dict[Value, Known] = {source.result: ZERO}
    for op in ops:
        for v in op.operands:
            if v not in known:
                known[v] = _leaf(producers.get(v), v)
        known[op.result] = _without(op, [known[v] for v in op.operands])
    return known


def _leaf(maker: Op | None, value: Value) -> Known:
    if maker is None:
        return Scaled(value)
    if maker.name == "full":
        return Uniform(float(maker.attr("value")))
    scalar = maker.operands[0]
    return Uniform(scalar if scalar.type.rank == 0 else None)


def _without(op: Op, given: list[Known]) -> Known:
    """Zero stays zero through these ops, and a state's multiple a multiple; of other operands nothing is said."""
    zeros = [k == ZERO for k in given]
    match op.name:
        case "square" | "sqrt" | "absolute" | "negative":
            return ZERO if zeros[0] else None
        case "add":
            return given[1] if zeros[0] else given[0] if zeros[1] else None
        case "subtract":
            return given[0] if zeros[1] else None
        case "multiply":
            return _product(given[0], given[1])
        case "divide":
            return ZERO if zeros[0] else None
        case "maximum" | "minimum":
            return ZERO if zeros[0] and _keeps_zero(op.name, given[1]) else None
        case "select":  # what is smaller than any normal number settles at zero: within rounding the same
            return given[2] if zeros[1] and isinstance(given[2], Scaled) else None
    return None


def _keeps_zero(name: str, other: Known) -> bool:
    """Whether the maximum (minimum) of zero and this number is zero, as in clipping."""
    number = other.number if isinstance(other, Uniform) else None
    return isinstance(number, float) and (number <= 0 if name == "maximum" else number >= 0)


def _product(a: Known, b: Known) -> Known:
    if ZERO in (a, b):
        return ZERO
    if isinstance(b, Scaled):
        a, b = b, a
    if isinstance(a, Scaled) and isinstance(b, Uniform) and b.number is not None:
        return Scaled(a.state, (*a.factors, b.number))
    return None


# ---- the update by rows


@dataclass(frozen=True)
class _Summed:
    """The gradient's rows: the indices i[n], the position of each one's first equal i32[n], and there their sums [n,D].

    positions i32[V]: where each of the table's rows first stands among the indices, or -1.
    """

    indices: Value
    positions: Value
    first: Value
    rows: Value

    @classmethod
    def of(cls, b: Builder, origin: str, operands: Sequence[Value], size: Dim) -> _Summed:
        """operands: those of the gather_grad."""
        b.origin = origin
        g, indices = operands
        if indices.type.rank != 1:
            count = size_of(indices.type.shape)
            g, indices = (b.emit("reshape", g, shape=(count, g.type.shape[-1])),
                          b.emit("reshape", indices, shape=(count,)))
        positions = b.emit("first_positions", indices, size=size)
        first = b.emit("gather", positions, indices, axis=0)
        return cls(indices, positions, first, b.emit("sum_rows", g, first))


def _placed(graph: Graph, source: Op) -> Graph:
    """The gradient read from its rows, by whoever reads it."""
    b = Builder(graph.inputs)
    new: dict[Value, Value] = {}
    for op in graph.ops:
        if op is source:
            summed = _Summed.of(b, op.origin, [new.get(v, v) for v in op.operands], op.attr("size"))
            new[op.result] = b.emit("place_rows", summed.rows, summed.positions)
        elif any(v in new for v in op.operands):
            new.update(zip(op.results, b.copy(op, [new.get(v, v) for v in op.operands]).results, strict=True))
        else:
            b.add_existing(op)
    return b.graph([new.get(v, v) for v in graph.outputs], graph.name, graph.donations)


class _Rows:
    """Writes an update anew, over the rows that the batch names."""

    def __init__(self, graph: Graph, update: _Update, scales: Mapping[Value, Value]):
        self.old, self.update, self.scales = graph, update, scales
        self.b = b = Builder((*graph.inputs, *scales.values()))
        for op in graph.ops:
            b.add_existing(op)
        self.summed = _Summed.of(b, update.source.origin, update.source.operands, update.source.attr("size"))
        self.rows = {update.source.result: self.summed.rows}

    def graph(self) -> Graph:
        b, old = self.b, self.old
        for op in self.update.ops:
            b.origin = op.origin
            operands = [self._rows_of(v) for v in op.operands]
            self.rows[op.result] = b.emit_op(op.spec, operands, op.kwargs, hint=op.result.hint).result
        outputs, donations = list(old.outputs), list(old.donations)
        for position, found in self.update.outputs.items():
            new = self.rows[old.outputs[position]]
            outputs[position] = b.emit("scatter_rows", found.state, self.summed.indices, self.summed.first, new,
                                       self._scale(found))
            if found.factors:
                donations.append((len(outputs), b.inputs.index(self.scales[found.state])))
                outputs.append(self._folded(self._scale(found)))
        return b.graph(outputs, old.name, donations)

    def _rows_of(self, value: Value) -> Value:
        """The named rows of a state, or the number that fills a table."""
        if value not in self.rows:
            maker = self.old.producers().get(value)
            if maker is not None:
                attrs = {**maker.kwargs, "shape": self.summed.rows.type.shape}
                self.rows[value] = self.b.emit_op(maker.spec, maker.operands, attrs).result
            else:
                rows = self.b.emit("gather", value, self.summed.indices, axis=0)
                self.rows[value] = self.b.multiply(rows, self._spread(rows, value)) if value in self.scales else rows
        return self.rows[value]

    def _spread(self, rows: Value, state: Value) -> Value:
        return self.b.emit("broadcast", self.scales[state], axes=(), shape=rows.type.shape)

    def _scale(self, found: Scaled) -> Value:
        """What the state is multiplied by after this step."""
        if not found.factors:
            return self.b.full(1.0, (), found.state.type.dtype)
        scale = self.scales[found.state]
        for factor in found.factors:
            number = factor if isinstance(factor, Value) else self.b.full(factor, (), scale.type.dtype)
            scale = self.b.multiply(scale, number)
        return scale

    def _folded(self, scale: Value) -> Value:
        low = self.b.less(scale, self.b.full(FOLD, (), scale.type.dtype))
        return self.b.select(low, self.b.full(1.0, (), scale.type.dtype), scale)

