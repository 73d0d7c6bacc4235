"""What is asked about tensors, and forgetting a session.

What does not live here: the answers' sources (tensor.py, leaves.py, variables.py).
"""

from __future__ import annotations

from math import prod
from typing import Any

from graphc.errors import ArgumentError
from graphc.frontend_keras.backend.leaves import Placeholder, State
from graphc.frontend_keras.backend.naming import reset_uids
from graphc.frontend_keras.backend.phase import reset_learning_phase
from graphc.frontend_keras.backend.random import reset_random_step
from graphc.frontend_keras.backend.symbols import restart_fresh_dims
from graphc.frontend_keras.backend.tensor import Tensor


def clear_session() -> None:
    """Names, the learning phase and the random step start anew; tensors that somebody holds go on working."""
    reset_uids()
    reset_learning_phase()
    reset_random_step()
    restart_fresh_dims()


def is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


def is_placeholder(x: Any) -> bool:
    return isinstance(x, Placeholder)


def is_variable(x: Any) -> bool:
    return isinstance(x, State)


def is_sparse(tensor: Any) -> bool:
    """False: there are no sparse tensors."""
    return False


def to_dense(tensor: Tensor) -> Tensor:
    return tensor


def is_keras_tensor(x: Any) -> bool:
    """Whether a layer made `x`. Raises ArgumentError (a ValueError) for what is no tensor."""
    if not is_tensor(x):
        raise ArgumentError(f"Unexpectedly found an instance of type `{type(x)}`. Expected a symbolic tensor instance")
    return hasattr(x, "_keras_history")


def int_shape(x: Tensor) -> tuple[int | None, ...]:
    """The shape with None for unknown sizes."""
    return x._keras_shape


def get_variable_shape(x: Tensor) -> tuple[int | None, ...]:
    return int_shape(x)


def count_params(x: Tensor) -> int:
    """The number of elements of a tensor of known shape."""
    return prod(d for d in int_shape(x) if d is not None)


def ndim(x: Tensor) -> int:
    return x.rank


def dtype(x: Tensor) -> str:
    return x.dtype
