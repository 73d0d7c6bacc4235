"""Which contraction kernels are convolutions of whole arrays, and how a library computes them.

A convolution is a matmul over `windows` (graphc.ir.ops_convolution): the first operand is x's windows as a matrix, one
row for each position; for the gradient of the filters that matrix turned, for all items or one by one. The gradient of
x is a convolution again, over the cotangents with zeros around, and between them if the convolution had strides.

The library wants filters as [o,*k,c] where ours are [*k,c,o]; so a small kernel of ours turns them in front of a
convolution, and turns the gradient behind one. Where a gradient is made in parts that are only summed (one for each
item, or as many as a long sum was cut in), the first part gets all and the others are zero.

What does not live here: the library (cudnn.py), zeros around images (borders.py), epilogues (forms.py), our own kernels
(codegen_cuda/contractions.py).
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
from graphc.ir.ops_window import positions
from graphc.ir.program import MemoryPlan
from graphc.ir.spec import op_spec
from graphc.ir.types import F32
from graphc.ir.views import packed
from graphc.runtime_cuda.borders import Border, border_of
from graphc.runtime_cuda.calls import Call, ClearCall, ConvolutionCall, number
from graphc.runtime_cuda.device import Convolution, Geometry, Span
from graphc.runtime_cuda.forms import Epilogue, LibraryForm, Movers, Own, Place, epilogue_of, movers_of, seen_through

PRECISIONS = ("default", "highest", "tf32")  # in bfloat16, operands would have to be converted first
KNOWN = frozenset([(False, ""), (True, ""), (True, "relu")])
NOTHING = frozenset([(False, "")])
MOST_AXES = 3


@dataclass(frozen=True, eq=False)
class ConvolutionForm(LibraryForm):
    """A kernel as a convolution; kind: as of device.Convolution.

    image      what the windows are of: x, or for the gradient of data y; with `border`, what lies under the zeros
    cotangents y for a gradient of filters
    turning    the kernel that turns the filters, from `given` to `turned`
    parts      of the result, see the module
    """

    kind: str
    result: Value
    windows: Op
    image: Value
    border: Border | None
    cotangents: Value | None
    given: Value
    turned: Value
    turning: Own
    parts: Dim
    precision: str
    epilogue: Epilogue

    @property
    def work(self) -> Dim:
        return self.windows.result.type.size * self.result.type.shape[-1]

    @property
    def kernels(self) -> tuple[Own, ...]:
        return (self.turning,) if self.epilogue.rest is None else (self.turning, self.epilogue.rest)

    @property
    def skips(self) -> Kernel | None:
        return None if self.border is None else self.border.maker

    @property
    def reads(self) -> Value | None:
        return None if self.border is None else self.image

    def temporary_bytes(self, sizes: Mapping[str, int]) -> int:
        whole = number(self.result.type.nbytes, sizes) if self.epilogue.rest is not None else 0
        return self._room(sizes) + whole

    def _room(self, sizes: Mapping[str, int]) -> int:
        """Bytes of the filters as the library wants them."""
        return aligned(number(self.turned.type.nbytes, sizes))

    def calls(self, place: Place) -> list[Call]:
        target = place.at(self.epilogue.output) if self.epilogue.rest is None \
            else place.temporary + self._room(place.sizes)
        made = self._filters(place, target) if self.kind == "filter" else self._image(place, target)
        if self.epilogue.rest is not None:
            made.append(place.launched(*self.epilogue.rest, {self.result: target}))
        return made

    def _image(self, place: Place, target: int) -> list[Call]:
        """Filters turned, then what makes an image of another."""
        bias = self.epilogue.bias
        image, result = self._span(place, self.image, place.at(self.image)), self._span(place, self.result, target)
        x, y = (image, result) if self.kind == "forward" else (result, image)
        convolution = Convolution(
            self.kind, self._geometry(place), x, self._span(place, self.turned, place.temporary), y,
            None if bias is None else self._span(place, bias, place.at(bias)), self.epilogue.activation, self.precision)
        return [place.launched(*self.turning, {self.turned: place.temporary}), ConvolutionCall(convolution)]

    def _filters(self, place: Place, target: int) -> list[Call]:
        """The gradient of filters, then turned."""
        assert self.cotangents is not None
        one = place.number(self.turned.type.nbytes)
        others = (place.number(self.parts) - 1) * one
        convolution = Convolution(
            "filter", self._geometry(place), self._span(place, self.image, place.at(self.image)),
            self._span(place, self.given, place.temporary),
            self._span(place, self.cotangents, place.at(self.cotangents)), precision=self.precision)
        calls: list[Call] = [ConvolutionCall(convolution),
                             place.launched(*self.turning, {self.given: place.temporary, self.turned: target})]
        return [*calls, ClearCall(target + one, others)] if others else calls

    def _span(self, place: Place, value: Value, address: int) -> Span:
        return Span(address, place.number(value.type.size), value.type.dtype.numpy)

    def _geometry(self, place: Place) -> Geometry:
        border, op = self.border, self.windows
        shape = op.operands[0].type.shape if border is None else border.shape
        items, *extents, channels = (place.number(d) for d in shape)
        made = place.number(self.result.type.shape[-1])
        window, strides, dilations = (op.attr(name) for name in ("shape", "strides", "dilations"))
        zeros = (0,) * len(window) if border is None else tuple(map(place.number, border.low))
        if self.kind != "data":
            return Geometry(items, tuple(extents), channels, made, window, strides, dilations, zeros)
        assert border is not None
        x = tuple(place.number(d) for d in op.result.type.shape[1:1 + len(window)])
        inner = tuple((size - 1) * dilation - low for size, dilation, low in zip(window, dilations, zeros, strict=True))
        return Geometry(items, x, made, channels, window, border.apart, dilations, inner)


def convolution_form(kernel: Kernel, memory: MemoryPlan, precision: str,
                     guarded: bool = False) -> ConvolutionForm | None:
    """The kernel as a convolution, or None where a library has no such convolution.

    memory: of the whole program; guarded: as of emit_kernel.
    """
    anchor = kernel.anchor
    if kernel.kind is not KernelKind.CONTRACT or anchor is None or anchor.name not in ("matmul", "split_matmul") \
            or anchor.result.type.dtype is not F32 or precision not in PRECISIONS:
        return None
    found = _forward(kernel, anchor, memory, precision, guarded) if anchor.name == "matmul" else None
    return _gradient(kernel, anchor, memory, precision, guarded) if found is None else found


def _forward(kernel: Kernel, anchor: Op, memory: MemoryPlan, precision: str, guarded: bool) -> ConvolutionForm | None:
    """A convolution, which may be the gradient of another's data."""
    movers = movers_of(kernel)
    columns, filters = anchor.operands
    windows = _windows(columns, movers)
    if windows is None or columns.type.shape != _matrix(windows):
        return None
    image = _image(windows, movers)
    if image is None:
        return None
    border = border_of(image, memory)
    kind = "data" if border is not None and _is_gradient(border, windows) else "forward"
    epilogue = epilogue_of(kernel, KNOWN if kind == "forward" else NOTHING, guarded)
    if epilogue is None:
        return None
    if kind == "forward" and border is not None and not _even(border):
        border = None
    if border is not None:
        image = border.value
    given = seen_through(filters, movers).value
    backwards = windows.attr("shape") if kind == "data" else ()
    turned, turning = _turned(f"{kernel.name}_filters", filters, movers, backwards)
    return ConvolutionForm(kind, anchor.result, windows, image, border, None, given, turned, turning, 1, precision,
                           epilogue)


