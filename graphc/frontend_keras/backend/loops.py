"""Loops over axis 0: one traced step becomes the body of a scan. K.map_fn, K.foldl, K.foldr.

The step is called once, with tensors that stand for the values of any step. What it makes of other tensors alone is not
part of the loop: the loop only reads it.

What does not live here: the loop over time of recurrent layers (recurrence.py), what scans mean (ir/ops_scan.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, DTypeError, ShapeError
from graphc.frontend_keras.backend.lowering import walk
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.random import drawing_each_step
from graphc.frontend_keras.backend.symbols import solve, unify
from graphc.frontend_keras.backend.tensor import Alias, Tensor, apply_op, as_tensor, assume, cast, meet
from graphc.ir.bind_dims import bind_attr
from graphc.ir.builder import Builder, make_op
from graphc.ir.dims import Dim, bind_shape
from graphc.ir.graph import Graph, Value
from graphc.ir.spec import op_spec
from graphc.ir.types import I64

_INSIDE = ("full", "constant", "iota")  # made of nothing: each step makes its own


class Loop:
    """A loop over axis 0 while its step is traced: `slice` and `carry` give what stands for a step's values, `follow`
    and `result` take what the step makes of them, `run` gives the tensors behind the loop.

    length   number of steps; reverse: the last slice comes first; least: the fewest steps that a call may have
    """

    def __init__(self, length: Dim, *, reverse: bool = False, least: int = 0):
        self.attrs = {"length": length, "reverse": reverse, "least": least}
        self._carried: dict[Tensor, Tensor] = {}
        self._sliced: dict[Tensor, Tensor] = {}
        self._nexts: dict[Tensor, Tensor] = {}
        self._results: list[Tensor] = []
        self._number: Tensor | None = None

    def number(self) -> Tensor:
        """The number of a step's slice, int64."""
        if self._number is None:
            count = apply_op("iota", axis=0, shape=(self.attrs["length"],), dtype=I64)
            self._number = self.slice(count)
        return self._number

    def slice(self, stack: Tensor) -> Tensor:
        """A step's slice of `stack` (length, ...)."""
        leaf = Tensor(Value(stack.type.with_shape(stack.dims[1:]), stack.value.hint))
        self._sliced[leaf] = stack
        return leaf

    def carry(self, initial: Tensor) -> Tensor:
        """A value that each step gets from the one before it."""
        leaf = Tensor(Value(initial.type, initial.value.hint))
        self._carried[leaf] = initial
        return leaf

    def follow(self, leaf: Tensor, new: Tensor) -> None:
        """`new` is what the next step gets for `leaf`.

        Raises ShapeError or DTypeError where it is of another type than the initial value.
        """
        if new.type.dtype != leaf.type.dtype:
            raise DTypeError("a value that a loop carries changes its element type", where=current_origin(),
                             expected=leaf.dtype, got=new.dtype, fix="Cast it with K.cast.")
        dims = [unify(a, b) for a, b in zip(new.dims, leaf.dims, strict=True)] if new.rank == leaf.rank else [None]
        if None in dims:
            raise ShapeError("a value that a loop carries changes its shape", where=current_origin(),
                             expected=tuple(leaf.shape), got=tuple(new.shape))
        self._nexts[leaf] = assume(new, leaf.dims)

    def result(self, t: Tensor) -> None:
        """`t` of all steps is wanted, stacked along a new axis 0 in the order of the slices."""
        self._results.append(t)

    def run(self) -> tuple[list[Tensor], list[Tensor]]:
        """The last values of what is carried, in the order of `carry`, and the stacks in the order of `result`."""
        operands = [*self._carried.values(), *self._sliced.values()]
        attrs = {**self.attrs, "carried": len(self._carried), "sliced": len(self._sliced)}
        made = _Trace([*self._carried, *self._sliced],
                      [*(self._nexts[leaf] for leaf in self._carried), *self._results]).emit(operands, attrs)
        return made[:len(self._carried)], made[len(self._carried):]


