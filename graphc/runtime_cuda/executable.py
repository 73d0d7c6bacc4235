"""A compiled graph at work on a device: binds sizes and addresses, and runs a step as one launch.

For each combination of input shapes there is one Binding. Its first run carries out the calls one by one, which loads
and warms everything up; then they are recorded, and every further run is one launch of the recording. Parameters and
optimizer state stay on the device (states.py); several steps take their batches from a data set that lies there, and
leave their results there until all steps are done.

What does not live here: compiling (compiler.py), the list of calls (schedule.py), devices (device.py).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.codegen_cuda import moves
from graphc.codegen_cuda.scans import ScanForm
from graphc.errors import IndexRangeError
from graphc.ir.dims import bind, bind_shape
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Value
from graphc.ir.kernel import Kernel
from graphc.ir.layout import aligned
from graphc.ir.program import Emitted, MemoryPlan
from graphc.ir.sizes import check_sizes
from graphc.runtime.guards import guard_of
from graphc.runtime.loop_room import bytes_of, scratch_bytes
from graphc.runtime.program import Program
from graphc.runtime.residence import Unchanging
from graphc.runtime.signature import Signature, checked_rows
from graphc.runtime.writes import Announcer
from graphc.runtime_cuda.calls import Call, CopyCall, KernelCall
from graphc.runtime_cuda.device import Device, DeviceMemoryError, Function, Recorded, Span
from graphc.runtime_cuda.forms import LibraryForm
from graphc.runtime_cuda.interop import Borrowed, DeviceArray, borrowed
from graphc.runtime_cuda.libraries import Choice, choose
from graphc.runtime_cuda.schedule import Scheduler
from graphc.runtime_cuda.states import DeviceStates, states_of

MAX_BINDINGS = 16
I32, I64 = np.dtype(np.int32), np.dtype(np.int64)


class DeviceBlock:
    """One block of device memory that grows and never shrinks."""

    def __init__(self, device: Device):
        self._device = device
        self.address = self.size = 0

    def reserve(self, size: int) -> bool:
        """Make room for `size` bytes; True if that moved the block. Raises DeviceMemoryError and changes nothing."""
        if size <= self.size:
            return False
        address = self._device.allocate(size)
        if self.size:
            self._device.free(self.address)
        self.address, self.size = address, size
        return True

    def __del__(self) -> None:
        if self.size:
            self._device.free(self.address)


class CudaExecutable:
    """A graph compiled for a device; see `graphc.compiler.compile_graph` for the calling convention.

    checked: whether a kernel may meet an index out of range; no state changes then.
    """

    def __init__(self, graph: Graph, program: Program, device: Device, functions: Mapping[object, Function],
                 checked: bool, forms: Mapping[Kernel, LibraryForm], scans: Mapping[Kernel, ScanForm]):
        self.graph, self.program, self.device, self.checked = graph, program, device, checked
        self.forms, self.scans = forms, scans
        self.signature = Signature(program.inputs)
        self.states: DeviceStates = states_of(device)
        self.functions = functions
        self.arena = DeviceBlock(device)
        self._bindings: dict[Any, Binding] = {}
        self._guard = guard_of(program.states.values())
        self._announcer = Announcer([program.states[v] for _, v in program.updates]) if program.updates else None
        self.constants, self._held = _constants(program.plan, device)
        self._run_prologue()

    def __call__(self, *given: Any) -> list[np.ndarray]:
        return self._run(given, Binding.results)

    def on_device(self, *given: Any) -> list[DeviceArray]:
        """As a call; the results stay on the device, for other libraries to take them from there."""
        return self._run(given, Binding.results_on_device)

    def _run(self, given: Sequence[Any], results: Callable[[Binding], list[Any]]) -> list[Any]:
        lent = {i: found for i, one in enumerate(given) if (found := borrowed(one, self.device)) is not None}
        try:
            return self._run_with(given, lent, results)
        finally:
            for one in lent.values():
                one.release()

    def _run_with(self, given: Sequence[Any], lent: Mapping[int, Borrowed],
                  results: Callable[[Binding], list[Any]]) -> list[Any]:
        arrays = self.signature.arrays([self._readable(lent[i], i) if i in lent else one
                                        for i, one in enumerate(given)])
        there = {i: one for i, one in lent.items() if one.row_major and one.dtype == self.signature.dtypes[i]}
        with self._guard:
            binding = self._binding([a.shape for a in arrays])
            self._bring_states()
            binding.feed(arrays, there)
            status = binding.run()
            if status:
                raise self._index_error([one.on_host(self.device) if (one := there.get(i)) else a
                                         for i, a in enumerate(arrays)])
            made = results(binding)
            self._states_written()
        return made

    def _readable(self, one: Borrowed, i: int) -> np.ndarray:
        """An array of the right shape and type, and of the right numbers where it cannot be copied on the device."""
        if one.row_major and i < len(self.signature.dtypes) and one.dtype == self.signature.dtypes[i]:
            return np.broadcast_to(np.zeros((), one.dtype), one.shape)
        return one.on_host(self.device)

    def run_steps(self, given: Sequence[Any], steps: int, stepped: Sequence[bool],
                  rows: np.ndarray | None = None) -> list[np.ndarray]:
        """See graphc.compiler.Executable; every step is one launch, and nothing comes back before the last."""
        arrays = [np.asarray(a, order="C") for a in self.signature.arrays(given)]
        if rows is not None:
            rows = checked_rows(rows, [a for a, s in zip(arrays, stepped, strict=True) if s])
        shapes = [(len(a if rows is None else rows) // steps, *a.shape[1:]) if s else a.shape
                  for a, s in zip(arrays, stepped, strict=True)]
        with self._guard:
            binding = self._binding(shapes)
            self._bring_states()
            results, bad = binding.run_steps(arrays, given, steps, stepped, rows)
            self._states_written()
            if bad is not None:
                parts = [slice(bad * shape[0], (bad + 1) * shape[0]) if s else ()
                         for s, shape in zip(stepped, shapes, strict=True)]
                raise self._index_error([a[part if rows is None or not part else rows[part]]
                                         for a, part in zip(arrays, parts, strict=True)])
        return results

    def _run_prologue(self) -> None:
        """What is made of constants alone is computed now, and joins them."""
        prologue = self.program.prologue
        if prologue is None:
            return
        offsets, total = prologue.plan.layout({})
        block = DeviceBlock(self.device)
        block.reserve(total + scratch_bytes(prologue, {}, 1) + aligned(8))
        made = {value: block.address + at for value, at in offsets.items()}
        status = block.address + block.size - aligned(8)
        self.device.clear(status, 8)
        scheduler = Scheduler(self.functions, status, self.constants)
        for call in scheduler.calls(prologue, {}, made, block.address + total):
            call.run(self.device)
        self.constants.update(made)
        self._held.append(block)

    def memory(self, **sizes: int) -> int:
        """Bytes of the arena that the plan needs for the given symbol sizes."""
        return self.choice(sizes).plan.peak_bytes(sizes)

    def choice(self, sizes: Mapping[str, int]) -> Choice:
        """What libraries compute for these sizes."""
        return choose(self.program.plan, self.forms, sizes, self.device)

    def calls(self, **sizes: int) -> list[Call]:
        """What one run asks of the device, for inputs of these sizes."""
        shapes = [tuple(int(d) for d in bind_shape(v.type.shape, sizes)) for v in self.program.inputs]  # type: ignore[arg-type]
        with self._guard:
            return list(self._binding(shapes).calls)

    def _binding(self, shapes: Sequence[tuple[int, ...]]) -> Binding:
        key = tuple(shapes)
        found = self._bindings.get(key)
        if found is None:
            sizes = self.signature.sizes(shapes)
            check_sizes(self.graph, sizes)
            if len(self._bindings) >= MAX_BINDINGS:
                self._bindings.pop(next(iter(self._bindings)))
            try:
                found = Binding(self, sizes, shapes)
            except DeviceMemoryError as error:
                error.add_note(_plan_text(self.choice(sizes).plan, sizes))
                raise
            if found.moved_arena:
                self._bindings.clear()
            self._bindings[key] = found
        return found

    def _bring_states(self) -> None:
        """Let the device have all states; from now on it has the newest values of those that the program changes, also
        where an exception comes between the run and what follows it."""
        for state in self.program.states.values():
            self.states.bring(state)
        for _, value in self.program.updates:
            self.states.expected(self.program.states[value])
        if self._announcer is not None:
            self._announcer.announce()

    def _states_written(self) -> None:
        for _, value in self.program.updates:
            self.states.written(self.program.states[value])
        if self._announcer is not None:
            self._announcer.announce()

    def _index_error(self, given: Sequence[np.ndarray]) -> IndexRangeError:
        """The reference says which op, position and value it was."""
        values, states = iter(given), self.program.states
        graph = self.program.plan.kernels.graph
        feed = [states[v].array if v in states else next(values) for v in graph.inputs]
        try:
            evaluate(graph, feed)
        except IndexRangeError as error:
            return error
        return IndexRangeError("an index is out of range", where=self.graph.name)


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
        self.moved_arena = owner.arena.reserve(scratch + scratch_bytes(program, sizes, 1))
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
        self._single, self._many = _Replayed(self._device), _Replayed(self._device)
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


class _Replayed:
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


def _constants(plan: MemoryPlan, device: Device) -> tuple[dict[Value, int], list[DeviceBlock]]:
    """The constants of all graphs, on the device: their addresses, and the memory that holds them."""
    addresses, held = {}, []
    for value, array in _constant_arrays(plan).items():
        block = DeviceBlock(device)
        block.reserve(max(array.nbytes, 1))
        device.upload(block.address, array)
        addresses[value] = block.address
        held.append(block)
    return addresses, held


def _constant_arrays(plan: MemoryPlan) -> dict[Value, np.ndarray]:
    found = {op.result: np.ascontiguousarray(op.attr("value").data)
             for op in plan.kernels.graph.ops if op.name == "constant"}
    for inner in (*plan.loops.values(), *([plan.prologue] if plan.prologue is not None else [])):
        found.update(_constant_arrays(inner))
    return found


def _plan_text(plan: MemoryPlan, sizes: Mapping[str, int]) -> str:
    """The memory plan in words: how much, and for which values."""
    largest = sorted(plan.lives, key=lambda v: -bytes_of(v.type, sizes))[:8]
    lines = [f"the plan needs {plan.peak_bytes(sizes) / 1e6:.1f} MB besides inputs and states; the largest values:"]
    lines += [f"  {v.hint or 'a value'} {v.type}: {bytes_of(v.type, sizes) / 1e6:.1f} MB, kernels {first} to {last}"
              for v in largest for first, last in [plan.lives[v]]]
    return "\n".join(lines)
