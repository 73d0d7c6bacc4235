"""The optimizers of Keras 2.2.4 and how names and configurations stand for them.

What does not live here: the update rules (descent.py, accumulating.py, moments.py), when they run (engine/).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphc.errors import ArgumentError, TargetError
from graphc.frontend_keras.optimizers.accumulating import Adadelta, Adagrad, RMSprop
from graphc.frontend_keras.optimizers.base import Optimizer, clip_norm
from graphc.frontend_keras.optimizers.descent import SGD
from graphc.frontend_keras.optimizers.moments import Adam, Adamax, Nadam
from graphc.frontend_keras.utils.generic_utils import deserialize_keras_object, is_custom, serialize_keras_object

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "Adamax", "Nadam", "Optimizer", "RMSprop", "TFOptimizer",
           "adadelta", "adagrad", "adam", "adamax", "clip_norm", "deserialize", "get", "nadam", "rmsprop", "serialize",
           "sgd"]


class TFOptimizer(Optimizer):
    """Keras wraps optimizers of TensorFlow in this; here there is no TensorFlow. Raises TargetError."""

    def __init__(self, optimizer: Any = None):
        raise TargetError("an optimizer of TensorFlow cannot run here", where="TFOptimizer",
                          got=type(optimizer).__name__, fix="Use the optimizer of the same name in this module.")


sgd = SGD
rmsprop = RMSprop
adagrad = Adagrad
adadelta = Adadelta
adam = Adam
adamax = Adamax
nadam = Nadam

_OPTIMIZERS = MappingProxyType({cls.__name__.lower(): cls
                                for cls in (SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax, Nadam, TFOptimizer)})


def serialize(optimizer: Any) -> Any:
    """{"class_name", "config"} of an optimizer."""
    return serialize_keras_object(optimizer)


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The optimizer of a configuration; the case of built-in names does not matter.

    Raises ArgumentError for an unknown name or a bad value, ModelFormatError for an unsupported option.
    """
    if isinstance(config, Mapping) and isinstance(config.get("class_name"), str):
        name = config["class_name"].rpartition(">")[2]
        if name.lower() in _OPTIMIZERS and not is_custom(name, custom_objects):
            config = {**config, "class_name": name.lower()}
    return deserialize_keras_object(config, module_objects=_OPTIMIZERS, custom_objects=custom_objects,
                                    printable_module_name="optimizer")


def get(identifier: Any) -> Any:
    """An optimizer from a name, a configuration or an optimizer.

    Raises ArgumentError for anything else, TargetError for an optimizer of TensorFlow.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if type(identifier).__module__.partition(".")[0] == "tensorflow":
        return TFOptimizer(identifier)
    fix = f"Make one: {identifier.__name__}()." if isinstance(identifier, type) else ""
    raise ArgumentError("Could not interpret optimizer identifier", expected="a name, a dict or an optimizer",
                        got=repr(identifier), fix=fix)
