"""Basic layers: Dense, Activation, Dropout, and those that only move elements.

Keras keeps Lambda here too, so scripts import it from here.

What does not live here: Lambda's code (function_layer.py), noise (noise.py), layers of several inputs (merge.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import activations, constraints, initializers, regularizers
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.input_spec import InputSpec
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.engine.shapes import positive
from graphc.frontend_keras.layers.convolutional_base import CONVERT_1
from graphc.frontend_keras.layers.function_layer import Lambda
from graphc.frontend_keras.utils.checks import finite

__all__ = ["Activation", "ActivityRegularization", "Dense", "Dropout", "Flatten", "Lambda", "Masking", "Permute",
           "RepeatVector", "Reshape", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"]

DENSE_1 = {"output_dim": "units", "init": "kernel_initializer", "W_regularizer": "kernel_regularizer",
           "b_regularizer": "bias_regularizer", "W_constraint": "kernel_constraint", "b_constraint": "bias_constraint",
           "bias": "use_bias"}
_DENSE_HINT = "Did you mean Dense({args}, input_dim={value}) or Dense({args}, input_shape=({value},))?"


class Masking(Layer):
    """Marks the steps whose features all equal `mask_value`, so that later layers skip them, and sets them to 0."""

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.mask_value = finite(mask_value, "mask_value", self.name)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return K.any(K.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        kept = K.any(K.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return inputs * K.cast(kept, K.dtype(inputs))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mask_value": self.mask_value}


class Dropout(Layer):
    """In training a share `rate` of the inputs becomes 0 and the rest is divided by 1 - rate.

    noise_shape  shape of the mask, broadcast against the input; None stands for the input's own size
    seed         of the mask; drawn from NumPy's global generator when None

    A rate of 0 or 1, or beyond, changes nothing, as in Keras 2.2.4.
    """

    supports_masking = True

    @renamed_keywords({"p": "rate"})
    def __init__(self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.rate = min(1.0, max(0.0, finite(rate, "rate", self.name)))
        self.noise_shape, self.seed = noise_shape, seed

    def _get_noise_shape(self, inputs: Any) -> Any:
        return self.noise_shape

    def call(self, inputs: Any, training: Any = None) -> Any:  # type: ignore[override]
        if not 0.0 < self.rate < 1.0:
            return inputs
        return K.in_train_phase(lambda: K.dropout(inputs, self.rate, self._get_noise_shape(inputs), seed=self.seed),
                                inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "noise_shape": self.noise_shape, "seed": self.seed}


class _SpatialDropout(Dropout):
    """Dropout of whole feature maps; subclasses say of how many axes."""

    ndim = 0

    @renamed_keywords({"p": "rate", "dim_ordering": "data_format"}, convert=CONVERT_1)
    def __init__(self, rate: float, data_format: str | None = None, **kwargs: Any):
        super().__init__(rate, **kwargs)
        self.data_format = K.normalize_data_format(data_format)
        self.input_spec = InputSpec(ndim=self.ndim)

    def _get_noise_shape(self, inputs: Any) -> Any:
        spatial = (1,) * (self.ndim - 2)
        return (None, None, *spatial) if self.data_format == "channels_first" else (None, *spatial, None)


class SpatialDropout1D(_SpatialDropout):
    """Dropout of whole features of (samples, steps, features)."""

    ndim = 3

    @renamed_keywords({"p": "rate"})
    def __init__(self, rate: float, **kwargs: Any):
        super().__init__(rate, "channels_last", **kwargs)


class _SpatialDropoutND(_SpatialDropout):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class SpatialDropout2D(_SpatialDropoutND):
    """Dropout of whole channels of images."""

    ndim = 4


class SpatialDropout3D(_SpatialDropoutND):
    """Dropout of whole channels of volumes."""

    ndim = 5


class Activation(Layer):
    """An activation function as a layer; `activation` is a name or a function."""

    supports_masking = True

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return self.activation(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class Reshape(Layer):
    """The elements of each sample in `target_shape`; one size may be -1."""

    def __init__(self, target_shape: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.target_shape = tuple(int(size) for size in target_shape)
        if self.target_shape.count(-1) > 1:
            raise ArgumentError("Can only specify one unknown dimension", where=self.name, got=self.target_shape)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        shape = K.int_shape(inputs)[1:]
        known = None if None in shape else prod(d for d in shape if d is not None)
        rest = prod(d for d in self.target_shape if d != -1)
        if known is not None and (known % max(rest, 1) if -1 in self.target_shape else known != rest):
            raise ShapeError("total size of new array must be unchanged", where=self.name,
                             expected=f"{known} elements, as in {shape}", got=self.target_shape)
        return K.reshape(inputs, (K.shape(inputs)[0], *self.target_shape))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": self.target_shape}


class Permute(Layer):
    """The axes of each sample in another order: `dims` counts them from 1."""

    def __init__(self, dims: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.dims = tuple(int(axis) for axis in dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ArgumentError("`dims` is not an order of the axes 1, 2, ...", where=self.name, got=self.dims)
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.permute_dimensions(inputs, (0, *self.dims))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": self.dims}


class Flatten(Layer):
    """All elements of a sample in one axis.

    data_format  under "channels_first" the channels are moved last before

    Raises ShapeError for a sample whose shape is not known.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.input_spec = InputSpec(min_ndim=3)
        self.data_format = K.normalize_data_format(data_format)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        shape = K.int_shape(inputs)[1:]
        if None in shape:
            raise ShapeError(f"The shape of the input to \"Flatten\" is not fully defined (got {shape})",
                             where=self.name, fix="Give a complete \"input_shape\" or \"batch_input_shape\" to the "
                             "first layer of the model.")
        if self.data_format == "channels_first":
            inputs = K.permute_dimensions(inputs, (0, *range(2, K.ndim(inputs)), 1))
        return K.batch_flatten(inputs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format}


