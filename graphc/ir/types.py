"""Element types and tensor types.

What does not live here: dimension arithmetic (dims.py), type rules of ops (the ops' files).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from graphc.errors import DTypeError
from graphc.ir.dims import Dim, Shape, size_of, symbols


@dataclass(frozen=True, slots=True)
class DType:
    """An element type: its name in graph text, its NumPy name, its size in bytes.

    kind is one of "bool", "int", "uint", "float".
    """

    name: str
    numpy_name: str
    kind: str
    itemsize: int

    @property
    def numpy(self) -> np.dtype:
        return np.dtype(self.numpy_name)

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("int", "uint")

    def __str__(self) -> str:
        return self.name

    __repr__ = __str__


BOOL = DType("bool", "bool", "bool", 1)
I8, I16, I32, I64 = (DType(f"i{8 * n}", f"int{8 * n}", "int", n) for n in (1, 2, 4, 8))
U8, U16, U32, U64 = (DType(f"u{8 * n}", f"uint{8 * n}", "uint", n) for n in (1, 2, 4, 8))
F32, F64 = (DType(f"f{8 * n}", f"float{8 * n}", "float", n) for n in (4, 8))
DTYPES = {d.name: d for d in (BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64)}
_NAME = re.compile(r"[<>=|]?[A-Za-z]\w{0,15}|[?]", re.ASCII)
_BY_NUMPY = {d.numpy_name: d for d in DTYPES.values()}


def dtype_of(name: DType | str | np.dtype | type) -> DType:
    """The DType for a graph name ("f32"), a NumPy name ("float32"), dtype or scalar type.

    Raises DTypeError for anything else; names come from files, and of those NumPy would parse some as Python.
    """
    if isinstance(name, DType):
        return name
    if isinstance(name, str) and name in DTYPES:
        return DTYPES[name]
    try:
        if not (_NAME.fullmatch(name) if isinstance(name, str) else isinstance(name, (np.dtype, type))):
            raise KeyError(name)
        return _BY_NUMPY[np.dtype(name).name]
    except (KeyError, TypeError, ValueError):
        raise DTypeError("no such element type", got=repr(name), expected=f"one of {', '.join(DTYPES)}") from None


@dataclass(frozen=True, slots=True)
class TensorType:
    """dtype and shape; dimensions are ints or symbolic (dims.py). `f32[B,784]` in text."""

    dtype: DType
    shape: Shape = ()

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Dim:
        """Number of elements."""
        return size_of(self.shape)

    @property
    def nbytes(self) -> Dim:
        return self.size * self.dtype.itemsize

    @property
    def symbols(self) -> set[str]:
        return symbols(*self.shape)

    def with_shape(self, shape: Shape) -> TensorType:
        return TensorType(self.dtype, tuple(shape))

    def with_dtype(self, dtype: DType | str) -> TensorType:
        return TensorType(dtype_of(dtype), self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"

    __repr__ = __str__
