"""Every op of a graph where it runs, those in the bodies of loops too: with its arrays on a target and in float64.

A loop is opened: its body gives every value that it makes as a stack of all steps, so that a value inside of a loop can
be measured like any other.

What does not live here: what is measured (measure.py, conditioning.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.builder import make_op
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.printer import names_of

Arrays = Mapping[Value, np.ndarray]


@dataclass(frozen=True)
class Opened:
    """graph: the plain one, but for loops that have more results. closed: the loop that each of these was."""

    plain: Graph
    graph: Graph
    closed: Mapping[Op, Op]


@dataclass(frozen=True)
class Site:
    """An op, the names of what it reads and of its results, and its arrays.

    steps: the number of steps of each loop around it, the outermost first; these are the first axes of all arrays.
    """

    op: Op
    reads: Sequence[str]
    names: Sequence[str]
    steps: tuple[int, ...]
    operands: Sequence[np.ndarray]
    found: Sequence[np.ndarray]
    exact_operands: Sequence[np.ndarray]
    exact: Sequence[np.ndarray]


def opened(graph: Graph) -> Opened:
    """The graph with all of its loops opened."""
    closed: dict[Op, Op] = {}
    ops = [_opened(op, closed) if op.name == "scan" else op for op in graph.ops]
    return Opened(graph, graph.replace(ops=tuple(ops)), closed)


def _opened(op: Op, closed: dict[Op, Op]) -> Op:
    inside = opened(op.attr("body"))
    closed.update(inside.closed)
    body, stacked = inside.graph, op.attr("body").outputs[op.attr("carried"):]
    more = [result for one in body.ops for result in one.results if result not in stacked]
    attrs = {**op.kwargs, "body": body.replace(outputs=(*body.outputs, *more))}
    made = make_op(op.spec, op.operands, attrs, origin=op.origin)
    wider = Op(op.spec, op.operands, made.attrs, (*op.results, *made.results[len(op.results):]), op.origin)
    closed[wider] = op
    return wider


def sites_of(graph: Opened, found: Arrays, exact: Arrays) -> Iterator[Site]:
    """All sites in the order in which they run; the ops of a loop come before the loop.

    found, exact: the array of every value of the opened graph
    """
    yield from _sites(graph.graph.ops, graph, names_of(graph.plain), "", (), found, exact)


def _sites(ops: Sequence[Op], graph: Opened, names: Mapping[Value, str], prefix: str, steps: tuple[int, ...],
           found: Arrays, exact: Arrays) -> Iterator[Site]:
    for op in ops:
        plain = graph.closed.get(op, op)
        if op is not plain:
            body: Graph = plain.attr("body")
            inner = _inside(op, found, len(steps)), _inside(op, exact, len(steps))
            count = int(next(iter(inner[0].values())).shape[len(steps)]) if inner[0] else 0
            if count:
                yield from _sites(op.attr("body").ops, graph, names_of(body), f"{prefix}{names[plain.results[0]]}/",
                                  (*steps, count), *inner)
        reads, makes = plain.operands, plain.results
        yield Site(plain, [prefix + names[v] for v in reads], [prefix + names[v] for v in makes], steps,
                   [found[v] for v in reads], [found[v] for v in makes], [exact[v] for v in reads],
                   [exact[v] for v in makes])


def _inside(loop: Op, around: Arrays, depth: int) -> dict[Value, np.ndarray]:
    """The array of every value in the body of an opened loop, with the loop's steps as axis `depth`."""
    body, carried = loop.attr("body"), loop.attr("carried")
    arrays = {v: around[r] for v, r in zip(body.outputs[carried:], loop.results[carried:], strict=True)}
    count = _steps_of(loop, arrays, around, depth)
    for position, (value, operand) in enumerate(zip(body.inputs, loop.operands, strict=True)):
        if carried <= position < carried + loop.attr("sliced"):
            arrays[value] = around[operand]
        elif position >= carried:
            array = np.expand_dims(around[operand], depth)
            arrays[value] = np.broadcast_to(array, (*array.shape[:depth], count, *array.shape[depth + 1:]))
    arrays.update(_carried(loop, arrays, around, depth, count))
    return arrays


def _steps_of(loop: Op, arrays: Arrays, around: Arrays, depth: int) -> int:
    if arrays:
        return int(next(iter(arrays.values())).shape[depth])
    stacks = loop.operands[loop.attr("carried"):][:loop.attr("sliced")]
    return int(around[stacks[0]].shape[depth]) if stacks else 0


def _carried(loop: Op, arrays: Arrays, around: Arrays, depth: int, count: int) -> dict[Value, np.ndarray]:
    """What each step finds in the carried values: at first the operands, then what the step before handed on."""
    body, carried = loop.attr("body"), loop.attr("carried")
    inputs = body.inputs[:carried]
    state = {v: around[operand] for v, operand in zip(inputs, loop.operands[:carried], strict=True)}
    seen: dict[Value, list[np.ndarray]] = {v: [] for v in inputs}
    for step in range(count)[::-1] if loop.attr("reverse") else range(count):
        for value in inputs:
            seen[value].append(state[value])
        now = {v: a.take(step, axis=depth) for v, a in arrays.items() if v in body.outputs[:carried]}
        state = {v: now[new] if new in now else state[new]
                 for v, new in zip(inputs, body.outputs[:carried], strict=True)}
    if not count:
        return {}
    turned = {v: steps[::-1] if loop.attr("reverse") else steps for v, steps in seen.items()}
    return {v: np.stack(steps, axis=depth) for v, steps in turned.items()}
