"""A program bound to sizes and addresses as a plain list of calls, loops unrolled.

What does not live here: the calls (calls.py), when they are carried out (executable.py), how much room a loop needs
(graphc.runtime.loop_room).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from types import MappingProxyType

from graphc.codegen_cuda.scans import ScanForm
from graphc.ir.graph import Value
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted
from graphc.runtime.loop_room import bytes_of, loop_room
from graphc.runtime.program import Launch, Loop, Program
from graphc.runtime_cuda.calls import (
    Call,
    CopyCall,
    KernelCall,
    checked_count,
    kernel_call,
    number,
)
from graphc.runtime_cuda.device import Argument, Function, Span
from graphc.runtime_cuda.forms import LibraryForm, Place

Addresses = Mapping[Value, int]
NO_SCANS: Mapping[Kernel, ScanForm] = MappingProxyType({})
NO_FORMS: Mapping[Kernel, LibraryForm] = MappingProxyType({})


class Scheduler:
    """functions: of each kernel the loaded code; status: the address of the status word; scans: loops that may run as
    one kernel; forms: of kernels that libraries compute, with `temporary` for what those and kernels leave to each
    other; skipped: kernels that need not run."""

    def __init__(self, functions: Mapping[object, Function], status: int, constants: Addresses,
                 scans: Mapping[Kernel, ScanForm] = NO_SCANS, forms: Mapping[Kernel, LibraryForm] = NO_FORMS,
                 skipped: Set[Kernel] = frozenset(), temporary: int = 0):
        self._functions, self._status, self._constants = functions, status, constants
        self._scans, self._forms, self._skipped, self._temporary = scans, forms, skipped, temporary

    def calls(self, program: Program, sizes: Mapping[str, int], addresses: Addresses, scratch: int) -> list[Call]:
        """The calls of a program; scratch: where the room of its loops begins."""
        found: list[Call] = []
        for launch in program.launches:
            if isinstance(launch, Loop):
                found += self._loop(launch, sizes, addresses, scratch)
            elif launch.kernel not in self._skipped:
                found += self._kernel(launch, sizes, addresses)
        for new, state in program.late_copies:
            found.append(CopyCall(addresses[state], addresses[new], bytes_of(state.type, sizes)))
        return found

    def _at(self, addresses: Addresses, value: Value) -> int:
        return addresses[value] if value in addresses else self._constants[value]

    def _kernel(self, launch: Launch, sizes: Mapping[str, int], addresses: Addresses) -> list[Call]:
        def launched(kernel: Kernel, emitted: Emitted, moved: Addresses) -> KernelCall:
            return kernel_call(self._functions[kernel], emitted, kernel.name, sizes,
                               lambda value: self._at({**addresses, **moved}, value), self._status)

        form = self._forms.get(launch.kernel)
        if form is None:
            return [launched(launch.kernel, launch.emitted, {})]
        return form.calls(Place(sizes, lambda value: self._at(addresses, value), self._temporary, launched))

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
        form = self._scans.get(loop.kernel)
        if form is not None and form.pays(sizes):
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
                count = number(value.type.size, sizes) * (steps if value in form.stepped else 1)
                arguments.append(Span(self._at(addresses, value), checked_count(count, loop.kernel.name),
                                      value.type.dtype.numpy))
            else:
                arguments.append(number(word.subject, sizes))
        return KernelCall(self._functions[form], number(form.emitted.grid, sizes), tuple(arguments), loop.kernel.name)
