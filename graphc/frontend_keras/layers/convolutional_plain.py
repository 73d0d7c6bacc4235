"""Convolutions with one kernel for all places: Conv1D, Conv2D, Conv3D.

What does not live here: what all convolutions share (convolutional_base.py).
"""

from __future__ import annotations

from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.layers.convolutional_base import CONVERT_1, KERAS_1, Convolution, input_of_steps, sizes_apart


class Conv1D(Convolution):
    """A convolution along time: (batch, steps, channels) to (batch, new steps, filters).

    padding  may also be causal: no step of the output depends on a later step of the input

    Weights: kernel (size, channels, filters), bias (filters,). data_format is channels_last unless given.
    """

    rank = 1

    @renamed_keywords(KERAS_1, convert=CONVERT_1)
    def __init__(self, filters: int, kernel_size: Any, strides: Any = 1, padding: str = "valid",
                 data_format: str | None = "channels_last", dilation_rate: Any = 1, activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        input_of_steps(type(self).__name__, kwargs)
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)
        if self.padding == "causal" and self.data_format != "channels_last":
            raise ArgumentError("When using causal padding in `Conv1D`, `data_format` must be \"channels_last\" "
                                "(temporal data)", where=self.name, got=self.data_format)


class Conv2D(Convolution):
    """A convolution of images: (batch, rows, columns, channels) to (batch, new rows, new columns, filters).

    Weights: kernel (rows, columns, channels, filters), bias (filters,), whatever the data_format.
    """

    rank = 2

    @sizes_apart("nb_row", "nb_col")
    @renamed_keywords(KERAS_1, convert=CONVERT_1)
    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = (1, 1), activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)


class Conv3D(Convolution):
    """A convolution of volumes: (batch, *sizes, channels) to (batch, *new sizes, filters).

    Weights: kernel (*sizes, channels, filters), bias (filters,).
    """

    rank = 3

    @sizes_apart("kernel_dim1", "kernel_dim2", "kernel_dim3")
    @renamed_keywords(KERAS_1, convert=CONVERT_1)
    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = (1, 1, 1), activation: Any = None,
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, bias_constraint: Any = None, **kwargs: Any):
        super().__init__(filters, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer,
                         activity_regularizer, kernel_constraint, bias_constraint, **kwargs)
