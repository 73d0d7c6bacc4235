"""Variables, constants, placeholders, their values and their updates.

A variable holds how its first value is made; the array exists from the first access on, and is then always the
same one, updated in place, because compiled programs hold its address.

What does not live here: random initial values (random.py), compiled functions (function.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import setitem
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, DTypeError, ShapeError
from graphc.frontend_keras.backend.config import floatx
from graphc.frontend_keras.backend.evaluation import values_of
from graphc.frontend_keras.backend.leaves import Placeholder, State
from graphc.frontend_keras.backend.lowering import walk
from graphc.frontend_keras.backend.naming import unique_name
from graphc.frontend_keras.backend.sizes import dims_of
from graphc.frontend_keras.backend.symbols import dims_of_static
from graphc.frontend_keras.backend.tensor import Alias, Tensor, as_tensor, assume, cast, full, full_like, meet
from graphc.ir.types import dtype_of
from graphc.runtime.buffers import copy_aligned
from graphc.runtime.guards import lock_for_forks
from graphc.runtime.residence import Home
from graphc.runtime.scales import Scale
from graphc.runtime.writes import WRITES, together

_one_each = lock_for_forks()  # no variable gets two arrays or two scales


@dataclass(frozen=True)
class Later:
    """A first value that takes long to make, and that nobody may ever ask for."""

    shape: tuple[int, ...]
    make: Callable[[], np.ndarray]


class Variable(State):
    """State with a first value, a name and perhaps a constraint.

    initializer  what the first value is made of: an array, or a tensor or Later evaluated at the first access
    constraint   a function of the variable that training applies after each update, or None
    """

    reports_writes = True

    def __init__(self, initializer: np.ndarray | Tensor | Later, dtype: str, name: str, constraint: Any = None):
        super().__init__(_initial_shape(initializer), dtype, name)
        self.initializer, self.constraint = initializer, constraint
        self._array: np.ndarray | None = None
        self._scale: Scale | None = None
        self.home: Home | None = None  # set by a device that keeps the value

    @property
    def array(self) -> np.ndarray:
        if self.home is not None and self._array is not None:
            self.home.to_host(self._array)
        if self._scale is not None and self._array is not None:
            self._scale.settle(self._array)
        if self._array is None:
            first = self.initializer
            if isinstance(first, Later):
                first = first.make()
            elif isinstance(first, Tensor):
                first = values_of([first])[0]
            return self._first(np.asarray(first, self.dtype).reshape(_initial_shape(self.initializer)))
        return self._array

    def _first(self, value: np.ndarray) -> np.ndarray:
        """The array that holds the value from now on, unless another thread has made it meanwhile."""
        made = copy_aligned(value)
        with _one_each:
            if self._array is None:
                self._array = made
            return self._array

    @property
    def has_array(self) -> bool:
        """Whether the first value has been made, or another one given in its place."""
        return self._array is not None

    def to_begin(self, value: np.ndarray) -> partial[None]:
        """The write of runtime.writes.together that makes this the first value; the caller holds the lock."""
        if self._array is not None:  # another thread's call came first
            return partial(setitem, self._array, ..., value)
        return partial(setattr, self, "_array", copy_aligned(value))

    @property
    def has_scale(self) -> bool:
        """Whether a program keeps the value as the array times a scale."""
        return self._scale is not None

    @property
    def scale(self) -> Scale:
        """The scale of runtime/scales.py; reading `array` multiplies it in."""
        with _one_each:
            if self._scale is None:
                self._scale = Scale(self.dtype)
            return self._scale

    def parts(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The live array and its scale as they are: reading `array` would round their product."""
        if self._scale is None or self._array is None:
            return self.array, None
        if self.home is not None:
            self.home.to_host(self._array)
        return self._array, self._scale.array

    def to_set_parts(self, table: np.ndarray, scale: np.ndarray | None) -> list[tuple[np.ndarray, Any]]:
        """The pairs for runtime.writes.store that make `parts` these again."""
        held, own = self.parts()
        if scale is not None:
            own = self.scale.array
        return [(held, table)] + ([] if own is None else [(own, 1 if scale is None else scale)])

    def fitting(self, value: Any) -> np.ndarray:
        """`value` in the variable's element type. Raises ShapeError for another shape."""
        found = np.asarray(value, dtype=self.dtype)
        if found.shape != tuple(self.shape):
            raise ShapeError("a variable keeps its shape", where=self.name, expected=tuple(self.shape),
                             got=found.shape)
        return found

    def assign(self, value: Any) -> None:
        """Replace the value in place. Raises ShapeError for another shape."""
        found = self.fitting(value)
        kept = self._first(found) if self._array is None else self.array
        try:
            kept[...] = found
        finally:
            WRITES.changed()


