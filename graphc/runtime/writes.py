"""Who writes to states says so here: one counter, which moves only when a state changes that a prologue has read.

What does not live here: what is computed anew then (prologue.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakSet


class Writes:
    """generation: moves when an observed state has changed. observers: moves when another state is observed."""

    def __init__(self) -> None:
        self.generation = self.observers = 0
        self._observed: WeakSet[Any] = WeakSet()

    def observe(self, states: Iterable[Any]) -> None:
        self._observed.update(states)
        self.observers += 1

    def observed(self, states: Iterable[Any]) -> bool:
        return any(state in self._observed for state in states)

    def changed(self) -> None:
        """Somebody wrote to a state from outside of a program."""
        self.generation += 1


WRITES = Writes()


class Announcer:
    """Tells that a program's updates change states: before each run, because an exception may come between the run and
    what follows it (a keyboard interrupt does), and after it, because somebody else may have looked meanwhile."""

    def __init__(self, states: Iterable[Any]):
        self._states, self._observers, self._matters = list(states), -1, False

    def announce(self) -> None:
        if self._observers != WRITES.observers:
            self._observers, self._matters = WRITES.observers, WRITES.observed(self._states)
        if self._matters:
            WRITES.changed()