class _Trace:
    """What a step computes from its leaves (order), and what it reads besides (captured)."""

    def __init__(self, leaves: list[Tensor], ends: list[Tensor]):
        self.leaves, self.ends = leaves, ends
        whole = walk(ends)
        inner = set(leaves)
        for t in whole:
            if any(operand in inner for operand in t.operands):
                inner.add(t)
        needed = {*ends, *(operand for t in whole if t in inner for operand in t.operands)}
        wanted = [t for t in whole if (t in inner or t in needed) and t not in leaves]
        self.captured = [t for t in wanted if t not in inner and not (t.op is not None and t.op.name in _INSIDE)]
        outside = set(self.captured)
        self.order = [t for t in wanted if t not in outside]
        self.sizes = solve(e for t in self.order if isinstance(t, Alias) for e in t.equations)

    def emit(self, operands: list[Tensor], attrs: dict[str, Any]) -> list[Tensor]:
        """The scan's results."""
        outer = [assume(t, bind_shape(t.dims, self.sizes)) for t in (*operands, *self.captured)]
        attrs = {**attrs, "length": bind_attr(attrs["length"], self.sizes), "body": self._body()}
        op = make_op(op_spec("scan"), tuple(t.value for t in outer), attrs, origin=current_origin())
        made = [Tensor(value, op, tuple(outer)) for value in op.results]
        for t, inside in zip(made, self.ends, strict=True):
            t._uses_learning_phase = inside._uses_learning_phase
        return made

    def _body(self) -> Graph:
        b = Builder()
        values: dict[Tensor, Value] = {
            t: b.input(t.type.with_shape(bind_shape(t.dims, self.sizes)), t.value.hint)
            for t in (*self.leaves, *self.captured)}
        for t in self.order:
            if isinstance(t, Alias):
                if t.message is not None:
                    raise ArgumentError("K.print_tensor inside of a loop is not possible", where=current_origin())
                values[t] = values[t.operands[0]]
                continue
            assert t.op is not None
            made = b.emit_op(t.op.spec, (values[s] for s in t.operands), bound(t.op.kwargs, self.sizes),
                             hint=t.op.hint, origin=t.op.origin)
            values[t] = made.results[t.op.results.index(t.value)]
        return b.graph([values[t] for t in self.ends], "step")


def bound(attrs: Mapping[str, Any], sizes: Mapping[str, Dim]) -> dict[str, Any]:
    return {name: bind_attr(value, sizes) for name, value in attrs.items()}


# ---- functions of K


def map_fn(fn: Callable[..., Any], elems: Any, name: str | None = None, dtype: Any = None) -> Any:
    """The results of `fn` on each slice of `elems` along axis 0, stacked along axis 0.

    elems may be a list or tuple of tensors of one length; `fn` then gets a list, and may return one if `dtype` is given
    as such a list. Raises ShapeError where the lengths differ.
    """
    several, stacks, length = _stacks(elems)
    loop = Loop(length)
    slices = [loop.slice(stack) for stack in stacks]
    with drawing_each_step(loop.number):
        made = fn(_like(elems, slices) if several else slices[0])
    is_list = isinstance(made, (list, tuple))
    parts = [as_tensor(t) for t in (made if is_list else [made])]
    wanted = list(dtype) if isinstance(dtype, (list, tuple)) else [dtype] * len(parts)
    for part, kind in zip(parts, wanted, strict=True):
        loop.result(part if kind is None else cast(part, kind))
    results = loop.run()[1]
    return _like(made, results) if is_list else results[0]


def _like(items: Any, tensors: list[Tensor]) -> Any:
    return tuple(tensors) if isinstance(items, tuple) else tensors


def foldl(fn: Callable[..., Any], elems: Any, initializer: Any = None, name: str | None = None) -> Tensor:
    """fn(... fn(fn(initializer, elems[0]), elems[1]) ..., elems[-1]); without an initializer it begins with elems[0].

    Raises ShapeError for no elements where there is no initializer.
    """
    return _folded(fn, elems, initializer, False)


def foldr(fn: Callable[..., Any], elems: Any, initializer: Any = None, name: str | None = None) -> Tensor:
    """The same from the last element to the first."""
    return _folded(fn, elems, initializer, True)


def _folded(fn: Callable[..., Any], elems: Any, initializer: Any, reverse: bool) -> Tensor:
    several, stacks, length = _stacks(elems)
    if initializer is None:
        if several:
            raise ArgumentError("a fold over several tensors needs an initializer", where=current_origin())
        stack = stacks[0]
        if length == 0:
            raise ShapeError("a fold over no elements needs an initializer", where=current_origin())
        first = stack[length - 1 if reverse else 0] if isinstance(length, int) else stack[-1 if reverse else 0]
        initializer, stacks = first, [stack[:-1] if reverse else stack[1:]]
        length = length - 1
    loop = Loop(length, reverse=reverse)
    held = loop.carry(as_tensor(initializer, stacks[0].dtype))
    slices = [loop.slice(stack) for stack in stacks]
    with drawing_each_step(loop.number):
        made = fn(held, _like(elems, slices) if several else slices[0])
    loop.follow(held, as_tensor(made, held.dtype))
    return loop.run()[0][0]


def _stacks(elems: Any) -> tuple[bool, list[Tensor], Dim]:
    """Whether there are several, the stacks, and their length."""
    several = isinstance(elems, (list, tuple)) and any(isinstance(e, (Tensor, np.ndarray)) for e in elems)
    stacks = [as_tensor(e) for e in elems] if several else [as_tensor(elems)]
    for stack in stacks:
        if not stack.rank:
            raise ShapeError("a loop over axis 0 needs a tensor of at least one axis", where=current_origin(),
                             got=tuple(stack.shape))
    length = stacks[0].dims[0]
    for stack in stacks[1:]:
        length = meet(length, stack.dims[0], "the lengths of axis 0 differ:", *stacks)
    return several, [assume(t, (length, *t.dims[1:])) for t in stacks], length
