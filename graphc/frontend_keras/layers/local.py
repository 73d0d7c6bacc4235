"""Locally connected layers: convolutions whose weights differ from place to place.

What does not live here: the sums (K.local_conv1d, K.local_conv2d).
"""

from __future__ import annotations

from math import prod
from typing import Any

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.layers.convolutional_base import CONVERT_1, KERAS_1, Convolution, input_of_steps, sizes_apart
from graphc.frontend_keras.utils.checks import KeywordError

__all__ = ["LocallyConnected1D", "LocallyConnected2D"]


class _Local(Convolution):
    """Base of the locally connected layers: a kernel for each place, and a bias for each place and filter."""

    def __init__(self, filters: int, kernel_size: Any, strides: Any, padding: str, data_format: str | None,
                 *args: Any, **kwargs: Any):
        if "dilation_rate" in kwargs:
            raise KeywordError("Keyword argument not understood: dilation_rate", where=type(self).__name__)
        super().__init__(filters, kernel_size, strides, padding, data_format, 1, *args, **kwargs)
        if self.padding != "valid":
            raise ArgumentError(f"Invalid border mode for {type(self).__name__} (only \"valid\" is supported): "
                                f"{padding}", where=self.name)

    def build(self, input_shape: Any) -> None:
        channels = self.channels(input_shape)
        known = [input_shape[axis] for axis in self.spatial_axes]
        if any(size is None for size in known):
            raise ShapeError(f"The spatial dimensions of the inputs to a {type(self).__name__} layer should be fully-"
                             f"defined, but layer received the inputs shape {tuple(input_shape)}", where=self.name)
        places = [(size - k) // s + 1 for size, k, s in zip(known, self.kernel_size, self.strides, strict=True)]
        if min(places) < 1:
            raise ShapeError(f"the kernel {self.kernel_size} is larger than the input, so the output would have a "
                             "negative size", where=self.name,
                             got=f"input shape {tuple(input_shape)} read as {self.data_format}",
                             fix="Use a larger input or a smaller kernel_size.")
        self.places = tuple(places)
        shape = (prod(places), prod(self.kernel_size) * channels, self.filters)
        self.kernel = self.add_weight("kernel", shape, initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.bias = self.add_weight("bias", (*places, self.filters), initializer=self.bias_initializer,
                                    regularizer=self.bias_regularizer,
                                    constraint=self.bias_constraint) if self.use_bias else None
        self.built = True

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["dilation_rate"]
        return config


class LocallyConnected1D(_Local):
    """A convolution along time with weights of its own for each new step.

    Only padding="valid", strides as in Conv1D. Inputs are (samples, steps, channels) whatever the data_format, which is
    kept in the configuration alone. Weights: kernel (new steps, size * channels, filters), bias (new steps, filters).
    Raises ArgumentError for another padding, ShapeError for an unknown number of steps.
    """

    rank = 1

    @renamed_keywords(KERAS_1, convert=CONVERT_1)
    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = None, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        input_of_steps(type(self).__name__, kwargs)
        super().__init__(filters, kernel_size, strides, padding, data_format, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)
        self._given_format, self.data_format = data_format, "channels_last"

    def convolve(self, inputs: Any) -> Any:
        return K.local_conv1d(inputs, self.kernel, self.kernel_size, self.strides)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if self._given_format is None:
            del config["data_format"]
            return config
        return {**config, "data_format": self._given_format}


class LocallyConnected2D(_Local):
    """A convolution of images with weights of its own for each place.

    Weights: kernel (places, size * channels, filters), bias (new rows, new columns, filters), whatever the data_format.
    """

    rank = 2

    @sizes_apart("nb_row", "nb_col")
    @renamed_keywords(KERAS_1, convert=CONVERT_1)
    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 data_format: str | None = None, activation: Any = None, use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(filters, kernel_size, strides, padding, data_format, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)

    def convolve(self, inputs: Any) -> Any:
        return K.local_conv2d(inputs, self.kernel, self.kernel_size, self.strides, self.places,
                              data_format=self.data_format)
