"""Tiered compilation: a graph is interpreted until its calls have cost what compiling it would, then it is native.

Costs are estimates made of sizes and counts, so that it depends on the calls alone when a program changes hands, never
on clocks or caches; the last bits of results change there.

What does not live here: the estimates (passes/costs.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from graphc.ir.dims import Dim, bind
from graphc.ir.graph import Graph
from graphc.runtime.guards import lock_for_forks
from graphc.runtime.reference import ReferenceExecutable


class Compiled(Protocol):
    graph: Graph

    def __call__(self, *given: Any) -> list[np.ndarray]: ...

    def run_steps(self, given: Sequence[Any], steps: int, stepped: Sequence[bool],
                  rows: np.ndarray | None = None) -> list[np.ndarray]: ...


class TieredExecutable:
    """See `graphc.compiler.Executable`.

    cost: what interpreting a call takes, price: what compiling takes, in the same unit.
    """

    def __init__(self, first: ReferenceExecutable, cost: Dim, price: int, compile_: Callable[[], Compiled]):
        self._first, self._cost, self._price, self._compile = first, cost, price, compile_
        self._spent = 0
        self._lock = lock_for_forks()
        self._native: Compiled | None = None
        self.graph = first.graph

    @property
    def is_native(self) -> bool:
        return self._native is not None

    def __call__(self, *given: Any) -> list[np.ndarray]:
        return (self._native or self._chosen([np.shape(a) for a in given], 1))(*given)

    def run_steps(self, given: Sequence[Any], steps: int, stepped: Sequence[bool],
                  rows: np.ndarray | None = None) -> list[np.ndarray]:
        """See graphc.compiler.Executable. All steps count before the first one runs."""
        shapes = [((np.shape(a)[0] if rows is None else len(rows)) // max(steps, 1), *np.shape(a)[1:]) if s
                  else np.shape(a) for a, s in zip(given, stepped, strict=True)]
        return (self._native or self._chosen(shapes, steps)).run_steps(given, steps, stepped, rows)

    def _chosen(self, shapes: Sequence[tuple[int, ...]], calls: int) -> Compiled:
        """The interpreter while calls, these included, cost no more than compiling; else what is compiled now."""
        sizes = self._first.signature.sizes(shapes)
        with self._lock:
            self._spent += calls * int(bind(self._cost, sizes))  # type: ignore[arg-type]
            if self._native is None and self._spent > self._price:
                self._native = self._compile()
        return self._native or self._first
