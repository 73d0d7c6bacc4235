"""The target `reference`: a graph run by the NumPy evaluator. It defines what the others must compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.sizes import check_sizes
from graphc.runtime.guards import guard_of
from graphc.runtime.signature import Signature
from graphc.runtime.writes import WRITES


class StateBuffer(Protocol):
    """A piece of state: a variable, an optimiser slot. `array` is C-contiguous and never reallocated.

    Where it has an attribute `reports_writes` that is true, whoever writes to its array calls WRITES.changed() of
    runtime/writes.py, and programs compute what depends on such states alone only once.
    """

    @property
    def array(self) -> np.ndarray: ...


def reports_writes(state: StateBuffer) -> bool:
    return bool(getattr(state, "reports_writes", False))


class ReferenceExecutable:
    """A graph with the calling convention of every target; see `graphc.compiler.compile_graph`."""

    def __init__(self, graph: Graph, states: Mapping[int, StateBuffer]):
        self.graph = graph
        self._states = dict(states)
        self._explicit = [i for i in range(len(graph.inputs)) if i not in self._states]
        self.signature = Signature([graph.inputs[i] for i in self._explicit])
        donated = dict(graph.donations)
        self._updates = {out: self._states[i] for out, i in donated.items() if i in self._states}
        self._guard = guard_of(self._states.values())
        self._returned = [i for i in range(len(graph.outputs)) if i not in self._updates]

    def __call__(self, *given: Any) -> list[np.ndarray]:
        return self._run(self.signature.arrays(given))

    def run_steps(self, given: Sequence[Any], steps: int, stepped: Sequence[bool],
                  rows: np.ndarray | None = None) -> list[np.ndarray]:
        """See graphc.compiler.Executable."""
        arrays = self.signature.arrays(given)
        counts = [len(a if rows is None else rows) // steps if s else 0 for a, s in zip(arrays, stepped, strict=True)]
        results = []
        for step in range(steps):
            batch = [a if not s else a[step * n:(step + 1) * n] if rows is None else a[rows[step * n:(step + 1) * n]]
                     for a, n, s in zip(arrays, counts, stepped, strict=True)]
            results.append(self._run(batch))
        return [np.stack(column) for column in zip(*results, strict=True)]

    def _run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        with self._guard:
            return self._guarded(arrays)

    def _guarded(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        check_sizes(self.graph, self.signature.sizes([a.shape for a in arrays]))
        feed: list[np.ndarray] = [np.empty(0)] * len(self.graph.inputs)
        for i, array in zip(self._explicit, arrays, strict=True):
            feed[i] = array
        for i, state in self._states.items():
            feed[i] = state.array
        outputs = evaluate(self.graph, feed)
        fresh = [np.array(outputs[i]) for i in self._returned]
        for i, state in self._updates.items():
            np.copyto(state.array, outputs[i])
        if self._updates:
            WRITES.changed()
        return fresh
