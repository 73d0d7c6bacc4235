"""How a model is trained, as files say it: optimizer, loss, metrics.

What does not live here: the optimizer's state (optimizer_state.py), options of single optimizers, losses and metrics in
other versions (optimizers/dialects.py, losses.py, metrics.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.errors import ModelFormatError, warn
from graphc.frontend_keras import losses, metrics, optimizers
from graphc.frontend_keras.utils.generic_utils import CustomObjectScope

_DEPTH = 4  # of lists and dicts of metrics


def training_config(model: Any) -> dict[str, Any]:
    """What Keras 2 writes of a compiled model; functions and classes stand in it as they are."""
    optimizer = {"class_name": type(model.optimizer).__name__, "config": model.optimizer.get_config()}
    config = {"optimizer_config": optimizer,
              "loss": model.loss, "metrics": model.metrics, "sample_weight_mode": model.sample_weight_mode,
              "loss_weights": model.loss_weights}
    return {**config, **({"weighted_metrics": model.weighted_metrics} if model.weighted_metrics else {})}


def compile_model(model: Any, config: Any, custom_objects: Mapping[str, Any] | None, where: str) -> None:
    """Compile as a file says; warns where that names no optimizer.

    Raises ModelFormatError for what is no such configuration, ArgumentError for unknown names.
    """
    if not isinstance(config, Mapping):
        raise ModelFormatError("the training configuration is not a dict", where=where, got=f"{config!r:.100}")
    given = config.get("optimizer_config", config.get("optimizer"))
    if not isinstance(given, Mapping):
        warn(f"{where}: the training configuration names no optimizer: the model was *not* compiled. "
             "Compile it manually.")
        return
    with CustomObjectScope(custom_objects or {}):
        optimizer = optimizers.deserialize(_function_name(given))
        model.compile(optimizer, loss=_each(config.get("loss"), losses.deserialize, where),
                      metrics=_metrics(config.get("metrics"), where),
                      weighted_metrics=_metrics(config.get("weighted_metrics"), where),
                      loss_weights=config.get("loss_weights"), sample_weight_mode=config.get("sample_weight_mode"))


def _metrics(given: Any, where: str) -> Any:
    """One list in a list is that of a single output."""
    found = _each(given, _metric, where)
    return found[0] if isinstance(found, list) and len(found) == 1 and isinstance(found[0], list) else found


def _metric(given: Any) -> Any:
    """`accuracy` and `acc` stay what they are: what they stand for depends on the output."""
    if isinstance(given, Mapping) and given.get("class_name") == "MeanMetricWrapper":
        inner = given.get("config")
        fn = inner.get("fn") if isinstance(inner, Mapping) else None
        if isinstance(inner, Mapping) and inner.get("name") in ("accuracy", "acc") and str(fn).endswith("_accuracy"):
            return "accuracy"
    return given if given in ("accuracy", "acc", "crossentropy", "ce") else metrics.deserialize(given)


def _each(given: Any, read: Any, where: str, depth: int = 0) -> Any:
    """`read` of each entry of lists and of dicts by output name."""
    if depth > _DEPTH:
        raise ModelFormatError("losses or metrics are nested too deeply", where=where)
    if given is None:
        return None
    if isinstance(given, Mapping) and "class_name" not in given:
        return {name: _each(value, read, where, depth + 1) for name, value in given.items()}
    if isinstance(given, (list, tuple)):
        return [_each(value, read, where, depth + 1) for value in given]
    return read(_function_name(given))


def _function_name(given: Any) -> Any:
    """Keras 3 wraps the name of a function; nothing is looked up but that name."""
    if isinstance(given, Mapping) and given.get("class_name") == "function" and isinstance(given.get("config"), str):
        return given["config"]
    return given
