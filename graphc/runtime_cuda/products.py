"""Which contraction kernels a library can compute, and how: as one product with its own epilogue, or as a product into
a temporary followed by a kernel with the remaining ops.

A library has the better kernels for large products and knows nothing of ours around them; so both forms are compiled,
and the sizes of a call decide.

What does not live here: the library (blas.py), our own contraction kernels (graphc.codegen_cuda.contractions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graphc.codegen_cuda.emit import emit_kernel
from graphc.ir.dims import Dim, bind, size_of
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.kernel import Kernel, KernelKind
from graphc.ir.program import Emitted, MemoryPlan
from graphc.ir.spec import Kind
from graphc.ir.views import View, view_of
from graphc.runtime_cuda.device import Product, Span

LEAST_WORK = 1 << 27  # multiplications: below, a launch and what fusion saves count for more


@dataclass(frozen=True)
class Matrix:
    """An operand as it lies in memory: see device.Product."""

    value: Value
    offset: Dim
    step: Dim
    apart: Dim
    turned: bool


@dataclass(frozen=True, eq=False)
class LibraryForm:
    """A kernel as a product. epilogue: the kernel of the ops behind it, with its code, which reads the product from a
    temporary; None where the library does them: a bias along the columns, "relu"."""

    result: Value
    a: Matrix
    b: Matrix
    m: Dim
    n: Dim
    k: Dim
    batch: Dim
    precision: str
    output: Value
    bias: Value | None
    activation: str
    epilogue: tuple[Kernel, Emitted] | None

    def pays(self, sizes: Mapping[str, int]) -> bool:
        return _number(self.m * self.n * self.k * self.batch, sizes) >= LEAST_WORK

    def temporary_bytes(self, sizes: Mapping[str, int]) -> int:
        return _number(self.result.type.nbytes, sizes) if self.epilogue and self.pays(sizes) else 0

    def product(self, sizes: Mapping[str, int], at: Callable[[Value], int], temporary: int) -> Product:
        """The call; at: the address of a value; temporary: where its result goes if an epilogue follows."""
        m, n, k, batch = (_number(d, sizes) for d in (self.m, self.n, self.k, self.batch))
        kind = self.result.type.dtype.numpy

        def span(matrix: Matrix, rows: int, columns: int) -> Span:
            rows, columns = (columns, rows) if matrix.turned else (rows, columns)
            count = (batch - 1) * _number(matrix.apart, sizes) + (rows - 1) * _number(matrix.step, sizes) + columns
            return Span(at(matrix.value) + _number(matrix.offset, sizes) * kind.itemsize, count, kind)

        c = Span(temporary if self.epilogue else at(self.output), batch * m * n, kind)
        steps = (_number(self.a.step, sizes), _number(self.b.step, sizes), n)
        apart = (_number(self.a.apart, sizes), _number(self.b.apart, sizes), m * n)
        bias = Span(at(self.bias), n, kind) if self.bias is not None else None
        return Product(span(self.a, m, k), span(self.b, k, n), c, m, n, k, batch, steps, apart,
                       (self.a.turned, self.b.turned), bias, self.activation, self.precision)


def library_forms(memory: MemoryPlan, precision: str) -> dict[Kernel, LibraryForm]:
    """Of the kernels that are products of plain matrices, outside of loops."""
    forms = {kernel: library_form(kernel, precision) for kernel in memory.kernels.kernels}
    return {kernel: form for kernel, form in forms.items() if form is not None}


def library_form(kernel: Kernel, precision: str) -> LibraryForm | None:
    """The kernel as a product, or None where a library has no such product."""
    anchor = kernel.anchor
    if kernel.kind is not KernelKind.CONTRACT or anchor is None or anchor.name != "matmul":
        return None
    movers = {op.result: op for op in kernel.graph.ops if op.spec.kind is Kind.INDEX}
    a, b = (_matrix(view_of(v, movers, lambda op: False)[0]) for v in anchor.operands)
    after = _behind(kernel.graph, anchor)
    if a is None or b is None or any(op.spec.kind not in (Kind.ELEMENTWISE, Kind.INDEX, Kind.SOURCE) for op in after):
        return None
    result = anchor.result
    m, n, k = *result.type.shape[-2:], anchor.operands[0].type.shape[-1]
    bias, activation, output = _known_epilogue(kernel, anchor, movers)
    epilogue = None
    if output is None:
        rest = _rest(kernel, anchor, after)
        if rest is None:
            return None
        epilogue, output = (rest, emit_kernel(rest)), result
    return LibraryForm(result, a, b, m, n, k, size_of(result.type.shape[:-2]), precision, output, bias, activation,
                       epilogue)


def _matrix(view: View) -> Matrix | None:
    """A batch of matrices whose rows or columns are neighbours, at equal distances."""
    *batch, rows, columns = view.axes
    outer = [digit for axis in batch for digit in axis]
    if max(map(len, (outer, rows, columns))) > 1:
        return None
    apart = outer[0].stride if outer else 0
    for turned, (slow, fast) in ((False, (rows, columns)), (True, (columns, rows))):
        if (not fast or fast[0].stride == 1) and (not slow or slow[0].stride != 0):
            extent = fast[0].extent if fast else 1
            return Matrix(view.value, view.offset, slow[0].stride if slow else extent, apart, turned)
    return None


def _behind(graph: Graph, anchor: Op) -> list[Op]:
    """The ops that are not there for the product's operands alone."""
    needed: list[Op] = []
    wanted = set(graph.outputs)
    for op in reversed(graph.ops):
        if op is not anchor and wanted & set(op.results):
            needed.insert(0, op)
            wanted |= set(op.operands)
    return needed


