"""States in a device's memory: one copy of each, which stays there between calls.

What does not live here: who has the newest value (graphc.runtime.residence).
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from graphc.runtime.reference import StateBuffer
from graphc.runtime.residence import Home, home_of, may_have_home
from graphc.runtime_cuda.device import Device


class DeviceStates:
    """The states of all programs of one device; a copy lives as long as its state."""

    def __init__(self, device: Device):
        self._device = device
        self._addresses: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()

    def address(self, state: StateBuffer) -> int:
        """Where the copy lies; made when it is first asked for. Raises DeviceMemoryError."""
        found = self._addresses.get(state)
        if found is None:
            array = state.array
            found = self._addresses[state] = self._device.allocate(array.nbytes)
            weakref.finalize(state, _free, weakref.ref(self._device), found)
            if may_have_home(state):
                state.home = Home(lambda host, at=found: self._device.download(host, at))  # type: ignore[attr-defined, misc]
        return found

    def bring(self, state: StateBuffer) -> None:
        """Make the copy hold the newest value."""
        home = home_of(state)
        if home is None or not home.on_device:
            self._device.upload(self.address(state), state.array)
            if home is not None:
                home.uploaded()

    def expected(self, state: StateBuffer) -> None:
        """A program is about to change the copy, which holds the newest value."""
        home = home_of(state)
        if home is not None:
            home.written()

    def written(self, state: StateBuffer) -> None:
        """A program has changed the copy."""
        home = home_of(state)
        if home is None:
            host: np.ndarray = state.array
            self._device.download(host, self.address(state))
        else:
            home.written()


def _free(device: Any, address: int) -> None:
    alive = device()
    if alive is not None:
        alive.free(address)


_of_device: weakref.WeakKeyDictionary[Device, DeviceStates] = weakref.WeakKeyDictionary()


def states_of(device: Device) -> DeviceStates:
    """The one table of this device's states."""
    if device not in _of_device:
        _of_device[device] = DeviceStates(device)
    return _of_device[device]
