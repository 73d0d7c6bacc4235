"""ConvLSTM2D: long short-term memory whose products are convolutions (Shi et al., 2015, without peepholes).

What does not live here: the loop over time and what all recurrent layers share (recurrent_base.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc.errors import ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import regularizers
from graphc.frontend_keras.backend.tensor import reshape_to
from graphc.frontend_keras.engine import dialects
from graphc.frontend_keras.engine.input_spec import InputSpec
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.layers.convolutional_base import CONVERT_1, KERAS_1, numbers, padding_word, sizes_apart
from graphc.frontend_keras.layers.recurrent import RECURRENT_1
from graphc.frontend_keras.layers.recurrent_base import RNN
from graphc.frontend_keras.layers.recurrent_cells import LSTMCell

__all__ = ["ConvLSTM2D", "ConvLSTM2DCell", "ConvRNN2D"]


class ConvLSTM2DCell(LSTMCell):
    """One step over images: i, f, o = gate(x * W + h * U + b), g = activation(x * Wc + h * Uc + bc), * a convolution.

    filters        channels of the output and of both states
    kernel_size, strides, padding, dilation_rate, data_format   of the convolution of the inputs; that of the state
                   has stride 1 and zeros around

    Weights: kernel (rows, columns, channels, 4 filters), recurrent_kernel (rows, columns, filters, 4 filters), bias.
    Raises ArgumentError for arguments outside their domain.
    """

    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = (1, 1), activation: Any = "tanh",
                 recurrent_activation: Any = "hard_sigmoid", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", unit_forget_bias: bool = True, kernel_regularizer: Any = None,
                 recurrent_regularizer: Any = None, bias_regularizer: Any = None, kernel_constraint: Any = None,
                 recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
                 recurrent_dropout: float = 0.0, **kwargs: Any):
        super().__init__(filters, activation, recurrent_activation, use_bias, kernel_initializer,
                         recurrent_initializer, bias_initializer, unit_forget_bias, kernel_regularizer,
                         recurrent_regularizer, bias_regularizer, kernel_constraint, recurrent_constraint,
                         bias_constraint, dropout, recurrent_dropout, **kwargs)
        self.filters = self.units
        self.kernel_size = numbers(kernel_size, 2, "kernel_size", self.name)
        self.strides = numbers(strides, 2, "strides", self.name)
        self.padding = padding_word(padding, self.name)
        self.data_format = K.normalize_data_format(data_format)
        self.dilation_rate = numbers(dilation_rate, 2, "dilation_rate", self.name)

    @property
    def _first(self) -> bool:
        return self.data_format == "channels_first"

    def build(self, input_shape: Any) -> None:
        channels = input_shape[1 if self._first else -1]
        if channels is None:
            raise ShapeError("The channel dimension of the inputs should be defined. Found `None`", where=self.name,
                             got=tuple(input_shape))
        columns = self.gates * self.filters
        self.kernel = self.add_weight("kernel", (*self.kernel_size, channels, columns),
                                      initializer=self.kernel_initializer, regularizer=self.kernel_regularizer,
                                      constraint=self.kernel_constraint)
        self.recurrent_kernel = self.add_weight(
            "recurrent_kernel", (*self.kernel_size, self.filters, columns), initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer, constraint=self.recurrent_constraint)
        self.bias = self.add_weight("bias", (columns,), initializer=self._first_bias(),
                                    regularizer=self.bias_regularizer,
                                    constraint=self.bias_constraint) if self.use_bias else None
        self.built = True

    def _channels(self, x: Any) -> list[Any]:
        """The parts of the channels that belong to the gates."""
        n = self.filters
        return [x[:, i * n:(i + 1) * n] if self._first else x[..., i * n:(i + 1) * n] for i in range(self.gates)]

    def _convolved(self, x: Any, kernel: Any, **options: Any) -> Any:
        return K.conv2d(x, kernel, data_format=self.data_format, **options)

    def project_inputs(self, inputs: Any, training: Any = None) -> Any:
        """What the images (samples, ...) or (samples, time, ...) add to the gates."""
        timed = K.ndim(inputs) == 5
        masks = self._input_masks(inputs[:, 0] if timed else inputs, training)
        masks = [K.expand_dims(mask, 1) for mask in masks] if timed else masks
        options = {"strides": self.strides, "padding": self.padding, "dilation_rate": self.dilation_rate}
        axis = 1 if self._first else -1
        if masks:
            parts = [self._convolved(_images(inputs * mask), kernel, **options)
                     for mask, kernel in zip(masks, self._per_gate(self.kernel))]
            made = K.concatenate(parts, axis)
        else:
            made = self._convolved(_images(inputs), self.kernel, **options)
        if self.use_bias:
            made = K.bias_add(made, self.bias, data_format=self.data_format)
        return reshape_to(made, (*inputs.dims[:2], *made.dims[1:])) if timed else made

    def _advance(self, projected: Any, states: Sequence[Any], masks: list[Any]) -> tuple[Any, list[Any]]:
        h, c = states
        if masks:
            sums = [x + self._convolved(h * mask, kernel, padding="same") for x, mask, kernel in
                    zip(self._channels(projected), masks, self._per_gate(self.recurrent_kernel))]
        else:
            sums = self._channels(projected + self._convolved(h, self.recurrent_kernel, padding="same"))
        i, f, o = (self.recurrent_activation(sums[gate]) for gate in (0, 1, 3))
        c = f * c + i * self.activation(sums[2])
        h = o * self.activation(c)
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        config = {key: value for key, value in super().get_config().items() if key not in ("units", "implementation")}
        return {**config, "filters": self.filters, "kernel_size": self.kernel_size, "strides": self.strides,
                "padding": self.padding, "data_format": self.data_format, "dilation_rate": self.dilation_rate}


def _images(x: Any) -> Any:
    """Samples and time as one axis, where there is time."""
    return reshape_to(x, (x.dims[0] * x.dims[1], *x.dims[2:])) if K.ndim(x) == 5 else x


class ConvRNN2D(RNN):
    """A cell of images applied along time: (samples, time, rows, columns, channels). Arguments: RNN."""

    def __init__(self, cell: Any, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False, **kwargs: Any):
        super().__init__(cell, return_sequences, return_state, go_backwards, stateful, unroll, **kwargs)
        self.input_spec = [InputSpec(ndim=5)]

    def _state_shapes(self, input_shape: Any) -> list[Any]:
        cell = self.cell
        step = (None, *input_shape[2:])
        sizes = step[2:] if cell.data_format == "channels_first" else step[1:-1]
        made = tuple(_windows(size, *one, cell.padding) for size, one in
                     zip(sizes, zip(cell.kernel_size, cell.strides, cell.dilation_rate)))
        one = (cell.filters, *made) if cell.data_format == "channels_first" else (*made, cell.filters)
        return [one, one]

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """States of zeros: the shape that the convolution of a step has."""
        zeros = self.cell._channels(self.cell.project_inputs(inputs[:, 0], False))[0] * 0
        return [zeros, zeros]

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        time = (shape[1],) if self.return_sequences else ()
        states = [(shape[0], *one) for one in self._state_shapes(shape)]
        output = (shape[0], *time, *states[0][1:])
        return [output, *states] if self.return_state else output


def _windows(size: int | None, kernel: int, stride: int, dilation: int, padding: str) -> int | None:
    """How many windows of a convolution lie along an axis."""
    if size is None:
        return None
    reach = (kernel - 1) * dilation
    return -(-size // stride) if padding == "same" else (size - reach - 1) // stride + 1


def _of_cell(name: str) -> Any:
    return property(lambda self: getattr(self.cell, name), doc=f"The cell's `{name}`.")


class ConvLSTM2D(ConvRNN2D):
    """ConvRNN2D of a ConvLSTM2DCell. Arguments: ConvLSTM2DCell and RNN."""

    @sizes_apart("nb_row", "nb_col")
    @renamed_keywords({**RECURRENT_1, **KERAS_1}, convert=CONVERT_1)
    def __init__(self, filters: int, kernel_size: Any, strides: Any = (1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate: Any = (1, 1), activation: Any = "tanh",
                 recurrent_activation: Any = "hard_sigmoid", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", unit_forget_bias: bool = True, kernel_regularizer: Any = None,
                 recurrent_regularizer: Any = None, bias_regularizer: Any = None, activity_regularizer: Any = None,
                 kernel_constraint: Any = None, recurrent_constraint: Any = None, bias_constraint: Any = None,
                 return_sequences: bool = False, go_backwards: bool = False, stateful: bool = False,
                 dropout: float = 0.0, recurrent_dropout: float = 0.0, **kwargs: Any):
        cell = ConvLSTM2DCell(filters, kernel_size, strides, padding, data_format, dilation_rate, activation,
                              recurrent_activation, use_bias, kernel_initializer, recurrent_initializer,
                              bias_initializer, unit_forget_bias, kernel_regularizer, recurrent_regularizer,
                              bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint, dropout,
                              recurrent_dropout)
        super().__init__(cell, return_sequences=return_sequences, go_backwards=go_backwards, stateful=stateful,
                         **kwargs)
        self.activity_regularizer = regularizers.get(activity_regularizer)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        cell = config.pop("cell")["config"]
        return {**cell, **config, "activity_regularizer": regularizers.serialize(self.activity_regularizer)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        return cls(**dialects.layer_keywords(cls, config))


for _name in ("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation",
              "recurrent_activation", "use_bias", "kernel_initializer", "recurrent_initializer", "bias_initializer",
              "unit_forget_bias", "kernel_regularizer", "recurrent_regularizer", "bias_regularizer",
              "kernel_constraint", "recurrent_constraint", "bias_constraint", "dropout", "recurrent_dropout"):
    setattr(ConvLSTM2D, _name, _of_cell(_name))
