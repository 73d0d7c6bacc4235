"""Wrappers: layers that apply another one, to every time step (TimeDistributed) or in both directions (Bidirectional).

The wrapped layer gets no node of its own; what hangs on a call of it (penalties, updates) hangs on the wrapper's call.

What does not live here: recurrent layers (recurrent_base.py).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.backend.tensor import reshape_to
from graphc.frontend_keras.engine import dialects
from graphc.frontend_keras.engine.base_layer import Layer, matched
from graphc.frontend_keras.engine.input_spec import InputSpec
from graphc.frontend_keras.engine.pickling import own_objects
from graphc.frontend_keras.engine.registry import deserialize_layer, serialize_layer
from graphc.frontend_keras.layers.recurrent_stacked import HoldsCells
from graphc.frontend_keras.utils.generic_utils import CustomObjectScope, has_arg, to_list

__all__ = ["Bidirectional", "TimeDistributed", "Wrapper"]

MERGE_MODES = ("sum", "mul", "ave", "concat", None)


class Wrapper(HoldsCells):
    """A layer around `layer`, whose weights, penalties and updates are its own.

    Raises ArgumentError for what is no layer.
    """

    layer: Any = None

    def __init__(self, layer: Any, **kwargs: Any):
        if not isinstance(layer, Layer):
            raise ArgumentError("a wrapper needs a layer", where=type(self).__name__, got=f"{layer!r:.100}",
                                fix=f"{type(self).__name__}(layer) gives a layer, which is called on the tensor.")
        super().__init__(**{"trainable": layer.trainable, **kwargs})
        trainable = self._trainable
        self.layer = layer
        self.trainable = trainable

    def build(self, input_shape: Any = None) -> None:
        """Nothing is made here: subclasses build `layer`."""
        self.built = True

    @property
    def _cells(self) -> list[Any]:
        return [] if self.layer is None else [self.layer]

    @property
    def activity_regularizer(self) -> Any:
        """The layer's own, on what the wrapper returns."""
        return getattr(self.layer, "activity_regularizer", None)

    def _clear_attachments(self) -> None:
        Layer._clear_attachments(self)  # the layer inside may have had weights before it was wrapped

    @property
    def trainable(self) -> bool:
        return self._trainable if self.layer is None else bool(self.layer.trainable)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._set_trainable(value)
        for one in self._cells:
            one.trainable = value

    def _set_trainable(self, value: bool) -> None:
        Layer.trainable.fset(self, value)  # type: ignore[attr-defined]

    @property
    def losses(self) -> list[Any]:
        """Penalties on weights, and those of the wrapper's calls: the layer inside may have been called elsewhere."""
        return [*(loss for one in self._layers_inside() for loss in one.get_losses_for(None)), *self._losses]

    @property
    def updates(self) -> list[Any]:
        return [*(update for one in self._layers_inside() for update in one.get_updates_for(None)), *super().updates]

    def get_updates_for(self, inputs: Any = None) -> list[Any]:
        return [*(update for one in self._layers_inside() for update in one.get_updates_for(inputs)),
                *super().get_updates_for(inputs)]

    def _called(self, layer: Any, inputs: Any, given: Any, **keywords: Any) -> Any:
        """What `layer` computes; what hangs on its call hangs on the wrapper's inputs `given`.

        Keywords that its call does not take, or that are None, are left out.
        """
        taken = {name: value for name, value in keywords.items() if value is not None and has_arg(layer.call, name)}
        with layer._attachments_moved() as (losses, updates), K.origin(f"{self.name}/{layer.name}"):
            outputs = layer.call(inputs, **taken)
        self.add_loss(losses, given)
        self.add_update(updates, given)
        return outputs

    def get_weights(self) -> list[Any]:
        return [value for one in self._layers_inside() for value in one.get_weights()]

    def set_weights(self, weights: Any) -> None:
        """Replace the values of the weights; nothing changes when one does not fit. Raises ShapeError."""
        variables = [v for one in self._layers_inside() for v in _in_order(one)]
        K.batch_set_value(matched(self.name, variables, weights))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "layer": serialize_layer(self.layer)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        rest = dict(config)
        layer = deserialize_layer(rest.pop("layer", None), custom_objects)
        return cls(layer, **dialects.layer_keywords(cls, rest))


def _in_order(layer: Any) -> list[Any]:
    """The variables in the order of `get_weights`."""
    return layer._layer_weights() if hasattr(layer, "_layer_weights") else layer.weights


