"""A compiled graph at work on a device: takes arguments, keeps its states there, and runs a step as one launch.

For each combination of input shapes there is one Binding (binding.py). Parameters and optimizer state stay on the
device (states.py).

What does not live here: compiling (compiler.py), where things lie and how steps are launched (binding.py), devices
(device.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.codegen_cuda.scans import ScanForm
from graphc.errors import IndexRangeError
from graphc.ir.dims import bind_shape
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Value
from graphc.ir.kernel import Kernel
from graphc.ir.layout import aligned
from graphc.ir.program import MemoryPlan
from graphc.ir.sizes import check_sizes
from graphc.runtime.guards import guard_of
from graphc.runtime.loop_room import bytes_of, scratch_bytes
from graphc.runtime.program import Program
from graphc.runtime.signature import Signature, checked_rows
from graphc.runtime.writes import Announcer
from graphc.runtime_cuda.binding import Binding, DeviceBlock
from graphc.runtime_cuda.calls import Call
from graphc.runtime_cuda.device import Device, DeviceMemoryError, Function
from graphc.runtime_cuda.forms import LibraryForm
from graphc.runtime_cuda.interop import Borrowed, DeviceArray, borrowed
from graphc.runtime_cuda.libraries import Choice, choose
from graphc.runtime_cuda.schedule import Scheduler
from graphc.runtime_cuda.states import DeviceStates, states_of

MAX_BINDINGS = 16


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
            at = self.arena.address
            try:
                found = Binding(self, sizes, shapes)
            except DeviceMemoryError as error:
                error.add_note(_plan_text(self.choice(sizes).plan, sizes))
                raise
            finally:  # also of a binding that failed: those there are hold addresses in the arena
                if self.arena.address != at:
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
