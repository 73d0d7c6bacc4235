"""A program bound to the sizes of its inputs: where everything lies on the device, and one step or many as launches.

The first run carries out the calls one by one, which loads and warms everything up; then they are recorded, and every
further run is one launch of the recording. Several steps take their batches from a data set that lies on the device,
and leave their results there until all steps are done.

What does not live here: states and arguments (executable.py), the list of calls (schedule.py).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.codegen_cuda import moves
from graphc.ir.dims import bind
from graphc.ir.graph import Value
from graphc.ir.layout import aligned
from graphc.ir.program import Emitted
from graphc.runtime.loop_room import bytes_of, scratch_bytes
from graphc.runtime.residence import Unchanging
from graphc.runtime_cuda.calls import Call, CopyCall, KernelCall
from graphc.runtime_cuda.device import Device, Recorded, Span
from graphc.runtime_cuda.interop import Borrowed, DeviceArray
from graphc.runtime_cuda.schedule import Scheduler

if TYPE_CHECKING:
    from graphc.runtime_cuda.executable import CudaExecutable

I32, I64 = np.dtype(np.int32), np.dtype(np.int64)


class DeviceBlock:
    """One block of device memory that grows and never shrinks."""

    def __init__(self, device: Device):
        self._device = device
        self.address = self.size = 0

    def reserve(self, size: int) -> None:
        """Make room for `size` bytes, which may move the block. Raises DeviceMemoryError and changes nothing."""
        if size <= self.size:
            return
        address = self._device.allocate(size)
        if self.size:
            self._device.free(self.address)
        self.address, self.size = address, size

    def __del__(self) -> None:
        if self.size:
            self._device.free(self.address)


class Binding:
    """The program for one set of input shapes."""

    def __init__(self, owner: CudaExecutable, sizes: Mapping[str, int], shapes: Sequence[tuple[int, ...]]):
        self._owner, self._sizes, self._device = owner, sizes, owner.device
        program = self._program = owner.program
        self._shapes = dict(zip(program.inputs, shapes, strict=True))
        choice = owner.choice(sizes)
        offsets, total = choice.plan.layout(sizes)
        for value in program.inputs:
            offsets[value] = total
            total += aligned(bytes_of(value.type, sizes))
        control = total  # the status word, then the number of the step
        temporary = total + 2 * aligned(8)
        scratch = temporary + aligned(max((form.temporary_bytes(sizes) for form in choice.forms.values()), default=0))
        owner.arena.reserve(scratch + scratch_bytes(program, sizes, 1))
        base = owner.arena.address
        self._addresses = {v: base + at for v, at in offsets.items()}
        self._addresses.update({v: owner.states.address(state) for v, state in program.states.items()})
        for kernel in program.plan.kernels.kernels:
            self._addresses.update({new: self._addresses[old] for new, old in kernel.in_place.items()})
        self._status, self._step = base + control, base + control + aligned(8)
        scheduler = Scheduler(owner.functions, self._status, owner.constants, owner.scans, choice.forms, choice.skipped,
                              base + temporary)
        self.calls = self._guarded(scheduler.calls(program, sizes, self._addresses, base + scratch))
        self._device.clear(self._status, 2 * aligned(8))
        self._single, self._many = Replayed(self._device), Replayed(self._device)
        self._blocks: dict[str, DeviceBlock] = {}
        self._there: dict[str, weakref.ref[Unchanging]] = {}  # data by the name of its block

    def _guarded(self, calls: list[Call]) -> list[Call]:
        """Copies to states as kernels that look at the status word, where an index may be out of range."""
        states = {self._addresses[v] for v in self._program.states}
        if not self._owner.checked:
            return calls
        return [self._moved("store", call.size, (call.source, call.target), status=True)
                if isinstance(call, CopyCall) and call.target in states else call for call in calls]

    # ---- one step

    def feed(self, given: Sequence[np.ndarray], there: Mapping[int, Borrowed]) -> None:
        """there: inputs by number that lie on the device already."""
        for i, (value, array) in enumerate(zip(self._program.inputs, given, strict=True)):
            if i in there:
                self._device.copy(self._addresses[value], there[i].address, array.nbytes)
            else:
                self._device.upload(self._addresses[value], np.ascontiguousarray(array, value.type.dtype.numpy))

    def run(self) -> int:
        """One step; nonzero if a kernel met an index out of range."""
        self._single.run((), lambda: self._run(self.calls))
        return self._take_status()

    def results(self) -> list[np.ndarray]:
        made = []
        for value in self._program.returned:
            made.append(np.empty(self._shape(value), value.type.dtype.numpy))
            self._device.download(made[-1], self._addresses[value])
        return made

    def results_on_device(self) -> list[DeviceArray]:
        made = []
        for value in self._program.returned:
            made.append(DeviceArray(self._device, self._shape(value), value.type.dtype.numpy))
            self._device.copy(made[-1].address, self._addresses[value], made[-1].nbytes)
        self._device.wait()
        return made

    def _run(self, calls: Iterable[Call]) -> None:
        for call in calls:
            call.run(self._device)

    def _take_status(self) -> int:
        if not self._owner.checked:
            self._device.wait()
            return 0
        status = np.zeros(1, np.int64)
        self._device.download(status, self._status)
        if status[0]:
            self._device.clear(self._status, 8)
        return int(status[0])

    def _shape(self, value: Value) -> tuple[int, ...]:
        return tuple(int(bind(d, self._sizes)) for d in value.type.shape)  # type: ignore[arg-type]

    # ---- several steps

    def run_steps(self, arrays: Sequence[np.ndarray], given: Sequence[Any], steps: int, stepped: Sequence[bool],
                  rows: np.ndarray | None) -> tuple[list[np.ndarray], int | None]:
        """The results of all steps, and the step that met an index out of range, or None.

        given: what the caller has passed for the arrays.
        """
        calls: list[Call] = []
        pairs = list(zip(self._program.inputs, arrays, stepped, strict=True))
        chosen = np.arange(steps) if rows is None else rows  # without rows, a whole batch counts as one
        count = len(chosen) // steps if steps else 0
        at = self._put("rows", chosen.astype(np.int32))
        for i, (value, array, moves_on) in enumerate(pairs):
            array = np.ascontiguousarray(array, value.type.dtype.numpy)
            if not moves_on:
                self._device.upload(self._addresses[value], array)
                continue
            width = bytes_of(value.type, self._sizes) // max(count, 1)
            data = self._put(f"data {i}", array, given[i])
            calls.append(self._taken(data, array.nbytes, at, len(chosen), value, count, width))
        calls += self.calls
        kept = []
        for i, value in enumerate(self._program.returned):
            size = bytes_of(value.type, self._sizes)
            kept.append(self._reserve(f"result {i}", size * steps))
            calls.append(self._moved("keep", size, (self._addresses[value], kept[-1]), steps=steps))
        calls.append(KernelCall(self._owner.functions["advance"], 1, (
            Span(self._step, 1, I32), Span(self._status, 1, I64)), "advance"))
        self._device.clear(self._status, 2 * aligned(8))
        addresses = tuple(c.arguments for c in calls if isinstance(c, KernelCall) and c.name in ("take", "keep"))
        for _ in range(steps):
            self._many.run(addresses, lambda: self._run(calls))
        results = []
        for value, address in zip(self._program.returned, kept, strict=True):
            results.append(np.empty((steps, *self._shape(value)), value.type.dtype.numpy))
            self._device.download(results[-1], address)
        if not self._take_status():
            return results, None
        step = np.zeros(1, np.int32)
        self._device.download(step, self._step)
        return results, int(step[0])

    def _put(self, name: str, array: np.ndarray, given: Any = None) -> int:
        """Where the array lies now; what does not change is uploaded when it is first given."""
        last = self._there.pop(name, None)
        if last is not None and last() is given and given is not None:
            self._there[name] = last
            return self._blocks[name].address
        address = self._reserve(name, array.nbytes)
        self._device.upload(address, array)
        if isinstance(given, Unchanging):
            self._there[name] = weakref.ref(given)
        return address

    def _reserve(self, name: str, size: int) -> int:
        block = self._blocks.setdefault(name, DeviceBlock(self._device))
        block.reserve(max(size, 1))
        return block.address

    def _taken(self, data: int, size: int, rows: int, chosen: int, value: Value, count: int, width: int) -> KernelCall:
        kind = np.dtype(np.uint8 if width % 4 else np.uint32)
        units = width // kind.itemsize
        arguments = (Span(data, size // kind.itemsize, kind), Span(rows, chosen, I32), Span(self._step, 1, I32),
                     Span(self._addresses[value], count * units, kind), count, units)
        return KernelCall(self._owner.functions[f"take_{moves.unit_of(width)}"],
                          -(-count * units // moves.THREADS), arguments, "take")

    def _moved(self, name: str, size: int, between: tuple[int, int], *, status: bool = False,
               steps: int = 1) -> KernelCall:
        kind = np.dtype(np.uint8 if size % 4 else np.uint32)
        units = size // kind.itemsize
        source, target = Span(between[0], units, kind), Span(between[1], units * steps, kind)
        arguments = (source, target, units, Span(self._status, 1, I64)) if status \
            else (source, Span(self._step, 1, I32), target, units)
        return KernelCall(self._owner.functions[f"{name}_{moves.unit_of(size)}"], -(-units // moves.THREADS),
                          arguments, name)


class Replayed:
    """Work that is carried out once, then recorded and launched as a whole, as long as it is the same."""

    def __init__(self, device: Device):
        self._device = device
        self._recorded: Recorded | None = None
        self._key: object = None
        self._runs = 0

    def run(self, key: object, work: Callable[[], None]) -> None:
        if key != self._key:
            self._key, self._recorded, self._runs = key, None, 0
        self._runs += 1
        if self._runs == 1:
            work()
            return
        if self._recorded is None:
            self._recorded = self._device.record(work)
        self._recorded.launch()


def runtime_kernels() -> dict[str, Emitted]:
    """The kernels that bindings need beside the program's."""
    made = {f"{name}_{unit}": emit(unit) for unit in ("u8", "u32")
            for name, emit in (("take", moves.emit_take), ("keep", moves.emit_keep), ("store", moves.emit_store))}
    return {**made, "advance": moves.emit_advance()}
