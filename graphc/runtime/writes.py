"""Who writes to states says so here: one counter, which moves only when a state changes that a prologue has read.

What does not live here: what is computed anew then (prologue.py).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Sequence
from functools import partial
from operator import call, setitem
from typing import Any
from weakref import WeakSet

import numpy as np


class Writes:
    """generation: moves when an observed state has changed. observers: moves when another state is observed.

    No generation comes twice, whichever threads write.
    """

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.generation = self.observers = 0
        self._observed: WeakSet[Any] = WeakSet()

    def observe(self, states: Iterable[Any]) -> None:
        self._observed.update(states)
        self.observers += 1

    def observed(self, states: Iterable[Any]) -> bool:
        return any(state in self._observed for state in states)

    def changed(self) -> None:
        """Somebody wrote to a state from outside of a program."""
        self.generation = next(self._numbers)


WRITES = Writes()


def store(pairs: Iterable[tuple[np.ndarray, Any]]) -> None:
    """Copy each value into its array, all of them or none; they have the arrays' shapes and element types."""
    together([partial(setitem, array, ..., value) for array, value in pairs])


def together(writes: Sequence[partial[None]]) -> None:
    """Do all of these, which are functions of C, or none where a signal's handler raises an exception.

    Handlers run between two instructions of Python, and there is none in between.
    """
    WRITES.changed()
    deque(map(call, writes), maxlen=0)
    WRITES.changed()


class Announcer:
    """Tells that a program's updates change states. Before each run: an exception, such as a keyboard interrupt, may
    come between the run and what follows it, and who reads the states waits for the run's end (guards.py)."""

    def __init__(self, states: Iterable[Any]):
        self._states, self._observers, self._matters = list(states), -1, False

    def announce(self) -> None:
        if self._observers != WRITES.observers:
            self._observers, self._matters = WRITES.observers, WRITES.observed(self._states)
        if self._matters:
            WRITES.changed()
