"""What `Model.compile` prepares: losses, targets, weights and metrics as tensors.

Everything is made before the model takes any of it, so a refused compile leaves the model as it was.

What does not live here: compiled functions (functions.py), checks of arrays (standardize.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import losses
from graphc.frontend_keras.engine.objectives import Metric, collect_metrics, weighted_objective
from graphc.frontend_keras.utils.checks import KeywordError, did_you_mean, finite
from graphc.frontend_keras.utils.generic_utils import to_list

Shape = tuple[int | None, ...]


@dataclass
class Training:
    """What a compiled model has; the names are those of Keras's attributes.

    One entry per output: loss_functions, targets, sample_weights, sample_weight_modes. Outputs without a loss have
    None there, and no entry in the lists that begin with _feed.
    """

    loss_functions: list[Any] = field(default_factory=list)
    loss_weights_list: list[float] = field(default_factory=list)
    targets: list[Any] = field(default_factory=list)
    sample_weights: list[Any] = field(default_factory=list)
    sample_weight_modes: list[str | None] = field(default_factory=list)
    total_loss: Any = None
    metrics_names: list[str] = field(default_factory=lambda: ["loss"])
    metrics_tensors: list[Any] = field(default_factory=list)
    metrics_updates: list[Any] = field(default_factory=list)
    stateful_metric_names: list[str] = field(default_factory=list)
    stateful_metric_functions: list[Any] = field(default_factory=list)
    _feed_targets: list[Any] = field(default_factory=list)
    _feed_outputs: list[Any] = field(default_factory=list)
    _feed_output_names: list[str] = field(default_factory=list)
    _feed_output_shapes: list[Shape] = field(default_factory=list)
    _feed_loss_fns: list[Any] = field(default_factory=list)
    _feed_sample_weights: list[Any] = field(default_factory=list)
    _feed_sample_weight_modes: list[str | None] = field(default_factory=list)
    _collected_trainable_weights: list[Any] = field(default_factory=list)


def prepare(model: Any, loss: Any, metrics: Any, loss_weights: Any, sample_weight_mode: Any, weighted_metrics: Any,
            target_tensors: Any, target_rows: Mapping[str, Shape] = MappingProxyType({})) -> Training:
    """The training of a model that is built.

    target_rows  by output: the shape of its targets without the batch axis, where an own loss takes another shape
                 than the output's

    Raises ArgumentError for names that no output has and lists of a wrong length, KeywordError (a TypeError) for
    arguments of a wrong type.
    """
    names = model.output_names
    training = Training()
    training.loss_functions = _per_output(loss, names, "loss", losses.get, missing=_warn_of_missing)
    training.loss_weights_list = _per_output(loss_weights, names, "loss_weights", _loss_weight, numeric=True)
    modes = _modes(sample_weight_mode, training.loss_functions, names)
    _make_targets(model, training, _target_tensors(target_tensors, names), modes, target_rows)
    _make_total_loss(model, training)
    _make_metrics(model, training, collect_metrics(metrics, names), collect_metrics(weighted_metrics, names))
    training._collected_trainable_weights = model.trainable_weights
    return training


def _per_output(given: Any, names: Sequence[str], what: str, convert: Any, missing: Any = None,
                numeric: bool = False) -> list[Any]:
    """`given` (one for all, a list by position or a dict by name) as a list with one converted entry per output."""
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise ArgumentError(f"Unknown entry in {what} dictionary: \"{name}\". Only expected the following "
                                    f"keys: {list(names)}", fix=did_you_mean(str(name), names))
        for name in names:
            if name not in given and missing:
                missing(name)
        return [convert(given.get(name)) for name in names]
    if isinstance(given, (list, tuple)):
        if not given and not numeric:
            given = [None] * len(names)
        if len(given) != len(names):
            raise ArgumentError(f"When passing a list as {what}, it should have one entry per model output. The model "
                                f"has {len(names)} outputs, but you passed {what}={given!r:.200}")
        return [convert(one) for one in given]
    if numeric and given is not None:
        raise KeywordError(f"Could not interpret {what} argument: {given!r:.200} - expected a list or a dict")
    return [convert(given) for _ in names]


def _warn_of_missing(name: str) -> None:
    warn(f"Output \"{name}\" missing from loss dictionary. We assume this was done on purpose, and we will "
         f"not be expecting any data to be passed to \"{name}\" during training.")


def _loss_weight(given: Any) -> float:
    return 1.0 if given is None else finite(given, "loss_weights", "compile")


def _modes(given: Any, loss_functions: Sequence[Any], names: Sequence[str]) -> list[str | None]:
    """The weight mode of each output: "temporal", or None for one weight per sample."""
    if isinstance(given, Mapping):
        for name, loss in zip(names, loss_functions):
            if loss is not None and name not in given:
                raise ArgumentError(f"Output \"{name}\" missing from sample_weight_modes dictionary")
    modes = _per_output(given, names, "sample_weight_mode", lambda mode: mode)
    for mode in modes:
        if mode is not None and not (isinstance(mode, str) and mode == "temporal"):
            raise ArgumentError("sample_weight_mode should be None or \"temporal\"", where="compile", got=repr(mode))
    return modes


def _target_tensors(given: Any, names: Sequence[str]) -> list[Any]:
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise ArgumentError(f"Unknown entry in `target_tensors` dictionary: \"{name}\". Only expected the "
                                    f"following keys: {list(names)}")
        tensors = [given.get(name) for name in names]
    elif given is None:
        return [None] * len(names)
    else:
        tensors = to_list(given, allow_tuple=True)
    if len(tensors) != len(names):
        raise ArgumentError("When passing a list as `target_tensors`, it should have one entry per model output. The "
                            f"model has {len(names)} outputs, but you passed target_tensors={given!r:.200}")
    for one in tensors:
        if one is not None and not K.is_tensor(one):
            raise KeywordError("`target_tensors` holds what is no tensor", where="compile", expected="tensors of K",
                               got=f"{one!r:.200}", fix="Arrays go to fit; K.variable(array) makes a tensor of one.")
    return tensors


def expected_target_shape(output_shape: Shape, loss: Any) -> Shape | None:
    """The shape that targets must have: the output's, class numbers for the sparse loss, None where nobody knows."""
    if loss is losses.sparse_categorical_crossentropy:
        if K.image_data_format() == "channels_first" and len(output_shape) in (4, 5):
            return (output_shape[0], 1, *output_shape[2:])
        return (*output_shape[:-1], 1)
    if loss is None or losses.BUILT_IN.get(getattr(loss, "__name__", "")) is not loss:
        return None
    return output_shape


