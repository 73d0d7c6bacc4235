"""Networks to configurations and back.

A call in a configuration is a list over the inputs of [layer, node, tensor, keywords]. Only the calls inside the
network are counted; a nested network counts from 1, since its node 0 is its own. In Keras 3 a call is a dict of args
and kwargs that hold tensors, and a nested network counts from 0 there; as an output of the model a functional one
counts from 1, a sequential one from 0.

What does not live here: JSON and YAML text (saving/), configurations of single layers (dialects.py).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any

from graphc.errors import ModelFormatError, warn
from graphc.frontend_keras.engine.node import Node
from graphc.frontend_keras.engine.registry import deserialize_layer
from graphc.frontend_keras.utils.generic_utils import has_arg, unpack_singleton


def is_network(layer: Any) -> bool:
    return hasattr(layer, "_is_graph_network")


# ---- writing


def network_config(network: Any) -> dict[str, Any]:
    """The configuration of a network in the form of Keras 2.2.4."""
    numbers = _numbers(network)
    layers = [{"name": layer.name, "class_name": type(layer).__name__, "config": layer.get_config(),
               "inbound_nodes": [_call_config(node, numbers) for node in layer._inbound_nodes
                                 if node in network._network_nodes and node.inbound_layers]}
              for layer in network.layers]
    return copy.deepcopy({"name": network.name, "layers": layers,
                          "input_layers": [_place(history, numbers) for history in network._input_coordinates],
                          "output_layers": [_place(history, numbers) for history in network._output_coordinates]})


def _numbers(network: Any) -> dict[Node, int]:
    """Each node of the network with its number among the calls of its layer."""
    numbers: dict[Node, int] = {}
    for layer in network.layers:
        first = 1 if is_network(layer) else 0
        inside = [node for node in layer._inbound_nodes if node in network._network_nodes]
        numbers.update((node, first + i) for i, node in enumerate(inside))
    return numbers


def _place(history: tuple[Any, int, int], numbers: Mapping[Node, int]) -> list[Any]:
    layer, node_index, tensor_index = history
    return [layer.name, numbers[layer._inbound_nodes[node_index]], tensor_index]


def _call_config(node: Node, numbers: Mapping[Node, int]) -> list[Any]:
    arguments = {name: value for name, value in node.arguments.items()}
    try:
        json.dumps(arguments)
    except (TypeError, ValueError):
        warn(f"Layer {node.outbound_layer.name} was passed non-serializable keyword arguments: {arguments}. "
             "They will not be included in the serialized model (and thus will be missing at "
             "deserialization time).")
        arguments = {}
    places = zip(node.inbound_layers, node.node_indices, node.tensor_indices)
    return [[*_place(history, numbers), arguments] for history in places]


# ---- reading


def network_from_config(cls: Any, config: Any, custom_objects: Mapping[str, Any] | None) -> Any:
    """A network of class `cls` from a configuration of Keras 2 or tf_keras.

    Raises ModelFormatError for one that contradicts itself.
    """
    if not isinstance(config, Mapping) or not isinstance(config.get("layers"), list):
        raise ModelFormatError("a functional model needs a list of layers", where=cls.__name__, got=f"{config!r:.200}")
    reader = _Reader(str(config.get("name") or cls.__name__))
    for data in config["layers"]:
        reader.add_layer(data, custom_objects)
    reader.connect()
    inputs = [reader.tensor(place) for place in _places(config.get("input_layers"))]
    outputs = [reader.tensor(place) for place in _places(config.get("output_layers"))]
    network = cls(inputs=inputs, outputs=outputs, name=config.get("name"))
    if config.get("trainable") is False:
        network.trainable = False
    return network


def _places(given: Any) -> list[Any]:
    """A list of [layer, node, tensor]; one alone is a list of one."""
    if isinstance(given, list) and given and isinstance(given[0], str):
        return [given]
    if not isinstance(given, list):
        raise ModelFormatError("`input_layers` and `output_layers` are lists", where="model", got=f"{given!r:.200}")
    return given


class _Tensors(list[Any]):
    """Places of tensors; single: of one that does not stand in a list."""

    def __init__(self, places: list[Any], single: bool):
        super().__init__(places)
        self.single = single


class _Reader:
    """The layers read so far, and the calls that wait for their inputs."""

    def __init__(self, where: str):
        self.where = where
        self.layers: dict[str, Any] = {}
        self.waiting: dict[str, list[Any]] = {}
        self.keras_3 = False  # whether the calls are

    def add_layer(self, data: Any, custom_objects: Mapping[str, Any] | None) -> None:
        if not isinstance(data, Mapping):
            raise ModelFormatError("a layer is not a dict", where=self.where, got=f"{data!r:.200}")
        layer = deserialize_layer(data, custom_objects)
        name = data.get("name", layer.name)
        if not isinstance(name, str) or name in self.layers:
            raise ModelFormatError("a layer needs a name of its own", where=self.where, got=f"{name!r:.100}")
        calls = data.get("inbound_nodes", [])
        if not isinstance(calls, list):
            raise ModelFormatError("`inbound_nodes` is not a list", where=name, got=f"{calls!r:.200}")
        self.layers[name], self.waiting[name] = layer, list(calls)

    def connect(self) -> None:
        """Make all calls, each as soon as its inputs exist; the calls of one layer in their order."""
        while any(self.waiting.values()):
            progress = False
            for name, calls in self.waiting.items():
                while calls and self._call(name, calls[0]):
                    calls.pop(0)
                    progress = True
            if not progress:
                stuck = [name for name, calls in self.waiting.items() if calls]
                raise ModelFormatError("the layers wait for each other, or for a layer that is not there",
                                       where=self.where, got=", ".join(stuck[:8]))

    def _call(self, name: str, call: Any) -> bool:
        """Make one call if all of its inputs exist."""
        layer = self.layers[name]
        places, keywords = self._of_keras_3(call, name) if isinstance(call, Mapping) else _inputs_of(call, name)
        tensors = [self._find(place, name) for place in places]
        if any(x is None for x in tensors):
            return False
        for keyword, value in keywords.items():
            if isinstance(value, _Tensors):
                found = [self._find(place, name) for place in value]
                if any(x is None for x in found):
                    return False
                keywords[keyword] = found[0] if value.single else found
        for keyword in keywords:
            if not has_arg(layer.call, keyword):
                raise ModelFormatError(f"the call has a keyword that the layer does not take: {keyword!r:.60}",
                                       where=name)
        layer(unpack_singleton(tensors), **keywords)
        return True

    def _of_keras_3(self, call: Mapping[str, Any], where: str) -> tuple[list[Any], dict[str, Any]]:
        """The places of the inputs, and the keywords; tensors among these are _Tensors."""
        self.keras_3 = True
        args, kwargs = call.get("args"), call.get("kwargs", {})
        if not isinstance(args, list) or len(args) != 1 or not isinstance(kwargs, Mapping) \
                or not all(isinstance(key, str) for key in kwargs):
            raise ModelFormatError("a call of Keras 3 is not one input and keywords", where=where, got=f"{call!r:.200}")
        inputs = self._tensors(args[0], where)
        if inputs is None:
            raise ModelFormatError("the input of a call is no tensor", where=where, got=f"{args[0]!r:.200}")
        keywords = {key: self._tensors(value, where) or value for key, value in kwargs.items() if value is not None}
        return list(inputs), keywords

    def _tensors(self, value: Any, where: str) -> _Tensors | None:
        """The places that a tensor of Keras 3, or a list of them, stands for; None for anything else."""
        several = value if isinstance(value, list) else [value]
        if not several or not all(isinstance(one, Mapping) and one.get("class_name") == "__keras_tensor__"
                                  for one in several):
            return None
        places = []
        for one in several:
            config = one.get("config")
            history = config.get("keras_history") if isinstance(config, Mapping) else None
            name, node, tensor = _coordinates(history, where)
            places.append([name, node + is_network(self.layers.get(name)), tensor])
        return _Tensors(places, single=not isinstance(value, list))

    def _find(self, place: Any, where: str) -> Any:
        """The tensor at [layer, node, tensor], or None while its node does not exist. Raises ModelFormatError."""
        name, node_index, tensor_index = _coordinates(place, where)
        if name not in self.layers:
            raise ModelFormatError(f"a layer that is not there is needed: {name!r:.100}", where=where,
                                   expected=", ".join(list(self.layers)[:20]))
        nodes = self.layers[name]._inbound_nodes
        if node_index >= len(nodes):
            return None
        outputs = nodes[node_index].output_tensors
        if tensor_index >= len(outputs):
            raise ModelFormatError(f"layer {name} has {len(outputs)} outputs", where=where, got=tensor_index)
        return outputs[tensor_index]

    def tensor(self, place: Any) -> Any:
        """That of an input or output of the model. Raises ModelFormatError."""
        name, node, tensor = _coordinates(place, self.where)
        if self.keras_3 and type(self.layers.get(name)).__name__ == "Sequential":
            node += 1
        found = self._find([name, node, tensor], self.where)
        if found is None:
            raise ModelFormatError("an input or output of the model does not exist", where=self.where,
                                   got=f"{place!r:.100}")
        return found


def _inputs_of(call: Any, where: str) -> tuple[list[Any], dict[str, Any]]:
    """The places of the inputs of a call, and its keywords."""
    if not isinstance(call, list) or not call:
        raise ModelFormatError("a call is not a list of inputs", where=where, got=f"{call!r:.200}")
    call = [call] if isinstance(call[0], str) else call
    keywords: dict[str, Any] = {}
    for item in call:
        if not isinstance(item, list) or len(item) not in (3, 4):
            raise ModelFormatError("an input of a call is not [layer, node, tensor, keywords]", where=where,
                                   got=f"{item!r:.200}")
        if len(item) == 4:
            if not isinstance(item[3], Mapping) or not all(isinstance(key, str) for key in item[3]):
                raise ModelFormatError("the keywords of a call are not a dict", where=where, got=f"{item[3]!r:.200}")
            keywords = dict(item[3])
    return call, keywords


def _coordinates(place: Any, where: str) -> tuple[str, int, int]:
    if isinstance(place, list) and len(place) in (3, 4):
        name, node_index, tensor_index = place[:3]
        if isinstance(name, str) and all(type(i) is int and i >= 0 for i in (node_index, tensor_index)):
            return name, node_index, tensor_index
    raise ModelFormatError("not a place [layer, node, tensor]", where=where, got=f"{place!r:.200}")
