"""Elementwise functions of K: arithmetic, comparisons, roots and powers, rounding, clipping.

What does not live here: activations (activations.py), the operators themselves (tensor.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.frontend_keras.backend import tensor
from graphc.frontend_keras.backend.config import floatx
from graphc.frontend_keras.backend.tensor import Tensor, apply_op, as_tensor, binary, full_like, power


def _float(x: Any) -> Tensor:
    """Numbers become tensors; integers and bools are cast to floatx, as no function of a real takes them."""
    x = as_tensor(x)
    return x if x.type.dtype.is_float else tensor.cast(x, floatx())


def cast(x: Any, dtype: str) -> Tensor:
    """`x` with element type `dtype`."""
    return tensor.cast(x, dtype)


def square(x: Tensor) -> Tensor:
    return apply_op("square", as_tensor(x))


def abs(x: Tensor) -> Tensor:
    return apply_op("absolute", as_tensor(x))


def sqrt(x: Tensor) -> Tensor:
    """The root of max(x, 0)."""
    x = _float(x)
    return apply_op("sqrt", apply_op("maximum", x, full_like(0, x)))


def exp(x: Tensor) -> Tensor:
    return apply_op("exp", _float(x))


def log(x: Tensor) -> Tensor:
    return apply_op("log", _float(x))


def round(x: Tensor) -> Tensor:
    """The nearest whole number; halves go to the even one."""
    x = as_tensor(x)
    return apply_op("rint", x) if x.type.dtype.is_float else x


def sign(x: Tensor) -> Tensor:
    return apply_op("sign", as_tensor(x))


def sin(x: Tensor) -> Tensor:
    return apply_op("sin", _float(x))


def cos(x: Tensor) -> Tensor:
    return apply_op("cos", _float(x))


def pow(x: Tensor, a: Any) -> Tensor:
    return power(as_tensor(x), a)


def clip(x: Tensor, min_value: Any, max_value: Any) -> Tensor:
    """min(max(x, min_value), max_value); None for max_value is no upper bound, one below min_value is min_value."""
    x = as_tensor(x)
    numbers = not isinstance(min_value, Tensor) and not isinstance(max_value, Tensor)
    if numbers and max_value is not None and np.ndim(max_value) == np.ndim(min_value) == 0:
        max_value = max_value if max_value >= min_value else min_value
    x = binary("maximum", x, min_value)
    return x if max_value is None else binary("minimum", x, max_value)


def equal(x: Any, y: Any) -> Tensor:
    return binary("equal", x, y)


def not_equal(x: Any, y: Any) -> Tensor:
    return binary("not_equal", x, y)


def greater(x: Any, y: Any) -> Tensor:
    return binary("greater", x, y)


def greater_equal(x: Any, y: Any) -> Tensor:
    return binary("greater_equal", x, y)


def less(x: Any, y: Any) -> Tensor:
    return binary("less", x, y)


def less_equal(x: Any, y: Any) -> Tensor:
    return binary("less_equal", x, y)


def maximum(x: Any, y: Any) -> Tensor:
    return binary("maximum", x, y)


def minimum(x: Any, y: Any) -> Tensor:
    return binary("minimum", x, y)
