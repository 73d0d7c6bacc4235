"""The layer classes that a configuration may name: filled once, by layers/, and read-only from then on.

It is here so that models can be made from configurations without importing the layers, which import models.

What does not live here: what is in it (layers/__init__.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphc.errors import ArgumentError, GraphcError, ModelFormatError
from graphc.frontend_keras.utils.generic_utils import deserialize_keras_object, serialize_keras_object

_tables: list[Mapping[str, Any]] = []


def fill(classes: Mapping[str, Any]) -> None:
    """Set the table. Raises ArgumentError the second time."""
    if _tables:
        raise ArgumentError("the table of layers is filled already", where="graphc.frontend_keras.layers")
    _tables.append(MappingProxyType(dict(classes)))


def layer_classes() -> Mapping[str, Any]:
    """Class name -> class."""
    return _tables[0] if _tables else {}


def serialize_layer(layer: Any) -> dict[str, Any]:
    """{"class_name", "config"} of a layer."""
    return serialize_keras_object(layer)


def deserialize_layer(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The layer of a configuration; `custom_objects` are looked up first.

    Raises ArgumentError for an unknown class, ModelFormatError for a configuration that does not fit its class.
    """
    try:
        return deserialize_keras_object(config, layer_classes(), custom_objects, "layer")
    except GraphcError:
        raise
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        name = config.get("class_name") if isinstance(config, Mapping) else None
        raise ModelFormatError(f"the configuration does not fit: {type(error).__name__}: {error!s:.200}",
                               where=str(name or "layer"), got=f"{config!r:.200}") from error
