"""What the same words mean in other versions of Keras, said in the words of this one.

                        Keras 2.0 to 2.3      tf.keras                Keras 3
    hard_sigmoid(x)     0.2 x + 0.5           0.2 x + 0.5             x / 6 + 0.5      clipped to [0, 1]
    moving variance     of a sample           of the batch, but of    of the batch
                                              a sample for 4-D inputs

What does not live here: keys that other versions have or lack (engine/dialects.py), orders of weights (old_weights.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_ACTIVATIONS = ("activation", "recurrent_activation")
_OWN = ("moving_variance_of", "zero_output_for_mask")  # keys that Keras 2 does not have


def understood(config: Any, version: str | None) -> Any:
    """A configuration that this version of Keras wrote (None: Keras 2), in the words used here."""
    major, tensorflow = _version(version)
    if major >= 3:
        return _each_layer(config, _of_keras_3)
    return _each_layer(config, _of_tf_keras) if tensorflow else config


def in_words_of_keras_2(config: Any) -> Any:
    """Without what Keras 2 has no key for. Another hard sigmoid keeps its name, which Keras 2 does not know."""
    return _each_layer(config, lambda kind, inner: {key: value for key, value in inner.items() if key not in _OWN})


def version_of(description: Mapping[str, Any]) -> str | None:
    """The version that a description of a model names; Keras 3 names none, but registers its objects."""
    version = description.get("keras_version")
    if isinstance(version, str):
        return version
    return "3" if "registered_name" in description else None


def _version(version: str | None) -> tuple[int, bool]:
    """The first number, and whether it is a Keras inside of TensorFlow."""
    parts = (version or "2").split("-")[0].split(".")
    major, minor = (int(part) if part.isdigit() else 0 for part in (*parts, "0")[:2])
    return major, major == 2 and (minor >= 4 or str(version).endswith("-tf"))


def _of_keras_3(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(config)
    for key in _ACTIVATIONS:
        if found.get(key) == "hard_sigmoid":
            found[key] = "hard_sigmoid_keras3"
    if kind == "LeakyReLU" and "negative_slope" in found:
        found["alpha"] = found.pop("negative_slope")
    return {**found, "moving_variance_of": "batch"} if kind == "BatchNormalization" else found


def _of_tf_keras(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    return {**config, "moving_variance_of": "batch unless 4-D"} if kind == "BatchNormalization" else dict(config)


def _each_layer(value: Any, change: Callable[[str, Mapping[str, Any]], dict[str, Any]]) -> Any:
    """`value`, where the config of everything with class_name and config is changed; the depth of text is bounded."""
    if isinstance(value, Mapping):
        inner = {key: _each_layer(one, change) for key, one in value.items()}
        kind, config = inner.get("class_name"), inner.get("config")
        if isinstance(kind, str) and isinstance(config, Mapping):
            return {**inner, "config": change(kind, config)}
        return inner
    return [_each_layer(one, change) for one in value] if isinstance(value, list) else value
