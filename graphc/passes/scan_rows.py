"""Which scans never mix the rows of a batch: threads then take rows each through all steps, and never wait.

A row is axis 0 of carried values and slices. A body whose every op makes row i of its results of row i of its operands
is stated anew for any number R of rows.

What does not live here: how many rows a thread takes (the runtime).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.ir.builder import Builder
from graphc.ir.dims import Dim, symbol
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import Kind
from graphc.passes.loops import Loop, each_scan

ROWS = "R"


def scan_rows(graph: Graph) -> Graph:
    """State every scan whose rows are independent for any number of rows."""

    def change(op: Op, operands: Sequence[Value], b: Builder) -> Sequence[Value] | None:
        if op.kwargs.get("rows") is not None:
            return None
        loop = Loop.of(op, operands)
        first = next((v for v in (*loop.carried, *loop.sliced) if v.type.rank), None)
        if first is None:
            return None
        rows, name = first.type.shape[0], _free_name(op.attr("body"))
        body = _for_any_rows(loop, rows, symbol(name))
        return None if body is None else loop.emit(b, body, rows=(name, rows))

    return each_scan(graph, change)


def _free_name(graph: Graph) -> str:
    taken = {s for op in graph.ops for r in op.results for s in r.type.symbols} \
        | {s for v in graph.inputs for s in v.type.symbols}
    name, number = ROWS, 0
    while name in taken:
        number += 1
        name = f"{ROWS}{number}"
    return name


def _for_any_rows(loop: Loop, rows: Dim, any_rows: Dim) -> Graph | None:
    """The body with `any_rows` in the place of `rows`, or None where rows meet."""
    has = _with_rows(loop, rows)
    if has is None:
        return None
    b = Builder()
    new: dict[Value, Value] = {}
    for value in (*loop.carried, *loop.sliced, *loop.rest):
        shape = (any_rows, *value.type.shape[1:]) if has[value] else value.type.shape
        new[value] = b.input(value.type.with_shape(shape), value.hint)
    for op in loop.ops:
        b.origin = op.origin
        attrs = attrs_for_rows(op, any_rows) if has[op.results[0]] else op.kwargs
        copy = b.emit_op(op.spec, (new[v] for v in op.operands), attrs, hint=op.hint, origin=op.origin)
        new.update(zip(op.results, copy.results, strict=True))
    return b.graph([new[v] for v in (*loop.nexts, *loop.stacked)], loop.body.name)


def keeps_rows(op: Op, has: Mapping[Value, bool], rows: Dim) -> bool:
    """Whether row i of the op's result is made of row i of those operands that have rows, by `has`."""
    found = _rule(op)(op, has, rows)
    return found is not None and bool(found.get(op.result)) and all(has.get(v, k) == k for v, k in found.items())


def attrs_for_rows(op: Op, any_rows: Dim) -> dict[str, Any]:
    """The op's attributes for another number of rows."""
    attrs = dict(op.kwargs)
    if "shape" in attrs and op.name in ("full", "broadcast", "reshape"):
        attrs["shape"] = (any_rows, *attrs["shape"][1:])
    if op.name == "slice":
        attrs["limits"] = (any_rows, *attrs["limits"][1:])
    return attrs


def _with_rows(loop: Loop, rows: Dim) -> dict[Value, bool] | None:
    """For each value of the body, whether its axis 0 are the rows; None where that contradicts an op.

    A value that every step reads is taken for one with rows where an elementwise op needs it to be; the same for
    numbers without operands.
    """
    has: dict[Value, bool] = {}
    for value in (*loop.carried, *loop.sliced):
        if not value.type.rank or value.type.shape[0] != rows:
            return None
        has[value] = True
    while True:
        before = len(has)
        for op in loop.ops:
            found = _rule(op)(op, has, rows)
            if found is None or any(has.get(v, known) != known for v, known in found.items()):
                return None
            has.update(found)
        if len(has) == before:
            break
    for value in (*loop.rest, *(r for op in loop.ops for r in op.results)):
        has.setdefault(value, False)
    outputs = (*loop.nexts, *loop.stacked)
    return has if all(has[v] for v in outputs) and _consistent(loop, has, rows) else None


def _consistent(loop: Loop, has: dict[Value, bool], rows: Dim) -> bool:
    for op in loop.ops:
        found = _rule(op)(op, has, rows)
        if found is None or any(has[v] != known for v, known in found.items()):
            return False
    return True


Found = dict[Value, bool] | None  # what an op says of its values; None where it mixes rows
Rule = Callable[[Op, Mapping[Value, bool], Dim], Found]


