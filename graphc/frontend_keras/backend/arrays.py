"""Arrays and numbers where functions of K take tensors.

A function says by its annotations which of its arguments are tensors. What is given there in another form becomes a
constant: whole numbers and bools of an array stay what they are, floats become floatx, or the element type of the first
tensor among the arguments if that is a float. Sparse matrices of SciPy become dense.

What does not live here: what numbers next to a tensor become in arithmetic (tensor.py).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from graphc.frontend_keras.backend.config import floatx
from graphc.frontend_keras.backend.tensor import Tensor, as_tensor
from graphc.frontend_keras.backend.variables import as_dense

_HERE = __name__.rpartition(".")[0]
_NUMBERS = (np.ndarray, np.generic, int, float, list, tuple)
_MARKS = ("Tensor", "Tensor | None")


def accept_arrays(names: dict[str, Any]) -> None:
    """Replace each function in a table of K's names by one that also takes arrays for its tensors."""
    for name, value in names.items():
        if isinstance(value, FunctionType) and value.__module__.startswith(f"{_HERE}."):
            places = [i for i, p in enumerate(inspect.signature(value).parameters.values()) if p.annotation in _MARKS]
            if places:
                names[name] = _accepting(value, places)


def _accepting(function: Callable[..., Any], places: list[int]) -> Callable[..., Any]:
    parameters = list(inspect.signature(function).parameters)
    keywords = {parameters[i] for i in places}

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        given = [args[i] for i in places if i < len(args)] + [v for k, v in kwargs.items() if k in keywords]
        if all(v is None or isinstance(v, Tensor) for v in given):
            return function(*args, **kwargs)
        dtype = next((v.dtype for v in given if isinstance(v, Tensor) and v.type.dtype.is_float), floatx())
        changed = list(args)
        for i in places:
            if i < len(args):
                changed[i] = _tensor(args[i], dtype)
        return function(*changed, **{k: _tensor(v, dtype) if k in keywords else v for k, v in kwargs.items()})

    wrapper.__module__ = _HERE
    return wrapper


def _tensor(value: Any, dtype: str) -> Any:
    if not isinstance(value, _NUMBERS) and not hasattr(value, "toarray"):
        return value  # a tensor, None, or what behaves like a tensor where a function asks for its shape
    if isinstance(value, (list, tuple)) and any(isinstance(item, Tensor) for item in value):
        return as_tensor(value)
    array = np.asarray(as_dense(value))
    if array.ndim and array.dtype.kind in "biu":
        kept = isinstance(value, np.ndarray) and array.dtype in (bool, np.int32, np.int64)
        return as_tensor(array, str(array.dtype) if kept or array.dtype == bool else "int32")
    return as_tensor(array, dtype)
