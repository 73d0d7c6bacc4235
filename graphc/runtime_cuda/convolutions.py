"""Which contraction kernels are convolutions of whole arrays, and how a library computes them.

A convolution is a matmul over `windows` (graphc.ir.ops_convolution): the first operand is x's windows as a matrix, one
row for each position; for the gradient of the filters that matrix turned, for all items or one by one. The gradient of
x is a convolution again, over the cotangents with zeros around.

The library wants filters as [o,*k,c] where ours are [*k,c,o]; so a small kernel of ours turns them in front of a
convolution, and turns the gradient behind one. Where a gradient is made in parts that are only summed (one for each
item, or as many as a long sum was cut in), the first part gets all and the others are zero.

What does not live here: the library (cudnn.py), epilogues (forms.py), our own kernels (codegen_cuda/contractions.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphc.codegen_cuda.emit import emit_kernel
from graphc.ir.builder import make_op
from graphc.ir.dims import Dim, size_of
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.kernel import Kernel, KernelKind, Nest
from graphc.ir.layout import aligned
from graphc.ir.spec import op_spec
from graphc.ir.types import F32
from graphc.ir.views import packed
from graphc.runtime_cuda.calls import Call, ClearCall, ConvolutionCall, number
from graphc.runtime_cuda.device import Convolution, Geometry, Span
from graphc.runtime_cuda.forms import Epilogue, LibraryForm, Movers, Own, Place, epilogue_of, movers_of, seen_through

PRECISIONS = ("default", "highest", "tf32")  # in bfloat16, operands would have to be converted first
KNOWN = frozenset([(False, ""), (True, ""), (True, "relu")])
MOST_AXES = 3


@dataclass(frozen=True, eq=False)
class ConvolutionForm(LibraryForm):
    """A kernel as a convolution. windows: the op that makes x's; turning: the kernel that turns the filters, from
    `given` to `turned`; parts: of the result, see the module."""

    kind: str
    result: Value
    windows: Op
    x: Value
    y: Value | None  # the cotangents, for a gradient
    given: Value
    turned: Value
    turning: Own
    parts: Dim
    precision: str
    epilogue: Epilogue

    @property
    def work(self) -> Dim:
        seen = self.windows.result.type
        return seen.size * self.result.type.shape[-1]

    @property
    def kernels(self) -> tuple[Own, ...]:
        return (self.turning,) if self.epilogue.rest is None else (self.turning, self.epilogue.rest)

    def temporary_bytes(self, sizes: Mapping[str, int]) -> int:
        whole = number(self.result.type.nbytes, sizes) if self.epilogue.rest is not None else 0
        return self._room(sizes) + whole

    def _room(self, sizes: Mapping[str, int]) -> int:
        """Bytes of the filters as the library wants them."""
        return aligned(number(self.turned.type.nbytes, sizes))

    def calls(self, place: Place) -> list[Call]:
        target = place.at(self.epilogue.output) if self.epilogue.rest is None \
            else place.temporary + self._room(place.sizes)
        made = self._forward(place, target) if self.kind == "forward" else self._gradient(place, target)
        if self.epilogue.rest is not None:
            made.append(place.launched(*self.epilogue.rest, {self.result: target}))
        return made

    def _forward(self, place: Place, target: int) -> list[Call]:
        bias = self.epilogue.bias
        kind = self.result.type.dtype.numpy
        convolution = Convolution(
            "forward", self._geometry(place), self._span(place, self.x, place.at(self.x)),
            self._span(place, self.turned, place.temporary), self._span(place, self.result, target),
            None if bias is None else Span(place.at(bias), place.number(bias.type.size), kind),
            self.epilogue.activation, self.precision)
        return [place.launched(*self.turning, {self.turned: place.temporary}), ConvolutionCall(convolution)]

    def _gradient(self, place: Place, target: int) -> list[Call]:
        assert self.y is not None
        one = place.number(self.turned.type.nbytes)
        others = (place.number(self.parts) - 1) * one
        convolution = Convolution(
            "filter", self._geometry(place), self._span(place, self.x, place.at(self.x)),
            self._span(place, self.given, place.temporary), self._span(place, self.y, place.at(self.y)),
            precision=self.precision)
        calls: list[Call] = [ConvolutionCall(convolution),
                             place.launched(*self.turning, {self.given: place.temporary, self.turned: target})]
        return [*calls, ClearCall(target + one, others)] if others else calls

    def _span(self, place: Place, value: Value, address: int) -> Span:
        return Span(address, place.number(value.type.size), value.type.dtype.numpy)

    def _geometry(self, place: Place) -> Geometry:
        items, *extents, channels = (place.number(d) for d in self.windows.operands[0].type.shape)
        filters = place.number(self.result.type.shape[-1])
        return Geometry(items, tuple(extents), channels, filters,
                        *(self.windows.attr(name) for name in ("shape", "strides", "dilations")))


def convolution_form(kernel: Kernel, graph: Graph, precision: str, guarded: bool = False) -> ConvolutionForm | None:
    """The kernel as a convolution, or None where a library has no such convolution.

    graph: the whole one, which says who reads the result; guarded: as of emit_kernel.
    """
    anchor = kernel.anchor
    if kernel.kind is not KernelKind.CONTRACT or anchor is None or anchor.name not in ("matmul", "split_matmul") \
            or anchor.result.type.dtype is not F32 or precision not in PRECISIONS:
        return None
    movers = movers_of(kernel)
    if anchor.name == "matmul" and anchor.result.type.rank == 2:
        found = _forward(kernel, anchor, movers, precision, guarded)
        if found is not None:
            return found
    return _gradient(kernel, anchor, movers, graph, precision, guarded)


def _forward(kernel: Kernel, anchor: Op, movers: Movers, precision: str, guarded: bool) -> ConvolutionForm | None:
    columns, filters = anchor.operands
    windows = _windows(columns, movers)
    if windows is None or columns.type.shape != _matrix(windows):
        return None
    x, w = seen_through(windows.operands[0], movers), seen_through(filters, movers)
    epilogue = epilogue_of(kernel, KNOWN, guarded) if packed(x) else None
    if epilogue is None:
        return None
    turned, turning = _turned(f"{kernel.name}_filters", filters, movers)
    return ConvolutionForm("forward", anchor.result, windows, x.value, None, w.value, turned, turning, 1, precision,
                           epilogue)


def _gradient(kernel: Kernel, anchor: Op, movers: Movers, graph: Graph, precision: str,
              guarded: bool) -> ConvolutionForm | None:
    across, cotangents = anchor.operands
    turn = movers.get(across)
    rank = across.type.rank
    if turn is None or turn.name != "transpose" or turn.attr("perm") != (*range(rank - 2), rank - 1, rank - 2):
        return None
    columns = turn.operands[0]
    windows = _windows(columns, movers)
    if windows is None or columns.type.shape != _matrix(windows, by_item=rank == 3):
        return None
    x, y = seen_through(windows.operands[0], movers), seen_through(cotangents, movers)
    epilogue = epilogue_of(kernel, frozenset([(False, "")]), guarded) if packed(x) and packed(y) else None
    result = anchor.result
    parts = result.type.shape[0] if result.type.rank == 3 else 1
    if epilogue is None or (parts != 1 and not (epilogue.output is result and _only_summed(result, graph))):
        return None
    given = Value(result.type.with_shape(result.type.shape[:-3:-1]), "filters")
    turned, turning = _turned(f"{kernel.name}_filters", given, {})
    return ConvolutionForm("filter", result, windows, x.value, y.value, given, turned, turning, parts, precision,
                           epilogue)


def _windows(value: Value, movers: Movers) -> Op | None:
    """The op that makes windows of all spatial axes, seen through other shapes of its result."""
    while (op := movers.get(value)) is not None and op.name == "reshape":
        value = op.operands[0]
    if op is None or op.name != "windows":
        return None
    axes = op.operands[0].type.rank - 2
    return op if 0 < axes <= MOST_AXES and op.attr("axes") == tuple(range(1, 1 + axes)) else None


def _matrix(windows: Op, by_item: bool = False) -> tuple[Dim, ...]:
    """The shape of the windows as a matrix, or one for each item."""
    shape = windows.result.type.shape
    at = windows.operands[0].type.rank - 1
    columns = size_of(shape[at:])
    return (shape[0], size_of(shape[1:at]), columns) if by_item else (size_of(shape[:at]), columns)


def _only_summed(value: Value, graph: Graph) -> bool:
    """Whether all that is read of the value is the sum along its first axis."""
    readers = [op for op in graph.ops if value in op.operands]
    return value not in graph.outputs and all(op.name == "reduce_sum" and op.attr("axes") == (0,) for op in readers)


def _turned(name: str, matrix: Value, movers: Movers) -> tuple[Value, Own]:
    """A matrix with its axes exchanged, and the kernel that stores it."""
    way: list[Op] = []
    source = matrix
    while (op := movers.get(source)) is not None:
        way.insert(0, op)
        source = op.operands[0]
    turn = make_op(op_spec("transpose"), (matrix,), {"perm": (1, 0)})
    graph = Graph(name, (source,), (*way, turn), (turn.result,), ())
    kernel = Kernel(name, KernelKind.LOOP, graph, Nest(turn.result.type.shape))
    return turn.result, (kernel, emit_kernel(kernel))