def _together(op: Op, has: Mapping[Value, bool], rows: Dim) -> Found:
    """Operands and results have rows, or none of them has."""
    values = (*op.operands, *op.results)
    kinds = {has[v] for v in values if v in has}
    if len(kinds) > 1 or (True in kinds and any(not v.type.rank or v.type.shape[0] != rows for v in values)):
        return None
    return dict.fromkeys(values, True in kinds) if kinds else {}


def _no_rows(op: Op, has: Mapping[Value, bool], rows: Dim) -> Found:
    """Only without rows."""
    if any(has.get(v) for v in op.operands):
        return None
    return dict.fromkeys(op.results, False) if all(v in has for v in op.operands) and op.operands else {}


def _untouched(test: Callable[[Op], bool]) -> Rule:
    """One operand whose axis 0 stays what it is where `test` holds."""

    def rule(op: Op, has: Mapping[Value, bool], rows: Dim) -> Found:
        known = has.get(op.operands[0], has.get(op.result))
        if known is None:
            return {}
        if not known:
            return {op.result: False}
        return {op.operands[0]: True, op.result: True} if test(op) and op.result.type.shape[0] == rows else None

    return rule


def _matmul(op: Op, has: Mapping[Value, bool], rows: Dim) -> Found:
    x, y = op.operands
    if has.get(y):
        return None if op.result.type.rank == 2 or not has.get(x, True) else {x: True, op.result: True}
    known = has.get(x, has.get(op.result))
    return {} if known is None else {x: known, op.result: known}


def _broadcast(op: Op, has: Mapping[Value, bool], rows: Dim) -> Found:
    x, result, axes = op.operands[0], op.result, op.attr("axes")
    keeps = bool(axes) and axes[0] == 0 and x.type.shape[0] == rows == result.type.shape[0]
    if has.get(x):
        return {result: True} if keeps else None
    if has.get(result) and keeps and x not in has:
        return {x: True}
    return {}


def _first_operand(op: Op, has: Mapping[Value, bool], rows: Dim) -> Found:
    """Items of a batch, with weights that all of them share."""
    x, *others = op.operands
    if any(has.get(v) for v in others):
        return None
    known = has.get(x, has.get(op.result))
    return {} if known is None else {x: known, op.result: known}


def _gather(op: Op, has: Mapping[Value, bool], rows: Dim) -> Found:
    table, indices = op.operands
    if has.get(table):
        return None
    known = has.get(indices, has.get(op.result))
    if known and (op.attr("axis") != 0 or not indices.type.rank):
        return None
    return {} if known is None else {indices: known, op.result: known}


def _source(op: Op, has: Mapping[Value, bool], rows: Dim) -> Found:
    """Numbers that do not depend on the row."""
    known = has.get(op.result)
    return None if known and op.name != "full" else {}


_RULES: dict[str, Rule] = {
    "matmul": _matmul, "broadcast": _broadcast, "gather": _gather, "convolution": _first_operand,
    "depthwise_convolution": _first_operand,
    "reshape": _untouched(lambda op: op.operands[0].type.shape[:1] == op.result.type.shape[:1]),
    "transpose": _untouched(lambda op: op.attr("perm")[0] == 0),
    "slice": _untouched(lambda op: op.attr("starts")[0] == 0 and op.attr("strides")[0] == 1
                        and op.attr("limits")[0] == op.operands[0].type.shape[0]),
    "reverse": _untouched(lambda op: 0 not in op.attr("axes")),
    "pad": _untouched(lambda op: op.attr("low")[0] == 0 and op.attr("high")[0] == 0),
    "windows": _untouched(lambda op: 0 not in op.attr("axes")),
    "spread": _untouched(lambda op: 0 not in op.attr("axes")),
    "softmax": _untouched(lambda op: op.attr("axis") != 0), "log_softmax": _untouched(lambda op: op.attr("axis") != 0),
    "argmax": _untouched(lambda op: op.attr("axis") != 0), "argmin": _untouched(lambda op: op.attr("axis") != 0),
    "reciprocal": _together, "max_pool": _untouched(lambda op: True), "overlap_add": _untouched(lambda op: True),
}
for _name in ("reduce_mean", "reduce_variance", "logsumexp"):
    _RULES[_name] = _untouched(lambda op: 0 not in op.attr("axes"))


def _concatenate(op: Op, has: Mapping[Value, bool], rows: Dim) -> Found:
    return _together(op, has, rows) if op.attr("axis") != 0 else _no_rows(op, has, rows)


_RULES["concatenate"] = _concatenate


def _rule(op: Op) -> Rule:
    if op.name in _RULES:
        return _RULES[op.name]
    if op.spec.kind is Kind.ELEMENTWISE:
        return _together
    if op.spec.kind is Kind.REDUCE:
        return _untouched(lambda op: 0 not in op.attr("axes"))
    return _source if op.spec.kind is Kind.SOURCE else _no_rows