class Update(Alias):
    """The new value of a variable, which functions that have it among their updates store.

    assignments  pairs of a variable and its new value
    again        the new value where an update before it in a function has made the old one; None for an update that
                 does not build on the old value
    """

    def __init__(self, variable: State, new_value: Tensor):
        super().__init__(new_value)
        self.assignments = ((variable, new_value),)
        self.again: Callable[[Tensor], Tensor] | None = None


def _initial_shape(initializer: np.ndarray | Tensor | Later) -> tuple[int, ...]:
    if not isinstance(initializer, Tensor):
        return initializer.shape
    if not all(isinstance(d, int) for d in initializer.dims):
        raise ShapeError("a variable needs a known shape", got=tuple(initializer.shape))
    return tuple(int(d) for d in initializer.dims if isinstance(d, int))


def variable(value: Any, dtype: str | None = None, name: str | None = None, constraint: Any = None) -> Variable:
    """A variable of `value`'s shape: an array, a number, or a tensor that depends on no placeholder.

    The value of a tensor is computed when it is first needed, unless it depends on variables.
    """
    kind = dtype_of(dtype or floatx()).numpy_name
    if isinstance(value, Tensor):
        if any(isinstance(t, Variable) for t in walk([value])):
            value = values_of([value])[0]
        else:
            value = cast(value, kind)
    elif not isinstance(value, Later):
        value = np.array(as_dense(value), dtype=kind, order="C")
    return Variable(value, kind, unique_name(name or "Variable"), constraint)


def as_dense(value: Any) -> Any:
    """Sparse matrices (anything with `toarray`) as arrays; everything else as it is."""
    return value.toarray() if hasattr(value, "toarray") else value


def constant(value: Any, dtype: str | None = None, shape: Any = None, name: str | None = None) -> Tensor:
    """A constant of `dtype` (default floatx); a single number fills `shape`."""
    kind = dtype_of(dtype or floatx())
    array = np.asarray(value)
    if shape is None:
        return as_tensor(array.astype(kind.numpy), kind)
    dims = dims_of(shape)
    if array.size == 1:
        return full(array.reshape(()).item(), dims, kind)
    if not all(isinstance(d, int) for d in dims):
        raise ShapeError("a constant of several numbers needs a known shape", got=shape)
    return as_tensor(array.astype(kind.numpy).reshape([int(str(d)) for d in dims]), kind)


def placeholder(shape: Sequence[int | None] | None = None, ndim: int | None = None, dtype: str | None = None,
                sparse: bool = False, name: str | None = None) -> Placeholder:
    """A tensor to be fed. Unknown sizes are None: axis 0 is the batch, others may be anything.

    Raises ArgumentError where neither shape nor ndim is given, or for sparse placeholders.
    """
    if sparse:
        raise ArgumentError("sparse placeholders are not supported", where=name or "placeholder",
                            fix="Feed a dense array: matrix.toarray().")
    if shape is None:
        if ndim is None:
            raise ArgumentError("placeholder needs `shape` or `ndim`", where=name or "placeholder")
        shape = (None,) * ndim
    return Placeholder(dims_of_static(shape), dtype or floatx(), unique_name(name or "Placeholder"))


