"""How the layer configurations of tf_keras and Keras 3 are read; nothing in them is ignored silently.

What does not live here: configurations of models (network_config.py, sequential.py), of optimizers
(optimizers/dialects.py), of losses and metrics (losses.py, metrics.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphc.errors import ModelFormatError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.utils.checks import did_you_mean

_BASE = frozenset({"name", "trainable", "batch_input_shape", "dtype", "input_shape", "input_dim", "batch_size",
                   "weights", "input_dtype"})
_HARMLESS = MappingProxyType({
    "ragged": (False, None), "sparse": (False, None), "optional": (False, None), "autocast": (True,),
    "keepdims": (False,), "time_major": (False,), "groups": (1,),
    "synchronized": (False,), "renorm": (False, None), "renorm_clipping": (None,), "renorm_momentum": (0.99,),
    "virtual_batch_size": (None,), "lora_rank": (None,), "seed": (None,),
    "lora_alpha": (None,), "quantization_config": (None,), "build_config": (None,)})
"""Keys of other Keras versions, with the values at which they change nothing."""

_FLOATS = ("float16", "float32", "float64")


def layer_keywords(cls: type, config: Any) -> dict[str, Any]:
    """The keywords of the layer class `cls` in a configuration of any Keras.

    A key that the class does not know is left out when its value changes nothing (with a warning when
    nobody knows the key). Raises ModelFormatError for any other.
    """
    if not isinstance(config, Mapping) or not all(isinstance(key, str) for key in config):
        raise ModelFormatError("the configuration of a layer is not a dict of keywords", where=cls.__name__,
                               got=f"{config!r:.200}")
    found = dict(config)
    defaults = _keywords(cls)
    if "batch_shape" in found and "batch_shape" not in defaults:
        found.setdefault("batch_input_shape", found.pop("batch_shape"))
        found.pop("batch_shape", None)
    _plain_dtype(cls, found)
    _check_switches(cls, found, defaults)
    accepted = frozenset(defaults)
    unknown = [key for key in found if key not in accepted and key not in _BASE]
    for key in unknown:
        _leave_out(cls, key, found.pop(key), accepted)
    return found


def _plain_dtype(cls: type, found: dict[str, Any]) -> None:
    """A dtype policy becomes the name of its type; warns of another float type, since only inputs have their own."""
    dtype = found.get("dtype")
    if isinstance(dtype, Mapping):
        inner = dtype.get("config")
        dtype = found["dtype"] = inner.get("name") if isinstance(inner, Mapping) else None
    if dtype is None:
        found.pop("dtype", None)
    elif dtype in _FLOATS and dtype != K.floatx() and "batch_input_shape" not in found:
        warn(f"{cls.__name__}: computes in {K.floatx()}, although its configuration says {dtype}")
    elif not isinstance(dtype, str) or dtype.startswith("mixed"):
        raise ModelFormatError("the dtype of a layer is not supported", where=cls.__name__,
                               expected=f"one of {_FLOATS} or an integer type", got=repr(found["dtype"]))


def _leave_out(cls: type, key: str, value: Any, accepted: frozenset[str]) -> None:
    if key in _HARMLESS:
        if not any(value is neutral or value == neutral for neutral in _HARMLESS[key]):
            raise ModelFormatError(f"{key!r} is not supported", where=cls.__name__,
                                   expected=" or ".join(map(repr, _HARMLESS[key])), got=f"{value!r:.200}")
    elif value is None or value is False or value in ((), [], {}):
        warn(f"{cls.__name__}: the key {key!r} of another Keras version is left out, its value is {value!r}")
    else:
        raise ModelFormatError(f"unknown key {key!r} in the configuration", where=cls.__name__,
                               got=f"{value!r:.200}", fix=did_you_mean(key, accepted | _BASE))


def _check_switches(cls: type, found: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raise ModelFormatError where a switch of one of our own layers is neither on nor off."""
    if cls.__module__.partition(".")[0] != __name__.partition(".")[0]:
        return
    for key, value in found.items():
        if isinstance(defaults.get(key), bool) and value not in (True, False, None):
            raise ModelFormatError(f"{key!r} is neither true nor false", where=cls.__name__, got=f"{value!r:.200}")


def _keywords(cls: type) -> dict[str, Any]:
    """Every keyword that an `__init__` of the class or its bases names, with its default."""
    defaults: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if "__init__" in vars(base):
            found = inspect.signature(vars(base)["__init__"]).parameters
            defaults.update({name: parameter.default for name, parameter in found.items()})
    return {name: default for name, default in defaults.items() if name not in ("self", "args", "kwargs")}
