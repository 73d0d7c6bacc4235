"""Activations that are layers because they have parameters.

What does not live here: activation functions (activations.py).
"""

from __future__ import annotations

from typing import Any

from graphc.errors import ShapeError
from graphc.frontend_keras import activations, constraints, initializers, regularizers
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.input_spec import InputSpec
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.utils.checks import finite

__all__ = ["ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU"]


class LeakyReLU(Layer):
    """x where x >= 0, else alpha * x."""

    supports_masking = True

    def __init__(self, alpha: float = 0.3, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = K.cast_to_floatx(finite(alpha, "alpha", self.name))

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.relu(inputs, alpha=float(self.alpha))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": float(self.alpha)}


class PReLU(Layer):
    """x where x >= 0, else alpha * x, with a learned alpha for each element of a sample.

    shared_axes  axes (from 1) along which alpha is the same

    Raises ShapeError for an axis that the input does not have.
    """

    supports_masking = True

    @renamed_keywords({"init": "alpha_initializer"})
    def __init__(self, alpha_initializer: Any = "zeros", alpha_regularizer: Any = None, alpha_constraint: Any = None,
                 shared_axes: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = shared_axes if shared_axes is None or isinstance(shared_axes, list) else (
            list(shared_axes) if isinstance(shared_axes, tuple) else [shared_axes])

    def build(self, input_shape: Any) -> None:
        for axis in self.shared_axes or ():
            if axis not in range(1, len(input_shape)):
                raise ShapeError("`shared_axes` names an axis that a sample does not have", where=self.name,
                                 expected=f"axes from 1 to {len(input_shape) - 1}", got=self.shared_axes)
        shape = [1 if axis in (self.shared_axes or ()) else size for axis, size in enumerate(input_shape)][1:]
        self.alpha = self.add_weight("alpha", shape, initializer=self.alpha_initializer,
                                     regularizer=self.alpha_regularizer, constraint=self.alpha_constraint)
        fixed = {axis: size for axis, size in enumerate(input_shape) if axis and axis not in (self.shared_axes or ())}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=fixed)
        self.built = True

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.relu(inputs) - self.alpha * K.relu(-inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha_initializer": initializers.serialize(self.alpha_initializer),
                "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
                "alpha_constraint": constraints.serialize(self.alpha_constraint), "shared_axes": self.shared_axes}


class ELU(Layer):
    """x where x > 0, else alpha * (exp(x) - 1)."""

    supports_masking = True

    def __init__(self, alpha: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = K.cast_to_floatx(finite(alpha, "alpha", self.name))

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.elu(inputs, float(self.alpha))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": float(self.alpha)}


class ThresholdedReLU(Layer):
    """x where x > theta, else 0."""

    supports_masking = True

    def __init__(self, theta: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.theta = K.cast_to_floatx(finite(theta, "theta", self.name))

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return inputs * K.cast(K.greater(inputs, float(self.theta)), K.floatx())

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "theta": float(self.theta)}


class Softmax(Layer):
    """exp(x) / sum(exp(x)) along `axis`."""

    supports_masking = True

    def __init__(self, axis: int = -1, **kwargs: Any):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return activations.softmax(inputs, axis=self.axis)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


class ReLU(Layer):
    """x where x >= threshold, else negative_slope * (x - threshold); never above max_value."""

    supports_masking = True

    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0,
                 **kwargs: Any):
        super().__init__(**kwargs)
        self.max_value = None if max_value is None else K.cast_to_floatx(
            finite(max_value, "max_value", self.name, at_least=0))
        self.negative_slope = K.cast_to_floatx(finite(negative_slope, "negative_slope", self.name, at_least=0))
        self.threshold = K.cast_to_floatx(finite(threshold, "threshold", self.name))

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        highest = None if self.max_value is None else float(self.max_value)
        return activations.relu(inputs, alpha=float(self.negative_slope), max_value=highest,
                                threshold=float(self.threshold))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(),
                "max_value": None if self.max_value is None else float(self.max_value),
                "negative_slope": float(self.negative_slope), "threshold": float(self.threshold)}
