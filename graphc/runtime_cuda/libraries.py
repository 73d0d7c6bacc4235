"""Which kernels of a program a device's libraries can compute, and which of them they do for given sizes.

What does not live here: how each kind is recognised (products.py, convolutions.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from graphc.codegen_cuda.emit import checks_indices
from graphc.ir.kernel import Kernel
from graphc.ir.program import MemoryPlan
from graphc.runtime_cuda.calls import ConvolutionCall, KernelCall
from graphc.runtime_cuda.convolutions import convolution_form
from graphc.runtime_cuda.device import Device
from graphc.runtime_cuda.forms import LibraryForm, Place
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
            form = convolution_form(kernel, memory, precision, guarded) if convolutions else None
        elif not products:
            form = None
        if form is not None:
            forms[kernel] = form
    return forms


@dataclass(frozen=True, eq=False)
class Choice:
    """What is done for some sizes. forms: of the kernels that libraries compute; skipped: kernels whose results nobody
    reads then; plan: the memory, with what the forms read for as long as they do, and without what is skipped."""

    forms: Mapping[Kernel, LibraryForm]
    skipped: frozenset[Kernel]
    plan: MemoryPlan


def choose(memory: MemoryPlan, forms: Mapping[Kernel, LibraryForm], sizes: Mapping[str, int], device: Device) -> Choice:
    """The forms that pay for these sizes and that the device can do."""
    used = {kernel: form for kernel, form in forms.items() if form.pays(sizes) and _possible(form, sizes, device)}
    kernels = memory.kernels.kernels
    around = {kernel: form.skips for kernel, form in used.items()}
    skipped = frozenset(maker for maker in around.values() if maker is not None and all(
        around.get(kernel) is maker for kernel in kernels if set(maker.outputs) & set(kernel.inputs)))
    lives = dict(memory.lives)
    for number, kernel in enumerate(kernels):
        form = used.get(kernel)
        if form is not None and form.reads in lives:
            first, last = lives[form.reads]
            lives[form.reads] = first, max(last, number)
    for kernel in skipped:
        for value in kernel.outputs:
            del lives[value]
    return Choice(used, skipped, replace(memory, lives=lives))


def _possible(form: LibraryForm, sizes: Mapping[str, int], device: Device) -> bool:
    """Whether the device has algorithms for all calls, wherever their operands lie."""
    nowhere = Place(sizes, lambda value: 0, 0, lambda kernel, emitted, moved: KernelCall(None, 0, (), kernel.name))
    return all(device.convolves(call.convolution) for call in form.calls(nowhere) if isinstance(call, ConvolutionCall))
