"""Architectures as JSON and YAML text.

Nothing that a text names is imported or run: classes come from the table of layers and from custom_objects. What a text
may hold is bounded before anything is made of it.

What does not live here: weights and files (model_files.py), the configurations themselves (engine/network_config.py,
engine/sequential.py).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from graphc.errors import GraphcError, ModelFormatError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.engine.registry import deserialize_layer
from graphc.frontend_keras.initializers import matrices_wait
from graphc.frontend_keras.saving.versions import in_words_of_keras_2, understood, version_of

KERAS_VERSION = "2.2.4"
MAX_TEXT, MAX_STRING = 16 << 20, 1 << 16  # characters of a text, and of one string in it
MAX_DEPTH, MAX_NODES = 64, 1 << 20


def described(model: Any) -> dict[str, Any]:
    """What a file says about a model: its class, its configuration, the Keras whose form this is."""
    return {"class_name": type(model).__name__, "config": in_words_of_keras_2(model.get_config()),
            "keras_version": KERAS_VERSION, "backend": K.backend()}


def json_value(value: Any) -> Any:
    """NumPy numbers and arrays as plain ones, functions and classes by name, objects by their configuration
    (json.dumps's `default`)."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if callable(value) and hasattr(value, "__name__"):
        return value.__name__
    if hasattr(value, "get_config"):
        return {"class_name": type(value).__name__, "config": value.get_config()}
    raise TypeError(f"Not JSON Serializable: {value!r:.200}")


def to_json(model: Any, **kwargs: Any) -> str:
    return json.dumps(described(model), default=json_value, **kwargs)


def to_yaml(model: Any, **kwargs: Any) -> str:
    plain = json.loads(to_json(model))
    return import_module("yaml").safe_dump(plain, **kwargs)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a JSON text, with new weights. Raises ModelFormatError."""
    return model_from_config(parse_json(json_string, "model_from_json"), custom_objects)


def model_from_yaml(yaml_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The model of a YAML text, with new weights; of Python's tags only the tuple is read. Raises ModelFormatError."""
    return model_from_config(parse_yaml(yaml_string, "model_from_yaml"), custom_objects)


def parse_json(text: Any, where: str) -> Any:
    """What a JSON text says. Raises ModelFormatError for what is beyond the bounds, double keys, NaN, infinities."""
    _check_length(text, where)
    try:
        value = json.loads(text, object_pairs_hook=_dict, parse_constant=_no_constant, parse_float=_finite)
    except ModelFormatError as error:
        error.where = error.where or where
        raise
    except (ValueError, TypeError, RecursionError) as error:
        raise ModelFormatError(f"not JSON: {error!s:.200}", where=where) from error
    _check_bounds(value, where)
    return value


def parse_yaml(text: Any, where: str) -> Any:
    """What a YAML text says. Raises ModelFormatError for anchors, several documents, and tags but the tuple."""
    yaml = import_module("yaml")
    _check_length(text, where)

    def no_alias(loader: Any, parent: Any, index: Any) -> Any:
        if loader.check_event(yaml.events.AliasEvent):
            raise ModelFormatError("YAML with anchors is not read", where=where, got=f"line {loader.line + 1}")
        return yaml.SafeLoader.compose_node(loader, parent, index)

    def mapping(loader: Any, node: Any, deep: bool = False) -> Any:
        pairs = [(loader.construct_object(key, deep=True), loader.construct_object(value, deep=True))
                 for key, value in node.value]
        return _dict(pairs)

    loader: Any = type("Loader", (yaml.SafeLoader,), {"compose_node": no_alias, "construct_mapping": mapping,
                                                      "flatten_mapping": lambda self, node: None})
    loader.add_constructor("tag:yaml.org,2002:python/tuple",
                           lambda self, node: list(self.construct_sequence(node, deep=True)))
    try:
        value = yaml.load(text, Loader=loader)
    except ModelFormatError as error:
        error.where = error.where or where
        raise
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ModelFormatError(f"not YAML: {error!s:.300}", where=where) from error
    _check_bounds(value, where)
    return value


def _check_length(text: Any, where: str) -> None:
    if not isinstance(text, (str, bytes)):
        raise ModelFormatError("not a text", where=where, got=type(text).__name__)
    if len(text) > MAX_TEXT:
        raise ModelFormatError("the text is too long", where=where, expected=f"at most {MAX_TEXT} characters",
                               got=len(text))
    marks = text.count(",") + text.count(":") if isinstance(text, str) else text.count(b",") + text.count(b":")
    if marks > MAX_NODES:  # what it says would take more time and memory than the text
        raise ModelFormatError("the text holds too much", where=where, expected=f"at most {MAX_NODES} values")


def _dict(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    try:
        found = dict(pairs)
    except TypeError as error:
        raise ModelFormatError("a key that is no name", got=str(error)) from error
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ModelFormatError("a key stands twice", got=f"{next(key for key in keys if keys.count(key) > 1)!r:.100}")
    return found


def _no_constant(name: str) -> Any:
    raise ModelFormatError("a number that is not finite", got=name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ModelFormatError("a number that is not finite", got=f"{text:.50}")
    return number


def _check_bounds(value: Any, where: str) -> None:
    """Raise ModelFormatError for a value that is nested too deeply, or holds too much, or another kind of thing."""
    level, nodes = [value], 0
    for _ in range(MAX_DEPTH):
        nodes += len(level)
        if nodes > MAX_NODES:
            raise ModelFormatError("the text holds too much", where=where, expected=f"at most {MAX_NODES} values")
        below: list[Any] = []
        for one in level:
            if isinstance(one, Mapping):
                below += one.values()
                below += one.keys()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str) and len(one) > MAX_STRING:
                raise ModelFormatError("a string is too long", where=where, expected=f"at most {MAX_STRING} characters",
                                       got=len(one))
            elif isinstance(one, float) and not math.isfinite(one):
                raise ModelFormatError("a number that is not finite", where=where, got=one)
            elif not isinstance(one, (str, int, float, bool, type(None))):
                raise ModelFormatError("a value of another kind than JSON has", where=where, got=type(one).__name__)
        if not below:
            return
        level = below
    raise ModelFormatError("values are nested too deeply", where=where, expected=f"at most {MAX_DEPTH} deep")


def model_from_config(config: Any, custom_objects: Mapping[str, Any] | None = None, version: str | None = None) -> Any:
    """The model of {"class_name", "config"}, with new weights.

    version  of the Keras that wrote it, where `config` does not say

    Raises ModelFormatError for what is no such thing, ArgumentError for an unknown class.
    """
    if isinstance(config, list):
        raise ModelFormatError("`model_from_config` expects a dictionary, not a list", where="model_from_config",
                               fix="Maybe you meant to use `Sequential.from_config(config)`?")
    if not isinstance(config, Mapping) or not {"class_name", "config"} <= set(config):
        raise ModelFormatError("not the description of a model", where="model_from_config",
                               expected="a dict with class_name and config", got=f"{config!r:.200}")
    try:
        with matrices_wait():
            found = deserialize_layer(understood(config, version or version_of(config)), custom_objects)
    except GraphcError:
        raise
    except RecursionError as error:
        raise ModelFormatError("models are nested too deeply", where="model_from_config") from error
    if not hasattr(found, "layers"):
        raise ModelFormatError("a layer, and no model", where="model_from_config", got=f"{config['class_name']!r:.100}")
    return found