class RepeatVector(Layer):
    """(samples, features) to (samples, n, features)."""

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.n = positive(n, "n", self.name)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        return K.repeat(inputs, self.n)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "n": self.n}


class Dense(Layer):
    """activation(x . kernel + bias) over the last axis: (samples, ..., n) to (samples, ..., units).

    Weights: kernel (n, units), bias (units,).
    """

    supports_masking = True

    @renamed_keywords(DENSE_1, hint=_DENSE_HINT)
    def __init__(self, units: int, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive(units, "units", self.name)
        self.activation, self.use_bias = activations.get(activation), bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        inputs = input_shape[-1]
        if inputs is None:
            raise ShapeError("the last axis of the input has no known size", where=self.name, got=input_shape)
        self.kernel = self.add_weight("kernel", (inputs, self.units), initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.bias: Any = self.add_weight("bias", (self.units,), initializer=self.bias_initializer,
                                    regularizer=self.bias_regularizer,
                                    constraint=self.bias_constraint) if self.use_bias else None
        self.input_spec = InputSpec(min_ndim=2, axes={-1: inputs})
        self.built = True

    def call(self, inputs: Any) -> Any:  # type: ignore[override]
        output = K.dot(inputs, self.kernel)
        if self.use_bias:
            output = K.bias_add(output, self.bias, data_format="channels_last")
        return self.activation(output)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "activation": activations.serialize(self.activation),
                "use_bias": self.use_bias,
                "kernel_initializer": initializers.serialize(self.kernel_initializer),
                "bias_initializer": initializers.serialize(self.bias_initializer),
                "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
                "bias_regularizer": regularizers.serialize(self.bias_regularizer),
                "activity_regularizer": regularizers.serialize(self.activity_regularizer),
                "kernel_constraint": constraints.serialize(self.kernel_constraint),
                "bias_constraint": constraints.serialize(self.bias_constraint)}


class ActivityRegularization(Layer):
    """The input unchanged, with a penalty on it: sum(l1 |x|) + sum(l2 x^2) over the whole batch."""

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.l1, self.l2 = l1, l2
        self.activity_regularizer = regularizers.L1L2(l1=l1, l2=l2)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "l1": self.l1, "l2": self.l2}
