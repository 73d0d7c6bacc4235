"""Which contraction kernels are products of plain matrices, and how a library computes them: one call, or one into a
temporary and the kernel of the remaining ops.

What does not live here: the library (blas.py), epilogues (forms.py), our own kernels (codegen_cuda/contractions.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphc.ir.dims import Dim, size_of
from graphc.ir.graph import Value
from graphc.ir.kernel import Kernel, KernelKind
from graphc.ir.views import View
from graphc.runtime_cuda.calls import Call, ProductCall, number
from graphc.runtime_cuda.device import Product, Span
from graphc.runtime_cuda.forms import Epilogue, LibraryForm, Own, Place, epilogue_of, movers_of, seen_through

KNOWN = frozenset((bias, activation) for bias in (False, True) for activation in ("", "relu"))


@dataclass(frozen=True)
class Matrix:
    """An operand as it lies in memory: see device.Product."""

    value: Value
    offset: Dim
    step: Dim
    apart: Dim
    turned: bool


@dataclass(frozen=True, eq=False)
class ProductForm(LibraryForm):
    """A kernel as a product."""

    result: Value
    a: Matrix
    b: Matrix
    m: Dim
    n: Dim
    k: Dim
    batch: Dim
    precision: str
    epilogue: Epilogue

    @property
    def work(self) -> Dim:
        return self.m * self.n * self.k * self.batch

    @property
    def kernels(self) -> tuple[Own, ...]:
        return () if self.epilogue.rest is None else (self.epilogue.rest,)

    def temporary_bytes(self, sizes: Mapping[str, int]) -> int:
        return 0 if self.epilogue.rest is None else number(self.result.type.nbytes, sizes)

    def calls(self, place: Place) -> list[Call]:
        rest = self.epilogue.rest
        if rest is None:
            return [ProductCall(self._product(place, place.at(self.epilogue.output)))]
        return [ProductCall(self._product(place, place.temporary)),
                place.launched(*rest, {self.result: place.temporary})]

    def _product(self, place: Place, target: int) -> Product:
        m, n, k, batch = (place.number(d) for d in (self.m, self.n, self.k, self.batch))
        kind = self.result.type.dtype.numpy

        def span(matrix: Matrix, rows: int, columns: int) -> Span:
            rows, columns = (columns, rows) if matrix.turned else (rows, columns)
            count = (batch - 1) * place.number(matrix.apart) + (rows - 1) * place.number(matrix.step) + columns
            return Span(place.at(matrix.value) + place.number(matrix.offset) * kind.itemsize, count, kind)

        steps = (place.number(self.a.step), place.number(self.b.step), n)
        apart = (place.number(self.a.apart), place.number(self.b.apart), m * n)
        bias = Span(place.at(self.epilogue.bias), n, kind) if self.epilogue.bias is not None else None
        return Product(span(self.a, m, k), span(self.b, k, n), Span(target, batch * m * n, kind), m, n, k, batch, steps,
                       apart, (self.a.turned, self.b.turned), bias, self.epilogue.activation, self.precision)


def product_form(kernel: Kernel, precision: str, guarded: bool = False) -> ProductForm | None:
    """The kernel as a product, or None where a library has no such product. guarded: as of emit_kernel."""
    anchor = kernel.anchor
    if kernel.kind is not KernelKind.CONTRACT or anchor is None or anchor.name != "matmul":
        return None
    movers = movers_of(kernel)
    a, b = (_matrix(seen_through(v, movers)) for v in anchor.operands)
    if a is None or b is None:
        return None
    epilogue = epilogue_of(kernel, KNOWN, guarded)
    if epilogue is None:
        return None
    result = anchor.result
    m, n, k = *result.type.shape[-2:], anchor.operands[0].type.shape[-1]
    return ProductForm(result, a, b, m, n, k, size_of(result.type.shape[:-2]), precision, epilogue)


def _matrix(view: View) -> Matrix | None:
    """A batch of matrices whose rows or columns are neighbours, at equal distances and apart from each other."""
    *batch, rows, columns = view.axes
    outer = [digit for axis in batch for digit in axis]
    if max(map(len, (outer, rows, columns))) > 1:
        return None
    apart = outer[0].stride if outer else 0
    if not _reaches(apart, 0):
        return None
    for turned, (slow, fast) in ((False, (rows, columns)), (True, (columns, rows))):
        extent = fast[0].extent if fast else 1
        step = slow[0].stride if slow else extent
        if (not fast or fast[0].stride == 1) and _reaches(step, extent):
            return Matrix(view.value, view.offset, step, apart, turned)
    return None


def _reaches(step: Dim, extent: Dim) -> bool:
    """Whether what is `step` apart holds `extent` elements without overlap, which a library asks of rows."""
    gap = step - extent
    return gap >= 0 if isinstance(gap, int) else all(count >= 0 for _, count in gap.terms)
