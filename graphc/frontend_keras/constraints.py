"""The constraints of Keras 2.2.4: weights after an update -> weights that are allowed.

A norm is the L2 norm over `axis`: 0 for the kernel of Dense, so that each unit has one;
[0, 1, 2] for channels_last convolution kernels.

What does not live here: when they are applied (optimizers/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.frontend_keras import backend as K
from graphc.frontend_keras.utils.checks import finite, known_keys, parameters_of
from graphc.frontend_keras.utils.generic_utils import serialize_keras_object
from graphc.frontend_keras.utils.named_objects import NamedObjects

__all__ = ["Constraint", "MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm", "deserialize", "get", "max_norm", "maxnorm",
           "min_max_norm", "non_neg", "nonneg", "serialize", "unit_norm", "unitnorm"]


class Constraint:
    """Base of the constraints."""

    def __call__(self, w: Any) -> Any:
        return w

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Constraint:
        accepted = parameters_of(cls)
        return cls(**(config if accepted is None else known_keys(cls.__name__, config, accepted)))


def _norms(w: Any, axis: Any) -> Any:
    return K.sqrt(K.sum(K.square(w), axis=axis, keepdims=True))


class MaxNorm(Constraint):
    """w * clip(n, 0, max_value) / (eps + n), with n the norms of w.

    max_value   largest norm, >= 0
    """

    def __init__(self, max_value: float = 2, axis: Any = 0):
        finite(max_value, "max_value", "MaxNorm", at_least=0)
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        return w * (K.clip(norms, 0, self.max_value) / (K.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class NonNeg(Constraint):
    """w where w >= 0, else 0; NaN stays."""

    def __call__(self, w: Any) -> Any:
        return w * K.cast(K.greater_equal(w, 0.0), K.floatx())


class UnitNorm(Constraint):
    """w / (eps + n), with n the norms of w."""

    def __init__(self, axis: Any = 0):
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        return w / (K.epsilon() + _norms(w, self.axis))

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(Constraint):
    """w * (rate clip(n, min_value, max_value) + (1 - rate) n) / (eps + n), with n the norms of w.

    min_value, max_value  bounds of the norms, >= 0
    rate                  how far each update moves a norm into the bounds, 1: all the way
    """

    def __init__(self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0):
        for name, value in (("min_value", min_value), ("max_value", max_value), ("rate", rate)):
            finite(value, name, "MinMaxNorm", at_least=0)
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Any:
        norms = _norms(w, self.axis)
        wanted = self.rate * K.clip(norms, self.min_value, self.max_value) + (1 - self.rate) * norms
        return w * (wanted / (K.epsilon() + norms))

    def get_config(self) -> dict[str, Any]:
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


max_norm = maxnorm = MaxNorm
non_neg = nonneg = NonNeg
unit_norm = unitnorm = UnitNorm
min_max_norm = MinMaxNorm

_NAMED = NamedObjects("constraint", {
    "Constraint": Constraint, "MaxNorm": MaxNorm, "NonNeg": NonNeg, "UnitNorm": UnitNorm, "MinMaxNorm": MinMaxNorm,
    "max_norm": MaxNorm, "maxnorm": MaxNorm, "non_neg": NonNeg, "nonneg": NonNeg, "unit_norm": UnitNorm,
    "unitnorm": UnitNorm, "min_max_norm": MinMaxNorm})


def serialize(constraint: Any) -> Any:
    """{"class_name", "config"} of a constraint; the name of a function; None stays None."""
    return serialize_keras_object(constraint)


deserialize = _NAMED.deserialize
get = _NAMED.get
