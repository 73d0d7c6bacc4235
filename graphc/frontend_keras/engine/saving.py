"""Architectures as JSON and YAML text.

Nothing that a text names is imported or run: classes come from the table of layers and from custom_objects.

What does not live here: weights and files (HDF5), the configurations themselves (network_config.py, sequential.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any, NoReturn

import numpy as np

from graphc.errors import GraphcError, ModelFormatError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.registry import deserialize_layer

KERAS_VERSION = "2.2.4"


def not_built(where: str) -> NoReturn:
    """Raises NotBuiltError: HDF5 files are not built yet."""
    raise K.NotBuiltError("HDF5 files are not built yet", where=where,
                          fix="Keep model.to_json() and model.get_weights(), or pickle the model.")


def described(model: Any) -> dict[str, Any]:
    """What a file says about a model: its class, its configuration, the Keras whose form this is."""
    return {"class_name": type(model).__name__, "config": model.get_config(), "keras_version": KERAS_VERSION,
            "backend": K.backend()}


def json_value(value: Any) -> Any:
    """NumPy numbers and arrays as plain ones, functions and classes by name (json.dumps's `default`)."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if callable(value) and hasattr(value, "__name__"):
        return value.__name__
    raise TypeError(f"Not JSON Serializable: {value!r:.200}")


def to_json(model: Any, **kwargs: Any) -> str:
    return json.dumps(described(model), default=json_value, **kwargs)


def to_yaml(model: Any, **kwargs: Any) -> str:
    plain = json.loads(to_json(model))
    return import_module("yaml").safe_dump(plain, **kwargs)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a JSON text, with new weights. Raises ModelFormatError."""
    try:
        config = json.loads(json_string)
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelFormatError(f"not JSON: {error!s:.200}", where="model_from_json") from error
    return model_from_config(config, custom_objects)


def model_from_yaml(yaml_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a YAML text, with new weights; of Python's tags only the tuple is read. Raises ModelFormatError."""
    yaml = import_module("yaml")

    loader: Any = type("Loader", (yaml.SafeLoader,), {})
    loader.add_constructor("tag:yaml.org,2002:python/tuple",
                           lambda self, node: list(self.construct_sequence(node, deep=True)))
    try:
        config = yaml.load(yaml_string, Loader=loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ModelFormatError(f"not YAML: {error!s:.300}", where="model_from_yaml") from error
    return model_from_config(config, custom_objects)


def model_from_config(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of {"class_name", "config"}, with new weights.

    Raises ModelFormatError for what is no such thing, ArgumentError for an unknown class.
    """
    if isinstance(config, list):
        raise ModelFormatError("`model_from_config` expects a dictionary, not a list", where="model_from_config",
                               fix="Maybe you meant to use `Sequential.from_config(config)`?")
    if not isinstance(config, Mapping) or not {"class_name", "config"} <= set(config):
        raise ModelFormatError("not the description of a model", where="model_from_config",
                               expected="a dict with class_name and config", got=f"{config!r:.200}")
    try:
        return deserialize_layer(config, custom_objects)
    except GraphcError:
        raise
    except RecursionError as error:
        raise ModelFormatError("models are nested too deeply", where="model_from_config") from error
