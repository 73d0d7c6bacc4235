"""Data that are tensors: variables, or random numbers and whatever else depends on nothing that is fed.

They have no rows to cut into batches, so they serve where steps are counted: each step takes them as they are then.

What does not live here: tensors that a model's inputs are made of (input_layer.py); these need no data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras import backend as K


class Feed:
    """The arrays of each step: a call gives them, with those that are tensors computed anew."""

    def __init__(self, arrays: Sequence[Any]):
        self._arrays = list(arrays)
        self._places = [i for i, one in enumerate(self._arrays) if K.is_tensor(one)]
        self._values = K.function([], [self._arrays[i] for i in self._places]) if self._places else None

    def __call__(self) -> list[Any]:
        if self._values is None:
            return self._arrays
        found = list(self._arrays)
        for place, value in zip(self._places, self._values([])):
            found[place] = value
        return found


def refuse_symbolic(arrays: Sequence[Any], where: str, argument: str) -> None:
    """Raises ArgumentError where data are tensors, which `argument` is needed for."""
    if any(K.is_tensor(one) for one in arrays):
        raise ArgumentError(f"If your data is in the form of symbolic tensors, you should specify the `{argument}` "
                            "argument", where=where, fix="Or evaluate them first: K.eval(x).")
