"""Two models run on the same inputs, and which of their values belong together.

What does not live here: bringing them to one form (sides.py), differences (compare.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.cli.compare import Compared, Difference, Outputs, Ran
from graphc.cli.inputs import feed_of
from graphc.cli.layers import same_program
from graphc.cli.measure import OUTPUT_TOLERANCE
from graphc.cli.sides import Lowered, Side
from graphc.compiler import compile_graph
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.printer import names_of
from graphc.passes.choices import Choices


def explicit_inputs(one: Lowered, two: Lowered) -> tuple[list[Value], list[Value]]:
    """The inputs of both that are no weights. Graph text does not know weights: its are where those of a model are."""
    weights = [side.states or other.states for side, other in ((one, two), (two, one))]
    left, right = ([v for i, v in enumerate(side.graph.inputs) if i not in states]
                   for side, states in zip((one, two), weights, strict=True))
    return left, right


def arrays_for(one: Lowered, two: Lowered, a: Side, b: Side,
               options: argparse.Namespace) -> tuple[list[np.ndarray], list[np.ndarray]] | None:
    """What each side is fed: the same inputs, and its own weights, or the other's where it knows none.

    None where no inputs fit both. Sizes that only one side leaves open are those of the other.
    """
    explicit = explicit_inputs(one, two)
    if [(v.type.dtype, v.type.rank) for v in explicit[0]] != [(v.type.dtype, v.type.rank) for v in explicit[1]]:
        return None
    dims = [[d for v in values for d in v.type.shape] for values in explicit]
    unlike = [(d, e) for d, e in zip(*dims, strict=True) if str(d) != str(e)]
    if all(isinstance(d, int) and not isinstance(e, int) for d, e in unlike):
        side, model, other = one, a.model, two
    elif all(isinstance(e, int) and not isinstance(d, int) for d, e in unlike):
        side, model, other = two, b.model, one
    else:
        return None
    states = side.states or other.states
    feed = feed_of(side.graph, states, model, options.inputs, options.seed, options.batch)
    given = [array for position, array in enumerate(feed) if position not in states]
    first, second = (_fed(own, own.states or there.states, given) for own, there in ((one, two), (two, one)))
    return first, second


def _fed(side: Lowered, states: Mapping[int, Any], given: Sequence[np.ndarray]) -> list[np.ndarray]:
    rest = iter(given)
    return [np.array(states[i].array) if i in states else next(rest) for i in range(len(side.graph.inputs))]


def compare_outputs(one: Lowered, two: Lowered, arrays: tuple[Sequence[np.ndarray], Sequence[np.ndarray]],
                     layers: Sequence[Compared], names: Mapping[str, str], options: argparse.Namespace) -> None:
    """Run both and add to each layer how what it computes differs."""
    ran_a = _run(one.graph, arrays[0], options.target_a, options.precision_a)
    ran_b = _run(two.graph, arrays[1], options.target_b, options.precision_b)
    outputs = Outputs(ran_a, ran_b, OUTPUT_TOLERANCE if options.tolerance is None else options.tolerance,
                      options.tolerance is not None)
    by_path = {layer.path: layer for layer in layers}
    far: set[Value] = set()
    for path, x, y in _partners(one, two, names, outputs):
        layer = by_path[path]
        difference, relative = outputs.difference(x, y)
        if difference is None:
            layer.accept(relative, outputs.limit)
            continue
        far.add(x)
        if not any(d["what"] == "outputs" for d in layer.differences):
            layer.differences.append({**difference, **_origin(one, x, far)})


def _origin(side: Lowered, value: Value, far: set[Value]) -> Difference:
    """The op of a value, and whether all that its layer reads was equal."""
    producers = side.graph.producers()
    op = producers[value]
    layer = side.owner[op]
    reads = {v for one in side.graph.ops if side.owner[one] == layer for v in one.operands
             if v not in producers or side.owner[producers[v]] != layer}
    return {"op": op.name, "from_equal_inputs": reads.isdisjoint(far)}


def _run(graph: Graph, feed: Sequence[np.ndarray], target: str, precision: str) -> Ran:
    every = tuple(r for op in graph.ops for r in op.results)
    program = compile_graph(graph.replace(outputs=every), target=target,
                            choices=Choices(precision, device=target == "cuda"))
    found = dict(zip(graph.inputs, feed, strict=True))
    found.update(zip(every, program(*feed), strict=True))
    return Ran(graph, feed, found, names_of(graph))


def _partners(one: Lowered, two: Lowered, names: Mapping[str, str],
              outputs: Outputs) -> Iterator[tuple[str, Value, Value]]:
    """(layer in a, value of a, value of b): all values of two equal programs, else what leaves the layers of both.

    A layer that is called several times may be called in another order: equal values belong together first.
    """
    same = same_program(one.graph, two.graph)
    if same is not None:
        yield from ((one.owner[op], v, same[v]) for op in one.graph.ops for v in op.results)
        return
    leaving = [_leaving(side.graph, side.owner) for side in (one, two)]
    there = {names.get(path, path): values for path, values in leaving[1].items()}
    for path, values in leaving[0].items():
        if len(values) == len(rest := list(there.get(path, ()))):
            for x in values:
                y = next((y for y in rest if outputs.difference(x, y)[0] is None), rest[0])
                rest.remove(y)
                yield path, x, y


def _leaving(graph: Graph, owner: Mapping[Op, str]) -> dict[str, list[Value]]:
    """For every layer the values that others read, or that are outputs, in order."""
    read: dict[Value, set[str]] = {}
    for op in graph.ops:
        for operand in op.operands:
            read.setdefault(operand, set()).add(owner[op])
    found: dict[str, list[Value]] = {}
    for op in graph.ops:
        kept = [v for v in op.results if v in graph.outputs or read.get(v, set()) - {owner[op]}]
        found.setdefault(owner[op], []).extend(kept)
    return found
