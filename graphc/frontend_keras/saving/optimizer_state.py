"""The orders in which the state of an optimizer stands in files.

Keras 2:          the count of steps (not all optimizers), then one slot of all parameters after the other
tf.keras, early:  the same; the count always
tf.keras, Keras 3: the count, perhaps the rate, then all slots of one parameter after the other; last what amsgrad adds,
                   and Nadam's product

What does not live here: which slots an optimizer may lack (its `_pairs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.frontend_keras import backend as K

_SLOTS = {"SGD": 1, "RMSprop": 1, "Adagrad": 1, "Adadelta": 2, "Adam": 2, "Adamax": 2, "Nadam": 2}


def ordered(optimizer: Any, names: Sequence[str], arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The arrays in the order of Keras 2, from that in which a file lists them under these names."""
    if not any(name.split("/")[-1].split(":")[0] == "iteration" for name in names[:2]):
        return list(arrays)
    slots = _SLOTS.get(type(optimizer).__name__)
    count = [array for array in arrays[:1] if array.shape == ()]
    rest = list(arrays[len(count):])
    if rest and rest[0].shape == () and names[len(count)].split("/")[-1].startswith("learning_rate"):
        del rest[0]
    if slots is None:
        return count + rest
    scalars = [array for array in rest if array.shape == ()] if type(optimizer).__name__ == "Nadam" else []
    rest = [array for array in rest if array.shape != ()] if scalars else rest
    params = len(rest) // (slots + bool(getattr(optimizer, "amsgrad", False)))
    paired, last = rest[:slots * params], rest[slots * params:]
    return count + scalars + [array for slot in range(slots) for array in paired[slot::slots]] + last


def interleaved(optimizer: Any) -> list[np.ndarray]:
    """The state in the order of Keras 3: count, rate (where it does not decay), the slots of each parameter."""
    arrays, kind = [K.get_value(weight) for weight in optimizer.weights], type(optimizer).__name__
    count, rate = np.asarray(K.get_value(optimizer.iterations)), np.asarray(K.get_value(optimizer.lr))
    slots = _SLOTS[kind]
    rest = arrays[1:] if arrays and arrays[0].shape == () else arrays
    if kind == "SGD" and not float(K.get_value(optimizer.momentum)):
        rest = []
    params = len(rest) // (3 if kind == "Adam" else slots)
    paired = [rest[slot * params + i] for i in range(params) for slot in range(slots)]
    extra = rest[2 * params:] if getattr(optimizer, "amsgrad", False) else []
    product = [np.asarray(K.get_value(optimizer.m_schedule))] if kind == "Nadam" else []
    return [count, *([] if optimizer.initial_decay > 0 else [rate]), *paired, *extra, *product]
