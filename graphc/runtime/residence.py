"""Who has the newest value of a state: its array or a device's copy of it.

A state with an attribute `home` (frontend_keras's variables have one) lets its getter of `array` call `to_host`, so
that whoever reads or writes the array finds the newest value in it. Whoever takes the array may have written to it.

What does not live here: devices (graphc.runtime_cuda).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Home:
    """on_host, on_device: whether that copy holds the newest value; both may."""

    made = 0  # how many there are

    def __init__(self, fetch: Callable[[np.ndarray], None]):
        """fetch: copies the device's value into an array."""
        self._fetch = fetch
        self.on_host, self.on_device = True, False
        Home.made += 1

    def to_host(self, array: np.ndarray) -> None:
        """Bring the newest value into the array, which its reader may then change."""
        if not self.on_host:
            self._fetch(array)
        self.on_host, self.on_device = True, False

    def uploaded(self) -> None:
        self.on_device = True

    def written(self) -> None:
        """A program has changed the device's copy."""
        self.on_host, self.on_device = False, True


class Unchanging(np.ndarray):
    """A view of data that nobody changes while this very object lives: a device uploads it once, however many calls
    are given it."""


def may_have_home(state: Any) -> bool:
    return hasattr(state, "home")


def home_of(state: Any) -> Home | None:
    """Where the state lives, or None for one that is only ever an array."""
    found: Home | None = getattr(state, "home", None)
    return found
