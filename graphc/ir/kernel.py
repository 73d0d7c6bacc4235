"""Kernels as data: which ops run in one loop nest, and why the others do not.

A kernel holds its ops as a graph of its own; its inputs and outputs are the values of the whole
graph, by identity. Movers (broadcast, transpose, ...) that are not stored stand in every kernel that
reads through them.

What does not live here: how kernels are chosen (passes/fuse.py), what code they become (codegen_*).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from graphc.ir.dims import Shape
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.lexer import escape
from graphc.ir.spec import Kind


class KernelKind(Enum):
    LOOP = "loop"          # every output element by itself
    REDUCE = "reduce"      # folds one block of axes; may read the folds again in further passes
    CONTRACT = "contract"  # a matmul with an elementwise epilogue
    SCATTER = "scatter"    # adds rows at computed positions
    PREFIX = "prefix"      # a running fold along one axis
    SCAN = "scan"          # a loop over a program of its own


@dataclass(frozen=True, slots=True)
class Nest:
    """The iteration space: outer x reduce x inner; reduce and inner are empty for a plain loop."""

    outer: Shape
    reduce: Shape = ()
    inner: Shape = ()

    @property
    def domain(self) -> Shape:
        return self.outer + self.reduce + self.inner

    @property
    def folded(self) -> Shape:
        """The shape of what the reductions leave."""
        return self.outer + self.inner


def values_before_folds(graph: Graph, nest: Nest) -> set[Value]:
    """The values of a reduction that its folds and its elements are made of: all but what is made of folds alone, and
    read by nothing else, in the end."""
    needed: set[Value] = set()
    for op in reversed(graph.ops):
        if op.spec.kind is Kind.REDUCE or op.result.type.shape == nest.domain or op.result in needed:
            needed |= {op.result, *op.operands}
    return needed


@dataclass(frozen=True, eq=False)
class Kernel:
    """One native function of the program.

    anchor is the op that decides the loop structure (None for a plain loop); aliases lists
    (output, input) positions that share one buffer, read and written at the same index; overwrites
    (output position, value): a state that the kernel does not read, and whose buffer it writes.
    """

    name: str
    kind: KernelKind
    graph: Graph
    nest: Nest
    anchor: Op | None = None
    aliases: tuple[tuple[int, int], ...] = field(default=())
    overwrites: tuple[tuple[int, Value], ...] = field(default=())

    @property
    def inputs(self) -> tuple[Value, ...]:
        return self.graph.inputs

    @property
    def outputs(self) -> tuple[Value, ...]:
        return self.graph.outputs

    @property
    def in_place(self) -> dict[Value, Value]:
        """New value -> the value in whose buffer it is written."""
        return {**{self.outputs[o]: self.inputs[i] for o, i in self.aliases},
                **{self.outputs[o]: old for o, old in self.overwrites}}

    @property
    def origins(self) -> tuple[str, ...]:
        """The layers its ops come from."""
        return tuple(dict.fromkeys(op.origin for op in self.graph.ops if op.origin))


@dataclass(frozen=True, slots=True)
class Decision:
    """Why two ops, one reading the other, share a kernel or do not."""

    producer: Op
    consumer: Op
    fused: bool
    reason: str

    def __str__(self) -> str:
        verdict = "fused" if self.fused else "apart"
        return f"{verdict}: {_name(self.producer)} -> {_name(self.consumer)}: {self.reason}"


@dataclass(frozen=True, eq=False)
class KernelGraph:
    """A graph cut into kernels, in execution order."""

    graph: Graph
    kernels: tuple[Kernel, ...]
    decisions: tuple[Decision, ...]


def side_by_side(kernels: Sequence[Kernel]) -> list[list[Kernel]]:
    """The kernels in order; neighbouring loops that do not read each other's results run at the same time."""
    groups: list[list[Kernel]] = []
    for kernel in kernels:
        last = groups[-1] if groups else []
        if kernel.kind is KernelKind.SCAN and last and last[0].kind is KernelKind.SCAN and not kernel.in_place \
                and {v for other in last for v in other.outputs}.isdisjoint(kernel.inputs):
            last.append(kernel)
        else:
            groups.append([kernel])
    return groups


def in_parts(op: Op) -> bool:
    """Whether a stored concatenation is written part by part, in one loop over parts of one shape."""
    return op.name == "concatenate" and len(op.operands) > 1 and len({v.type.shape for v in op.operands}) == 1


MOVED = 1 << 10  # bytes of a row that a contraction moves: longer ones are faster moved by themselves (measured)


def moves_rows(op: Op) -> bool:
    """Whether a stored transpose is written row by row, in one loop over the rows of its operand."""
    return (op.name == "transpose" and op.result.type.rank >= 3 and op.attr("perm")[-1] == op.result.type.rank - 1
            and isinstance(op.result.type.shape[-1], int))


def moves_long_rows(op: Op) -> bool:
    """Whether the rows of a transpose are too long to be moved by the contraction that makes them."""
    if not moves_rows(op):
        return False
    columns = op.result.type.shape[-1]
    return isinstance(columns, int) and columns * op.result.type.dtype.itemsize > MOVED


def by_operand(op: Op) -> bool:
    """Whether a stored mover is written in a loop over its operands' elements, wherever those go."""
    return in_parts(op) or moves_rows(op)


def _name(op: Op) -> str:
    return f"{op.name} ({escape(op.origin)})" if op.origin else op.name
