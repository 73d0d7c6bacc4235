"""Attribute values as text, and constants' data to and from text.

    3  -1.5  inf  nan  true  none  "text"  f32  2*B+1  (1,2)  (0,)  f32[2](0.5,1.0)  f32[100]"<base64>"

What does not live here: graphs as attributes (printer.py), the grammar (parser.py).
"""

from __future__ import annotations

import base64
import binascii
import json
from math import isinf, prod
from typing import Any

import numpy as np

from graphc.errors import ParseError
from graphc.ir.dims import SymExpr
from graphc.ir.spec import Array
from graphc.ir.types import DType, dtype_of

MAX_ELEMENTS = 16  # of a constant that is printed number by number
MAX_RANK = 32

WORDS: dict[str, Any] = {"true": True, "false": False, "none": None, "inf": float("inf"), "nan": float("nan")}


def attribute_text(value: Any) -> str:
    """One attribute value. Raises TypeError for a kind that attributes cannot have."""
    if isinstance(value, tuple):
        return f"({','.join(map(attribute_text, value))}{',' * (len(value) == 1)})"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return float.__repr__(float(value))
    if isinstance(value, int | np.integer):
        return int.__repr__(int(value))
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, DType | SymExpr):
        return str(value)
    if isinstance(value, Array):
        return array_text(value.data)
    if value is None:
        return "none"
    raise TypeError(f"attributes cannot be of type {type(value).__name__}")


def array_text(data: np.ndarray) -> str:
    """A constant: number by number if it is small and that is exact, else its bytes in little-endian order."""
    dtype = dtype_of(data.dtype)
    head = f"{dtype}[{','.join(map(str, data.shape))}]"
    if data.size <= MAX_ELEMENTS:
        texts = [str(e) if dtype.is_float else attribute_text(e) for e in data.ravel()]
        exact = np.array([float(t) for t in texts], dtype.numpy) if dtype.is_float else data
        if _bits(exact) == _bits(data):
            return f"{head}({','.join(texts)})"
    return f'{head}"{base64.b64encode(_bits(data)).decode()}"'


def array_of_elements(dtype: DType, shape: tuple[int, ...], elements: list[Any]) -> Array:
    """The constant with these elements in row-major order. Raises ParseError where one does not fit."""
    if len(elements) != prod(shape):
        raise ParseError("a constant has the wrong number of elements", expected=prod(shape), got=len(elements))
    for element in elements:
        if not _fits(element, dtype):
            raise ParseError("an element does not fit the constant's type", expected=dtype, got=attribute_text(element))
    return Array(np.array(elements, dtype.numpy).reshape(shape))


def array_of_bytes(dtype: DType, shape: tuple[int, ...], text: str) -> Array:
    """The constant whose little-endian bytes are `text` in base64. Raises ParseError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ParseError("a constant's bytes are not base64") from None
    if len(data) != (size := prod(shape) * dtype.itemsize):
        raise ParseError("a constant has the wrong number of bytes", expected=size, got=len(data))
    array = np.frombuffer(data, dtype.numpy.newbyteorder("<")).astype(dtype.numpy).reshape(shape)
    if dtype.kind == "bool" and not np.isin(np.frombuffer(data, np.uint8), (0, 1)).all():
        raise ParseError("a constant of type bool has bytes other than 0 and 1")
    return Array(array)


def _bits(data: np.ndarray) -> bytes:
    return data.astype(data.dtype.newbyteorder("<")).tobytes()


def _fits(element: Any, dtype: DType) -> bool:
    if dtype.kind == "bool":
        return isinstance(element, bool)
    if isinstance(element, bool) or not isinstance(element, int | float):
        return False
    if dtype.is_float:
        return isinf(element) or not isinf(_rounded(float(element), dtype))
    limits = np.iinfo(dtype.numpy)
    return isinstance(element, int) and limits.min <= element <= limits.max


def _rounded(number: float, dtype: DType) -> float:
    with np.errstate(over="ignore"):
        return float(np.array(number).astype(dtype.numpy))