def own_target_rows(model: Any, arrays: Sequence[Any]) -> dict[str, Shape]:
    """What `prepare` needs as target_rows for these targets: the shapes of those that differ from their output."""
    found = {}
    for name, shape, loss, array in zip(model._feed_output_names, model._feed_output_shapes, model._feed_loss_fns,
                                        arrays):
        if expected_target_shape(shape, loss) is not None or K.is_tensor(array) or len(array.shape) != len(shape):
            continue
        if any(size not in (None, other) for size, other in zip(shape[1:], array.shape[1:])):
            found[name] = tuple(array.shape[1:])
    return found


def _make_targets(model: Any, training: Training, given: list[Any], modes: list[str | None],
                  rows: Mapping[str, Shape]) -> None:
    for output, name, loss, target, mode in zip(model.outputs, model.output_names, training.loss_functions, given,
                                                modes):
        if loss is None:
            training.targets.append(None)
            training.sample_weights.append(None)
            training.sample_weight_modes.append(None)
            continue
        fed = target is None or K.is_placeholder(target)
        if target is None:
            target = _target_placeholder(output, name, loss, rows.get(name))
        weight = _weight_placeholder(output, name, mode) if fed else None
        training.targets.append(target)
        training.sample_weights.append(weight)
        training.sample_weight_modes.append(mode if fed else None)
        if fed:
            training._feed_targets.append(target)
            training._feed_outputs.append(output)
            training._feed_output_names.append(name)
            training._feed_output_shapes.append(K.int_shape(output))
            training._feed_loss_fns.append(loss)
            training._feed_sample_weights.append(weight)
            training._feed_sample_weight_modes.append(mode)


def _target_placeholder(output: Any, name: str, loss: Any, rows: Shape | None) -> Any:
    shape = expected_target_shape(K.int_shape(output), loss)
    if shape is None:
        shape = (K.int_shape(output)[0], *(rows or [None] * (K.ndim(output) - 1)))
    return K.placeholder(shape=shape, dtype=K.dtype(output), name=f"{name}_target")


def _weight_placeholder(output: Any, name: str, mode: str | None) -> Any:
    shape = K.int_shape(output)[:2] if mode == "temporal" else K.int_shape(output)[:1]
    return K.placeholder(shape=shape, name=f"{name}_sample_weights")


def _make_total_loss(model: Any, training: Training) -> None:
    total: Any = None
    several = len(model.outputs) > 1
    with K.name_scope("loss"):
        for i, (name, loss) in enumerate(zip(model.output_names, training.loss_functions)):
            if loss is None:
                continue
            with K.name_scope(f"{name}_loss"):
                value = weighted_objective(loss)(training.targets[i], model.outputs[i], training.sample_weights[i],
                                                 getattr(model.outputs[i], "_keras_mask", None))
            if several:
                training.metrics_tensors.append(value)
                training.metrics_names.append(f"{name}_loss")
            factor = training.loss_weights_list[i]
            value = value if factor == 1 else factor * value
            total = value if total is None else total + value
        for penalty in model.losses:
            total = penalty if total is None else total + penalty
    if total is None:
        raise ArgumentError("The model cannot be compiled because it has no loss to optimize", where=model.name,
                            fix="Pass loss=... to compile, or call add_loss.")
    training.total_loss = total


def _make_metrics(model: Any, training: Training, plain: list[list[Any]], weighted: list[list[Any]]) -> None:
    with K.name_scope("metrics"):
        for i, loss in enumerate(training.loss_functions):
            if loss is not None:
                for given in plain[i]:
                    _add_metric(model, training, i, given, None)
                for given in weighted[i]:
                    _add_metric(model, training, i, given, training.sample_weights[i])


def _add_metric(model: Any, training: Training, i: int, given: Any, weights: Any) -> None:
    output = model.outputs[i]
    metric = Metric(given, K.int_shape(output), training.loss_functions[i])
    mask = getattr(output, "_keras_mask", None)
    for name, result in metric.results(training.targets[i], output, weights, mask):
        if len(model.output_names) > 1:
            name = f"{model.output_names[i]}_{name}"
        unique, count = name, 1
        while unique in training.metrics_names:
            unique, count = f"{name}_{count}", count + 1
        training.metrics_names.append(unique)
        training.metrics_tensors.append(result)
        if metric.stateful:
            training.stateful_metric_names.append(unique)
            training.stateful_metric_functions.append(metric.fn)
            training.metrics_updates += metric.fn.updates
