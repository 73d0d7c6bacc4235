"""States that a program keeps as a table and a scale: the value is their product.

Only programs that were compiled with the scale know of it. Everybody else reads the state's `array`, whose getter
multiplies the scale into the table first; a program that holds the table's address calls `Settler.settle`.

What does not live here: which states are kept so (passes/sparse_updates.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from graphc.runtime.residence import Home, home_of, may_have_home


class Scale:
    """The scale of one state, itself a state of shape (); it is 1 where nobody keeps the state so."""

    made = 0  # how many there are

    def __init__(self, dtype: str):
        self.array = np.ones((), dtype)
        Scale.made += 1

    def settle(self, table: np.ndarray) -> None:
        """Multiply the scale into the table. What is then smaller than any normal number is zero."""
        if self.array == 1:
            return
        product, scale = table * self.array, self.array
        product[np.abs(product) < np.finfo(table.dtype).tiny] = 0
        table[...], scale[...] = product, 1  # nothing can come between these two: neither a signal nor a lack of memory


def may_have_scale(state: Any) -> bool:
    """Whether the state has `scale`, `has_scale` and `parts()` (frontend_keras's variables have)."""
    return hasattr(type(state), "scale")


def scale_of(state: Any) -> Scale:
    found: Scale = state.scale
    return found


def table_of(state: Any) -> np.ndarray:
    """The live array of a state as it is: asking for its address must not multiply the scale in, which rounds."""
    table: np.ndarray = state.parts()[0] if may_have_scale(state) else state.array
    return table


class Settler:
    """Before a program runs: settles those of its states whose scales it does not know, fetches what devices have."""

    def __init__(self, states: Iterable[Any]):
        states = list(states)
        self._states = [state for state in states if may_have_scale(state)]
        self._known = {id(state) for state in states if isinstance(state, Scale)}
        self._strange: list[Any] = []
        self._made = 0
        self._movable = [state for state in states if may_have_home(state)]
        self._away: list[Any] = []
        self._homes = 0

    def settle(self) -> None:
        if self._homes != Home.made:
            self._homes = Home.made
            self._away = [state for state in self._movable if home_of(state) is not None]
        for state in self._away:
            state.array  # noqa: B018  (its getter fetches)
        if self._made != Scale.made:
            self._made = Scale.made
            self._strange = [state for state in self._states if state.has_scale and id(state.scale) not in self._known]
        for state in self._strange:
            scale_of(state).settle(state.array)
