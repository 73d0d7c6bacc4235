"""What a program computes from its states before the first call, and again after somebody wrote to one of them.

What does not live here: which kernels belong to a prologue (passes/prologue.py), who wrote (writes.py).
"""

from __future__ import annotations

from graphc.ir.graph import Value
from graphc.runtime.binding import Arena, Binding
from graphc.runtime.program import Program
from graphc.runtime.writes import WRITES


class Prologue:
    """A prologue at work; `addresses` of what it makes stay the same until `forget`."""

    def __init__(self, program: Program):
        self._program = program
        self._arena = Arena()
        self._bound: Binding | None = None
        self._at: int | None = None
        WRITES.observe(program.states.values())

    def _binding(self) -> Binding:
        if self._bound is None:
            self._bound, self._at = Binding(self._program, {}, [], self._arena), None
        return self._bound

    @property
    def addresses(self) -> dict[Value, int]:
        return self._binding().addresses_of(self._program.plan.lives)

    def refresh(self) -> None:
        """Run if a state may have changed since the last time."""
        if self._at != WRITES.generation:
            at = WRITES.generation
            self._binding().run()
            self._at = at

    def forget(self) -> None:
        """Bind anew when next needed: the number of threads has changed."""
        self._bound = self._at = None
