"""Tensors that nothing computes: placeholders, and state whose value lives in an array.

What does not live here: the variables that users make (variables.py).
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from graphc.frontend_keras.backend.tensor import Tensor
from graphc.ir.dims import Shape
from graphc.ir.graph import Value
from graphc.ir.types import DType, TensorType, dtype_of


class Placeholder(Tensor):
    """A tensor to be fed; one with a default need not be."""

    def __init__(self, shape: Shape, dtype: str | DType, name: str, default: float | bool | None = None):
        super().__init__(Value(TensorType(dtype_of(dtype), tuple(shape)), name))
        self.default = default


class State(Tensor):
    """A tensor whose value is an array that functions read and may replace.

    increment  not 0 where every function that reads the state also adds that much to it
    """

    increment = 0

    def __init__(self, shape: Shape, dtype: str | DType, name: str):
        super().__init__(Value(TensorType(dtype_of(dtype), tuple(shape)), name))

    @property
    @abstractmethod
    def array(self) -> np.ndarray:
        """The live value: C-contiguous, made at the first access, never reallocated."""
