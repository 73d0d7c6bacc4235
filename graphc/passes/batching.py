"""One op on many steps at once: the op over stacks of its operands, with one more axis in front.

What does not live here: which ops of a loop are taken out of it (scan_fission.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.ir.builder import Builder
from graphc.ir.dims import Dim
from graphc.ir.graph import Op, Value
from graphc.ir.spec import Kind

Rule = Callable[[Op, Builder, Sequence[Value], Sequence[bool], Dim], Value]


def can_batch(op: Op, stacked: Sequence[bool]) -> bool:
    """Whether there is a way to run `op` on all steps at once; stacked: which operands differ from step to step."""
    if op.spec.kind is Kind.ELEMENTWISE or op.spec.kind is Kind.REDUCE:
        return True
    if op.name in ("gather", "convolution", "depthwise_convolution"):
        return list(stacked) == _ONLY[op.name] and (op.name != "gather" or op.attr("axis") == 0)
    return op.name in _RULES


def batch(op: Op, b: Builder, operands: Sequence[Value], stacked: Sequence[bool], length: Dim) -> Value:
    """The stack of the op's results; operands are stacks where `stacked` says so."""
    rule = _RULES.get(op.name) or (_reduce if op.spec.kind is Kind.REDUCE else _same)
    value = rule(op, b, operands, stacked, length)
    assert value.type.shape == (length, *op.result.type.shape), op.name
    return value


def spread(b: Builder, value: Value, length: Dim) -> Value:
    """`value` for every step."""
    return b.emit("broadcast", value, axes=tuple(range(1, value.type.rank + 1)), shape=(length, *value.type.shape))


def _all(b: Builder, operands: Sequence[Value], stacked: Sequence[bool], length: Dim) -> list[Value]:
    return [v if s else spread(b, v, length) for v, s in zip(operands, stacked, strict=True)]


def _same(op: Op, b: Builder, operands: Sequence[Value], stacked: Sequence[bool], length: Dim) -> Value:
    """Attributes say nothing of axes."""
    return b.emit_op(op.spec, _all(b, operands, stacked, length), op.kwargs, hint=op.hint).result


def _with(change: Callable[[dict[str, Any], Dim], dict[str, Any]]) -> Rule:
    """An op whose attributes name axes or shapes."""

    def rule(op: Op, b: Builder, operands: Sequence[Value], stacked: Sequence[bool], length: Dim) -> Value:
        attrs = {**op.kwargs, **change(op.kwargs, length)}
        return b.emit_op(op.spec, _all(b, operands, stacked, length), attrs, hint=op.hint).result

    return rule


def _later(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis + 1 for axis in axes)


_reduce = _with(lambda a, n: {"axes": _later(a["axes"])})
_along = _with(lambda a, n: {"axis": a["axis"] + 1})


def _matmul(op: Op, b: Builder, operands: Sequence[Value], stacked: Sequence[bool], length: Dim) -> Value:
    """One second operand for all steps: their rows stand below each other in one product."""
    x, y = operands
    if stacked == [True, False] and op.operands[0].type.rank == 2:
        rows, columns = op.result.type.shape
        flat = b.emit("reshape", x, shape=(length * rows, x.type.shape[-1]))
        return b.emit("reshape", b.emit("matmul", flat, y, hint=op.result.hint), shape=(length, rows, columns))
    return b.emit("matmul", *_all(b, operands, stacked, length))


def _gather(op: Op, b: Builder, operands: Sequence[Value], stacked: Sequence[bool], length: Dim) -> Value:
    return b.emit_op(op.spec, operands, op.kwargs, hint=op.hint).result


def _items(op: Op, b: Builder, operands: Sequence[Value], stacked: Sequence[bool], length: Dim) -> Value:
    """All steps' items are items of one batch."""
    x, w = operands
    shape = op.result.type.shape
    flat = b.emit("reshape", x, shape=(length * x.type.shape[1], *x.type.shape[2:]))
    made = b.emit_op(op.spec, (flat, w), op.kwargs, hint=op.result.hint).result
    return b.emit("reshape", made, shape=(length, *shape))


_ONLY: dict[str, list[bool]] = {"gather": [False, True], "convolution": [True, False],
                                "depthwise_convolution": [True, False]}
_RULES: dict[str, Rule] = {
    "broadcast": _with(lambda a, n: {"axes": (0, *_later(a["axes"])), "shape": (n, *a["shape"])}),
    "reshape": _with(lambda a, n: {"shape": (n, *a["shape"])}),
    "transpose": _with(lambda a, n: {"perm": (0, *_later(a["perm"]))}),
    "slice": _with(lambda a, n: {"starts": (0, *a["starts"]), "limits": (n, *a["limits"]),
                                 "strides": (1, *a["strides"])}),
    "reverse": _with(lambda a, n: {"axes": _later(a["axes"])}),
    "windows": _with(lambda a, n: {"axes": _later(a["axes"])}),
    "spread": _with(lambda a, n: {"axes": _later(a["axes"])}),
    "pad": _with(lambda a, n: {"low": (0, *a["low"]), "high": (0, *a["high"])}),
    "concatenate": _along, "argmax": _along, "argmin": _along, "softmax": _along, "log_softmax": _along,
    "reduce_mean": _reduce, "reduce_variance": _reduce, "logsumexp": _reduce,
    "reciprocal": _same, "matmul": _matmul, "gather": _gather, "convolution": _items, "depthwise_convolution": _items,
}
