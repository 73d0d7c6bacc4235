"""A program bound to sizes and addresses as a plain list of calls: kernels, copies, products, loops unrolled.

What does not live here: when the calls are carried out (executable.py), how much room a loop needs
(graphc.runtime.loop_room).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from graphc.codegen_cuda.scans import ScanForm
from graphc.errors import ShapeError
from graphc.ir.dims import bind
from graphc.ir.graph import Value
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted
from graphc.runtime.loop_room import bytes_of, loop_room
from graphc.runtime.program import Launch, Loop, Program
from graphc.runtime_cuda.device import Argument, Device, Function, Product, Span
from graphc.runtime_cuda.products import LibraryForm

MOST_ELEMENTS = (1 << 31) - 1  # kernels count them in 32 bits
Addresses = Mapping[Value, int]


@dataclass(frozen=True)
class KernelCall:
    """One launch of a kernel; reads and writes tell which values, for those who check."""

    function: Function
    blocks: int
    arguments: tuple[Argument, ...]
    name: str

    def run(self, device: Device) -> None:
        if self.blocks:
            device.launch(self.function, self.blocks, self.arguments)


@dataclass(frozen=True)
class CopyCall:
    target: int
    source: int
    size: int

    def run(self, device: Device) -> None:
        if self.size and self.target != self.source:
            device.copy(self.target, self.source, self.size)


@dataclass(frozen=True)
class ProductCall:
    product: Product

    def run(self, device: Device) -> None:
        device.multiply(self.product)


Call = KernelCall | CopyCall | ProductCall


class Scheduler:
    """functions: of each kernel the loaded code; status: the address of the status word; forms: other ways to
    run a kernel, with `temporary` for products of the device's library."""

    def __init__(self, functions: Mapping[object, Function], status: int, constants: Addresses,
                 forms: Mapping[Kernel, LibraryForm | ScanForm], temporary: int):
        self._functions, self._status, self._constants = functions, status, constants
        self._forms, self._temporary = forms, temporary

    def calls(self, program: Program, sizes: Mapping[str, int], addresses: Addresses, scratch: int) -> list[Call]:
        """The calls of a program; scratch: where the room of its loops begins."""
        found: list[Call] = []
        for launch in program.launches:
            if isinstance(launch, Loop):
                found += self._loop(launch, sizes, addresses, scratch)
            else:
                found += self._kernel(launch, sizes, addresses)
        for new, state in program.late_copies:
            found.append(CopyCall(addresses[state], addresses[new], bytes_of(state.type, sizes)))
        return found

    def _at(self, addresses: Addresses, value: Value) -> int:
        return addresses[value] if value in addresses else self._constants[value]

    def _kernel(self, launch: Launch, sizes: Mapping[str, int], addresses: Addresses) -> list[Call]:
        def at(value: Value) -> int:
            return self._at(addresses, value)

        form = self._forms.get(launch.kernel)
        if not isinstance(form, LibraryForm) or not form.pays(sizes):
            return [self._launched(launch.kernel, launch.emitted, sizes, at)]
        calls: list[Call] = [ProductCall(form.product(sizes, at, self._temporary))]
        if form.epilogue is not None:
            calls.append(self._launched(*form.epilogue, sizes,
                                        lambda value: self._temporary if value is form.result else at(value)))
        return calls

    def _launched(self, kernel: Kernel, emitted: Emitted, sizes: Mapping[str, int],
                  at: Callable[[Value], int]) -> KernelCall:
        return kernel_call(self._functions[kernel], emitted, kernel.name, sizes, at, self._status)

    # ---- loops

    def _loop(self, loop: Loop, sizes: Mapping[str, int], addresses: Addresses, scratch: int) -> list[Call]:
        op, body = loop.kernel.anchor, loop.body.plan.kernels.graph
        assert op is not None
        room = loop_room(loop, sizes, 1)
        (share,) = room.shares
        carried, sliced = op.attr("carried"), op.attr("sliced")
        own = {value: scratch + at for value, at in room.offsets.items()}
        fixed = {value: own[value] for value in room.once}
        stepped: dict[Value, int] = {}
        calls: list[Call] = []
        for i, (operand, value) in enumerate(zip(op.operands, body.inputs, strict=True)):
            source = self._at(addresses, loop.stored(operand))
            if i < carried:
                result = op.results[i]
                fixed[value] = own[result] if result in own else addresses[result]
                calls.append(CopyCall(fixed[value], source, bytes_of(operand.type, sizes)))
            elif i < carried + sliced:
                stepped[value] = source + room.first_step(value)
            else:
                fixed[value] = source
        for result, value in zip(op.results[carried:], body.outputs[carried:], strict=True):
            stepped[value] = (own[result] if result in own else addresses[result]) + room.first_step(value)
        before: list[Call] = []
        if loop.body.prologue is not None:
            before = self.calls(loop.body.prologue, sizes, {**fixed, **stepped}, scratch + room.scratch)
        fixed.update({value: scratch + at for value, at in share.offsets.items()})
        calls = before + calls
        form = self._forms.get(loop.kernel)
        if isinstance(form, ScanForm) and form.pays(sizes):
            whole = {v: at - room.first_step(v) for v, at in stepped.items()}
            return [*calls, self._scan(loop, form, share.sizes, {**fixed, **whole}, room.steps)]
        for step in range(room.steps):
            places = {**fixed, **{v: at + step * room.moves[v] for v, at in stepped.items()}}
            for kernel in loop.body.plan.kernels.kernels:
                places.update({new: places[old] for new, old in kernel.in_place.items()})
            calls += self.calls(loop.body, share.sizes, places, scratch + share.scratch)
        return calls


    def _scan(self, loop: Loop, form: ScanForm, sizes: Mapping[str, int], addresses: Addresses,
              steps: int) -> KernelCall:
        """All steps as one launch; a slice's address is that of the whole stack."""
        arguments: list[Argument] = []
        for word in form.emitted.words:
            if word.kind == "pointer":
                value = word.subject
                count = _number(value.type.size, sizes) * (steps if value in form.stepped else 1)
                arguments.append(Span(self._at(addresses, value), _checked(count, loop.kernel.name),
                                      value.type.dtype.numpy))
            else:
                arguments.append(_number(word.subject, sizes))
        return KernelCall(self._functions[form], _number(form.emitted.grid, sizes), tuple(arguments), loop.kernel.name)


def kernel_call(function: Function, emitted: Emitted, name: str, sizes: Mapping[str, int],
                at: Callable[[Value], int], status: int) -> KernelCall:
    """A launch with its arguments; at: the address of a value. Raises ShapeError for a value of too many elements."""
    arguments: list[Argument] = []
    for word in emitted.words:
        if word.kind == "pointer":
            count = _checked(_number(word.subject.type.size, sizes), name)
            arguments.append(Span(at(word.subject), count, word.subject.type.dtype.numpy))
        elif word.kind == "status":
            arguments.append(Span(status, 1, np.dtype(np.int64)))
        else:
            arguments.append(_number(word.subject, sizes))
    return KernelCall(function, _number(emitted.grid, sizes), tuple(arguments), name)


def _checked(count: int, name: str) -> int:
    if count > MOST_ELEMENTS:
        raise ShapeError("a value is too large for the CUDA target, which counts elements in 32 bits", where=name,
                         expected=f"at most {MOST_ELEMENTS} elements", got=count)
    return count


def _number(dim: object, sizes: Mapping[str, int]) -> int:
    return int(bind(dim, sizes))  # type: ignore[arg-type]