class TimeDistributed(Wrapper):
    """`layer` applied to each step of (samples, time, ...), all steps of all samples as one batch.

    Raises ShapeError for inputs of less than 3 axes. Large steps, such as frames, go through a model one by one when it
    predicts, so that memory does not grow with their number (passes/item_loops.py).
    """

    supports_masking = True

    def build(self, input_shape: Any = None) -> None:
        if len(input_shape) < 3:
            raise ShapeError("TimeDistributed needs inputs of at least 3 axes: samples, time, and those of a step",
                             where=self.name, got=tuple(input_shape))
        self.input_spec = InputSpec(shape=tuple(input_shape))
        if not self.layer.built:
            with K.origin(f"{self.name}/{self.layer.name}"):
                self.layer.build((input_shape[0], *input_shape[2:]))
            self.layer.built = True
        self.built = True

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:  # type: ignore[override]
        inner_mask = None if mask is None else _together(mask)
        output = self._called(self.layer, _together(inputs), inputs, training=training, mask=inner_mask)
        phased = output._uses_learning_phase
        output = _apart(output, inputs)
        output._uses_learning_phase = phased
        return output

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if K.int_shape(inputs)[0]:
            return mask
        found = self.layer.compute_mask(_together(inputs), None if mask is None else _together(mask))
        if found is not None:
            return _apart(found, inputs)
        return mask if mask is None or K.ndim(mask) == 2 else K.any(mask, axis=tuple(range(2, K.ndim(mask))))

    def compute_output_shape(self, input_shape: Any) -> Any:
        inner = self.layer.compute_output_shape((input_shape[0], *input_shape[2:]))
        return (inner[0], input_shape[1], *inner[1:])


def _together(x: Any) -> Any:
    """Samples and time as one axis."""
    return reshape_to(x, (x.dims[0] * x.dims[1], *x.dims[2:]))


def _apart(x: Any, like: Any) -> Any:
    """Samples and time as the two axes that they are in `like`."""
    return reshape_to(x, (like.dims[0], like.dims[1], *x.dims[1:]))


