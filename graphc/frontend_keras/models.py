"""The names of keras.models: the model classes, and models from text, configurations and other models.

What does not live here: the classes themselves (engine/), files with weights.
"""

from __future__ import annotations

from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras.engine.input_layer import Input, InputLayer
from graphc.frontend_keras.engine.pickling import own_objects
from graphc.frontend_keras.engine.saving import load_model, save_model
from graphc.frontend_keras.engine.sequential import Sequential
from graphc.frontend_keras.engine.training import Model
from graphc.frontend_keras.saving.text import model_from_config, model_from_json, model_from_yaml
from graphc.frontend_keras.utils.generic_utils import CustomObjectScope, to_list, unpack_singleton

__all__ = ["Input", "InputLayer", "Model", "Sequential", "clone_model", "load_model", "model_from_config",
           "model_from_json", "model_from_yaml", "save_model"]


def clone_model(model: Any, input_tensors: Any = None) -> Any:
    """A model of the same architecture with new layers and new weights.

    input_tensors  tensors to begin with, in the order of the model's inputs, instead of new placeholders

    Raises ArgumentError (a ValueError) for anything but a functional or sequential model.
    """
    if not isinstance(model, Model):
        raise ArgumentError("Expected `model` argument to be a `Model` instance", where="clone_model",
                            got=repr(model))
    if isinstance(model, Sequential) and not model.built:
        return Sequential([_clone_layer(layer) for layer in model.layers], name=model.name)
    inputs = _begin(model, input_tensors)
    copies: dict[Any, Any] = {x._keras_history[0]: y._keras_history[0] for x, y in zip(model.inputs, inputs)}
    made: dict[Any, Any] = dict(zip(model.inputs, inputs))
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            layer = node.outbound_layer
            if not isinstance(layer, InputLayer):
                copies.setdefault(layer, None)
                copies[layer] = copies[layer] or _clone_layer(layer)
                outputs = copies[layer](unpack_singleton([made[x] for x in node.input_tensors]), **node.arguments)
                made.update(zip(node.output_tensors, to_list(outputs)))
    if isinstance(model, Sequential):
        return _chain(model, inputs, copies, input_tensors is not None)
    return Model(inputs, [made[x] for x in model.outputs], name=model.name)


def _chain(model: Sequential, inputs: list[Any], copies: dict[Any, Any], given: bool) -> Sequential:
    """A Sequential of layers that are connected already."""
    clone = Sequential(name=model.name)
    clone._init_graph(inputs, copies[model.layers[-1]].get_output_at(-1) if model.layers else inputs)
    clone._build_input_shape = None if given else model._build_input_shape
    clone._structure_changed()
    return clone


def _begin(model: Any, given: Any) -> list[Any]:
    if given is None:
        return [Input(batch_shape=layer.batch_input_shape, dtype=layer.dtype, name=layer.name)
                for layer in model._input_layers]
    tensors = to_list(given, allow_tuple=True)
    if len(tensors) != len(model.inputs):
        raise ArgumentError("the number of input tensors differs", where="clone_model", expected=len(model.inputs),
                            got=len(tensors))
    return [x if hasattr(x, "_keras_history") else Input(tensor=x, name=f"input_wrapper_for_{layer.name}")
            for x, layer in zip(tensors, model._input_layers)]


def _clone_layer(layer: Any) -> Any:
    if isinstance(layer, Model):
        return clone_model(layer)
    with CustomObjectScope(own_objects(layer)):
        return type(layer).from_config(layer.get_config())
