"""Which kernels of a program a device's libraries can compute.

What does not live here: when they do (forms.py), how each kind is recognised (products.py, convolutions.py).
"""

from __future__ import annotations

from graphc.codegen_cuda.emit import checks_indices
from graphc.ir.kernel import Kernel
from graphc.ir.program import MemoryPlan
from graphc.runtime_cuda.convolutions import convolution_form
from graphc.runtime_cuda.forms import LibraryForm
from graphc.runtime_cuda.products import product_form


def library_forms(memory: MemoryPlan, precision: str, *, products: bool = True,
                  convolutions: bool = True) -> dict[Kernel, LibraryForm]:
    """The kernels outside of loops that have a form; what is a product of plain matrices is no convolution.

    products, convolutions: what there is a library for.
    """
    checked = checks_indices(memory)
    forms: dict[Kernel, LibraryForm] = {}
    for kernel in memory.kernels.kernels:
        guarded = checked and bool(kernel.in_place)
        form: LibraryForm | None = product_form(kernel, precision, guarded)
        if form is None:
            form = convolution_form(kernel, memory.kernels.graph, precision, guarded) if convolutions else None
        elif not products:
            form = None
        if form is not None:
            forms[kernel] = form
    return forms
