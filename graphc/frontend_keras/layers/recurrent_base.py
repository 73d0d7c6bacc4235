"""RNN: a cell applied along time, with its states, masks and forms of call.

What does not live here: cells (recurrent_cells.py) and stacks of them (recurrent_stacked.py), layers with a cell of
their own (recurrent.py), the loop over time (backend/recurrence.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, GraphcError, ShapeError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine import dialects
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.input_spec import InputSpec
from graphc.frontend_keras.engine.registry import deserialize_layer, serialize_layer
from graphc.frontend_keras.engine.shapes import StaticShape
from graphc.frontend_keras.layers.recurrent_stacked import (
    HoldsCells,
    StackedRNNCells,
    check_cell,
    output_size_of,
    sizes_of,
)
from graphc.frontend_keras.utils.generic_utils import has_arg, to_list

_STEPS_FIX = ("Give the first layer an `input_shape` or `batch_input_shape` with the number of steps, or Input a "
              "`shape`; an Embedding takes `input_length`.")
_BATCH_FIX = "Give the first layer a `batch_input_shape`, or Input a `batch_shape`."


class NotStatefulError(GraphcError, AttributeError):
    """States were to be set in a layer that keeps none."""


class RNN(HoldsCells):
    """A cell applied to each time step of (samples, time, features).

    cell              has `call(inputs, states)` -> (output, new states), `state_size` (a number, or one for each state)
                      and perhaps `output_size`; a list of cells is stacked
    return_sequences  whether all outputs are returned, (samples, time, units), or the last one, (samples, units)
    return_state      whether the last states are returned too
    go_backwards      whether the last time step comes first
    stateful          whether a batch begins with the states that the batch before it left
    zero_output_for_mask  whether outputs of masked steps are 0, as tf.keras and Keras 3 can
    unroll            nothing but the output of masked first steps depends on it, see K.rnn
    input_dim, input_length  the older form of input_shape=(input_length, input_dim)

    Called as `layer(x)`, `layer(x, initial_state=states, constants=tensors)` or `layer([x, *states, *constants])`.
    Raises ArgumentError for what is no cell.
    """

    supports_masking = True
    cell: Any = None

    def __init__(self, cell: Any, return_sequences: bool = False, return_state: bool = False,
                 go_backwards: bool = False, stateful: bool = False, unroll: bool = False,
                 zero_output_for_mask: bool = False, **kwargs: Any):
        super().__init__(**_with_input_shape(type(self).__name__, kwargs))
        self.cell = StackedRNNCells(cell) if isinstance(cell, (list, tuple)) else cell
        check_cell(self.cell, self.name)
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.input_spec: list[InputSpec] = [InputSpec(ndim=3)]
        self.state_spec: list[InputSpec] | None = None
        self.constants_spec: list[InputSpec] | None = None
        self._num_constants: int | None = None
        self._states: list[Any] | None = None

    @property
    def _cells(self) -> list[Any]:
        return [] if self.cell is None else [self.cell]

    # ---- weights and states

    def build(self, input_shape: Any) -> None:
        shapes = input_shape if isinstance(input_shape, list) else [input_shape]
        shape, constants = shapes[0], shapes[len(shapes) - (self._num_constants or 0):]
        self.input_spec[0] = InputSpec(shape=(shape[0] if self.stateful else None, None, *shape[2:]))
        if isinstance(self.cell, Layer):
            step_shape = (shape[0], *shape[2:])
            self.cell.build([step_shape, *constants] if constants else step_shape)
        shapes = self._state_shapes(shape)
        if self.state_spec is None:
            self.state_spec = [InputSpec(shape=(None, *one)) for one in shapes]
        elif [spec.shape and tuple(spec.shape[1:]) for spec in self.state_spec] != shapes:
            raise ShapeError("An `initial_state` was passed that is not compatible with `cell.state_size`. Received "
                             f"`state_spec`={self.state_spec}; however `cell.state_size` is {self.cell.state_size}",
                             where=self.name)
        if self.stateful:
            self.reset_states()
        self.built = True

    def _state_shapes(self, input_shape: Any) -> list[tuple[int, ...]]:
        """The shapes of the states of one sample, for inputs of this shape."""
        return [(size,) for size in sizes_of(self.cell)]

    @property
    def states(self) -> list[Any]:
        """The variables that hold the states of a stateful layer; Nones before it is built."""
        return [None] * len(sizes_of(self.cell)) if self._states is None else self._states

    @states.setter
    def states(self, states: list[Any]) -> None:
        self._states = states

    def get_initial_state(self, inputs: Any) -> list[Any]:
        """States of zeros, (samples, size)."""
        return [K.constant(0, shape=(K.shape(inputs)[0], *one)) for one in self._state_shapes(K.int_shape(inputs))]

    def reset_states(self, states: Any = None) -> None:
        """Set the states to zero, or to the arrays `states`; nothing changes when one does not fit.

        Raises NotStatefulError (an AttributeError), ArgumentError where the batch size is not known, ShapeError.
        """
        if not self.stateful:
            raise NotStatefulError("Layer must be stateful.", where=self.name)
        shape = self.input_spec[0].shape
        if shape is None or not shape[0]:
            raise ArgumentError("If a RNN is stateful, it needs to know its batch size", where=self.name,
                                fix=_BATCH_FIX)
        wanted = [(shape[0], *one) for one in self._state_shapes(shape)]
        values = [np.zeros(one) for one in wanted] if states is None else \
            [np.asarray(value) for value in to_list(states, allow_tuple=True)]
        if len(values) != len(wanted):
            raise ShapeError(f"Layer {self.name} expects {len(wanted)} states, but it received {len(values)} state "
                             "values")
        for index, (value, one) in enumerate(zip(values, wanted)):
            if value.shape != one:
                raise ShapeError(f"State {index} is incompatible with layer {self.name}: expected shape={one}, found "
                                 f"shape={value.shape}")
        if self._states is None:
            self._states = [K.zeros(one) for one in wanted]
        for variable, value in zip(self._states, values):
            K.set_value(variable, value)

    # ---- calls

    def __call__(self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any) -> Any:
        inputs, initial_state, constants = self._apart(inputs, initial_state, constants)
        more = [*(initial_state or ()), *(constants or ())]
        if not more:
            return super().__call__(inputs, **kwargs)
        if initial_state is not None:
            self.state_spec = [InputSpec(shape=K.int_shape(state)) for state in initial_state]
        if constants is not None:
            if not has_arg(self.cell.call, "constants"):
                raise ArgumentError("RNN cell does not support constants", where=self.name,
                                    got=type(self.cell).__name__)
            self.constants_spec = [InputSpec(shape=K.int_shape(constant)) for constant in constants]
            self._num_constants = len(constants)
        from_layers = {K.is_keras_tensor(x) for x in more}
        if len(from_layers) > 1:
            raise ArgumentError("The initial state or constants of an RNN layer cannot be specified with a mix of "
                                "Keras tensors and non-Keras tensors (a \"Keras tensor\" is a tensor that was returned "
                                "by a Keras layer, or by `Input`)", where=self.name)
        if from_layers == {False}:
            return super().__call__(inputs, initial_state=initial_state, constants=constants, **kwargs)
        specs = (self.state_spec if initial_state is not None else None) or []
        self.input_spec = [self.input_spec[0], *specs, *((self.constants_spec or []) if constants is not None else [])]
        try:
            return super().__call__([inputs, *more], **kwargs)
        finally:
            self.input_spec = self.input_spec[:1]

    def _apart(self, inputs: Any, initial_state: Any, constants: Any) -> tuple[Any, Any, Any]:
        """Inputs, initial states and constants, of which each may come in one list with the inputs."""
        if isinstance(inputs, (list, tuple)):
            if initial_state is not None or constants is not None:
                raise ArgumentError("states and constants are given twice: in the list of inputs, and by keyword",
                                    where=self.name)
            inputs, initial_state, constants = self._split(list(inputs))
        return (inputs, *(None if x is None else to_list(x, allow_tuple=True) for x in (initial_state, constants)))

    def _split(self, tensors: list[Any]) -> tuple[Any, Any, Any]:
        end = len(tensors) - (self._num_constants or 0)
        return tensors[0], tensors[1:end] or None, tensors[end:] or None

    def call(self, inputs: Any, mask: Any = None, training: Any = None,  # type: ignore[override]
             initial_state: Any = None, constants: Any = None) -> Any:
        given = inputs
        if isinstance(inputs, list):
            inputs, initial_state, constants = self._split(inputs)
        if initial_state is None:
            initial_state = self.states if self.stateful else self.get_initial_state(inputs)
        mask = mask[0] if isinstance(mask, list) else mask
        steps = K.int_shape(inputs)[1]
        self._check_call(initial_state, steps)
        self.forget_masks()
        try:
            inputs, step = self._step_function(inputs, constants, training)
            output, outputs, states = K.rnn(step, inputs, initial_state, constants=constants, mask=mask,
                                            go_backwards=self.go_backwards, unroll=self.unroll, input_length=steps,
                                            zero_output_for_mask=self.zero_output_for_mask)
        finally:
            self.forget_masks()
        if self.stateful:
            self.add_update(list(zip(self.states, states)), given)
        phased = output._uses_learning_phase
        output = outputs if self.return_sequences else output
        results = [output, *(K.identity(state) for state in states)] if self.return_state else [output]
        for x in results:
            x._uses_learning_phase = phased
        return results if self.return_state else output

    def _check_call(self, initial_state: Sequence[Any], steps: int | None) -> None:
        if len(initial_state) != len(self.states):
            raise ArgumentError(f"Layer has {len(self.states)} states but was passed {len(initial_state)} initial "
                                "states", where=self.name)
        if steps == 0:
            raise ShapeError("recurrence needs at least one time step", where=self.name, got=steps)
        if self.unroll and steps in (None, 1):
            raise ArgumentError("Cannot unroll a RNN if the time dimension is undefined or equal to 1", where=self.name,
                                got=steps, fix=_STEPS_FIX)

    def _step_function(self, inputs: Any, constants: Any, training: Any) -> tuple[Any, Any]:
        """What the loop runs over, and what it does to each step of that."""
        keywords = {"training": training} if has_arg(self.cell.call, "training") else {}
        if _projects(self.cell):
            return self.cell.project_inputs(inputs, **keywords), lambda x, states: self.cell.step(x, states, **keywords)
        if constants:
            n = len(constants)
            return inputs, lambda x, states: self.cell.call(x, states[:-n], constants=states[-n:], **keywords)
        return inputs, lambda x, states: self.cell.call(x, states, **keywords)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, list) else mask
        kept = mask if self.return_sequences else None
        return [kept, *(None for _ in self.states)] if self.return_state else kept

    def compute_output_shape(self, input_shape: Any) -> Any:
        shape = input_shape[0] if isinstance(input_shape, list) else input_shape
        time = (shape[1],) if self.return_sequences else ()
        output: StaticShape = (shape[0], *time, output_size_of(self.cell))
        return [output, *((shape[0], size) for size in sizes_of(self.cell))] if self.return_state else output

    # ---- configuration

    def get_config(self) -> dict[str, Any]:
        constants = {} if self._num_constants is None else {"num_constants": self._num_constants}
        return {**super().get_config(), "return_sequences": self.return_sequences, "return_state": self.return_state,
                "go_backwards": self.go_backwards, "stateful": self.stateful, "unroll": self.unroll, **constants,
                **({"zero_output_for_mask": True} if self.zero_output_for_mask else {}),
                "cell": serialize_layer(self.cell)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any],
                    custom_objects: Mapping[str, Any] | None = None) -> Any:
        rest = dict(config)
        cell, constants = deserialize_layer(rest.pop("cell", None), custom_objects), rest.pop("num_constants", None)
        layer = cls(cell, **dialects.layer_keywords(cls, rest))
        layer._num_constants = constants
        return layer


def _projects(cell: Any) -> bool:
    """Whether the cell's `call` is made of its `project_inputs` and `step`; a subclass with another `call` is not."""
    call, project = (next((c for c in type(cell).__mro__ if name in vars(c)), None)
                     for name in ("call", "project_inputs"))
    return call is not None and call is project


def _with_input_shape(title: str, keywords: dict[str, Any]) -> dict[str, Any]:
    """Keywords with input_dim and input_length as one input_shape."""
    if keywords.get("input_dim") is None:
        return keywords
    found = dict(keywords)
    shape = (found.pop("input_length", None), found.pop("input_dim"))
    warn(f"Update your `{title}` call to the Keras 2 API: `input_shape={shape}` instead of `input_dim` and "
         "`input_length`")
    return {**found, "input_shape": shape}
