"""scan: a body graph run once for every step, which hands values on to the next step.

    operands   `carried` initial values, `sliced` stacks of which every step reads its slice along axis 0, and values
               that every step reads
    body       inputs: carried values, slices, the rest; outputs: the carried values' next, then what is stacked
    results    the last carried values, then the stacks (length, ...)
    reverse    the last slice comes first; stacks are filled from their end
    least      the fewest steps that a call may have
    rows       ("R", dim): the body is stated for any R of the `dim` rows (axis 0) of its values, and never mixes them;
               None where nobody has shown that

What does not live here: the gradient (passes/scan_gradient.py), which rows are independent (passes/scan_rows.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir.dims import Dim, bind_shape
from graphc.ir.graph import Graph
from graphc.ir.spec import Kind, define
from graphc.ir.types import TensorType


def _infer(*types: TensorType, body: Graph, carried: int, sliced: int, length: Dim, reverse: bool,
           least: int = 0, rows: tuple[str, Dim] | None = None) -> tuple[TensorType, ...]:
    if not isinstance(body, Graph):
        raise ShapeError("scan: the body is not a graph", expected="graph", got=type(body).__name__)
    counts = carried, sliced
    if not all(type(n) is int and n >= 0 for n in counts) or carried + sliced > len(types) \
            or len(body.inputs) != len(types) or len(body.outputs) < carried:
        raise ShapeError("scan: operands and body do not fit", got=f"{len(types)} operands, carried={carried}, "
                         f"sliced={sliced}, a body of {len(body.inputs)} inputs and {len(body.outputs)} outputs",
                         expected="one body input for each operand, one body output for each carried value")
    if isinstance(length, int) and length < 0:
        raise ShapeError("scan: a negative number of steps", got=length)
    sizes = {} if rows is None else {rows[0]: rows[1]}
    for position, (outer, value) in enumerate(zip(types, body.inputs, strict=True)):
        inner = _bound(value.type, sizes)
        wanted = inner.with_shape((length, *inner.shape)) if carried <= position < carried + sliced else inner
        if outer.dtype != wanted.dtype:
            raise DTypeError(f"scan: operand {position} has another element type than the body", expected=wanted,
                             got=outer)
        if outer != wanted:
            raise ShapeError(f"scan: operand {position} does not fit the body", expected=wanted, got=outer)
    for position, (new, old) in enumerate(zip(body.outputs[:carried], body.inputs, strict=False)):
        if new.type != old.type:
            raise ShapeError(f"scan: carried value {position} changes its type", expected=old.type, got=new.type)
    stacked = [_bound(v.type, sizes) for v in body.outputs[carried:]]
    return (*types[:carried], *(t.with_shape((length, *t.shape)) for t in stacked))


def _bound(type_: TensorType, sizes: Mapping[str, Dim]) -> TensorType:
    return type_.with_shape(bind_shape(type_.shape, sizes)) if sizes else type_


def _reference(*arrays: np.ndarray, body: Any, carried: int, sliced: int, length: int, reverse: bool,
               least: int = 0, rows: Any = None) -> tuple[np.ndarray, ...]:
    """body: the graph as a function of arrays, see graphc.ir.evaluate."""
    state, stacks, rest = list(arrays[:carried]), arrays[carried:carried + sliced], arrays[carried + sliced:]
    made: list[list[np.ndarray]] = []
    for step in range(length)[::-1] if reverse else range(length):
        results = body(*state, *(stack[step] for stack in stacks), *rest)
        state = results[:carried]
        made.append(results[carried:])
    if not made:
        nothing = body.nothing({} if rows is None else {rows[0]: rows[1]})[carried:]
        return (*state, *(np.zeros((0, *one.shape), one.dtype) for one in nothing))
    return (*state, *(np.stack(parts[::-1] if reverse else parts) for parts in zip(*made, strict=True)))


SCAN = define("scan", kind=Kind.LOOP, infer=_infer, reference=_reference)