class Bidirectional(Wrapper):
    """A recurrent layer in both directions.

    merge_mode   how the two outputs become one: "sum", "mul", "ave", "concat"; None: they stay two
    weights      initial weights, those of the forward layer first

    Called like the layer itself; initial states are those of the forward layer, then those of the backward layer.
    Raises ArgumentError for another merge_mode.
    """

    supports_masking = True
    forward_layer: Any = None
    backward_layer: Any = None

    def __init__(self, layer: Any, merge_mode: Any = "concat", weights: Any = None, **kwargs: Any):
        if merge_mode not in MERGE_MODES:
            raise ArgumentError('Invalid merge mode. Merge mode should be one of {"sum", "mul", "ave", "concat", None}',
                                where="Bidirectional", got=repr(merge_mode))
        if not isinstance(layer, Layer) or not hasattr(layer, "go_backwards"):
            raise ArgumentError("Bidirectional needs a recurrent layer", where="Bidirectional", got=f"{layer!r:.100}")
        self.forward_layer = _twin(layer, "forward", layer.go_backwards)
        self.backward_layer = _twin(layer, "backward", not layer.go_backwards)
        self.merge_mode = merge_mode
        super().__init__(layer, **kwargs)
        of_layer: Any = layer
        self.stateful, self.return_sequences = of_layer.stateful, of_layer.return_sequences
        self.return_state, self.input_spec = of_layer.return_state, of_layer.input_spec
        self._num_constants: int | None = None
        if weights is not None:
            half = len(weights) // 2
            self.forward_layer._initial_weights, self.backward_layer._initial_weights = weights[:half], weights[half:]

    @property
    def _cells(self) -> list[Any]:
        return [] if self.backward_layer is None else [self.forward_layer, self.backward_layer]

    def build(self, input_shape: Any = None) -> None:
        for one in self._cells:
            with K.name_scope(one.name):
                if not one.built:
                    one.build(input_shape)
                    one.built = True
                if one._initial_weights is not None:
                    one.set_weights(one._initial_weights)
                    one._initial_weights = None
        self.built = True

    def reset_states(self) -> None:
        """Both directions forget. Raises as RNN.reset_states does."""
        self.forward_layer.reset_states()
        self.backward_layer.reset_states()

    # ---- calls

    def __call__(self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any) -> Any:
        inputs, initial_state, constants = self._split(inputs, initial_state, constants)
        more = [*(initial_state or ()), *(constants or ())]
        if not more:
            return super().__call__(inputs, **kwargs)
        if initial_state is not None and len(initial_state) % 2:
            raise ArgumentError("When passing `initial_state` to a Bidirectional RNN, the state should be a list "
                                "containing the states of the underlying RNNs", where=self.name,
                                got=f"{len(initial_state)} states")
        if constants is not None:
            self._num_constants = len(constants)
            for one in self._cells:
                one._num_constants = len(constants)
        from_layers = {K.is_keras_tensor(x) for x in more}
        if len(from_layers) > 1:
            raise ArgumentError("The initial state of a Bidirectional layer cannot be specified with a mix of Keras "
                                "tensors and non-Keras tensors", where=self.name)
        if from_layers == {False}:
            return super().__call__(inputs, initial_state=initial_state, constants=constants, **kwargs)
        spec = self.input_spec
        first = spec[0] if isinstance(spec, list) else spec
        self.input_spec = [first, *(InputSpec(shape=K.int_shape(x)) for x in more)]
        try:
            return super().__call__([inputs, *more], **kwargs)
        finally:
            self.input_spec = spec

    def _split(self, inputs: Any, initial_state: Any, constants: Any) -> tuple[Any, Any, Any]:
        """Inputs, states and constants, of which each may come in one list with the inputs."""
        if isinstance(inputs, (list, tuple)):
            tensors = list(inputs)
            end = len(tensors) - (self._num_constants or 0)
            return tensors[0], tensors[1:end] or None, tensors[end:] or None
        return (inputs, *(None if x is None else to_list(x, allow_tuple=True) for x in (initial_state, constants)))

    def call(self, inputs: Any, mask: Any = None, training: Any = None,  # type: ignore[override]
             initial_state: Any = None, constants: Any = None) -> Any:
        given = inputs
        inputs, initial_state, constants = self._split(inputs, initial_state, constants)
        mask = mask[0] if isinstance(mask, list) else mask
        half = len(initial_state or ()) // 2
        states = (None, None) if initial_state is None else (initial_state[:half], initial_state[half:])
        made = [to_list(self._called(one, inputs, given, mask=mask, training=training, constants=constants,
                                     initial_state=state)) for one, state in zip(self._cells, states)]
        phased = any(x._uses_learning_phase for one in made for x in one)
        output = self._merged(made[0][0], made[1][0])
        results = [*to_list(output), *made[0][1:], *made[1][1:]]
        for x in results:
            x._uses_learning_phase = phased
        return results if self.return_state or self.merge_mode is None else results[0]

    def _merged(self, forward: Any, backward: Any) -> Any:
        if self.return_sequences:
            backward = K.reverse(backward, 1)
        if self.merge_mode == "concat":
            return K.concatenate([forward, backward])
        if self.merge_mode == "sum":
            return forward + backward
        if self.merge_mode == "ave":
            return (forward + backward) / 2
        return [forward, backward] if self.merge_mode is None else forward * backward

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        mask = mask[0] if isinstance(mask, list) else mask
        kept = mask if self.return_sequences else None
        outputs = [kept, kept] if self.merge_mode is None else kept
        if not self.return_state:
            return outputs
        return [*to_list(outputs), *(None for _ in self.forward_layer.states * 2)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = to_list(self.forward_layer.compute_output_shape(input_shape))
        output, states = shapes[0], shapes[1:]
        if self.merge_mode == "concat":
            output = (*output[:-1], output[-1] * 2)
        outputs = [output, output] if self.merge_mode is None else [output]
        if not self.return_state:
            return outputs if self.merge_mode is None else output
        return [*outputs, *states, *states]

    # ---- configuration

    def get_config(self) -> dict[str, Any]:
        constants = {} if self._num_constants is None else {"num_constants": self._num_constants}
        return {**super().get_config(), "merge_mode": self.merge_mode, **constants}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        rest = dict(config)
        constants = rest.pop("num_constants", None)
        rest.pop("backward_layer", None)  # later versions write it; it is the layer turned round
        made = super().from_config(rest, custom_objects)
        for one in (made, *made._cells):
            one._num_constants = constants
        return made


def _twin(layer: Any, direction: str, backwards: bool) -> Any:
    """The layer in one direction, under a name of its own; the forward one keeps the weights that there are."""
    if direction == "forward":
        twin = copy.copy(layer)
        twin._inbound_nodes, twin._outbound_nodes = [], []
        Layer._clear_attachments(twin)
    else:
        with CustomObjectScope(own_objects(layer)):
            twin = type(layer).from_config({**layer.get_config(), "go_backwards": backwards})
    twin.name = f"{direction}_{layer.name}"
    return twin
