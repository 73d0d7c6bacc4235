"""Recurrent: the base that recurrent layers had before Keras 2.1, for layers that scripts derive from it.

What does not live here: RNN, which layers derive from or are given a cell now (recurrent_base.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.input_spec import InputSpec
from graphc.frontend_keras.layers.recurrent_base import NotStatefulError
from graphc.frontend_keras.utils.generic_utils import to_list


class Recurrent(Layer):
    """A layer that applies its own `step` along time; subclasses define `build` and `step`.

    step(inputs, states)      -> (output, new states); states end with the constants
    get_constants(inputs)     tensors that do not change along time
    preprocess_input(inputs)  what the loop runs over
    units, states             sizes and places of the states, which `build` or `__init__` sets

    The other arguments are those of RNN; implementation changes nothing. It is no layer of its own.
    """

    supports_masking = True
    units: int
    states: list[Any]

    def __init__(self, return_sequences: bool = False, return_state: bool = False, go_backwards: bool = False,
                 stateful: bool = False, unroll: bool = False, implementation: int = 0, **kwargs: Any):
        super().__init__(**kwargs)
        self.return_sequences, self.return_state, self.go_backwards = return_sequences, return_state, go_backwards
        self.stateful, self.unroll, self.implementation = stateful, unroll, implementation
        self.input_spec: Any = [InputSpec(ndim=3)]
        self.state_spec: Any = None
        self.dropout = self.recurrent_dropout = 0.0

    def step(self, inputs: Any, states: Sequence[Any]) -> tuple[Any, list[Any]]:
        raise NotImplementedError

    def get_constants(self, inputs: Any, training: Any = None) -> list[Any]:
        return []

    def preprocess_input(self, inputs: Any, training: Any = None) -> Any:
        return inputs

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """States of zeros, (samples, units)."""
        return [K.constant(0, shape=(K.shape(inputs)[0], self.units)) for _ in self.states]

    def __call__(self, inputs: Any, initial_state: Any = None, **kwargs: Any) -> Any:
        tensors = to_list(inputs, allow_tuple=True)
        states = tensors[1:] if initial_state is None else to_list(initial_state, allow_tuple=True)
        if not states:
            return super().__call__(inputs, **kwargs)
        if not K.is_keras_tensor(states[0]):
            return super().__call__(tensors[0], initial_state=states, **kwargs)
        self.input_spec = [*to_list(self.input_spec), *(InputSpec(shape=K.int_shape(one)) for one in states)]
        try:
            return super().__call__([tensors[0], *states], **kwargs)
        finally:
            self.input_spec = self.input_spec[:1]

    def call(self, inputs: Any, mask: Any = None, training: Any = None,  # type: ignore[override]
             initial_state: Any = None) -> Any:
        given = inputs
        if isinstance(inputs, list):
            inputs, *initial_state = inputs
        if not initial_state:
            initial_state = self.states if self.stateful else self.get_initial_state(inputs)
        if len(initial_state) != len(self.states):
            raise ArgumentError(f"Layer has {len(self.states)} states but was passed {len(initial_state)} initial "
                                "states", where=self.name)
        last, outputs, states = K.rnn(
            self.step, self.preprocess_input(inputs, training=None), initial_state, go_backwards=self.go_backwards,
            mask=mask[0] if isinstance(mask, list) else mask, constants=self.get_constants(inputs, training=None),
            unroll=self.unroll, input_length=K.int_shape(inputs)[1])
        if self.stateful:
            self.add_update(list(zip(self.states, states)), given)
        output = outputs if self.return_sequences else last
        return [output, *states] if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, list) else mask
        kept = mask if self.return_sequences else None
        return [kept, *(None for _ in self.states)] if self.return_state else kept

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        output = (*shape[:2], self.units) if self.return_sequences else (shape[0], self.units)
        return [output, *((shape[0], self.units) for _ in self.states)] if self.return_state else output

    def reset_states(self, states: Any = None) -> None:
        """Set the states to zero, or to the arrays `states`. Raises NotStatefulError, ArgumentError, ShapeError."""
        if not self.stateful:
            raise NotStatefulError("Layer must be stateful.", where=self.name)
        batch = to_list(self.input_spec)[0].shape[0]
        if not batch:
            raise ArgumentError("If a RNN is stateful, it needs to know its batch size", where=self.name,
                                fix="Give the first layer a `batch_input_shape`.")
        values = [np.zeros((batch, self.units)) for _ in self.states] if states is None else \
            [np.asarray(one) for one in to_list(states, allow_tuple=True)]
        if [one.shape for one in values] != [(batch, self.units)] * len(self.states):
            raise ShapeError("the states do not fit", where=self.name, got=[one.shape for one in values],
                             expected=f"{len(self.states)} of shape {(batch, self.units)}")
        if self.states[0] is None:
            self.states = [K.zeros((batch, self.units)) for _ in self.states]
        for variable, value in zip(self.states, values):
            K.set_value(variable, value)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "return_sequences": self.return_sequences, "return_state": self.return_state,
                "go_backwards": self.go_backwards, "stateful": self.stateful, "unroll": self.unroll,
                "implementation": self.implementation}