def _gradient(kernel: Kernel, anchor: Op, memory: MemoryPlan, precision: str,
              guarded: bool) -> ConvolutionForm | None:
    """The gradient of a convolution's filters."""
    movers = movers_of(kernel)
    across, cotangents = anchor.operands
    turn = movers.get(across)
    rank = across.type.rank
    if turn is None or turn.name != "transpose" or turn.attr("perm") != (*range(rank - 2), rank - 1, rank - 2):
        return None
    columns = turn.operands[0]
    windows = _windows(columns, movers)
    if windows is None or columns.type.shape != _matrix(windows, by_item=rank == 3):
        return None
    image, y = _image(windows, movers), seen_through(cotangents, movers)
    epilogue = epilogue_of(kernel, NOTHING, guarded) if image is not None and packed(y) else None
    result = anchor.result
    parts = result.type.shape[0] if result.type.rank == 3 else 1
    if image is None or epilogue is None or (parts != 1 and not (
            epilogue.output is result and _only_summed(result, memory.kernels.graph))):
        return None
    border = border_of(image, memory)
    if border is not None and not _even(border):
        border = None
    given = Value(result.type.with_shape(result.type.shape[:-3:-1]), "filters")
    turned, turning = _turned(f"{kernel.name}_filters", given, {})
    return ConvolutionForm("filter", result, windows, image if border is None else border.value, border, y.value, given,
                           turned, turning, parts, precision, epilogue)


def _image(windows: Op, movers: Movers) -> Value | None:
    """The value that the windows are of, if it lies in memory as a whole."""
    seen = seen_through(windows.operands[0], movers)
    same = packed(seen) and seen.value.type.size == windows.operands[0].type.size
    return seen.value if same else None


def _even(border: Border) -> bool:
    """Whether it is what a library knows as padding: as many zeros on either side, and none between."""
    return border.low == border.high and all(step == 1 for step in border.apart)


def _is_gradient(border: Border, windows: Op) -> bool:
    """Whether a convolution over this border is the gradient of a strided one's data."""
    if all(step == 1 for step in border.apart) or any(step != 1 for step in windows.attr("strides")):
        return False
    axes = len(border.apart)
    for made, low, given, size, step, dilation in zip(
            windows.result.type.shape[1:1 + axes], border.low, border.shape[1:-1], windows.attr("shape"), border.apart,
            windows.attr("dilations"), strict=True):
        around = (size - 1) * dilation - low
        if not isinstance(around, int) or around < 0 or positions(made + 2 * around, size, step, dilation) != given:
            return False
    return True


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


def _turned(name: str, matrix: Value, movers: Movers, backwards: tuple[int, ...] = ()) -> tuple[Value, Own]:
    """A matrix with its axes exchanged, and the kernel that stores it.

    backwards: the window of filters [*k,o,c], which a gradient of data reads from their ends; turned they are [o,*k,c].
    """
    way: list[Op] = []
    source = matrix
    while (op := movers.get(source)) is not None:
        way.insert(0, op)
        source = op.operands[0]
    axes = len(backwards)
    if backwards:
        columns = matrix.type.shape[1]
        outer = matrix.type.shape[0] // size_of(backwards)  # type: ignore[operator]
        way.append(make_op(op_spec("reshape"), (matrix,), {"shape": (*backwards, outer, columns)}))
        way.append(make_op(op_spec("reverse"), (way[-1].result,), {"axes": tuple(range(axes))}))
        perm: tuple[int, ...] = (axes, *range(axes), axes + 1)
    else:
        perm = (1, 0)
    turn = make_op(op_spec("transpose"), (way[-1].result if backwards else matrix,), {"perm": perm})
    graph = Graph(name, (source,), (*way, turn), (turn.result,), ())
    kernel = Kernel(name, KernelKind.LOOP, graph, Nest(turn.result.type.shape))
    return turn.result, (kernel, emit_kernel(kernel))
