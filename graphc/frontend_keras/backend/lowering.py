"""From tensors to the ops of a graph: what is reached, in which order, in terms of which values.

Only what the outputs need is visited; the walk stops at tensors that are fed or given, and of a select whose
condition is known (a given or unfed learning phase) it enters one branch only. Identical ops are merged by the
builder. Nothing here recurses, so chains may be as long as memory allows.

What does not live here: gradients (gradients.py), calling (function.py), values (evaluation.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras.backend.leaves import Placeholder, State
from graphc.frontend_keras.backend.symbols import solve
from graphc.frontend_keras.backend.tensor import Alias, Tensor
from graphc.ir.bind_dims import bind_attr
from graphc.ir.builder import Builder
from graphc.ir.dims import Dim, bind_shape
from graphc.ir.graph import Op, Value

_TRANSPARENT = {"broadcast", "reshape", "cast"}
_LINEAR = {*_TRANSPARENT, "transpose", "reduce_sum", "negative", "slice", "reverse", "windows", "spread", "overlap_add"}
_BILINEAR = {"multiply", "matmul", "convolution", "convolution_gradient"}


@dataclass
class Lowered:
    """What a set of tensors became.

    values    the value of each tensor reached, under the sizes that its graph implies
    states    the states read, in order of first use
    printed   aliases whose values are to be printed
    """

    builder: Builder
    values: dict[Tensor, Value] = field(default_factory=dict)
    states: list[State] = field(default_factory=list)
    printed: list[Alias] = field(default_factory=list)
    sizes: Mapping[str, Dim] = field(default_factory=dict)


class Scope:
    """What a walk may not look behind: the tensors that are fed, and those that have a given number."""

    def __init__(self, inputs: Iterable[Tensor] = (), givens: Mapping[Tensor, Any] | None = None):
        self.inputs, self.givens = set(inputs), dict(givens or {})

    def sources(self, t: Tensor) -> tuple[Tensor, ...]:
        """The tensors that `t` needs here."""
        if t in self.inputs or t in self.givens:
            return ()
        chosen = self.chosen(t)
        return t.operands if chosen is None else (chosen,)

    def chosen(self, t: Tensor) -> Tensor | None:
        """The branch that a select with a known condition takes."""
        if t.op is None or t.op.name != "select":
            return None
        condition = self.number(t.operands[0])
        return None if condition is None else t.operands[1 if condition else 2]

    def number(self, t: Tensor) -> Any:
        """The number that `t` holds everywhere, if that is known here."""
        while t not in self.inputs:
            if t in self.givens:
                return self.givens[t]
            if isinstance(t, Placeholder):
                return t.default
            if isinstance(t, Alias) or (t.op is not None and t.op.name in _TRANSPARENT):
                t = t.operands[0]
            elif t.op is not None and t.op.name == "full":
                return t.op.attr("value")
            else:
                return None
        return None


def walk(outputs: Sequence[Tensor], sources: Callable[[Tensor], tuple[Tensor, ...]] | None = None) -> list[Tensor]:
    """All tensors that `outputs` need, each after its own sources, which are its operands by default."""
    sources = sources or _operands
    order: list[Tensor] = []
    seen: set[Tensor] = set()
    pending: list[tuple[Tensor, bool]] = [(t, False) for t in reversed(outputs)]
    while pending:
        t, ready = pending.pop()
        if ready:
            order.append(t)
        elif t not in seen:
            seen.add(t)
            pending.append((t, True))
            pending.extend((s, False) for s in reversed(sources(t)) if s not in seen)
    return order


def _operands(t: Tensor) -> tuple[Tensor, ...]:
    return t.operands


def lower(outputs: Sequence[Tensor], inputs: Sequence[Tensor] = (),
          givens: Mapping[Tensor, Any] | None = None) -> Lowered:
    """The ops behind `outputs`. Graph inputs are `inputs` in order, then the states in order of first use.

    Raises ArgumentError, naming it, for a placeholder that is neither an input, given nor defaulted, and
    ShapeError where sizes that must be equal are not.
    """
    scope = Scope(inputs, givens)
    order = walk(outputs, scope.sources)
    sizes = solve(e for t in order if isinstance(t, Alias) and t not in scope.inputs for e in t.equations)
    lowered = Lowered(Builder(), sizes=sizes)
    for t in inputs:
        _take_input(lowered, t)
    for t in order:
        if isinstance(t, State) and t not in lowered.values:
            lowered.states.append(t)
            _take_input(lowered, t)
    copies: dict[Op, Op] = {}
    nothing = _Nothing(scope)
    for t in order:
        if t in lowered.values:
            continue
        if nothing.is_at(t):
            lowered.values[t] = lowered.builder.full(0, bind_shape(t.dims, lowered.sizes), t.type.dtype)
        else:
            kept = nothing.kept(t)
            lowered.values[t] = _value_of(lowered, scope, t, copies) if kept is None else lowered.values[kept]
    return lowered


class _Nothing:
    """The cotangents of branches that are not taken: zeros, and all that is made of them by sums and products.

    They are no numbers that something is multiplied by, so what is infinite elsewhere does not turn them into NaN.
    """

    def __init__(self, scope: Scope):
        self.scope = scope
        self.found: set[Tensor] = set()

    def is_at(self, t: Tensor) -> bool:
        """Whether `t` is one; its operands have been asked before."""
        if t not in self.scope.inputs and t not in self.scope.givens and self._is(t):
            self.found.add(t)
        return t in self.found

    def _is(self, t: Tensor) -> bool:
        if isinstance(t, Alias):
            return t.operands[0] in self.found
        if t.op is None or not t.operands:
            return False
        name, held = t.op.name, [operand in self.found for operand in t.operands]
        chosen = self.scope.chosen(t)
        if chosen is not None:
            return chosen in self.found or (_in_gradient(t.op) and self.scope.number(chosen) == 0)
        if name in _LINEAR or name == "divide" or (name == "pad" and t.op.attr("value") == 0):
            return held[0]
        if name in _BILINEAR:
            return any(held)
        return name in ("add", "subtract", "concatenate") and all(held)

    def kept(self, t: Tensor) -> Tensor | None:
        """The other operand of a sum with nothing."""
        if t in self.scope.inputs or t in self.scope.givens or t.op is None or t.op.name != "add":
            return None
        x, y = t.operands
        return y if x in self.found else x if y in self.found else None


def _in_gradient(op: Op) -> bool:
    return op.origin.rpartition("/")[2] == "grad"


def _take_input(lowered: Lowered, t: Tensor) -> None:
    value = t.value
    shape = bind_shape(t.dims, lowered.sizes)
    if shape != t.dims or value in lowered.builder.inputs:
        value = Value(t.type.with_shape(shape), value.hint)
    lowered.builder.inputs.append(value)
    lowered.values[t] = value


def _value_of(lowered: Lowered, scope: Scope, t: Tensor, copies: dict[Op, Op]) -> Value:
    number = scope.givens.get(t, t.default if isinstance(t, Placeholder) else None)
    if number is not None:
        return lowered.builder.full(number, bind_shape(t.dims, lowered.sizes), t.type.dtype)
    chosen = scope.chosen(t)
    if chosen is not None:
        return lowered.values[chosen]
    if isinstance(t, Alias):
        if t.message is not None:
            lowered.printed.append(t)
        return lowered.values[t.operands[0]]
    if t.op is None:
        raise ArgumentError(f"You must feed a value for the placeholder {t.name}", got="no value",
                            fix="List it among the inputs of K.function.")
    if t.op not in copies:
        copies[t.op] = _copy(lowered, t.op, tuple(lowered.values[s] for s in t.operands))
    return copies[t.op].results[t.op.results.index(t.value)]


def _copy(lowered: Lowered, op: Op, operands: tuple[Value, ...]) -> Op:
    attrs = op.attrs
    if lowered.sizes:
        attrs = tuple((name, bind_attr(value, lowered.sizes)) for name, value in attrs)
    if attrs == op.attrs and all(a is b for a, b in zip(operands, op.operands, strict=True)):
        return lowered.builder.add_existing(op)
    return lowered.builder.emit_op(op.spec, operands, dict(attrs), hint=op.hint, origin=op.origin)
