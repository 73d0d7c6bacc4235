"""What a library's forms of kernels have in common: a kernel as a few calls, some of a library, some of kernels of ours
around them, where the sizes of a call make that pay.

A library has the better kernels for large products and knows nothing of our ops around them; so both ways are compiled,
and the sizes decide. The ops behind a product are its epilogue: what the library can do itself, or a kernel that reads
the product from a temporary.

What does not live here: which kernels are products (products.py) and convolutions (convolutions.py) of plain arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from graphc.codegen_cuda.emit import emit_kernel
from graphc.ir.dims import Dim
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.kernel import Kernel, KernelKind
from graphc.ir.program import Emitted
from graphc.ir.spec import Kind
from graphc.ir.views import View, view_of
from graphc.runtime_cuda.calls import Call, KernelCall, number

LEAST_WORK = 1 << 27  # multiplications: below, a launch and what fusion saves count for more
Own = tuple[Kernel, Emitted]  # a kernel of ours with its code
Movers = Mapping[Value, Op]


@dataclass(frozen=True)
class Place:
    """What calls are made for. sizes: of symbols; at: the address of a value; temporary: where the form's own room
    begins; launched(kernel, code, moved): the launch of a kernel, with the addresses of values that lie elsewhere."""

    sizes: Mapping[str, int]
    at: Callable[[Value], int]
    temporary: int
    launched: Callable[[Kernel, Emitted, Mapping[Value, int]], KernelCall]

    def number(self, dim: Dim) -> int:
        return number(dim, self.sizes)


@dataclass(frozen=True, eq=False)
class Epilogue:
    """What becomes of a product in its kernel. output: what the library writes, with `bias` along the columns and
    `activation` in it; rest: the kernel of all ops behind the product, which is then the output."""

    output: Value
    bias: Value | None = None
    activation: str = ""
    rest: Own | None = None


class LibraryForm(ABC):
    """Another way to run a kernel."""

    @property
    @abstractmethod
    def work(self) -> Dim:
        """Multiplications."""

    @property
    @abstractmethod
    def kernels(self) -> tuple[Own, ...]:
        """The kernels of ours among the calls."""

    @property
    def skips(self) -> Kernel | None:
        """A kernel whose result the calls do not read, though this form's kernel does."""
        return None

    @property
    def reads(self) -> Value | None:
        """What they read in its place."""
        return None

    def pays(self, sizes: Mapping[str, int]) -> bool:
        return number(self.work, sizes) >= LEAST_WORK

    @abstractmethod
    def temporary_bytes(self, sizes: Mapping[str, int]) -> int:
        """The room that the calls need, if the form pays."""

    @abstractmethod
    def calls(self, place: Place) -> list[Call]:
        """The calls, in order."""


def movers_of(kernel: Kernel) -> dict[Value, Op]:
    """The ops that only say where elements lie, by their results."""
    return {op.result: op for op in kernel.graph.ops if op.spec.kind is Kind.INDEX}


def seen_through(value: Value, movers: Movers) -> View:
    return view_of(value, movers, lambda op: False)[0]


def epilogue_of(kernel: Kernel, known: Set[tuple[bool, str]], guarded: bool) -> Epilogue | None:
    """The ops behind a contraction kernel's anchor, or None where they cannot stand behind a library's call.

    known: (whether there is a bias, activation) that the library does itself; guarded: as of emit_kernel.
    """
    anchor = kernel.anchor
    assert anchor is not None, "a contraction kernel has an anchor"
    found = _known(kernel, anchor, movers_of(kernel))
    if found is not None and (found.bias is not None, found.activation) in known:
        return found
    rest = _rest(kernel, anchor, _behind(kernel.graph, anchor))
    return None if rest is None else Epilogue(anchor.result, rest=(rest, emit_kernel(rest, guarded=guarded)))


def _known(kernel: Kernel, anchor: Op, movers: Movers) -> Epilogue | None:
    """A bias along the columns and relu, or less; None for anything else."""
    value, bias, activation = anchor.result, None, ""
    for op in kernel.graph.ops:
        if op.name == "reshape" and op.operands == (value,):
            value = op.result
            continue
        if op is anchor or op.result in movers:
            continue
        if op.name == "add" and value in op.operands and bias is None and not activation:
            other = op.operands[1 - op.operands.index(value)]
            bias = _along_columns(seen_through(other, movers), anchor.result.type.shape[-1])
            if bias is None:
                return None
        elif op.name == "relu" and op.operands == (value,) and not activation:
            activation = "relu"
        else:
            return None
        value = op.result
    plain = kernel.outputs == (value,) and not kernel.in_place
    return Epilogue(value, bias, activation) if plain else None


def _along_columns(view: View, count: Dim) -> Value | None:
    """The vector that stands in every row of `count` columns, if the view is that."""
    *others, columns = view.axes
    alone = all(digit.stride == 0 for axis in others for digit in axis)
    whole = len(columns) == 1 and columns[0].stride == 1 and view.value.type.size == columns[0].extent == count
    return view.value if alone and whole and view.offset == 0 else None


def _behind(graph: Graph, anchor: Op) -> list[Op]:
    """The ops that are not there for the product's operands alone."""
    needed: list[Op] = []
    wanted = set(graph.outputs)
    for op in reversed(graph.ops):
        if op is not anchor and wanted & set(op.results):
            needed.insert(0, op)
            wanted |= set(op.operands)
    return needed


def _rest(kernel: Kernel, anchor: Op, after: list[Op]) -> Kernel | None:
    """The kernel of the ops behind the product, which is its first input."""
    made = {r for op in after for r in op.results}
    read = [v for op in after for v in op.operands if v not in made] + [v for v in kernel.outputs if v not in made]
    inputs = tuple(dict.fromkeys([anchor.result, *read]))
    if not after or anchor.result in kernel.outputs or any(v not in (*kernel.inputs, anchor.result) for v in inputs) \
            or any(op.spec.kind not in (Kind.ELEMENTWISE, Kind.INDEX, Kind.SOURCE) for op in after):
        return None
    graph = Graph(f"{kernel.name}_rest", inputs, tuple(after), kernel.outputs, ())
    aliases = []
    for output, input_ in kernel.aliases:
        if kernel.inputs[input_] not in inputs:
            return None
        aliases.append((output, inputs.index(kernel.inputs[input_])))
    return Kernel(graph.name, KernelKind.LOOP, graph, kernel.nest, None, tuple(aliases), kernel.overwrites)
