"""The learning phase, and choices made while a program runs.

The phase is one placeholder that need not be fed: unfed it is 0 (test). A function that knows the phase enters
only one side of every choice that hangs on it.

What does not live here: how that side is found (lowering.py).
"""

from __future__ import annotations

from typing import Any

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras.backend.leaves import Placeholder
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.tensor import (
    Tensor,
    apply_op,
    as_tensor,
    broadcast_to,
    cast,
    common_shape,
    pair,
    reshape_to,
)

_phase: list[Any] = []


def learning_phase() -> Any:
    """The phase: a scalar bool placeholder (0 test, 1 train), or the number that set_learning_phase chose."""
    if not _phase:
        _phase.append(Placeholder((), "bool", "keras_learning_phase", default=False))
    return _phase[0]


def set_learning_phase(value: int) -> None:
    """Fix the phase of what is built from now on. Raises ArgumentError for other numbers than 0 and 1."""
    if value not in (0, 1):
        raise ArgumentError("Expected learning phase to be 0 or 1", got=value)
    _phase[:] = [int(value)]


def reset_learning_phase() -> None:
    """Make the phase an open question again (clear_session)."""
    _phase.clear()


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Tensor:
    """`x` in training, `alt` else; both may be functions without arguments.

    training  a phase of its own, number or tensor, instead of the global one
    """
    phase = learning_phase() if training is None else training
    if not isinstance(phase, Tensor):
        return _called(x if phase else alt)
    chosen = switch(phase, x, alt)
    if training is None:
        chosen._uses_learning_phase = True
    return chosen


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Tensor:
    """`x` outside training, `alt` in it."""
    return in_train_phase(alt, x, training)


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Tensor:
    """`then_expression` where the condition holds, else `else_expression`; both may be functions.

    A condition of fewer axes counts for all of the axes it lacks at the end. Raises ShapeError for one of more.
    """
    condition = cast(as_tensor(condition, None if isinstance(condition, Tensor) else "bool"), "bool")
    x, y = pair(_called(then_expression), _called(else_expression))
    if condition.rank > max(x.rank, y.rank):
        raise ShapeError("Rank of `condition` should be less than or equal to rank of `then_expression` and "
                         f"`else_expression`. ndim(condition)={condition.rank}, ndim(then_expression)={x.rank}",
                         where=current_origin())
    shape = common_shape(x, y)
    condition = reshape_to(condition, (*condition.dims, *(1,) * (len(shape) - condition.rank)))
    shape = common_shape(x, y, condition)
    x, y = broadcast_to(x, shape), broadcast_to(y, shape)
    return apply_op("select", broadcast_to(condition, shape), x, y)


def _called(x: Any) -> Any:
    return x() if callable(x) else x
