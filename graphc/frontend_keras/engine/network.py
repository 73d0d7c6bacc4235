"""Network: layers between inputs and outputs, itself a layer.

What does not live here: finding the layers (traversal.py), configurations (network_config.py), training
(training.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, GraphcError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.backend.leaves import State
from graphc.frontend_keras.engine import network_config, pickling
from graphc.frontend_keras.engine.attachments import distinct
from graphc.frontend_keras.engine.base_layer import Layer, NotBuiltLayerError, matched
from graphc.frontend_keras.engine.input_layer import InputLayer
from graphc.frontend_keras.engine.legacy import renamed_keywords
from graphc.frontend_keras.engine.node import Node
from graphc.frontend_keras.engine.own_calls import Body, Called
from graphc.frontend_keras.engine.phases import phase_givens
from graphc.frontend_keras.engine.shapes import default_name
from graphc.frontend_keras.engine.traversal import trace
from graphc.frontend_keras.saving import text
from graphc.frontend_keras.utils.generic_utils import has_arg, to_list, unpack_singleton
from graphc.frontend_keras.utils.layer_utils import get_source_inputs, print_summary
from graphc.ir.graph import Graph


class LayerTypeError(GraphcError, TypeError, ValueError):
    """Something that is not the kind of layer that is needed here."""


class NoConfigurationError(GraphcError, NotImplementedError):
    """The layers of a model are made by its own code, so that nothing but this code can make them again."""


class Network(Layer):
    """All layers between `inputs` and `outputs`, which are tensors or lists of tensors.

    Raises ArgumentError (a ValueError) for tensors that no layer made, inputs that occur twice, outputs that
    depend on anything but `inputs`, and layer names that occur twice.
    """

    @renamed_keywords({"input": "inputs", "output": "outputs"})
    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None):
        super().__init__(name=name)
        self.inputs: Any = None
        self.outputs: Any = None
        self._layers: list[Layer] = []
        self._state_updates: dict[tuple[Any, ...], list[Any]] = {}  # by the inputs of a call
        self._unlisted: list[Body] = []  # what is in the graph but not among the layers
        self._is_graph_network = False
        if inputs is not None or outputs is not None:
            self._init_graph(inputs, outputs)

    def _default_name(self) -> str:
        return default_name(type(self).__name__.lower())

    # ---- structure

    def _init_graph(self, inputs: Any, outputs: Any) -> None:
        """Take over the graph between two sets of tensors; nothing changes when it is refused."""
        inputs, outputs = ([] if ends is None else to_list(ends, allow_tuple=True) for ends in (inputs, outputs))
        self._check_ends(inputs, outputs)
        topology = trace(inputs, outputs, self.name)
        self.inputs, self.outputs = inputs, outputs
        self._layers, self._layers_by_depth = topology.layers, topology.layers_by_depth
        self._nodes_by_depth, self._network_nodes = topology.nodes_by_depth, topology.nodes
        self._input_layers = [x._keras_history[0] for x in inputs]
        self._output_layers = [x._keras_history[0] for x in outputs]
        self._input_coordinates = [x._keras_history for x in inputs]
        self._output_coordinates = [x._keras_history for x in outputs]
        self.input_names = [layer.name for layer in self._input_layers]
        self.output_names = self._unique_output_names()
        fed = [(layer, x) for layer, x in zip(self._input_layers, inputs) if layer.is_placeholder]
        self._feed_input_names = [layer.name for layer, _ in fed]
        self._feed_inputs = [x for _, x in fed]
        self._feed_input_shapes = [K.int_shape(x) for _, x in fed]
        self._own_node()
        self.built = self._is_graph_network = True

    def _check_ends(self, inputs: list[Any], outputs: list[Any]) -> None:
        kind = type(self).__name__
        if not inputs or not outputs:
            raise ArgumentError(f"a {kind} needs inputs and outputs", where=self.name,
                                got=f"{len(inputs)} inputs, {len(outputs)} outputs")
        for x in inputs:
            if getattr(x, "_keras_history", None) is None:
                raise ArgumentError(f"Input tensors to a {kind} must come from `keras.layers.Input`. Received: {x} "
                                    "(missing previous layer metadata)", where=self.name)
        if len({id(x) for x in inputs}) != len(inputs):
            raise ArgumentError("The list of inputs passed to the model is redundant. All inputs should only appear "
                                f"once. Found: {inputs!r:.200}", where=self.name)
        for index, x in enumerate(inputs):
            layer = x._keras_history[0]
            if not isinstance(layer, InputLayer):
                raise LayerTypeError(f"Input layers to a `{kind}` must be `InputLayer` objects. Input {index} (0-based)"
                                     f" originates from layer type `{type(layer).__name__}`", where=self.name,
                                     got=layer.name, fix=f"Begin with {layer.name}'s own input, or call the layers "
                                     "after it on a new Input.")
        for x in outputs:
            if getattr(x, "_keras_history", None) is None:
                raise ArgumentError(f"Output tensors to a {kind} must be the output of a Keras `Layer` (thus holding "
                                    f"past layer metadata). Found: {x!r:.200}", where=self.name,
                                    fix="Wrap backend functions in a Lambda layer.")

    def _unique_output_names(self) -> list[str]:
        """The output layers' names; a layer that gives several outputs counts them: a, a_1, a_2."""
        names: list[str] = []
        for layer in self._output_layers:
            name, count = layer.name, 1
            while name in names:
                name, count = f"{layer.name}_{count}", count + 1
            names.append(name)
        return names

    def _own_node(self) -> None:
        """The network's node 0 leads from its own inputs to its own outputs."""
        calls = self._inbound_nodes[1:]
        self._inbound_nodes = []
        Node(self, [], [], [], self.inputs, self.outputs, [None] * len(self.inputs),
             [getattr(x, "_keras_mask", None) for x in self.outputs],
             [K.int_shape(x) for x in self.inputs], [K.int_shape(x) for x in self.outputs])
        self._inbound_nodes += calls

    @property
    def layers(self) -> list[Layer]:
        return self._layers

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """A layer by index in topological order, which wins, or by name.

        Raises ArgumentError (a ValueError) where there is none.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ArgumentError(f"Was asked to retrieve layer at index {index} but model only has "
                                    f"{len(self.layers)} layers", where=self.name)
            return self.layers[index]
        if not name:
            raise ArgumentError("Provide either a layer name or layer index", where=self.name)
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ArgumentError(f"No such layer: {name}", where=self.name,
                            expected=", ".join(layer.name for layer in self.layers))

    @property
    def input_spec(self) -> Any:
        """The demands of the input layers, None while the model is not built."""
        if not self._is_graph_network:
            return None
        return unpack_singleton([layer.input_spec for layer in self._input_layers])

    # ---- state

    @property
    def uses_learning_phase(self) -> bool:
        return any(x._uses_learning_phase for x in self.outputs or [])

    @property
    def stateful(self) -> bool:  # type: ignore[override]
        return any(getattr(layer, "stateful", False) for layer in self.layers)

    def reset_states(self) -> None:
        """Let all stateful layers forget what they have seen."""
        for layer in self.layers:
            if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
                layer.reset_states()

    @property
    def state_updates(self) -> list[Any]:
        """The updates of stateful layers, which prediction runs too."""
        return distinct([update for layer in [*self.layers, *self._unlisted] for inputs in self._calls_of(layer)
                         for update in _state_updates_for(layer, inputs)])

    def _calls_of(self, layer: Layer) -> list[Any]:
        """The inputs of the calls of `layer` in this network, and None for what hangs on no input."""
        return [node.input_tensors for node in layer._inbound_nodes if node in self._network_nodes] + [None]

    @property
    def updates(self) -> list[Any]:
        """The updates of the layers that hang on this network's tensors, or on none."""
        if not self._is_graph_network or not (self.trainable or self.stateful):
            return []
        return distinct([update for layer in [*self.layers, *self._unlisted] for inputs in self._calls_of(layer)
                         for update in layer.get_updates_for(inputs)])

    @property
    def losses(self) -> list[Any]:
        """The losses of the layers that hang on this network's tensors, or on none, and the network's own."""
        found: list[Any] = []
        for layer in [*self.layers, *self._unlisted]:
            if len(layer._inbound_nodes) < 2:
                found += layer.losses
            else:
                found += [loss for inputs in self._calls_of(layer) for loss in layer.get_losses_for(inputs)]
        return distinct(found + self.get_losses_for(None) + (self.get_losses_for(self.inputs) if self.inputs else []))

    # ---- weights

    @property  # type: ignore[misc]
    def trainable_weights(self) -> list[Any]:
        if not self.trainable:
            return []
        return distinct([weight for layer in self.layers for weight in layer.trainable_weights])

    @property  # type: ignore[misc]
    def non_trainable_weights(self) -> list[Any]:
        frozen = [weight for layer in self.layers for weight in layer.non_trainable_weights]
        if not self.trainable:
            frozen = [weight for layer in self.layers for weight in layer.trainable_weights] + frozen
        return distinct(frozen)

    def _layer_weights(self) -> list[Any]:
        return [weight for layer in self.layers for weight in layer.weights]

    def get_weights(self) -> list[np.ndarray]:
        """The values of the weights, layer by layer."""
        return K.batch_get_value(self._layer_weights())

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replace the weights, layer by layer; nothing changes when one does not fit. Raises ShapeError."""
        K.batch_set_value(matched(self.name, self._layer_weights(), weights))

    # ---- calls

    def call(self, inputs: Any, mask: Any = None) -> Any:  # type: ignore[override]
        return self._run(inputs, mask)[0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self._run(inputs, mask)[1] if self._is_graph_network else None

    def _call_and_mask(self, inputs: Any, masks: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
        masks = kwargs.pop("mask", masks)
        if kwargs and type(self).call is not Network.call:
            return self._call_own(inputs, masks, kwargs)
        return self._run(inputs, masks, **kwargs)

    def _call_own(self, inputs: Any, masks: Any, kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """What a subclass's `call` makes of keywords of its own; what its layers attach meanwhile hangs on `inputs`."""
        if has_arg(self.call, "mask"):
            kwargs["mask"] = masks
        done = Called(self, inputs, kwargs)
        self.add_loss(done.losses, to_list(inputs))
        self.add_update(done.updates, to_list(inputs))
        self._state_updates[tuple(to_list(inputs))] = done.state_updates
        return done.outputs, unpack_singleton([getattr(x, "_keras_mask", None) for x in to_list(done.outputs)])

    def _run(self, inputs: Any, masks: Any) -> tuple[Any, Any]:
        """Outputs and masks of the same graph over other inputs."""
        inputs = to_list(inputs)
        masks = to_list(masks) if masks is not None else [None] * len(inputs)
        if len(inputs) != len(self.inputs):
            raise ArgumentError(f"{self.name} was called on {len(inputs)} tensors", where=self.name,
                                expected=f"{len(self.inputs)} ({', '.join(self.input_names)})", got=len(inputs))
        computed = {x: pair for x, pair in zip(self.inputs, zip(inputs, masks))}
        for depth in sorted(self._nodes_by_depth, reverse=True):
            for node in self._nodes_by_depth[depth]:
                if not isinstance(node.outbound_layer, InputLayer):
                    self._run_node(node, computed, inputs)
        outputs, output_masks = zip(*(computed[x] for x in self.outputs))
        return unpack_singleton(list(outputs)), unpack_singleton(list(output_masks))

    def _run_node(self, node: Node, computed: dict[Any, tuple[Any, Any]], inputs: list[Any]) -> None:
        layer = node.outbound_layer
        pairs = [computed[x] for x in node.input_tensors]
        tensors, masks = [x for x, _ in pairs], [m for _, m in pairs]
        with K.origin(layer.name), layer._attachments_moved() as (losses, updates):
            outputs, output_masks = layer._call_and_mask(unpack_singleton(tensors), unpack_singleton(masks),
                                                         dict(node.arguments))
            layer._penalise_activity(to_list(outputs), tensors)
        outputs = to_list(outputs)
        if not isinstance(output_masks, (list, tuple)):
            output_masks = [output_masks] * len(outputs)
        computed.update(zip(node.output_tensors, zip(outputs, output_masks)))
        states = _state_updates_for(layer, tensors) if hasattr(layer, "_state_updates") else updates
        if states and (layer.stateful or hasattr(layer, "_state_updates")):
            self._state_updates.setdefault(tuple(inputs), []).extend(states)
        self.add_loss(losses, inputs)
        self.add_update(updates, inputs)
        self._add_once(self.add_loss, layer.get_losses_for(None), self.get_losses_for(None))
        self._add_once(self.add_update, layer.get_updates_for(None), self.get_updates_for(None))

    @staticmethod
    def _add_once(add: Callable[[Any], None], new: list[Any], present: list[Any]) -> None:
        known = {id(one) for one in present}
        add([one for one in new if id(one) not in known])

    def run_internal_graph(self, inputs: Any, masks: Any = None) -> tuple[list[Any], list[Any], list[Any]]:
        """The outputs of the same graph over other inputs, their masks and their shapes."""
        outputs, output_masks = self._run(inputs, masks)
        outputs = to_list(outputs)
        return outputs, to_list(output_masks), [K.int_shape(x) for x in outputs]

    def lower_to_graph(self, training: bool = False) -> tuple[Graph, dict[int, State]]:
        """The network as a graph, with the states that are its last inputs, by their index.

        Inputs are the model's, in order; outputs are the model's, with the learning phase fixed to `training`.
        Raises NotBuiltLayerError before the model is built.
        """
        if not self._is_graph_network:
            raise NotBuiltLayerError("the model has no inputs yet", where=self.name,
                                     fix="Give the first layer an input_shape.")
        function = K.function(self.inputs, self.outputs, name=self.name, givens=phase_givens(self.outputs, training))
        graph, states = function.graph_and_states()
        return graph, {len(self.inputs) + i: state for i, state in enumerate(states)}

    # ---- copies and files

    def __reduce__(self) -> Any:
        """How `pickle` and `copy` make another network with the same weights and the same training."""
        return pickling.restore, (pickling.snapshot(self),)

    def save(self, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
        """Write architecture, weights, and how the model is trained; see keras.models.save_model."""
        _files().save_model(self, filepath, overwrite, include_optimizer)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the weights of all layers to a HDF5 file."""
        _files().save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: Any, by_name: bool = False, skip_mismatch: bool = False,
                     reshape: bool = False) -> None:
        """Set the weights from a file of weights or of a whole model; in order, or `by_name`.

        skip_mismatch  by name: warn of layers whose weights do not fit, and leave them
        reshape        take arrays of another shape but the same size

        Raises OSError, ModelFormatError, ShapeError (a ValueError); then no weight has changed.
        """
        _files().load_weights(self, filepath, by_name, skip_mismatch, reshape)

    # ---- description

    def summary(self, line_length: int | None = None, positions: list[float] | None = None,
                print_fn: Callable[[str], Any] | None = None) -> None:
        """Print a table of the layers. Raises ArgumentError (a ValueError) before the model is built."""
        if not self.built:
            raise ArgumentError("This model has never been called, thus its weights have not yet been created, so no "
                                "summary can be displayed", where=self.name,
                                fix="Give the first layer an input_shape, or call the model on some data first.")
        print_summary(self, line_length=line_length, positions=positions, print_fn=print_fn)

    def get_config(self) -> dict[str, Any]:
        """The layers and their calls. Raises NoConfigurationError for a subclass that defines `call`."""
        if type(self).call is not Network.call:
            raise NoConfigurationError(f"a model that defines `call` has no configuration ({type(self).__name__})",
                                       where=self.name, fix="Save its weights, or make it of inputs and outputs.")
        return network_config.network_config(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A network from a configuration of any Keras 2. Raises ModelFormatError."""
        return network_config.network_from_config(cls, config, custom_objects)

    def to_json(self, **kwargs: Any) -> str:
        """The architecture as JSON text; keywords go to json.dumps."""
        return text.to_json(self, **kwargs)

    def to_yaml(self, **kwargs: Any) -> str:
        """The architecture as YAML text; keywords go to yaml.dump."""
        return text.to_yaml(self, **kwargs)


def _state_updates_for(layer: Any, inputs: list[Any] | None) -> list[Any]:
    """The updates of states in the call of a layer on `inputs`: of a network those of the stateful layers inside."""
    if hasattr(layer, "_state_updates"):
        if inputs is None:
            return [update for inside in getattr(layer, "layers", ()) for update in _state_updates_for(inside, None)]
        found: list[Any] = layer._state_updates.get(tuple(inputs), [])
        return found
    return layer.get_updates_for(inputs) if getattr(layer, "stateful", False) else []


def _files() -> Any:
    """What reads and writes files; it needs h5py, which most programs do not."""
    return import_module("graphc.frontend_keras.saving.model_files")


__all__ = ["LayerTypeError", "Network", "NoConfigurationError", "get_source_inputs"]
