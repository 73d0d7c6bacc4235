"""Two programs of one graph: one that is ready, and one that first computes tables from the weights.

The second one takes over when what calls could have saved since the weights last changed has reached what it costs
to make the tables, as a skier buys who has rented for the price of skis: never much worse than who knows the future
(A. R. Karlin et al., "Competitive snoopy caching", Algorithmica 3, 1988). It is compiled when all calls so far could
have saved PATIENCE times as much.

What does not live here: what the tables are (passes/gathered_products.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphc.ir.dims import Dim, bind
from graphc.runtime.executable import MAX_BINDINGS, NativeExecutable
from graphc.runtime.program import Program
from graphc.runtime.writes import WRITES


class AdaptiveExecutable:
    """See `graphc.compiler.Executable`.

    saved: what a call of the second program saves, cost: what its tables cost, in the same unit; states: the weights
    that they are made of.
    """

    PATIENCE = 8

    def __init__(self, first: NativeExecutable, second: Callable[[], NativeExecutable], saved: Dim, cost: int,
                 states: Iterable[Any]):
        self._first, self._make, self._saved, self._cost = first, second, saved, cost
        self._second: NativeExecutable | None = None
        self._by_shapes: dict[tuple[tuple[int, ...], ...], int] = {}
        self._at = -1
        self._since = self._ever = 0  # what calls could have saved since the weights last changed, and all calls
        self.graph, self.current = first.graph, first
        WRITES.observe(states)

    @property
    def program(self) -> Program:
        return self.current.program

    def memory(self, **sizes: int) -> int:
        """Bytes of the arena that the plan needs for the given symbol sizes."""
        return self.current.memory(**sizes)

    def __call__(self, *given: Any) -> list[np.ndarray]:
        self._choose([np.shape(a) for a in given], 1)
        return self.current(*given)

    def run_steps(self, given: Sequence[Any], steps: int, stepped: Sequence[bool],
                  rows: np.ndarray | None = None) -> list[np.ndarray]:
        """See graphc.compiler.Executable."""
        lengths = [(np.shape(a)[0] if rows is None else len(rows)) // steps if s else 0
                   for a, s in zip(given, stepped, strict=True)]
        self._choose([(length, *np.shape(a)[1:]) if s else np.shape(a)
                      for a, s, length in zip(given, stepped, lengths, strict=True)], steps)
        return self.current.run_steps(given, steps, stepped, rows)

    def _choose(self, shapes: Sequence[tuple[int, ...]], calls: int) -> None:
        """Count what these calls could save, and take the program that is worth it."""
        if self._at != WRITES.generation:
            self._at, self._since, self.current = WRITES.generation, 0, self._first
        if self.current is not self._first:
            return
        if self._since >= self._cost and self._ever >= self.PATIENCE * self._cost:
            self.current = self._second = self._second or self._make()
        else:
            saved = calls * self._saved_by(tuple(shapes))
            self._since, self._ever = self._since + saved, self._ever + saved

    def _saved_by(self, shapes: tuple[tuple[int, ...], ...]) -> int:
        found = self._by_shapes.get(shapes)
        if found is None:
            if len(self._by_shapes) >= MAX_BINDINGS:
                self._by_shapes.clear()
            found = int(bind(self._saved, self._first.signature.sizes(shapes)))  # type: ignore[arg-type]
            self._by_shapes[shapes] = found
        return found