def _known_epilogue(kernel: Kernel, anchor: Op, movers: Mapping[Value, Op]) -> tuple[Value | None, str, Value | None]:
    """(bias, activation, what the library writes); the last is None where it does not know the ops."""
    value, bias, activation = anchor.result, None, ""
    for op in kernel.graph.ops:
        if op is anchor or op.result in movers:
            continue
        if op.name == "add" and value in op.operands and bias is None and not activation:
            other = op.operands[1 - op.operands.index(value)]
            bias = _along_columns(view_of(other, movers, lambda op: False)[0])
            if bias is None:
                return None, "", None
        elif op.name == "relu" and op.operands == (value,) and not activation:
            activation = "relu"
        else:
            return None, "", None
        value = op.result
    plain = kernel.outputs == (value,) and not kernel.in_place
    return (bias, activation, value) if plain else (None, "", None)


def _along_columns(view: View) -> Value | None:
    """The vector that stands in every row, if the view is that."""
    *others, columns = view.axes
    alone = all(digit.stride == 0 for axis in others for digit in axis)
    whole = len(columns) == 1 and columns[0].stride == 1 and view.value.type.size == columns[0].extent
    return view.value if alone and whole and view.offset == 0 else None


def _rest(kernel: Kernel, anchor: Op, after: list[Op]) -> Kernel | None:
    """The kernel of the ops behind the product, which is its first input."""
    made = {r for op in after for r in op.results}
    read = [v for op in after for v in op.operands if v not in made] + [v for v in kernel.outputs if v not in made]
    inputs = tuple(dict.fromkeys([anchor.result, *read]))
    if not after or anchor.result in kernel.outputs or any(v not in (*kernel.inputs, anchor.result) for v in inputs):
        return None
    graph = Graph(f"{kernel.name}_rest", inputs, tuple(after), kernel.outputs, ())
    aliases = []
    for output, input_ in kernel.aliases:
        if kernel.inputs[input_] not in inputs:
            return None
        aliases.append((output, inputs.index(kernel.inputs[input_])))
    return Kernel(graph.name, KernelKind.LOOP, graph, kernel.nest, None, tuple(aliases), kernel.overwrites)


def _number(dim: Dim, sizes: Mapping[str, int]) -> int:
    return int(bind(dim, sizes))  # type: ignore[arg-type]
