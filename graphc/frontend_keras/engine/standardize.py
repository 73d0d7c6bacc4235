"""Inputs and targets as users give them, checked and as lists of arrays in the model's order.

What does not live here: sample and class weights (sample_weights.py), the cut into batches (rows.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, DTypeError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import losses
from graphc.frontend_keras.engine.compile import expected_target_shape
from graphc.frontend_keras.engine.sparse_rows import SparseRows, is_sparse_matrix
from graphc.frontend_keras.utils.checks import did_you_mean
from graphc.frontend_keras.utils.data_utils import Sequence as BatchSequence

Shape = tuple[int | None, ...]

_SAME_SHAPE = (losses.mean_squared_error, losses.binary_crossentropy, losses.categorical_crossentropy)


def input_arrays(data: Any, names: Sequence[str], shapes: Sequence[Shape | None], what: str) -> list[Any]:
    """One array (or None) per name: from an array, a list by position or a dict by name.

    what  "input" or "target", for messages

    One-dimensional arrays become columns; lists of numbers and data frames become arrays.
    Raises ArgumentError (a ValueError) for missing, superfluous or unnamed data, ShapeError for wrong shapes.
    """
    arrays = _by_position(data, list(names), what)
    for name, shape, array in zip(names, shapes, arrays):
        if shape is not None and array is not None and not K.is_tensor(array):
            _check_shape(name, shape, tuple(array.shape), what)
    return arrays


def _by_position(data: Any, names: list[str], what: str) -> list[Any]:
    if not names:
        if data is not None and hasattr(data, "__len__") and len(data):
            raise ArgumentError(f"Error when checking model {what}: expected no data, but got: {data!r:.200}")
        return []
    if data is None:
        return [None] * len(names)
    if isinstance(data, Mapping):
        return [_as_array(_entry(data, name, names), name, what) for name in names]
    items = _items(data, len(names))
    if len(items) != len(names):
        _refuse_count(items, names, what)
    return [_as_array(one, name, what) for one, name in zip(items, names)]


def _entry(data: Mapping[str, Any], name: str, names: list[str]) -> Any:
    if name not in data:
        raise ArgumentError(f"No data provided for \"{name}\". Need data for each key in: {names}", got=list(data),
                            fix=did_you_mean(name, map(str, data)))
    return data[name]


def _items(data: Any, count: int) -> list[Any]:
    """What each input gets: a list of arrays by position; a list of numbers or of rows is one array."""
    if not isinstance(data, (list, tuple)):
        return [data]
    nested = bool(data) and all(isinstance(one, (list, tuple, int, float, np.number)) for one in data)
    if count == 1 and (not data or nested):
        return [data]
    return list(data)


def _refuse_count(items: list[Any], names: list[str], what: str) -> None:
    if items and hasattr(items[0], "shape"):
        shapes = ", ".join(str(getattr(one, "shape", type(one).__name__)) for one in items[:8])
        raise ArgumentError(f"Error when checking model {what}: the list of Numpy arrays that you are passing to your "
                            f"model is not the size the model expected. Expected to see {len(names)} array(s), but "
                            f"instead got the following list of {len(items)} arrays, of shapes: {shapes}",
                            expected=f"{len(names)} ({', '.join(names)})", got=len(items))
    raise ArgumentError(f"Error when checking model {what}: you are passing a list as input to your model, but the "
                        f"model expects a list of {len(names)} Numpy arrays instead. The list you passed was: "
                        f"{items!r:.200}", expected=", ".join(names))


def _as_array(value: Any, name: str, what: str) -> Any:
    """`value` as an array with at least two axes; what can be cut into rows itself (HDF5, sparse matrices,
    tensors) stays."""
    if value is None or K.is_tensor(value):
        return value
    if type(value).__name__ in ("DataFrame", "Series"):
        value = value.values
    if is_sparse_matrix(value):
        value = SparseRows(value)
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        value = _converted(value, name, what)
    if value.dtype == object:
        value = _numbers(value, name, what)
    if getattr(value.dtype, "kind", "f") not in "biuf":
        raise DTypeError(f"Error when checking {what}: {name} holds no numbers", expected="numbers",
                         got=f"an array of {value.dtype}")
    if len(value.shape) == 0:
        raise ShapeError(f"Error when checking {what}: expected {name} to have a batch axis, but got a single number")
    return np.expand_dims(value, 1) if len(value.shape) == 1 else value


def _numbers(value: Any, name: str, what: str) -> np.ndarray:
    """An array of Python objects, as data frames of mixed columns give, as an array of numbers."""
    try:
        return np.asarray(value, K.floatx())
    except (TypeError, ValueError) as error:
        raise DTypeError(f"Error when checking {what}: {name} holds no numbers", expected="numbers",
                         got=f"an array of objects, {error!s:.200}",
                         fix="Rows of different lengths? Pad them." if np.ndim(value) else "") from error


def _converted(value: Any, name: str, what: str) -> np.ndarray:
    if isinstance(value, (Iterator, BatchSequence)):
        raise DTypeError(f"Error when checking {what}: {name} is no array", expected="an array",
                         got=type(value).__name__,
                         fix="Generators and Sequences go to fit_generator, evaluate_generator and predict_generator.")
    if isinstance(value, Sized) and not len(value):
        raise ShapeError(f"Error when checking {what}: {name} has no samples", got=repr(value))
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ShapeError(f"Error when checking {what}: {name} cannot be made an array: {error!s:.200}",
                         got=type(value).__name__, fix="Rows of different lengths? Pad them.") from error


def _check_shape(name: str, wanted: Shape, got: Shape, what: str) -> None:
    if len(got) != len(wanted):
        raise ShapeError(f"Error when checking {what}: expected {name} to have {len(wanted)} dimensions, but got array "
                         f"with shape {got}")
    if any(size not in (None, other) for size, other in zip(wanted[1:], got[1:])):
        raise ShapeError(f"Error when checking {what}: expected {name} to have shape {wanted[1:]} but got array with "
                         f"shape {got[1:]}")


def target_arrays(model: Any, data: Any) -> list[Any]:
    """One array per output that has a loss. Raises as `input_arrays` does."""
    names, loss_fns = model._feed_output_names, model._feed_loss_fns
    arrays = _by_position(_without_unfed(model, data), list(names), "target")
    wanted = [expected_target_shape(shape, loss) for shape, loss in zip(model._feed_output_shapes, loss_fns)]
    for name, shape, loss, array in zip(names, wanted, loss_fns, arrays):
        if array is None:
            raise ArgumentError(f"No data provided for \"{name}\"", where=model.name, expected="targets",
                                got="None")
        if not K.is_tensor(array):
            _check_target(name, shape, loss, tuple(array.shape))
    return arrays


def _without_unfed(model: Any, data: Any) -> Any:
    """A list with one entry for each output, None where an output has no loss, without those entries."""
    if isinstance(data, (list, tuple)) and len(data) == len(model.outputs) != len(model._feed_output_names):
        return [one for one, loss in zip(data, model.loss_functions) if loss is not None]
    return data


def _check_target(name: str, shape: Shape | None, loss: Any, got: Shape) -> None:
    if shape is None:
        return
    try:
        _check_shape(name, shape, got, "target")
    except ShapeError as error:
        if loss is losses.categorical_crossentropy and got[-1] == 1:
            raise _class_numbers(error, got) from None
        raise
    if loss is losses.categorical_crossentropy and got[-1] == 1:
        raise _class_numbers(None, got)
    if loss in _SAME_SHAPE and any(size not in (None, other) for size, other in zip(shape[1:], got[1:])):
        raise ShapeError(f"A target array with shape {got} was passed for an output of shape {shape} while using as "
                         f"loss `{loss.__name__}`. This loss expects targets to have the same shape as the output")


def _class_numbers(error: ShapeError | None, got: Shape) -> ShapeError:
    told = f"{error.what}. " if error else ""
    return ShapeError(
        f"{told}You are passing a target array of shape {got} while using as loss `categorical_crossentropy`. "
        "`categorical_crossentropy` expects targets to be binary matrices (1s and 0s) of shape (samples, classes)",
        fix="If your targets are integer classes, convert them with `keras.utils.to_categorical(y)`, or use the loss "
            "`sparse_categorical_crossentropy`, which expects integer targets.")


def check_lengths(inputs: Sequence[Any], targets: Sequence[Any], weights: Sequence[Any]) -> None:
    """Raises ArgumentError where the numbers of samples differ."""
    x, y, w = (_lengths(arrays) for arrays in (inputs, targets, weights))
    for lengths, title, arrays in ((x, "input arrays (x)", inputs), (y, "target arrays (y)", targets),
                                   (w, "sample_weight arrays", weights)):
        if len(lengths) > 1:
            raise ArgumentError(f"All {title} should have the same number of samples. Got array shapes: "
                                f"{[tuple(one.shape) for one in arrays if one is not None]}")
    if x and y and x != y:
        raise ArgumentError("Input arrays should have the same number of samples as target arrays. Found "
                            f"{min(x)} input samples and {min(y)} target samples")
    if y and w and y != w:
        raise ArgumentError("Sample_weight arrays should have the same number of samples as target arrays. Got "
                            f"{min(y)} input samples and {min(w)} target samples")


def _lengths(arrays: Sequence[Any]) -> set[int]:
    return {int(one.shape[0]) for one in arrays if one is not None and not K.is_tensor(one)}
