"""What `Model.fit` does around the loop: arguments, validation data, callbacks.

What does not live here: the loop (training_arrays.py).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras.callbacks import BaseLogger, CallbackList, History, ProgbarLogger
from graphc.frontend_keras.engine import training_arrays as loops
from graphc.frontend_keras.engine.functions import TEST, TRAIN
from graphc.frontend_keras.engine.keeping import Keeper, backup_of
from graphc.frontend_keras.engine.resuming import Position
from graphc.frontend_keras.engine.shapes import positive
from graphc.frontend_keras.engine.symbolic_data import refuse_symbolic
from graphc.frontend_keras.utils.checks import KeywordError, finite
from graphc.frontend_keras.utils.generic_utils import slice_arrays

Split = tuple[list[Any], list[Any], list[Any] | None]


def fit(model: Any, x: Any, y: Any, batch_size: int | None, epochs: int, verbose: int,
        callbacks: Sequence[Any] | None, validation_split: float, validation_data: Any, shuffle: Any,
        class_weight: Any, sample_weight: Any, initial_epoch: int, steps_per_epoch: int | None,
        validation_steps: int | None, checkpoint: Any, kwargs: dict[str, Any]) -> Any:
    """See Model.fit."""
    epochs = _renamed_epochs(epochs, kwargs)
    if x is None and y is None and steps_per_epoch is None:
        raise ArgumentError("If fitting from data tensors, you should specify the `steps_per_epoch` argument",
                            where=model.name)
    span = range(epoch_number(initial_epoch, "initial_epoch"), epoch_number(epochs, "epochs"))
    _check_shuffle(shuffle)
    batch_size, steps_per_epoch = _batches(model, batch_size, steps_per_epoch)
    validation_steps = _validation_steps(validation_steps, steps_per_epoch)
    data = model._data(x, y, sample_weight, class_weight, batch_size)
    if batch_size is not None:
        refuse_symbolic([*data[0], *data[1]], "fit", "steps_per_epoch")
    data, held_out = _split(model, data, validation_data, validation_split, batch_size)
    _check_steps(steps_per_epoch, validation_steps, data, held_out)
    samples = data[0][0].shape[0] if data[0] else None
    found = make_callbacks(model, callbacks, verbose, steps_per_epoch)
    with ExitStack() as stack:
        keeper = _keeper(model, checkpoint, callbacks, data, held_out, batch_size, shuffle, span, steps_per_epoch)
        if keeper is not None:
            stack.enter_context(keeper)
        validate = _validation(model, held_out, batch_size, validation_steps)
        if held_out is not None and held_out[0] and verbose and data[0]:
            print(f"Train on {data[0][0].shape[0]} samples, validate on {held_out[0][0].shape[0]} samples")
        found.set_params({"batch_size": batch_size, "epochs": epochs, "steps": steps_per_epoch, "samples": samples,
                          "verbose": verbose, "do_validation": validate is not None,
                          "metrics": metric_labels(model, validate is not None)})
        for callback in found:
            callback.validation_data = [] if held_out is None else as_keras(model, held_out)
        _run(model, data, found, batch_size, shuffle, validate, verbose, span, steps_per_epoch, keeper)
    return model.history


def _run(model: Any, data: Split, callbacks: CallbackList, batch_size: int | None, shuffle: Any,
         validate: Callable[[], list[float]] | None, verbose: int, span: range, steps: int | None,
         keeper: Keeper | None) -> None:
    inputs, targets, weights = data
    if batch_size is None:
        function = model._function(TRAIN, weights is not None)
        start = begin_training(model, callbacks, keeper)
        loops.fit_steps(model, function, [*inputs, *targets, *(weights or ())], callbacks, int(steps or 0), span,
                        validate, keeper, start)
    else:
        function, rows = model._rows(TRAIN, inputs, targets, weights)
        loop = loops.FitLoop(model, function, rows, callbacks, batch_size, shuffle, validate, verbose == 1, keeper)
        start = begin_training(model, callbacks, keeper)
        loop.run(span.start, span.stop, start)
    end_training(callbacks, keeper)


def begin_training(model: Any, callbacks: CallbackList, keeper: Keeper | None) -> Position | None:
    """Tell the callbacks; where the training goes on from a checkpoint, set everything to that and return where."""
    for callback in callbacks:
        callback.resuming = keeper is not None and keeper.resuming
    callbacks.on_train_begin()
    model.stop_training = False
    return None if keeper is None else keeper.begin(callbacks)


def end_training(callbacks: CallbackList, keeper: Keeper | None) -> None:
    callbacks.on_train_end()
    if keeper is not None:
        keeper.end()


def _keeper(model: Any, checkpoint: Any, callbacks: Any, data: Split, held_out: Split | None, batch_size: int | None,
            shuffle: Any, span: range, steps: int | None) -> Keeper | None:
    """Who makes the checkpoints of this call, if anybody does."""
    backup = backup_of(checkpoint, callbacks)
    if backup is None:
        return None
    samples = data[0][0].shape[0] if data[0] else None
    batches = steps if batch_size is None or samples is None else -(-samples // batch_size)
    facts = {"data": _shapes(data), "validation": None if held_out is None else _shapes(held_out), "samples": samples,
             "batch_size": batch_size, "batches": batches, "shuffle": str(shuffle), "initial_epoch": span.start}
    return Keeper(backup, model, model._function(TRAIN, data[2] is not None), facts)


def _shapes(data: Split) -> list[Any]:
    return [None if arrays is None else [[str(one.dtype), list(one.shape)] for one in arrays] for arrays in data]


# ---- arguments


def _renamed_epochs(epochs: int, kwargs: dict[str, Any]) -> int:
    if "nb_epoch" in kwargs:
        warn("The `nb_epoch` argument in `fit` has been renamed `epochs`.")
        epochs = kwargs.pop("nb_epoch")
    if kwargs:
        raise KeywordError(f"Unrecognized keyword arguments: {kwargs}", where="fit")
    return epochs


def epoch_number(value: Any, name: str) -> int:
    """`value` as an int. Raises ArgumentError, naming the argument, unless it is a whole number of at least 0."""
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if number < 0:
        raise ArgumentError(f"`{name}` is not a number of epochs", where="fit", expected="an integer >= 0",
                            got=repr(value))
    return number


def _check_shuffle(given: Any) -> None:
    if isinstance(given, str) and given != "batch":
        raise ArgumentError("`shuffle` is no way to shuffle", where="fit", expected='True, False or "batch"',
                            got=repr(given))


def _batches(model: Any, batch_size: int | None, steps: int | None) -> tuple[int | None, int | None]:
    """The size of a batch, or the number of steps, which each take all of the data; the other one is None."""
    if steps is None:
        return positive(32 if batch_size is None else batch_size, "batch_size", model.name), None
    if batch_size is not None:
        raise ArgumentError("If steps_per_epoch is set, the `batch_size` must be None", where=model.name,
                            got=batch_size)
    return None, positive(steps, "steps_per_epoch", model.name)


def _validation_steps(given: int | None, steps: int | None) -> int | None:
    if not given:
        return None
    if steps is None:
        raise ArgumentError("Can only use `validation_steps` when doing step-wise training, i.e. `steps_per_epoch` "
                            "must be set", where="fit")
    return positive(given, "validation_steps", "fit")


def _check_steps(steps: int | None, validation_steps: int | None, data: Split, held_out: Split | None) -> None:
    if validation_steps is not None and held_out is None and (data[0] or data[1]):
        raise ArgumentError("`validation_steps` without data to validate on", where="fit", got=validation_steps,
                            expected="validation_data or validation_split", fix="Only tensors of the model need none.")
    if held_out is not None and steps is not None and validation_steps is None:
        raise ArgumentError("Must specify `validation_steps` to perform validation when doing step-wise training",
                            where="fit")


# ---- validation


def _split(model: Any, data: Split, validation_data: Any, share: float, batch_size: int | None
           ) -> tuple[Split, Split | None]:
    """The data to train on, and those to validate on."""
    given = validation_parts(validation_data, "fit")
    if given is not None:
        x, y, weight = given
        return data, model._data(x, y, weight, None, batch_size)
    share = 0.0 if share is None else finite(share, "validation_split", "fit")
    if not share:
        return data, None
    refuse_symbolic([*data[0], *data[1]] or model.inputs, "fit, validation_split", "validation_data")
    count = int(data[0][0].shape[0])
    at = int(count * (1.0 - share)) if 0.0 < share < 1.0 else 0
    if not 0 < at < count:
        raise ArgumentError("`validation_split` leaves no samples on one side", where="fit",
                            expected="a share between 0 and 1", got=f"{share} of {count} samples")
    sides = [tuple(None if arrays is None else slice_arrays(arrays, *cut) for arrays in data)
             for cut in ((0, at), (at, None))]
    return sides[0], sides[1]  # type: ignore[return-value]


def validation_parts(given: Any, where: str) -> tuple[Any, Any, Any] | None:
    """x, y and the sample weights of validation data that are arrays; None where there are none (or False).

    Raises ArgumentError for anything but a tuple or list of 2 or 3.
    """
    several = isinstance(given, (list, tuple))
    if given is None or given is False or (several and not given):
        return None
    if not several or len(given) not in (2, 3):
        count = f", however it contains {len(given)} items" if several else ""
        raise ArgumentError("`validation_data` should be a tuple `(x_val, y_val)` or `(x_val, y_val, "
                            "val_sample_weights)`: it must contain 2 (x_val, y_val) or 3 (x_val, y_val, "
                            f"val_sample_weights) items{count}", where=where, got=f"{given!r:.200}",
                            fix="Generators and Sequences go to fit_generator." if where == "fit" else "")
    x, y, *weight = given
    return x, y, weight[0] if weight else None


def _validation(model: Any, held_out: Split | None, batch_size: int | None, steps: int | None
                ) -> Callable[[], list[float]] | None:
    """A function that gives the loss and metrics on the held-out data."""
    if held_out is None and steps is None:
        return None
    inputs, targets, weights = held_out or ([], [], None)
    if batch_size is None:
        function = model._function(TEST, weights is not None)
        arrays = [*inputs, *targets, *(weights or ())]
        return lambda: loops.evaluate_steps(model, function, arrays, int(steps or 1))
    function, rows = model._rows(TEST, inputs, targets, weights)
    return lambda: loops.evaluate_loop(model, function, rows, batch_size)


def as_keras(model: Any, data: Split) -> list[Any]:
    """Held-out data as callbacks know them: inputs, targets, sample weights, and 0 where the phase is an input."""
    inputs, targets, weights = data
    if weights is None:
        weights = [np.ones(one.shape[:len(w.shape)], w.dtype) for one, w in zip(targets, model._feed_sample_weights)]
    return [*inputs, *targets, *weights, *([0.0] if model._uses_dynamic_learning_phase() else [])]


# ---- callbacks


def make_callbacks(model: Any, given: Sequence[Any] | None, verbose: int, steps: int | None) -> CallbackList:
    """The user's callbacks among Keras's own, for one call of fit; `model.history` is a new History.

    Raises KeywordError (a TypeError) unless `given` is a list of such.
    """
    if given is not None and not isinstance(given, (list, tuple)):
        raise KeywordError("`callbacks` is a list of callbacks", where="fit", got=type(given).__name__,
                           fix="Put it into brackets.")
    for one in given or ():
        if isinstance(one, type) or not hasattr(one, "set_model"):
            raise KeywordError("`callbacks` holds what is no callback", where="fit", got=f"{one!r:.200}",
                               expected="instances of keras.callbacks.Callback",
                               fix=f"Make one of the class: {one.__name__}(...)." if isinstance(one, type) else "")
    model.history = History()
    found: list[Any] = [BaseLogger(stateful_metrics=model.stateful_metric_names)]
    if verbose:
        found.append(ProgbarLogger("samples" if steps is None else "steps",
                                   stateful_metrics=model.stateful_metric_names))
    callbacks = CallbackList([*found, *(given or ()), model.history])
    callbacks.set_model(model)
    return callbacks


def metric_labels(model: Any, validating: bool) -> list[str]:
    """The names of an epoch's results."""
    labels = list(model.metrics_names)
    return labels + [f"val_{label}" for label in labels] if validating else labels
