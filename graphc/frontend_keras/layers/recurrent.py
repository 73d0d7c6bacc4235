"""Recurrent layers: SimpleRNN, GRU and LSTM, each RNN with a cell of its own; and every name of Keras's module.

What does not live here: RNN itself (recurrent_base.py), what one step computes (recurrent_cells.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.errors import warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import regularizers
from graphc.frontend_keras.engine import dialects
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.layers.recurrent_base import RNN
from graphc.frontend_keras.layers.recurrent_cells import GRUCell, LSTMCell, SimpleRNNCell
from graphc.frontend_keras.layers.recurrent_stacked import StackedRNNCells
from graphc.frontend_keras.utils.generic_utils import to_list

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "SimpleRNN", "SimpleRNNCell", "StackedRNNCells"]

RECURRENT_1 = {"output_dim": "units", "init": "kernel_initializer", "inner_init": "recurrent_initializer",
            "inner_activation": "recurrent_activation", "W_regularizer": "kernel_regularizer",
            "b_regularizer": "bias_regularizer", "U_regularizer": "recurrent_regularizer", "dropout_W": "dropout",
            "dropout_U": "recurrent_dropout", "consume_less": "implementation", "forget_bias_init": "unit_forget_bias"}


def _of_cell(name: str) -> Any:
    return property(lambda self: getattr(self.cell, name), doc=f"The cell's `{name}`.")


class _CellLayer(RNN):
    """RNN with a cell made by the layer, whose configuration is part of the layer's own."""

    units = _of_cell("units")
    activation = _of_cell("activation")
    use_bias = _of_cell("use_bias")
    kernel_initializer = _of_cell("kernel_initializer")
    recurrent_initializer = _of_cell("recurrent_initializer")
    bias_initializer = _of_cell("bias_initializer")
    kernel_regularizer = _of_cell("kernel_regularizer")
    recurrent_regularizer = _of_cell("recurrent_regularizer")
    bias_regularizer = _of_cell("bias_regularizer")
    kernel_constraint = _of_cell("kernel_constraint")
    recurrent_constraint = _of_cell("recurrent_constraint")
    bias_constraint = _of_cell("bias_constraint")
    dropout = _of_cell("dropout")
    recurrent_dropout = _of_cell("recurrent_dropout")

    def __init__(self, cell: Any, activity_regularizer: Any, **kwargs: Any):
        super().__init__(cell, **kwargs)
        self.activity_regularizer = regularizers.get(activity_regularizer)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        cell = config.pop("cell")["config"]
        return {**cell, **config, "activity_regularizer": regularizers.serialize(self.activity_regularizer)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any],
                    custom_objects: Mapping[str, Any] | None = None) -> Any:
        found = dict(config)
        if found.get("implementation") == 0:
            found["implementation"] = 1
        return cls(**dialects.layer_keywords(cls, found))


class SimpleRNN(_CellLayer):
    """h' = activation(x . kernel + h . recurrent_kernel + bias). Arguments: SimpleRNNCell and RNN."""

    @renamed_keywords(RECURRENT_1)
    def __init__(self, units: int, activation: Any = "tanh", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
                 recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
                 recurrent_dropout: float = 0.0, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False, **kwargs: Any):
        if kwargs.pop("implementation", None) is not None:
            warn("The `implementation` argument in `SimpleRNN` has been deprecated. Please remove it from "
                 "your layer call.")
        cell = SimpleRNNCell(units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
                             kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
                             recurrent_constraint, bias_constraint, dropout, recurrent_dropout)
        super().__init__(cell, activity_regularizer, return_sequences=return_sequences, return_state=return_state,
                         go_backwards=go_backwards, stateful=stateful, unroll=unroll, **kwargs)

    @classmethod
    def from_config(cls, config: Mapping[str, Any],
                    custom_objects: Mapping[str, Any] | None = None) -> Any:
        return super().from_config({key: value for key, value in config.items() if key != "implementation"})


class _GatedLayer(_CellLayer):
    recurrent_activation = _of_cell("recurrent_activation")
    implementation = _of_cell("implementation")


def _not_0(implementation: Any) -> Any:
    if isinstance(implementation, int) and implementation == 0:
        warn("`implementation=0` has been deprecated, and now defaults to `implementation=1`. Please update "
             "your layer call.")
        return 1
    return implementation


class GRU(_GatedLayer):
    """Gated recurrent units. Arguments: GRUCell and RNN."""

    reset_after = _of_cell("reset_after")

    @renamed_keywords(RECURRENT_1)
    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, recurrent_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
                 implementation: int = 1, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False, reset_after: bool = False,
                 **kwargs: Any):
        cell = GRUCell(units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer,
                       bias_initializer, kernel_regularizer, recurrent_regularizer, bias_regularizer,
                       kernel_constraint, recurrent_constraint, bias_constraint, dropout, recurrent_dropout,
                       _not_0(implementation), reset_after)
        super().__init__(cell, activity_regularizer, return_sequences=return_sequences, return_state=return_state,
                         go_backwards=go_backwards, stateful=stateful, unroll=unroll, **kwargs)


class LSTM(_GatedLayer):
    """Long short-term memory. Arguments: LSTMCell and RNN."""

    unit_forget_bias = _of_cell("unit_forget_bias")

    @renamed_keywords(RECURRENT_1)
    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 unit_forget_bias: bool = True, kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
                 recurrent_constraint: Any = None, bias_constraint: Any = None, dropout: float = 0.0,
                 recurrent_dropout: float = 0.0, implementation: int = 1, return_sequences: bool = False,
                 return_state: bool = False, go_backwards: bool = False, stateful: bool = False, unroll: bool = False,
                 **kwargs: Any):
        cell = LSTMCell(units, activation, recurrent_activation, use_bias, kernel_initializer, recurrent_initializer,
                        bias_initializer, unit_forget_bias, kernel_regularizer, recurrent_regularizer,
                        bias_regularizer, kernel_constraint, recurrent_constraint, bias_constraint, dropout,
                        recurrent_dropout, _not_0(implementation))
        super().__init__(cell, activity_regularizer, return_sequences=return_sequences, return_state=return_state,
                         go_backwards=go_backwards, stateful=stateful, unroll=unroll, **kwargs)


# ---- what own cells and layers import from Keras's module

def _generate_dropout_mask(ones: Any, rate: float, training: Any = None, count: int = 1) -> Any:
    """A dropout mask of the shape of `ones`, which is 1 outside of training; a list of them for a count above 1."""
    masks = [K.in_train_phase(lambda: K.dropout(ones, rate), ones, training=training) for _ in range(count)]
    return masks[0] if count == 1 else masks


def _standardize_args(inputs: Any, initial_state: Any, constants: Any, num_constants: int | None
                      ) -> tuple[Any, Any, Any]:
    """Inputs, initial states and constants apart, each of the last two as a list or None."""
    if isinstance(inputs, list):
        end = len(inputs) - (num_constants or 0)
        return inputs[0], inputs[1:end] or None, inputs[end:] if num_constants else None
    return (inputs, *(None if x is None else to_list(x, allow_tuple=True) for x in (initial_state, constants)))
