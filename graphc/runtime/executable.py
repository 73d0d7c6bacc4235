"""A compiled graph at work: binds sizes and addresses to a program and runs it by one native call.

For each combination of input shapes there is one Binding: the program table, the argument blocks
and the arena's layout. A call copies small inputs into the arena (which also casts them), points at
large ones, makes one native call, and copies the results out. A new batch size makes a new
binding; nothing is compiled.

What does not live here: compiling (compiler.py), the native walk over the table (driver.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import IndexRangeError
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.sizes import check_sizes
from graphc.runtime import threads
from graphc.runtime.binding import Arena, Binding
from graphc.runtime.guards import guard_of
from graphc.runtime.program import Program
from graphc.runtime.prologue import Prologue
from graphc.runtime.scales import Settler
from graphc.runtime.signature import Signature, checked_rows
from graphc.runtime.writes import Announcer

MAX_BINDINGS = 16


class NativeExecutable:
    """A graph compiled for the CPU; see `graphc.compiler.compile_graph` for the calling convention."""

    def __init__(self, graph: Graph, program: Program):
        self.graph, self.program = graph, program
        self.signature = Signature(program.inputs)
        self._arena = Arena()
        self._bindings: dict[Any, Binding] = {}
        self._guard = guard_of(program.states.values())
        self._prologue = Prologue(program.prologue) if program.prologue is not None else None
        self._announcer = Announcer([program.states[v] for _, v in program.updates]) if program.updates else None
        self._settler = Settler(program.states.values())
        threads.on_change(self)

    def __call__(self, *given: Any) -> list[np.ndarray]:
        with self._guard:
            try:
                binding = self._bindings[tuple([(a.shape, a.dtype) for a in given])]
            except (KeyError, AttributeError):
                given = tuple(self.signature.arrays(given))
                binding = self._binding([a.shape for a in given], [a.dtype for a in given])
            self._settler.settle()
            if self._prologue is not None:
                self._prologue.refresh()
            binding.feed(given)
            if self._announcer is not None:
                self._announcer.announce()
            if binding.run():
                raise self._index_error(given)
            return binding.results()

    def run_steps(self, given: Sequence[Any], steps: int, stepped: Sequence[bool],
                  rows: np.ndarray | None = None) -> list[np.ndarray]:
        """See graphc.compiler.Executable; all steps are one native call."""
        arrays = [np.asarray(a, order="C") for a in self.signature.arrays(given)]
        if rows is not None:
            rows = checked_rows(rows, [a for a, s in zip(arrays, stepped, strict=True) if s])
        shapes = [(len(a if rows is None else rows) // steps, *a.shape[1:]) if s else a.shape
                  for a, s in zip(arrays, stepped, strict=True)]
        with self._guard:
            binding = self._binding(shapes, [a.dtype for a in arrays])
            self._settler.settle()
            if self._prologue is not None:
                self._prologue.refresh()
            results = [np.empty((steps, *view.shape), view.dtype) for view in binding.views]
            if self._announcer is not None:
                self._announcer.announce()
            bad = binding.run_steps(arrays, stepped, results, steps, rows)
            if bad is not None:
                parts = [slice(bad * shape[0], (bad + 1) * shape[0]) if s else () for s, shape in zip(stepped, shapes)]
                raise self._index_error([a[part if rows is None or not part else rows[part]]
                                         for a, part in zip(arrays, parts, strict=True)])
        return results

    def forget_bindings(self) -> None:
        """Bind anew at the next call: the number of threads has changed."""
        with self._guard:
            self._bindings.clear()
            if self._prologue is not None:
                self._prologue.forget()

    def memory(self, **sizes: int) -> int:
        """Bytes of the arena that the plan needs for the given symbol sizes."""
        return self.program.plan.peak_bytes(sizes)

    def _binding(self, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype]) -> Binding:
        key = tuple(zip(shapes, dtypes, strict=True))
        found = self._bindings.get(key)
        if found is None:
            sizes = self.signature.sizes(shapes)
            check_sizes(self.graph, sizes)
            if len(self._bindings) >= MAX_BINDINGS:
                self._bindings.pop(next(iter(self._bindings)))
            made = self._prologue.addresses if self._prologue is not None else {}
            at = self._arena.address
            try:
                found = Binding(self.program, sizes, shapes, self._arena, made)
            finally:  # also of a binding that failed: those there are hold addresses in the arena
                if self._arena.address != at:
                    self._bindings.clear()
            self._bindings[key] = found
        return found

    def _index_error(self, given: Sequence[np.ndarray]) -> IndexRangeError:
        """The reference says which op, position and value it was; no state has been written yet."""
        values, states = iter(given), self.program.states
        feed = [states[v].array if v in states else next(values) for v in self.program.plan.kernels.graph.inputs]
        try:
            evaluate(self.program.plan.kernels.graph, feed)
        except IndexRangeError as error:
            return error
        return IndexRangeError("an index is out of range", where=self.graph.name)
