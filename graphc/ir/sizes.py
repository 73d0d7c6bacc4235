"""What must hold of the sizes of a call before native code runs: kernels check nothing and trust every position.

Known sizes are checked by the type rules; here are the same conditions for symbolic ones, once they are bound.
What does not live here: which sizes the inputs give the symbols (runtime/signature.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from graphc.errors import ShapeError
from graphc.ir.bind_dims import graph_symbols
from graphc.ir.dims import Dim, bind
from graphc.ir.graph import Graph, Op, Value

LARGEST = 2**63

# Folds without a result where there is nothing.
NEED_SOME = ("reduce_max", "reduce_min", "argmax", "argmin", "softmax", "log_softmax", "logsumexp")


def check_sizes(graph: Graph, sizes: Mapping[str, int]) -> None:
    """Raise ShapeError naming the first op whose sizes cannot be, such as a slice past the end of its axis.

    Also for a result that no 64-bit address reaches; the same in the bodies of loops that have a step.
    """
    for op in graph.ops:
        _check_addressable(op, sizes)
        for dim, least, what in _conditions(op):
            if isinstance(dim, int):
                continue
            size = bind(dim, sizes)
            if isinstance(size, int) and size < least:
                known = ", ".join(f"{name} = {value}" for name, value in sorted(sizes.items()))
                title = "a loop over time" if op.name == "scan" else op.name
                raise ShapeError(f"{title}: the sizes of this call do not fit ({known})", where=op.origin,
                                 expected=f"{what} of at least {least}", got=size)
        if op.name == "scan" and bind(op.attr("length"), sizes) != 0:
            rows = op.kwargs.get("rows")
            inside = sizes if rows is None else {**sizes, rows[0]: bind(rows[1], sizes)}
            check_sizes(op.attr("body"), inside)  # type: ignore[arg-type]


def _check_addressable(op: Op, sizes: Mapping[str, int]) -> None:
    """Positions and bytes are counted in 64 bits."""
    for result in op.results:
        count = bind(result.type.nbytes, sizes)
        if isinstance(count, int) and count >= LARGEST:
            raise ShapeError(f"{op.name}: the result is larger than any memory", where=op.origin,
                             expected="less than 2^63 bytes", got=f"{result.type} of {count} bytes")


def check_told(graph: Graph, given: Iterable[Value]) -> None:
    """Raise ShapeError unless every symbol of the graph is an axis of one of the `given` inputs."""
    told = {str(dim) for value in given for dim in value.type.shape}
    for value in (*graph.inputs, *(result for op in graph.ops for result in op.results)):
        unknown = value.type.symbols - told
        if unknown:
            raise ShapeError(f"the size of {', '.join(sorted(unknown))} cannot be told from the inputs",
                             where=value.hint, expected=f"an input with {min(unknown)} as an axis", got=value.type)
    unknown = graph_symbols(graph) - told - _names_of_rows(graph)
    if unknown:
        raise ShapeError(f"the size of {', '.join(sorted(unknown))} cannot be told from the inputs", where=graph.name,
                         expected=f"an input with {min(unknown)} as an axis", got="an attribute or the body of a loop")


def _names_of_rows(graph: Graph) -> set[str]:
    """The symbols that stand for rows in the bodies of loops."""
    loops = [op for op in graph.ops if op.name == "scan"]
    own = {op.kwargs["rows"][0] for op in loops if op.kwargs.get("rows")}
    return own.union(*(_names_of_rows(op.attr("body")) for op in loops))


def _conditions(op: Op) -> Iterator[tuple[Dim, int, str]]:
    """Dimensions that must be at least a number, and what they are."""
    for result in op.results:
        for axis, dim in enumerate(result.type.shape):
            yield dim, 0, f"a size {dim} of axis {axis}"
    if op.name == "slice":
        for axis, (start, limit, dim) in enumerate(zip(op.attr("starts"), op.attr("limits"),
                                                       op.operands[0].type.shape, strict=True)):
            yield start, 0, f"a start {start} of axis {axis}"
            yield limit - start, 0, f"a part {start} to {limit} of axis {axis}"
            yield dim - limit, 0, f"a rest behind {limit} of axis {axis}, which holds {dim},"
    if op.name == "pad":
        for axis, (low, high) in enumerate(zip(op.attr("low"), op.attr("high"), strict=True)):
            yield low, 0, f"a margin {low} of axis {axis}"
            yield high, 0, f"a margin {high} of axis {axis}"
    if op.name in ("windows", "convolution", "convolution_gradient", "depthwise_convolution", "max_pool"):
        yield from _windows_fit(op)
    if op.name == "scan":
        yield op.attr("length"), op.kwargs.get("least", 0), "a number of steps"
    if op.name in NEED_SOME:
        for axis in op.kwargs["axes"] if "axes" in op.kwargs else (op.attr("axis"),):
            yield op.operands[0].type.shape[axis], 1, f"a size of axis {axis}"


def _windows_fit(op: Op) -> Iterator[tuple[Dim, int, str]]:
    x, attrs = op.operands[0].type, op.kwargs
    shape: Any = op.operands[1].type.shape[:-2] if op.name.endswith("convolution") else attrs["shape"]
    first = attrs["axes"][0] if op.name == "windows" else 1
    for i, (size, dilation) in enumerate(zip(shape, attrs.get("dilations", (1,) * len(shape)), strict=True)):
        yield x.shape[first + i], (size - 1) * dilation + 1, f"a size of axis {first + i}"
