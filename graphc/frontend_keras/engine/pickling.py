"""Copies of models by `copy` and `pickle`: architecture, weights, how to train, the optimizer's state.

What does not live here: files meant to be kept or exchanged (saving/). Pickles run code when they are read, so
read only your own.
"""

from __future__ import annotations

from typing import Any

from graphc.frontend_keras.engine.registry import layer_classes
from graphc.frontend_keras.utils.generic_utils import CustomObjectScope


def snapshot(model: Any) -> dict[str, Any]:
    """Everything that `restore` needs, without tensors."""
    training = None
    if getattr(model, "optimizer", None) is not None:
        arguments = {"loss": model.loss, "metrics": model.metrics, "loss_weights": model.loss_weights,
                     "sample_weight_mode": model.sample_weight_mode, "weighted_metrics": model.weighted_metrics}
        training = {"arguments": arguments, "optimizer": type(model.optimizer),
                    "config": model.optimizer.get_config(), "state": model.optimizer.get_weights()}
    return {"class": type(model), "config": model.get_config(), "objects": own_objects(model),
            "weights": model.get_weights(), "training": training}


def restore(state: dict[str, Any]) -> Any:
    """The model of a snapshot."""
    with CustomObjectScope(state["objects"]):
        model = state["class"].from_config(state["config"])
    if model.built:
        model.set_weights(state["weights"])
    training = state["training"]
    if training is not None:
        optimizer = training["optimizer"].from_config(training["config"])
        model.compile(optimizer, **training["arguments"])
        if training["state"] and model.built:
            model._make_train_function()
            optimizer.set_weights(training["state"])
    return model


def own_objects(layer: Any) -> dict[str, Any]:
    """What a configuration of `layer` names that is not part of Keras: classes of layers, of it and those inside, and
    functions of Lambda layers; by name."""
    found: dict[str, Any] = {}
    for inside in (*getattr(layer, "layers", ()), *getattr(layer, "_cells", ())):
        found.update(own_objects(inside))
    if type(layer).__name__ == "Lambda":
        found[layer.name] = layer.function
    if type(layer) not in layer_classes().values():
        found[type(layer).__name__] = type(layer)
    return found
