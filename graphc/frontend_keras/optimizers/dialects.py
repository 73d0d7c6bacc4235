"""How the optimizer configurations of tf_keras and Keras 3 are read; nothing in them is ignored silently.

What does not live here: the order of optimizer weights (each optimizer's `_pairs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from graphc.errors import ModelFormatError, warn
from graphc.frontend_keras.utils.checks import known_keys
from graphc.frontend_keras.utils.generic_utils import has_arg

_NEUTRAL = MappingProxyType({
    "momentum": (0,), "centered": (False,), "amsgrad": (False,), "nesterov": (False,), "decay": (0, None),
    "weight_decay": (0, None), "use_ema": (False,), "loss_scale_factor": (None,),
    "gradient_accumulation_steps": (None,)})
_HARMLESS = ("name", "jit_compile", "is_legacy_optimizer", "ema_momentum", "ema_overwrite_frequency")
_MOST = 1e300  # what can be divided
_EPSILON_INSIDE = ("RMSprop", "Adagrad")  # of Keras 3 and of the tf_keras optimizers that know use_ema


def translated(cls: type, config: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords of `cls` that a configuration stands for.

    tf_keras and Keras 3 write a `name`; their `clipnorm` is of each gradient alone, and their
    `global_clipnorm` is what Keras 2.2.4 calls clipnorm.

    Raises ModelFormatError for a learning-rate schedule other than Keras 2's decay, and for options that are not
    supported.
    """
    found = dict(config)
    decaying = _decay(cls, found["learning_rate"]) if isinstance(found.get("learning_rate"), Mapping) else {}
    if "name" not in found or has_arg(cls, "name"):
        return {**found, **decaying}
    _rename(cls, found)
    found.update(decaying)
    optional = {key: found.pop(key) for key in list(found) if not has_arg(cls, key) and key in (*_NEUTRAL, *_HARMLESS)}
    known_keys(cls.__name__, {key: value for key, value in optional.items() if key not in _HARMLESS}, (), _NEUTRAL)
    if cls.__name__ in _EPSILON_INSIDE and "use_ema" in optional:
        warn(f"{cls.__name__}: the optimizer in this file adds epsilon inside the square root; it is added "
             "outside here, as in Keras 2.2.4, so training goes on slightly differently")
    return found


def _decay(cls: type, schedule: Mapping[str, Any]) -> dict[str, Any]:
    """The rate and its decay: initial_learning_rate / (1 + decay_rate * step / decay_steps) is what Keras 2.2.4 has."""
    match schedule:
        case {"class_name": "InverseTimeDecay", "config": {
                "initial_learning_rate": float() | int() as rate, "decay_rate": float() | int() as decay,
                "decay_steps": float() | int() as steps, "staircase": False}} if (
                0 < steps < _MOST and abs(decay) < _MOST and has_arg(cls, "decay")):
            return {"learning_rate": rate, "decay": decay / steps}
    raise ModelFormatError("this learning-rate schedule in an optimizer is not supported", where=cls.__name__,
                           expected="a number, or an InverseTimeDecay that is no staircase",
                           got=f"{schedule.get('class_name')!r:.100}", fix="Use the callback LearningRateScheduler.")


def _rename(cls: type, found: dict[str, Any]) -> None:
    """Give the options of tf_keras and Keras 3 the names that they have here."""
    clipping = {"variable_clipnorm": found.pop("clipnorm", None), "clipnorm": found.pop("global_clipnorm", None),
                "clipvalue": found.pop("clipvalue", None)}
    found.update((key, value) for key, value in clipping.items() if value is not None)
    if cls.__name__ == "Nadam" and "schedule_decay" not in found:
        found["schedule_decay"] = found.pop("decay", 1.0)


