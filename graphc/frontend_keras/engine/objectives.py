"""Losses and metrics of one output: weighting, masking, the mean, and what `accuracy` stands for.

What does not live here: the functions themselves (losses.py, metrics.py), the total (compile.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from graphc.errors import ArgumentError, warn
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import losses, metrics
from graphc.frontend_keras.engine.base_layer import Layer
from graphc.frontend_keras.utils.checks import KeywordError
from graphc.frontend_keras.utils.generic_utils import to_list

_ACCURACIES = ("accuracy", "acc")
_CROSSENTROPIES = ("crossentropy", "ce")


def weighted_mean(score: Any, weights: Any = None, mask: Any = None) -> Any:
    """The mean of a score over the batch and everything else.

    mask     steps that count; the mean is over them alone
    weights  of the samples (or of their steps): the sum of weighted scores is divided by the number of weights
             that are not 0
    """
    if mask is not None:
        kept = K.cast(mask, K.floatx())
        score = score * kept / K.mean(kept)
    if weights is not None:
        rest = list(range(K.ndim(weights), K.ndim(score)))
        score = (K.mean(score, axis=rest) if rest else score) * weights
        score = score / K.mean(K.cast(K.not_equal(weights, 0), K.floatx()))
    return K.mean(score)


def weighted_objective(fn: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """(y_true, y_pred, weights, mask) -> the weighted mean of fn(y_true, y_pred).

    Raises ArgumentError where `fn` gives anything but a tensor, KeywordError where it does not take two.
    """
    _check_takes_two(fn, "loss function")

    def weighted(y_true: Any, y_pred: Any, weights: Any = None, mask: Any = None) -> Any:
        score = fn(y_true, y_pred)
        if not K.is_tensor(score):
            raise ArgumentError(f"the loss function `{getattr(fn, '__name__', fn)}` gave no tensor",
                                expected="a tensor made of y_true and y_pred by functions of K", got=repr(score))
        return weighted_mean(score, weights, mask)

    return weighted


def _check_takes_two(fn: Callable[..., Any], what: str) -> None:
    try:
        parameters = inspect.signature(fn, follow_wrapped=False)
    except (TypeError, ValueError):  # a function of C: nobody knows
        return
    try:
        parameters.bind(None, None)
    except TypeError as error:
        raise KeywordError(f"the {what} `{getattr(fn, '__name__', fn)}` cannot be called with two tensors: {error}",
                           where="compile", expected="a function (y_true, y_pred)", got=str(parameters)) from error


def collect_metrics(given: Any, output_names: Sequence[str]) -> list[list[Any]]:
    """The metrics of each output: a list counts for all outputs, a dict by name, a list of lists by position.

    The name of no output is ignored with a warning. Raises KeywordError (a TypeError) for anything else.
    """
    if not given:
        return [[] for _ in output_names]
    if isinstance(given, Mapping):
        for name in given:
            if name not in output_names:
                warn(f"Unknown entry in metrics dictionary: \"{name}\". It is ignored; the outputs are "
                     f"{list(output_names)}")
        return [to_list(given.get(name, []), allow_tuple=True) for name in output_names]
    if isinstance(given, (list, tuple)):
        if len(given) == len(output_names) and all(isinstance(one, (list, tuple)) or one is None for one in given):
            return [list(one or []) for one in given]
        return [list(given) for _ in output_names]
    raise KeywordError("Type of `metrics` argument not understood. Expected a list or dictionary", got=repr(given))


class Metric:
    """One metric of one output.

    name  as in metrics_names, without the name of the output
    fn    (y_true, y_pred) -> values, a dict of them, or a layer that keeps state
    """

    def __init__(self, given: Any, output_shape: tuple[int | None, ...], loss: Any):
        self.name: str
        if given in _ACCURACIES:
            self.fn, self.name = _accuracy(output_shape, loss), "acc"
        elif given in _CROSSENTROPIES:
            self.fn, self.name = _crossentropy(output_shape, loss), "ce"
        else:
            self.fn = metrics.get(given)
            _check_takes_two(self.fn, "metric")
            self.name = str(getattr(self.fn, "name", None) or getattr(self.fn, "__name__", type(self.fn).__name__))
        self.stateful = isinstance(self.fn, Layer) and self.fn.stateful

    def results(self, y_true: Any, y_pred: Any, weights: Any, mask: Any) -> Iterator[tuple[str, Any]]:
        """Pairs of name and mean; a dict of values gives several."""
        prefix = "" if weights is None else "weighted_"
        with K.name_scope(prefix + self.name):
            found = self.fn(y_true, y_pred)
            several = found.items() if isinstance(found, Mapping) else [(self.name, found)]
            for name, score in several:
                yield prefix + str(name), weighted_mean(K.cast(score, K.floatx()), weights, mask)


def _accuracy(output_shape: tuple[int | None, ...], loss: Any) -> Any:
    if output_shape[-1] == 1 or loss is losses.binary_crossentropy:
        return metrics.binary_accuracy
    if loss is losses.sparse_categorical_crossentropy:
        return metrics.sparse_categorical_accuracy
    return metrics.categorical_accuracy


def _crossentropy(output_shape: tuple[int | None, ...], loss: Any) -> Any:
    if output_shape[-1] == 1 or loss is losses.binary_crossentropy:
        return metrics.binary_crossentropy
    if loss is losses.sparse_categorical_crossentropy:
        return metrics.sparse_categorical_crossentropy
    return metrics.categorical_crossentropy
