"""Losses and updates that layers carry besides what they compute.

Some depend on the inputs of a call (an activity penalty, batch statistics), some do not (a weight penalty).

What does not live here: when they enter the total loss or a training step (compile.py, functions.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from graphc.frontend_keras.utils.generic_utils import to_list

Table = dict[tuple[Any, ...] | None, list[Any]]


class Attachments:
    """The losses and updates of one layer, each with the inputs that it hangs on; the key None is for none."""

    trainable: bool
    stateful: bool

    def _clear_attachments(self) -> None:
        self._losses: list[Any] = []
        self._updates: list[Any] = []
        self._per_input_losses: Table = {}
        self._per_input_updates: Table = {}

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add scalar tensors to the total loss of every model with this layer.

        inputs  the tensors that they depend on: a model that does not hold them leaves the losses out
        """
        _attach(self._losses, self._per_input_losses, losses, inputs)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Add updates (results of K.update, or pairs of variable and new value) to every training step."""
        _attach(self._updates, self._per_input_updates, updates, inputs)

    @property
    def losses(self) -> list[Any]:
        return self._losses

    @property
    def updates(self) -> list[Any]:
        return self._updates if self.trainable or self.stateful else []

    @contextmanager
    def _attachments_moved(self) -> Iterator[tuple[list[Any], list[Any]]]:
        """Losses and updates attached inside end up in the two lists that this gives, and not with the layer."""
        moved: tuple[list[Any], list[Any]] = ([], [])
        losses, updates = list(self._losses), list(self._updates)
        per_input_losses = {key: list(one) for key, one in self._per_input_losses.items()}
        per_input_updates = {key: list(one) for key, one in self._per_input_updates.items()}
        try:
            yield moved
        finally:
            moved[0].extend(self._losses[len(losses):])
            moved[1].extend(self._updates[len(updates):] if self.trainable or self.stateful else [])
            self._losses, self._per_input_losses = losses, per_input_losses
            self._updates, self._per_input_updates = updates, per_input_updates

    def get_losses_for(self, inputs: Any = None) -> list[Any]:
        """The losses that depend on `inputs`; None: those that depend on no input."""
        return self._per_input_losses.get(_key(inputs), [])

    def get_updates_for(self, inputs: Any = None) -> list[Any]:
        """The updates that depend on `inputs`; None: those that depend on no input."""
        if not (self.trainable or self.stateful):
            return []
        return self._per_input_updates.get(_key(inputs), [])


def _attach(everything: list[Any], table: Table, new: Any, inputs: Any) -> None:
    added = [] if new is None else to_list(new)
    if added:
        everything += added
        table.setdefault(_key(inputs), []).extend(added)


def _key(inputs: Any) -> tuple[Any, ...] | None:
    tensors = [] if inputs is None else to_list(inputs, allow_tuple=True)
    return tuple(tensors) or None


def distinct(items: list[Any]) -> list[Any]:
    """The items in order, each object once; numbers, which may be one object, as often as they come."""
    return list({(i if isinstance(one, (int, float)) else -id(one)): one for i, one in enumerate(items)}.values())
