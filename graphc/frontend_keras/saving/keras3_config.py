"""Configurations in the words of Keras 3: layers, calls, models, how they are trained.

What does not live here: archives and weights (keras3.py), reading such configurations (engine/network_config.py,
engine/dialects.py, versions.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import ModelFormatError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.network_config import is_network
from graphc.frontend_keras.saving.text import json_value
from graphc.frontend_keras.saving.training_config import training_config

_MISSING = ("ConvRNN2D", "CuDNNGRU", "CuDNNLSTM", "Lambda", "LocallyConnected1D", "LocallyConnected2D",
            "ThresholdedReLU")
_DROPPED = frozenset({"batch_input_shape", "input_dtype", "input_length", "implementation", "moving_variance_of"})
_MODULES = {"initializer": "keras.initializers", "regularizer": "keras.regularizers", "constraint": "keras.constraints"}
_GATES = {"LSTM": (0, 1, 3), "GRU": (0, 1), "ConvLSTM2D": (0, 1, 3)}  # which of its gates use recurrent_activation
_ALL = {"LSTM": 4, "GRU": 3, "ConvLSTM2D": 4}
SLOPE = 1.2  # of hard_sigmoid here, 0.2, over that of Keras 3, 1 / 6


def model_config(model: Any) -> dict[str, Any]:
    """What config.json of an archive holds, but for the training. Raises ModelFormatError for what Keras 3 lacks."""
    return {**_described(model), "registered_name": type(model).__name__}


def _described(layer: Any) -> dict[str, Any]:
    kind = type(layer).__name__
    if kind in _MISSING:
        raise ModelFormatError(f"Keras 3 has no layer {kind}", where=layer.name,
                               fix="Replace it by layers that Keras 3 has, or write a file of Keras 2.")
    if is_network(layer):
        functional = kind != "Sequential"
        return {"module": "keras.src.models.functional" if functional else "keras", "registered_name": None,
                "class_name": "Functional" if functional else kind,
                "config": _network(layer) if functional else _chain(layer)}
    shape = layer.get_input_shape_at(0) if getattr(layer, "_inbound_nodes", None) and kind != "InputLayer" else None
    built = {"build_config": {"input_shape": shape}} if shape is not None and not isinstance(shape, list) else {}
    return {"module": "keras.layers", "class_name": kind, "config": _layer_config(layer), "registered_name": None,
            **built}


def _network(network: Any) -> dict[str, Any]:
    layers = []
    for layer in network.layers:
        nodes = [node for node in layer._inbound_nodes if node in network._network_nodes and node.inbound_layers]
        calls = [_call(node, network) for node in nodes]
        layers.append({**_described(layer), "name": layer.name, "inbound_nodes": calls})
    places = [[_place(history, network, 1) for history in ends]
              for ends in (network._input_coordinates, network._output_coordinates)]
    inputs, outputs = (ends[0] if len(ends) == 1 else ends for ends in places)
    return {"name": network.name, "trainable": network.trainable, "layers": layers, "input_layers": inputs,
            "output_layers": outputs}


def _chain(model: Any) -> dict[str, Any]:
    start = model._input_layers[0] if model.built and model._is_graph_network else None
    layers = [_described(layer) for layer in (*([start] if start is not None else []), *model.layers)]
    return {"name": model.name, "trainable": model.trainable, "layers": layers,
            **({"build_input_shape": start.batch_input_shape} if start is not None else {})}


def _place(history: tuple[Any, int, int], network: Any, first: int) -> list[Any]:
    """[layer, node, tensor]; nodes count from `first` where the layer is a functional model."""
    layer, index, tensor = history
    inside = [node for node in layer._inbound_nodes if node in network._network_nodes]
    number = inside.index(layer._inbound_nodes[index])
    return [layer.name, number + (first if is_network(layer) and type(layer).__name__ != "Sequential" else 0), tensor]


def _call(node: Any, network: Any) -> dict[str, Any]:
    histories = zip(node.inbound_layers, node.node_indices, node.tensor_indices, strict=True)
    tensors = [{"class_name": "__keras_tensor__",
                "config": {"shape": list(K.int_shape(x)), "dtype": K.dtype(x),
                           "keras_history": _place(history, network, 0)}}
               for x, history in zip(node.input_tensors, histories, strict=True)]
    kwargs = dict(node.arguments)
    layer = node.outbound_layer
    if hasattr(layer, "_num_constants") or type(layer).__name__ == "Bidirectional":
        if getattr(layer, "_num_constants", None):
            raise ModelFormatError("Keras 3 passes no constants to recurrent layers", where=layer.name)
        if len(tensors) > 1:
            kwargs["initial_state"], tensors = tensors[1:], tensors[:1]
    several = len(tensors) > 1 or hasattr(layer, "_merge_function")
    return {"args": [tensors if several else tensors[0]], "kwargs": kwargs}


def _layer_config(layer: Any) -> dict[str, Any]:
    kind, found = type(layer).__name__, dict(layer.get_config())
    if kind == "InputLayer":
        return {"batch_shape": list(layer.batch_input_shape), "dtype": layer.dtype, "sparse": False, "ragged": False,
                "name": layer.name}
    for key in _DROPPED & set(found):
        del found[key]
    if kind.startswith("Spatial"):
        for key in ("noise_shape", "trainable"):
            found.pop(key, None)
    if kind == "LeakyReLU":
        found["negative_slope"] = found.pop("alpha")
    for key, value in found.items():
        module = _MODULES.get(key.rpartition("_")[2])
        if module is not None and isinstance(value, Mapping):
            found[key] = {**_initializer(value), "module": module, "registered_name": None}
        elif value == "hard_sigmoid_keras3":
            found[key] = "hard_sigmoid"
        elif key in ("activation", "recurrent_activation") and isinstance(value, Mapping):
            found[key] = _described(getattr(layer, key))
    if kind in ("TimeDistributed", "Bidirectional"):
        found["layer"] = _described(layer.layer if kind == "TimeDistributed" else layer.forward_layer)
        if kind == "Bidirectional":
            found["backward_layer"] = _described(layer.backward_layer)
    elif "cell" in found:
        found["cell"] = _described(layer.cell)
    elif "cells" in found:
        found["cells"] = [_described(cell) for cell in layer.cells]
    return found


def _initializer(value: Mapping[str, Any]) -> dict[str, Any]:
    """Keras 2 calls the truncated normal distribution of variance scaling normal."""
    config = dict(value["config"])
    if config.get("distribution") == "normal":
        config["distribution"] = "truncated_normal"
    return {"class_name": value["class_name"], "config": config}


# ---- hard sigmoids


def rescaled(layer: Any, arrays: Sequence[np.ndarray], slope: float = SLOPE) -> list[np.ndarray]:
    """The weights with which Keras 3 computes the same where `layer` uses hard_sigmoid: its slope there is 1 / 6.

    With slope=1 / SLOPE the other way: what Keras 3 has, as the layer needs it.

    Raises ModelFormatError where no weights would do.
    """
    config, kind = layer.get_config(), type(layer).__name__.removesuffix("Cell")
    if "hard_sigmoid" not in (config.get("activation"), config.get("recurrent_activation")):
        return list(arrays)
    whole = config.get("activation") == "hard_sigmoid"
    if (whole and kind not in ("Dense", "Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "SimpleRNN")) or not arrays:
        raise ModelFormatError("Keras 3 computes another hard_sigmoid, and no weights make up for that here",
                               where=layer.name, fix="Use another activation, or write a file of Keras 2.")
    if whole:
        return [array * np.asarray(slope, array.dtype) for array in arrays]
    made = []
    for array in arrays:
        units = array.shape[-1] // _ALL[kind]
        scale = np.ones(array.shape[-1], array.dtype)
        for gate in _GATES[kind]:
            scale[gate * units:(gate + 1) * units] = slope
        made.append(array * scale)
    return made


def uses_hard_sigmoid(layer: Any) -> bool:
    """Whether the layer or one in it does, as Keras 2 has it."""
    return any("hard_sigmoid" in (config.get("activation"), config.get("recurrent_activation"))
               for config in _configs(layer.get_config()))


def _configs(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        yield value
        for one in value.values():
            yield from _configs(one)
    elif isinstance(value, list):
        for one in value:
            yield from _configs(one)


# ---- training


def compile_config(model: Any) -> dict[str, Any]:
    """How the model is trained; warns of what Keras 3 computes differently."""
    config = training_config(model)
    return {"optimizer": _optimizer(config["optimizer_config"]), "loss": _names(config["loss"]),
            "loss_weights": config["loss_weights"], "metrics": _names(config["metrics"]),
            "weighted_metrics": _names(config.get("weighted_metrics"))}


def _optimizer(given: Mapping[str, Any]) -> dict[str, Any]:
    kind, found = given["class_name"], dict(given["config"])
    rate, decay = found.pop("lr"), found.pop("decay", 0.0)
    if decay:
        rate = {"module": "keras.optimizers.schedules", "class_name": "InverseTimeDecay", "registered_name": None,
                "config": {"initial_learning_rate": rate, "decay_steps": 1, "decay_rate": decay, "staircase": False,
                           "name": "InverseTimeDecay"}}
    clipping = {"global_clipnorm": found.pop("clipnorm", None), "clipnorm": found.pop("variable_clipnorm", None)}
    found.update({key: value for key, value in clipping.items() if value})
    if kind == "Nadam" and found.pop("schedule_decay") != 1.0:
        warn("Nadam of Keras 3 has another schedule: training goes on slightly differently")
    if kind in ("RMSprop", "Adagrad"):
        warn(f"{kind} of Keras 3 adds epsilon inside the square root: training goes on slightly differently")
    return {"module": "keras.optimizers", "class_name": kind, "registered_name": None,
            "config": {"name": kind.lower(), "learning_rate": rate, **found}}


def _names(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _names(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_names(one) for one in value]
    return value if value is None or isinstance(value, str) else json_value(value)
