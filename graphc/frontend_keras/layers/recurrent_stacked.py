"""StackedRNNCells, and what a layer made of cells is: its weights and losses are theirs.

What does not live here: single cells (recurrent_cells.py), the layer that runs a cell (recurrent_base.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras.engine import dialects
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.registry import deserialize_layer, serialize_layer
from graphc.frontend_keras.utils.generic_utils import has_arg


def sizes_of(cell: Any) -> list[int]:
    """The sizes of a cell's states."""
    return list(cell.state_size) if hasattr(cell.state_size, "__len__") else [cell.state_size]


def output_size_of(cell: Any) -> int:
    """The size of a cell's output: that of its first state unless it says another."""
    size = getattr(cell, "output_size", None)
    return sizes_of(cell)[0] if size is None else size


def check_cell(cell: Any, where: str) -> None:
    """Raises ArgumentError for what is no cell."""
    for wanted in ("call", "state_size"):
        if not hasattr(cell, wanted):
            raise ArgumentError(f"a cell needs `{wanted}`", where=where, got=repr(cell)[:200])


class HoldsCells(Layer):
    """A layer whose weights and losses are those of its cells."""

    @property
    def _cells(self) -> list[Any]:
        return []

    def _layers_inside(self) -> list[Layer]:
        return [cell for cell in self._cells if isinstance(cell, Layer)]

    @property  # type: ignore[misc]
    def trainable_weights(self) -> list[Any]:
        return [w for cell in self._layers_inside() for w in cell.trainable_weights] if self.trainable else []

    @property  # type: ignore[misc]
    def non_trainable_weights(self) -> list[Any]:
        cells = self._layers_inside()
        frozen = [w for cell in cells for w in cell.non_trainable_weights]
        return frozen if self.trainable else [w for cell in cells for w in cell.trainable_weights] + frozen

    @property
    def losses(self) -> list[Any]:
        return [loss for cell in self._layers_inside() for loss in cell.losses] + super().losses

    def get_losses_for(self, inputs: Any = None) -> list[Any]:
        return [loss for cell in self._layers_inside() for loss in cell.get_losses_for(inputs)] + \
            super().get_losses_for(inputs)

    def _clear_attachments(self) -> None:
        """After a build that failed the cells hold nothing either."""
        super()._clear_attachments()
        for cell in self._layers_inside():
            cell.built, cell._trainable_weights, cell._non_trainable_weights = False, [], []
            cell._clear_attachments()

    def forget_masks(self) -> None:
        for cell in self._cells:
            if hasattr(cell, "forget_masks"):
                cell.forget_masks()


class StackedRNNCells(HoldsCells):
    """Cells one on top of the other, as one cell. The states are those of all cells, in their order.

    reverse_state_order  the states of the last cell first
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any):
        self.cells: list[Any] = []
        self.reverse_state_order = bool(kwargs.pop("reverse_state_order", False))
        if self.reverse_state_order:
            warn("`reverse_state_order=True` in `StackedRNNCells` is the order of old versions of Keras.")
        super().__init__(**kwargs)
        for cell in cells:
            check_cell(cell, self.name)
        self.cells = list(cells)

    @property
    def _cells(self) -> list[Any]:
        return self.cells

    def _by_state(self, items: Sequence[Any]) -> list[Any]:
        return list(items)[::-1] if self.reverse_state_order else list(items)

    @property
    def state_size(self) -> tuple[int, ...]:
        return tuple(size for cell in self._by_state(self.cells) for size in sizes_of(cell))

    @property
    def output_size(self) -> int:
        return output_size_of(self.cells[-1])

    def build(self, input_shape: Any) -> None:
        shape, constants = (input_shape[0], input_shape[1:]) if isinstance(input_shape, list) else (input_shape, [])
        for cell in self.cells:
            if isinstance(cell, Layer):
                cell.build([shape, *constants] if constants and has_arg(cell.call, "constants") else shape)
            shape = (shape[0], output_size_of(cell))
        self.built = True

    def call(self, inputs: Any, states: Sequence[Any], constants: Any = None,  # type: ignore[override]
             training: Any = None) -> Any:
        nested, start = [], 0
        for cell in self._by_state(self.cells):
            nested.append(list(states[start:start + len(sizes_of(cell))]))
            start += len(nested[-1])
        output, new_states, given = inputs, [], {"constants": constants, "training": training}
        for cell, own in zip(self.cells, self._by_state(nested)):
            output, new = cell.call(output, own, **{k: v for k, v in given.items() if has_arg(cell.call, k)})
            new_states.append(list(new))
        return output, [state for new in self._by_state(new_states) for state in new]

    def get_config(self) -> dict[str, Any]:
        order = {"reverse_state_order": True} if self.reverse_state_order else {}
        return {**super().get_config(), "cells": [serialize_layer(cell) for cell in self.cells], **order}

    @classmethod
    def from_config(cls, config: Mapping[str, Any],
                    custom_objects: Mapping[str, Any] | None = None) -> Any:
        rest = dict(config)
        cells = [deserialize_layer(cell, custom_objects) for cell in rest.pop("cells", ())]
        order = {"reverse_state_order": rest.pop("reverse_state_order", False)}
        return cls(cells, **order, **dialects.layer_keywords(cls, rest))
