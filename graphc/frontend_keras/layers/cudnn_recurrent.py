"""CuDNNLSTM and CuDNNGRU: layers of models made for that library, computed by the ordinary cells.

Their weights are those of the library. There each gate's kernel lies as (units, n) row by row under the shape
(n, units), and two biases are added. `to_plain` and `from_plain` turn such weights into those of LSTM and GRU and back.

What does not live here: the cells (recurrent_cells.py), reading files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import regularizers
from graphc.frontend_keras.backend.tensor import reshape_to
from graphc.frontend_keras.engine import dialects
from graphc.frontend_keras.layers.recurrent_base import RNN
from graphc.frontend_keras.layers.recurrent_cells import GRUCell, LSTMCell
from graphc.frontend_keras.utils.generic_utils import has_arg

__all__ = ["CuDNNGRU", "CuDNNLSTM"]

GATES = {"LSTM": 4, "GRU": 3}


class _LSTMCell(LSTMCell):
    def _bias_shape(self) -> tuple[int, ...]:
        return (8 * self.units,)

    def _first_bias(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer
        first, n = self.bias_initializer, self.units

        def with_ones(shape: Any, dtype: Any = None) -> Any:
            keywords = {"dtype": dtype} if has_arg(first, "dtype", accept_all=True) else {}
            return K.concatenate([first((5 * n,), **keywords), K.constant(1, dtype, (n,)),
                                  first((2 * n,), **keywords)])

        return with_ones

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.kernel, self.recurrent_kernel = _turned(self, self.kernel), _turned(self, self.recurrent_kernel)
        self.bias = self.bias[:4 * self.units] + self.bias[4 * self.units:]


class _GRUCell(GRUCell):
    def _bias_shape(self) -> tuple[int, ...]:
        return (6 * self.units,)

    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.kernel, self.recurrent_kernel = _turned(self, self.kernel), _turned(self, self.recurrent_kernel)
        self.bias = K.reshape(self.bias, (2, 3 * self.units))


def _turned(cell: Any, kernel: Any) -> Any:
    """A kernel (n, gates units) whose gates lie as the library reads them, as a product takes it."""
    n = kernel.dims[0]
    parts = [K.transpose(reshape_to(part, (cell.units, n))) for part in cell._per_gate(kernel)]
    return K.concatenate(parts)


class _CuDNNLayer(RNN):
    _left_out = ("activation", "recurrent_activation", "use_bias", "dropout", "recurrent_dropout", "implementation",
                 "reset_after", "unroll")

    def __init__(self, cell: Any, activity_regularizer: Any, **kwargs: Any):
        super().__init__(cell, **kwargs)
        self.units = cell.units
        self.activity_regularizer = regularizers.get(activity_regularizer)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        cell = config.pop("cell")["config"]
        whole = {**cell, **config, "activity_regularizer": regularizers.serialize(self.activity_regularizer)}
        return {key: value for key, value in whole.items() if key not in self._left_out}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        return cls(**dialects.layer_keywords(cls, config))


class CuDNNLSTM(_CuDNNLayer):
    """LSTM with sigmoid gates. Weights: kernel (n, 4 units), recurrent_kernel (units, 4 units), bias (8 units)."""

    def __init__(self, units: int, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 unit_forget_bias: bool = True, kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, activity_regularizer: Any = None, kernel_constraint: Any = None,
                 recurrent_constraint: Any = None, bias_constraint: Any = None, return_sequences: bool = False,
                 return_state: bool = False, stateful: bool = False, go_backwards: bool = False, **kwargs: Any):
        cell = _LSTMCell(units, "tanh", "sigmoid", True, kernel_initializer, recurrent_initializer, bias_initializer,
                         unit_forget_bias, kernel_regularizer, recurrent_regularizer, bias_regularizer,
                         kernel_constraint, recurrent_constraint, bias_constraint)
        super().__init__(cell, activity_regularizer, return_sequences=return_sequences, return_state=return_state,
                         go_backwards=go_backwards, stateful=stateful, **kwargs)


class CuDNNGRU(_CuDNNLayer):
    """GRU with sigmoid gates and the reset behind the product. Weights: kernel (n, 3 units), recurrent_kernel
    (units, 3 units), bias (6 units)."""

    def __init__(self, units: int, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, recurrent_regularizer: Any = None, bias_regularizer: Any = None,
                 activity_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, return_sequences: bool = False, return_state: bool = False,
                 stateful: bool = False, go_backwards: bool = False, **kwargs: Any):
        cell = _GRUCell(units, "tanh", "sigmoid", True, kernel_initializer, recurrent_initializer, bias_initializer,
                        kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
                        recurrent_constraint, bias_constraint, reset_after=True)
        super().__init__(cell, activity_regularizer, return_sequences=return_sequences, return_state=return_state,
                         go_backwards=go_backwards, stateful=stateful, **kwargs)


# ---- weights


def to_plain(weights: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Weights of LSTM, or of GRU(reset_after=True), from those of CuDNNLSTM or CuDNNGRU. Both then have sigmoid gates.

    Raises ShapeError for shapes that neither layer has.
    """
    kernel, recurrent, bias = weights
    gates = _gates_of(recurrent, bias, 2)
    bias = bias.reshape(2, -1)
    return [_each(kernel, gates, lambda k: k.reshape(k.shape[1], k.shape[0]).T), _each(recurrent, gates, np.transpose),
            bias.sum(0) if gates == GATES["LSTM"] else bias]


def from_plain(weights: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The other way; LSTM's one bias becomes two halves. Raises ShapeError for shapes that neither layer has."""
    kernel, recurrent, bias = weights
    gates = _gates_of(recurrent, bias, bias.ndim)
    both = np.tile(0.5 * bias, 2) if bias.ndim == 1 else bias.reshape(-1)
    return [_each(kernel, gates, lambda k: k.T.reshape(k.shape)), _each(recurrent, gates, np.transpose), both]


def _each(kernel: np.ndarray, gates: int, turn: Any) -> np.ndarray:
    return np.hstack([turn(part) for part in np.hsplit(kernel, gates)])


def _gates_of(recurrent: np.ndarray, bias: np.ndarray, biases: int) -> int:
    """3 or 4, where the shapes are those of a layer with so many biases for each gate."""
    units = recurrent.shape[0]
    gates = recurrent.shape[1] // units if units else 0
    if recurrent.shape != (units, gates * units) or gates not in GATES.values() or bias.size != gates * units * biases:
        raise ShapeError("no weights of an LSTM or of a GRU that resets behind the product",
                         got=f"recurrent_kernel {recurrent.shape}, bias {bias.shape}")
    return gates
