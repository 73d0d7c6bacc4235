"""Cells: what SimpleRNN, GRU and LSTM compute in one time step.

A cell has `state_size` and `call(inputs, states)` -> (output, new states), as any cell that RNN takes. Those here also
offer `project_inputs` and `step`, of which `call` is made: what the input adds to the gates does not depend on the
state, so RNN lets `project_inputs` compute it for all time steps in one product.

What does not live here: the loop over time (backend/recurrence.py), layers (recurrent.py), stacks of cells
(recurrent_stacked.py).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from graphc.errors import ArgumentError, ShapeError, warn
from graphc.frontend_keras import activations, constraints, initializers, regularizers
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.shapes import positive
from graphc.frontend_keras.utils.checks import finite
from graphc.frontend_keras.utils.generic_utils import has_arg

_CONSUME_LESS = {"cpu": 1, "mem": 1, "gpu": 2, 0: 1, 1: 1, 2: 2}


class _Cell(Layer):
    """What the three cells share. Weights: kernel (n, gates units), recurrent_kernel (units, gates units), bias.

    dropout            share of the inputs that becomes 0 in training; one mask per gate, the same for all time steps
    recurrent_dropout  the same for the state
    """

    gates = 1

    def __init__(self, units: int, activation: Any, use_bias: bool, kernel_initializer: Any,
                 recurrent_initializer: Any, bias_initializer: Any, kernel_regularizer: Any,
                 recurrent_regularizer: Any, bias_regularizer: Any, kernel_constraint: Any,
                 recurrent_constraint: Any, bias_constraint: Any, dropout: float, recurrent_dropout: float,
                 **kwargs: Any):
        super().__init__(**kwargs)
        self.units = positive(units, "units", self.name)
        self.activation, self.use_bias = activations.get(activation), bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, finite(dropout, "dropout", self.name)))
        self.recurrent_dropout = min(1.0, max(0.0, finite(recurrent_dropout, "recurrent_dropout", self.name)))
        self.state_size: Any = self.units
        self.output_size = self.units
        self.forget_masks()

    # ---- weights

    def build(self, input_shape: Any) -> None:
        inputs, columns = input_shape[-1], self.gates * self.units
        if inputs is None:
            raise ShapeError("the last axis of the input has no known size", where=self.name, got=input_shape)
        self.kernel = self.add_weight("kernel", (inputs, columns), initializer=self.kernel_initializer,
                                      regularizer=self.kernel_regularizer, constraint=self.kernel_constraint)
        self.recurrent_kernel = self.add_weight(
            "recurrent_kernel", (self.units, columns), initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer, constraint=self.recurrent_constraint)
        self.bias: Any = self.add_weight("bias", self._bias_shape(), initializer=self._first_bias(),
                                         regularizer=self.bias_regularizer,
                                         constraint=self.bias_constraint) if self.use_bias else None
        self.built = True

    def _bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self.units,)

    def _first_bias(self) -> Any:
        return self.bias_initializer

    def _input_bias(self) -> Any:
        return self.bias

    def _per_gate(self, x: Any) -> list[Any]:
        """The parts of the last axis that belong to the gates."""
        n = self.units
        return [x[..., i * n:(i + 1) * n] for i in range(self.gates)]

    # ---- masks of dropout

    def forget_masks(self) -> None:
        """Let the next step draw new masks. RNN asks for this at each of its calls."""
        self._dropout_mask: list[Any] | None = None
        self._recurrent_dropout_mask: list[Any] | None = None

    def _masks(self, x: Any, rate: float, training: Any) -> list[Any]:
        """One mask of ones and zeros (scaled) for each gate, in the shape of `x`; none where nothing is dropped."""
        if not 0 < rate < 1:
            return []
        ones = K.ones_like(x)
        return [K.in_train_phase(lambda: K.dropout(ones, rate), ones, training=training) for _ in range(self.gates)]

    def _input_masks(self, x: Any, training: Any) -> list[Any]:
        if self._dropout_mask is None:
            self._dropout_mask = self._masks(x, self.dropout, training)
        return self._dropout_mask

    def _state_masks(self, state: Any, training: Any) -> list[Any]:
        if self._recurrent_dropout_mask is None:
            self._recurrent_dropout_mask = self._masks(state, self.recurrent_dropout, training)
        return self._recurrent_dropout_mask

    @property
    def _one_mask(self) -> bool:
        """Whether the gates share one mask of each kind, so that one product serves them all."""
        return True

    # ---- steps

    def project_inputs(self, inputs: Any, training: Any = None) -> Any:
        """What the inputs (samples, n) or (samples, time, n) add to the gates: (..., gates units)."""
        timed = K.ndim(inputs) == 3
        masks = self._input_masks(inputs[:, 0] if timed else inputs, training)
        masks = [K.expand_dims(mask, 1) for mask in masks] if timed else masks
        if masks and not self._one_mask:
            kernels = self._per_gate(self.kernel)
            projected = K.concatenate([K.dot(inputs * mask, kernel) for mask, kernel in zip(masks, kernels)])
        else:
            projected = K.dot(inputs * masks[0] if masks else inputs, self.kernel)
        return K.bias_add(projected, self._input_bias(), data_format="channels_last") if self.use_bias else projected

    def step(self, projected: Any, states: Sequence[Any], training: Any = None) -> tuple[Any, list[Any]]:
        """The output and the new states, from what `project_inputs` made of the input."""
        output, new_states = self._advance(projected, states, self._state_masks(states[0], training))
        if self.dropout + self.recurrent_dropout > 0 and training is None:
            output._uses_learning_phase = True
        return output, new_states

    @abstractmethod
    def _advance(self, projected: Any, states: Sequence[Any], masks: list[Any]) -> tuple[Any, list[Any]]:
        """`step`, given the masks of the state: none, or one for each gate."""

    def call(self, inputs: Any, states: Sequence[Any], training: Any = None) -> Any:  # type: ignore[override]
        """The output and the new states for one time step."""
        return self.step(self.project_inputs(inputs, training), states, training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "activation": activations.serialize(self.activation),
                "use_bias": self.use_bias,
                "kernel_initializer": initializers.serialize(self.kernel_initializer),
                "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
                "bias_initializer": initializers.serialize(self.bias_initializer),
                "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
                "recurrent_regularizer": regularizers.serialize(self.recurrent_regularizer),
                "bias_regularizer": regularizers.serialize(self.bias_regularizer),
                "kernel_constraint": constraints.serialize(self.kernel_constraint),
                "recurrent_constraint": constraints.serialize(self.recurrent_constraint),
                "bias_constraint": constraints.serialize(self.bias_constraint),
                "dropout": self.dropout, "recurrent_dropout": self.recurrent_dropout}


class SimpleRNNCell(_Cell):
    """h' = activation(x . kernel + h . recurrent_kernel + bias); the output is h'."""

    def __init__(self, units: int, activation: Any = "tanh", use_bias: bool = True,
                 kernel_initializer: Any = "glorot_uniform", recurrent_initializer: Any = "orthogonal",
                 bias_initializer: Any = "zeros", kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0, **kwargs: Any):
        super().__init__(units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
                         kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
                         recurrent_constraint, bias_constraint, dropout, recurrent_dropout, **kwargs)

    def _advance(self, projected: Any, states: Sequence[Any], masks: list[Any]) -> tuple[Any, list[Any]]:
        h = states[0] * masks[0] if masks else states[0]
        output = self.activation(projected + K.dot(h, self.recurrent_kernel))
        return output, [output]


class _GatedCell(_Cell):
    """A cell whose gates have an activation of their own.

    implementation  1: each gate has its own dropout masks; 2: they share them. Without dropout the results are equal.
    """

    recurrent_activation: Any
    implementation: int

    def _gated(self, recurrent_activation: Any, implementation: Any) -> None:
        self.recurrent_activation = activations.get(recurrent_activation)
        if implementation not in _CONSUME_LESS:
            raise ArgumentError("`implementation` is unknown", where=self.name, expected="1 or 2", got=implementation)
        self.implementation = _CONSUME_LESS[implementation]

    @property
    def _one_mask(self) -> bool:
        return self.implementation == 2

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "recurrent_activation": activations.serialize(self.recurrent_activation),
                "implementation": self.implementation}


class GRUCell(_GatedCell):
    """Gated recurrent unit, gates in the order z, r, h (Cho et al., 2014).

        z = gate(x . Wz + h . Uz + bz),  r = gate(x . Wr + h . Ur + br)
        h' = z h + (1 - z) activation(x . Wh + (r h) . Uh + bh)

    reset_after  r (h . Uh + ch) instead of (r h) . Uh; the bias is then (2, 3 units): for the input, for the state
    """

    gates = 3

    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 kernel_regularizer: Any = None, recurrent_regularizer: Any = None, bias_regularizer: Any = None,
                 kernel_constraint: Any = None, recurrent_constraint: Any = None, bias_constraint: Any = None,
                 dropout: float = 0.0, recurrent_dropout: float = 0.0, implementation: int = 1,
                 reset_after: bool = False, **kwargs: Any):
        super().__init__(units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
                         kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
                         recurrent_constraint, bias_constraint, dropout, recurrent_dropout, **kwargs)
        self._gated(recurrent_activation, implementation)
        self.reset_after = bool(reset_after)

    def _bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def _input_bias(self) -> Any:
        return self.bias[0] if self.reset_after else self.bias

    def _advance(self, projected: Any, states: Sequence[Any], masks: list[Any]) -> tuple[Any, list[Any]]:
        h, n = states[0], self.units
        if masks and self._one_mask:
            h, masks = h * masks[0], []
        x_z, x_r, x_h = self._per_gate(projected)
        if self.reset_after:
            from_z, from_r, from_h = self._per_gate(self._from_state(h, masks, self.recurrent_kernel))
        else:
            both = self._from_state(h, masks[:2], self.recurrent_kernel[:, :2 * n])
            from_z, from_r = both[:, :n], both[:, n:]
        z, r = self.recurrent_activation(x_z + from_z), self.recurrent_activation(x_r + from_r)
        if self.reset_after:
            from_h = r * from_h
        else:
            from_h = K.dot(r * (h * masks[2] if masks else h), self.recurrent_kernel[:, 2 * n:])
        output = z * h + (1 - z) * self.activation(x_h + from_h)
        return output, [output]

    def _from_state(self, h: Any, masks: list[Any], kernel: Any) -> Any:
        """What the state adds to the gates, before the reset gate."""
        n = self.units
        total = K.concatenate([K.dot(h * mask, kernel[:, i * n:(i + 1) * n]) for i, mask in enumerate(masks)]) \
            if masks else K.dot(h, kernel)
        return total + self.bias[1] if self.reset_after and self.use_bias else total

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reset_after": self.reset_after}


def _begins_with_one(value: Any) -> bool:
    """`unit_forget_bias`, which Keras 1 called forget_bias_init; Keras 2 heeds no other initializer than "one"."""
    if isinstance(value, str) and value not in ("one", "ones"):
        warn(f"forget_bias_init={value!r} is not heeded, as in Keras 2; the bias of f begins with 1. "
             "Use unit_forget_bias=False for another.")
        return True
    return bool(value)


class LSTMCell(_GatedCell):
    """Long short-term memory, gates in the order i, f, c, o (Hochreiter and Schmidhuber, 1997; Gers et al., 2000).

        i, f, o = gate(x . W + h . U + b) of each,  g = activation(x . Wc + h . Uc + bc)
        c' = f c + i g,  h' = o activation(c'); the states are h, c

    unit_forget_bias  the bias of f begins with 1
    """

    gates = 4

    def __init__(self, units: int, activation: Any = "tanh", recurrent_activation: Any = "hard_sigmoid",
                 use_bias: bool = True, kernel_initializer: Any = "glorot_uniform",
                 recurrent_initializer: Any = "orthogonal", bias_initializer: Any = "zeros",
                 unit_forget_bias: bool = True, kernel_regularizer: Any = None, recurrent_regularizer: Any = None,
                 bias_regularizer: Any = None, kernel_constraint: Any = None, recurrent_constraint: Any = None,
                 bias_constraint: Any = None, dropout: float = 0.0, recurrent_dropout: float = 0.0,
                 implementation: int = 1, **kwargs: Any):
        super().__init__(units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
                         kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
                         recurrent_constraint, bias_constraint, dropout, recurrent_dropout, **kwargs)
        self._gated(recurrent_activation, implementation)
        self.unit_forget_bias = _begins_with_one(unit_forget_bias)
        self.state_size = (self.units, self.units)

    def _first_bias(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer
        first, n = self.bias_initializer, self.units

        def with_ones(shape: Any, dtype: Any = None) -> Any:
            keywords = {"dtype": dtype} if has_arg(first, "dtype", accept_all=True) else {}
            return K.concatenate([first((n,), **keywords), K.constant(1, dtype, (n,)), first((2 * n,), **keywords)])

        return with_ones

    def _advance(self, projected: Any, states: Sequence[Any], masks: list[Any]) -> tuple[Any, list[Any]]:
        h, c = states
        if masks and not self._one_mask:
            sums = [x + K.dot(h * mask, kernel) for x, mask, kernel in
                    zip(self._per_gate(projected), masks, self._per_gate(self.recurrent_kernel))]
        else:
            sums = self._per_gate(projected + K.dot(h * masks[0] if masks else h, self.recurrent_kernel))
        i, f, o = (self.recurrent_activation(sums[gate]) for gate in (0, 1, 3))
        c = f * c + i * self.activation(sums[2])
        h = o * self.activation(c)
        return h, [h, c]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "unit_forget_bias": self.unit_forget_bias}
