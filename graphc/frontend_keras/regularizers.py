"""The weight and activity penalties of Keras 2.2.4: a tensor -> a scalar added to the loss.

What does not live here: which weights are penalised (engine/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.utils.checks import finite, known_keys
from graphc.frontend_keras.utils.generic_utils import serialize_keras_object
from graphc.frontend_keras.utils.named_objects import NamedObjects

__all__ = ["L1L2", "Regularizer", "deserialize", "get", "l1", "l1_l2", "l2", "serialize"]


class Regularizer:
    """Base of the penalties."""

    def __call__(self, x: Any) -> Any:
        return 0.0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Regularizer:
        return cls(**config)


class L1L2(Regularizer):
    """sum(l1 |x|) + sum(l2 x^2).

    l1, l2   finite factors; kept in floatx precision, as files of Keras show them
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1 = K.cast_to_floatx(finite(l1, "l1", "L1L2"))
        self.l2 = K.cast_to_floatx(finite(l2, "l2", "L1L2"))

    def __call__(self, x: Any) -> Any:
        penalty: Any = 0.0
        if self.l1:
            penalty = penalty + K.sum(float(self.l1) * K.abs(x))
        if self.l2:
            penalty = penalty + K.sum(float(self.l2) * K.square(x))
        return penalty

    def get_config(self) -> dict[str, float]:
        return {"l1": float(self.l1), "l2": float(self.l2)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Regularizer:
        return cls(**known_keys(cls.__name__, config, ("l1", "l2")))


def l1(l: float = 0.01) -> L1L2:  # noqa: E741 - the keyword of Keras
    """sum(l |x|)."""
    return L1L2(l1=l)


def l2(l: float = 0.01) -> L1L2:  # noqa: E741 - the keyword of Keras
    """sum(l x^2)."""
    return L1L2(l2=l)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """sum(l1 |x|) + sum(l2 x^2)."""
    return L1L2(l1=l1, l2=l2)


def _only_l1(**config: Any) -> L1L2:
    """What tf_keras calls L1."""
    return L1L2(l1=known_keys("L1", config, ("l1",)).get("l1", 0.01))


def _only_l2(**config: Any) -> L1L2:
    """What tf_keras calls L2."""
    return L1L2(l2=known_keys("L2", config, ("l2",)).get("l2", 0.01))


_NAMED = NamedObjects("regularizer", {"Regularizer": Regularizer, "L1L2": L1L2, "l1": l1, "l2": l2, "l1_l2": l1_l2,
                                      "L1": _only_l1, "L2": _only_l2})


def serialize(regularizer: Any) -> Any:
    """{"class_name", "config"} of a regularizer; the name of a function; None stays None."""
    return serialize_keras_object(regularizer)


deserialize = _NAMED.deserialize
get = _NAMED.get