def zeros(shape: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """A variable of zeros; a plain tensor where the shape is not known yet."""
    return _filled(0, shape, dtype, name)


def ones(shape: Any, dtype: str | None = None, name: str | None = None) -> Tensor:
    """A variable of ones; a plain tensor where the shape is not known yet."""
    return _filled(1, shape, dtype, name)


def _filled(value: float, shape: Any, dtype: str | None, name: str | None) -> Tensor:
    filled = full(value, dims_of(shape), dtype or floatx())
    known = all(isinstance(d, int) for d in filled.dims)
    return variable(filled, dtype, name) if known else filled


def eye(size: int, dtype: str | None = None, name: str | None = None) -> Variable:
    """A variable with the identity matrix of `size` rows."""
    return variable(np.eye(size), dtype, name)


def zeros_like(x: Tensor, dtype: str | None = None, name: str | None = None) -> Tensor:
    return full_like(0, x) if dtype is None else full(0, x.dims, dtype)


def ones_like(x: Tensor, dtype: str | None = None, name: str | None = None) -> Tensor:
    return full_like(1, x) if dtype is None else full(1, x.dims, dtype)


def identity(x: Tensor, name: str | None = None) -> Tensor:
    """The same value as another tensor."""
    return Alias(x)


def print_tensor(x: Tensor, message: str = "") -> Tensor:
    """`x`; each call of a function that computes it prints `message` and the value to stderr.

    Steps that run natively one after the other (Function.run_steps) print nothing.
    """
    return Alias(x, message=message)


def update(x: State, new_x: Any) -> Update:
    """The variable `x` shall become `new_x`, of the same shape and type."""
    new = as_tensor(new_x, x.dtype)
    if new.type.dtype != x.type.dtype:
        raise DTypeError("a variable keeps its element type", where=x.name, expected=x.dtype, got=new.dtype,
                         fix="Cast the new value with K.cast.")
    if not isinstance(new_x, Tensor) and not new.rank:
        return Update(x, full_like(new_x, x))
    if new.rank != x.rank:
        raise ShapeError("a variable keeps its shape", where=x.name, expected=tuple(x.shape), got=tuple(new.shape))
    shape = tuple(meet(a, b, "a variable keeps its shape:", x, new) for a, b in zip(x.dims, new.dims, strict=True))
    return Update(x, assume(new, shape))


def update_add(x: Variable, increment: Any) -> Update:
    """x becomes x + increment. Several of these in one function add up."""
    return _repeatable(x, lambda old: old + increment)


def update_sub(x: Variable, decrement: Any) -> Update:
    """x becomes x - decrement. Several of these in one function add up."""
    return _repeatable(x, lambda old: old - decrement)


def moving_average_update(x: Variable, value: Tensor, momentum: float) -> Update:
    """x becomes x - (x - value) * (1 - momentum); not zero-debiased, like Keras 2.3 and the Theano backend.

    Several of these in one function follow each other, as where one layer is called on several inputs.
    """
    return _repeatable(x, lambda old: old - (old - value) * (1.0 - momentum))


def _repeatable(x: Variable, step: Callable[[Tensor], Tensor]) -> Update:
    made = update(x, step(x))
    made.again = step
    return made


def get_value(x: State | Tensor) -> Any:
    """A copy of the variable's value, or the value of a tensor that needs no feeding; a NumPy scalar for rank 0."""
    return np.array(x.array)[()] if isinstance(x, State) else eval(x)


def set_value(x: Variable, value: Any) -> None:
    """Replace the variable's value. Raises ShapeError for another shape."""
    x.assign(value)


def batch_get_value(ops: Sequence[Variable]) -> list[Any]:
    return [get_value(x) for x in ops]


def batch_set_value(tuples: Sequence[tuple[Variable, Any]]) -> None:
    """Replace the values of variables, of all or, after an exception, of none. Raises ShapeError for another shape."""
    pairs = [(x, x.fitting(value)) for x, value in tuples]
    there = [(x.array, value) for x, value in pairs if x.has_array]
    new = [(x, value) for x, value in pairs if not x.has_array]
    with _one_each:
        together([*(partial(setitem, array, ..., value) for array, value in there), *(x.to_begin(v) for x, v in new)])


def eval(x: Tensor) -> Any:
    """The value of a tensor that depends on no placeholder; random tensors draw anew each time."""
    if isinstance(x, State):
        return np.array(x.array)[()]
    x.evaluations += 1
    return np.array(values_of([x], x.evaluations - 1)[0])[()]
