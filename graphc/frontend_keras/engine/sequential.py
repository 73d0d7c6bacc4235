"""Sequential: a model that is one chain of layers.

What does not live here: training (training.py), graphs of layers (network.py).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ModelFormatError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.engine.input_layer import Input, InputLayer
from graphc.frontend_keras.engine.network import LayerTypeError, Network
from graphc.frontend_keras.engine.registry import deserialize_layer, serialize_layer
from graphc.frontend_keras.engine.shapes import shape_argument
from graphc.frontend_keras.engine.training import Model

__all__ = ["Sequential"]


class Sequential(Model):
    """Layers one after the other.

    layers  to begin with, in order
    name    default `sequential_1`, `sequential_2`, ...

    The first layer says what the input is (input_shape, input_dim, batch_input_shape). Where it does not, the
    weights are made when the model first sees data.
    """

    def __init__(self, layers: Iterable[Layer] | None = None, name: str | None = None):
        super().__init__(name=name)
        self._build_input_shape: Any = None
        for layer in layers or ():
            self.add(layer)

    @property
    def layers(self) -> list[Layer]:
        """The layers that were added."""
        hidden = bool(self._layers) and isinstance(self._layers[0], InputLayer)
        return self._layers[1:] if hidden else self._layers

    @property
    def model(self) -> Sequential:
        """The model itself: a name that Keras 1 had for the graph inside."""
        return self

    def add(self, layer: Layer) -> None:
        """Append a layer. Raises LayerTypeError (a TypeError) for anything else, ShapeError where it does not fit."""
        if not isinstance(layer, Layer):
            raise LayerTypeError(f"The added layer must be an instance of class Layer. Found: {layer!r:.200}",
                                 where=self.name)
        if self.outputs:
            self._end_with(self.inputs, layer(self.outputs[0]))
            return
        if not self._layers:
            start = self._start_of(layer)
            if start is not None:
                self._end_with([start], start if isinstance(layer, InputLayer) else layer(start))
                return
        self._layers.append(layer)

    def _start_of(self, layer: Layer) -> Any:
        """The input tensor that a first layer implies, or None."""
        if isinstance(layer, InputLayer):
            return layer._inbound_nodes[-1].output_tensors[0]
        first = layer
        while isinstance(first, Network):
            if not first.layers:
                raise ArgumentError("Cannot add an empty model to a `Sequential` model", where=self.name)
            first = first._layers[0]
        if not hasattr(first, "batch_input_shape"):
            return None
        return Input(batch_shape=first.batch_input_shape, dtype=first.dtype, name=f"{layer.name}_input")

    def _end_with(self, inputs: list[Any], output: Any) -> None:
        if isinstance(output, list):
            raise LayerTypeError("All layers in a Sequential model should have a single output tensor. For "
                                 "multi-output layers, use the functional API", where=self.name)
        self._init_graph(inputs, [output])
        self._structure_changed()

    def pop(self) -> None:
        """Remove the last layer. Raises LayerTypeError (a TypeError) where there is none."""
        if not self.layers:
            raise LayerTypeError("There are no layers in the model", where=self.name)
        if not self.outputs:
            self._layers.pop()
            return
        last, index, _ = self.outputs[0]._keras_history
        node = last._inbound_nodes[index]
        if node is last._inbound_nodes[-1]:
            last._inbound_nodes.pop()
            node.inbound_layers[0]._outbound_nodes.remove(node)
        if len(self.layers) > 1:
            self._end_with(self.inputs, node.input_tensors[0])
        else:
            self._layers, self._inbound_nodes, self.inputs, self.outputs = [], [], None, None
            self.built = self._is_graph_network = False
            self._structure_changed()

    def build(self, input_shape: Any = None) -> None:
        """Make the weights for inputs of this shape, the batch axis included.

        Raises ArgumentError where neither the first layer nor `input_shape` says what the input is.
        """
        if self.built:
            return
        if input_shape is None:
            raise ArgumentError("the shape of the input is not known", where=self.name,
                                fix="Give the first layer an input_shape, or call build((None, ...)).")
        shape = shape_argument(input_shape, "input_shape", self.name)
        start = x = Input(batch_shape=shape, dtype=K.floatx(), name=f"{self.name}_input")
        for layer in self._layers:
            x = layer(x)
        self._end_with([start], x)
        self._build_input_shape = shape

    def predict_proba(self, x: Any, batch_size: int = 32, verbose: int = 0) -> np.ndarray:
        """`predict`, with a warning where the results are no probabilities."""
        found = self.predict(x, batch_size, verbose)
        if found.min() < 0.0 or found.max() > 1.0:
            warn("Network returning invalid probability values. The last layer might not normalize "
                 "predictions into probabilities (like softmax or sigmoid would).")
        return found

    def predict_classes(self, x: Any, batch_size: int = 32, verbose: int = 0) -> np.ndarray:
        """The class of each sample: the place of the largest output, or whether the only one exceeds 0.5."""
        found = self.predict(x, batch_size=batch_size, verbose=verbose)
        return found.argmax(axis=-1) if found.shape[-1] > 1 else (found > 0.5).astype("int32")

    # ---- configuration

    def get_config(self) -> dict[str, Any]:
        """{"name", "layers"}; an input layer is listed only where the user named it."""
        layers = [serialize_layer(layer) for layer in self.layers]
        if self.inputs and self.layers and self._build_input_shape is None:
            first, start = self.layers[0], self._input_layers[0]
            if start.name != f"{first.name}_input":
                layers.insert(0, serialize_layer(start))
            elif not isinstance(first, Network):
                layers[0]["config"].setdefault("batch_input_shape", start.batch_input_shape)
                layers[0]["config"].setdefault("dtype", start.dtype)
        config = {"name": self.name, "layers": layers}
        if self._build_input_shape is not None:
            config["build_input_shape"] = self._build_input_shape
        return copy.deepcopy(config)

    @classmethod
    def from_config(cls, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
        """A model from a configuration of any Keras: a dict, or the list that Keras had before 2.2.3.

        Raises ModelFormatError.
        """
        if isinstance(config, list):
            config = {"layers": config}
        if not isinstance(config, Mapping) or not isinstance(config.get("layers"), list):
            raise ModelFormatError("a sequential model needs a list of layers", where=cls.__name__,
                                   got=f"{config!r:.200}")
        model = cls(name=config.get("name"))
        for one in config["layers"]:
            model.add(deserialize_layer(one, custom_objects))
        shape = config.get("build_input_shape")
        if not model.inputs and shape and model.layers:
            model.build(shape)
        if config.get("trainable") is False:
            model.trainable = False
        return model
