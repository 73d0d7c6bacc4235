"""Symbolic tensors: thin handles on IR values, made by running one op's type rule at once.

A tensor knows the op that made it and the tensors that op read; there is no global graph, and a tensor nobody
holds is gone. Operators broadcast as NumPy does, by explicit broadcast ops. Equality is identity.

What does not live here: variables and placeholders (variables.py), indexing (indexing.py), the named
functions of K (elementwise.py and its neighbours), making graphs of tensors (lowering.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.frontend_keras.backend.config import floatx
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.symbols import Equation, static_shape, unify
from graphc.ir.builder import make_op
from graphc.ir.dims import Dim, Shape
from graphc.ir.graph import Op, Value
from graphc.ir.spec import Array, op_spec
from graphc.ir.types import BOOL, DType, TensorType, dtype_of


class StaticShape(tuple[int | None, ...]):
    """A shape with None for unknown sizes, readable in the ways scripts do."""

    def as_list(self) -> list[int | None]:
        return list(self)

    @property
    def ndims(self) -> int:
        return len(self)


class Tensor:
    """A symbolic tensor.

    value     its type, and its identity inside graphs
    op        the op that makes it; None for placeholders, variables and aliases
    operands  the tensors that op reads; an alias has the one it stands for

    Layers note what they know as `_keras_history`, `_keras_shape` and `_uses_learning_phase`.
    """

    __array_ufunc__ = None
    _uses_learning_phase = False
    _shape_set: tuple[int | None, ...] | None = None
    evaluations = 0
    __getitem__: ClassVar[Callable[[Tensor, Any], Tensor]]

    def __init__(self, value: Value, op: Op | None = None, operands: tuple[Tensor, ...] = ()):
        self.value, self.op, self.operands = value, op, operands

    @property
    def type(self) -> TensorType:
        return self.value.type

    @property
    def dims(self) -> Shape:
        """The shape in dimensions: unknown sizes are symbols."""
        return self.value.type.shape

    @property
    def rank(self) -> int:
        return len(self.value.type.shape)

    @property
    def shape(self) -> StaticShape:
        return StaticShape(static_shape(self.dims))

    def get_shape(self) -> StaticShape:
        return self.shape

    @property
    def _keras_shape(self) -> tuple[int | None, ...]:
        return static_shape(self.dims) if self._shape_set is None else self._shape_set

    @_keras_shape.setter
    def _keras_shape(self, shape: Sequence[int | None]) -> None:
        self._shape_set = tuple(shape)

    @property
    def dtype(self) -> str:
        return self.value.type.dtype.numpy_name

    @property
    def name(self) -> str:
        if self.op is None:
            return f"{self.value.hint or 'tensor'}:0"
        return f"{self.op.origin}/{self.op.name}:0" if self.op.origin else f"{self.op.name}:0"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} shape={tuple(self.shape)} dtype={self.dtype}>"

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        raise DTypeError("a symbolic tensor has no numbers yet", where=current_origin(), got=repr(self),
                         fix="Use the function of K in place of NumPy's, or K.eval for the numbers.")

    def __bool__(self) -> bool:
        raise TypeError(f"{self!r} has no value yet, so it is neither true nor false; "
                        "use K.switch, or compare with `is`")

    def __iter__(self) -> Iterator[Tensor]:
        if not self.rank or not isinstance(self.dims[0], int):
            raise TypeError(f"{self!r} cannot be iterated: its first axis has no known size")
        return (self[i] for i in range(self.dims[0]))

    def __add__(self, other: Any) -> Tensor:
        return binary("add", self, other)

    def __radd__(self, other: Any) -> Tensor:
        return binary("add", other, self)

    def __sub__(self, other: Any) -> Tensor:
        return binary("subtract", self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return binary("subtract", other, self)

    def __mul__(self, other: Any) -> Tensor:
        return binary("multiply", self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return binary("multiply", other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return divide(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return binary("floor_divide", self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return binary("floor_divide", other, self)

    def __mod__(self, other: Any) -> Tensor:
        return binary("remainder", self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return binary("remainder", other, self)

    def __pow__(self, other: Any) -> Tensor:
        return power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return matmul(self, as_tensor(other, self.dtype))

    def __neg__(self) -> Tensor:
        return apply_op("negative", self)

    def __abs__(self) -> Tensor:
        return apply_op("absolute", self)

    def __invert__(self) -> Tensor:
        return apply_op("logical_not", self)

    def __and__(self, other: Any) -> Tensor:
        return binary("logical_and", self, other)

    def __or__(self, other: Any) -> Tensor:
        return binary("logical_or", self, other)

    def __lt__(self, other: Any) -> Tensor:
        return binary("less", self, other)

    def __le__(self, other: Any) -> Tensor:
        return binary("less_equal", self, other)

    def __gt__(self, other: Any) -> Tensor:
        return binary("greater", self, other)

    def __ge__(self, other: Any) -> Tensor:
        return binary("greater_equal", self, other)


class Alias(Tensor):
    """Another tensor under a new identity, perhaps with sizes it is assumed to have.

    equations  sizes that a graph holding this alias takes for equal
    message    not None where the value is to be printed when it is computed
    """

    def __init__(self, of: Tensor, shape: Shape | None = None, equations: tuple[Equation, ...] = (),
                 message: str | None = None):
        super().__init__(Value(of.type if shape is None else of.type.with_shape(shape), of.value.hint), None, (of,))
        self.equations, self.message = equations, message


def apply_op(name: str, *operands: Tensor, **attrs: Any) -> Tensor:
    """The only result of one new op; operands must already fit its type rule."""
    op = make_op(op_spec(name), tuple(t.value for t in operands), attrs, origin=current_origin())
    return Tensor(op.result, op, operands)


def as_tensor(x: Any, dtype: str | DType | None = None) -> Tensor:
    """`x` as a tensor: a tensor stays as it is, numbers and arrays become constants of `dtype` (default floatx).

    A list with tensors in it is stacked along a new axis 0.
    """
    if isinstance(x, Tensor):
        return x
    if isinstance(x, (list, tuple)) and any(isinstance(item, Tensor) for item in x):
        return _stacked(alike(x))
    wanted = dtype_of(dtype or floatx())
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise DTypeError("cannot be read as numbers", where=current_origin(), expected=wanted, got=type(x).__name__)
    if wanted.is_integer and array.dtype.kind == "f" and np.any(array != np.floor(array)):
        raise DTypeError(f"Expected {wanted.numpy_name}, got a float", where=current_origin(), got=x,
                         fix="Cast the tensor with K.cast first.")
    if array.ndim == 0:
        return full(array.item(), (), wanted)
    return apply_op("constant", value=Array(np.array(array, dtype=wanted.numpy, order="C")))


def alike(items: Sequence[Any]) -> list[Tensor]:
    """The items as tensors; numbers and arrays take the element type of the first tensor among them."""
    dtype = next((t.dtype for t in items if isinstance(t, Tensor)), None)
    return [as_tensor(t, dtype) for t in items]


def _stacked(items: list[Tensor]) -> Tensor:
    rows = [reshape_to(t, (1, *t.dims)) for t in broadcast_together(*items)]
    return rows[0] if len(rows) == 1 else apply_op("concatenate", *rows, axis=0)


def full(value: Any, shape: Shape, dtype: str | DType) -> Tensor:
    """A tensor that holds `value` everywhere."""
    wanted = dtype_of(dtype)
    number = bool(value) if wanted is BOOL else float(value) if wanted.is_float else int(value)
    return apply_op("full", value=number, shape=tuple(shape), dtype=wanted)


def full_like(value: Any, x: Tensor) -> Tensor:
    return full(value, x.dims, x.type.dtype)


def cast(x: Any, dtype: str | DType) -> Tensor:
    """`x` with another element type; numbers become zero or one as bools do, floats are cut towards zero."""
    x, wanted = as_tensor(x), dtype_of(dtype)
    return x if x.type.dtype == wanted else apply_op("cast", x, dtype=wanted)


def reshape_to(x: Tensor, shape: Shape) -> Tensor:
    return x if x.dims == tuple(shape) else apply_op("reshape", x, shape=tuple(shape))


def matmul(x: Tensor, y: Tensor) -> Tensor:
    """Products over the last axis of `x` and the second last of `y`; leading axes are equal."""
    if x.rank < 2 or x.rank != y.rank:
        raise ShapeError("matmul needs operands of one rank, at least 2", where=current_origin(),
                         got=f"{tuple(x.shape)} and {tuple(y.shape)}")
    a, b = list(x.dims), list(y.dims)
    for i, j in [(k, k) for k in range(x.rank - 2)] + [(x.rank - 1, x.rank - 2)]:
        a[i] = b[j] = meet(a[i], b[j], "Shapes do not fit a product", x, y)
    return apply_op("matmul", assume(x, tuple(a)), assume(y, tuple(b)))


def assume(x: Tensor, shape: Shape) -> Tensor:
    """`x` with sizes replaced by ones they are taken to equal."""
    if x.dims == tuple(shape):
        return x
    return Alias(x, tuple(shape), tuple((a, b) for a, b in zip(x.dims, shape, strict=True) if a != b))


def binary(name: str, x: Any, y: Any) -> Tensor:
    """An elementwise op of two operands, numbers and arrays among them, after broadcasting."""
    x, y = pair(x, y)
    return apply_op(name, *broadcast_together(x, y))


def divide(x: Any, y: Any) -> Tensor:
    """The true quotient; integers and bools are cast to floatx first."""
    x, y = pair(x, y)
    if not x.type.dtype.is_float:
        x, y = cast(x, floatx()), cast(y, floatx())
    return apply_op("divide", *broadcast_together(x, y))


def power(x: Any, y: Any) -> Tensor:
    """x to the power y, elementwise; a square is one."""
    if isinstance(x, Tensor) and isinstance(y, (int, float)) and y == 2:
        return apply_op("square", x)
    return binary("power", x, y)


def pair(x: Any, y: Any) -> tuple[Tensor, Tensor]:
    """Two operands of one element type: numbers and arrays take the tensor's.

    Raises DTypeError for two tensors that differ.
    """
    if isinstance(x, Tensor):
        y = as_tensor(y, x.type.dtype)
    else:
        y = as_tensor(y)
        x = as_tensor(x, y.type.dtype)
    if x.type.dtype != y.type.dtype:
        raise DTypeError("operands have different element types", where=current_origin(),
                         got=f"{x.dtype} {tuple(x.shape)} and {y.dtype} {tuple(y.shape)}",
                         fix="Cast one of them with K.cast.")
    return x, y


def broadcast_together(*tensors: Tensor) -> list[Tensor]:
    """All tensors in their common shape, by NumPy's rule.

    Raises ShapeError, naming all shapes, where they have none.
    """
    shape = tensors[0].dims
    if all(t.dims == shape for t in tensors):
        return list(tensors)
    shape = common_shape(*tensors)
    return [broadcast_to(t, shape) for t in tensors]


def common_shape(*tensors: Tensor) -> Shape:
    """NumPy's common shape; unknown sizes that meet known ones are taken to equal them."""
    rank = max(t.rank for t in tensors)
    shape: list[Dim] = [1] * rank
    for t in tensors:
        for axis, dim in enumerate(t.dims, start=rank - t.rank):
            if shape[axis] == 1:
                shape[axis] = dim
            elif dim != 1:
                shape[axis] = meet(shape[axis], dim, "Operands could not be broadcast together with shapes", *tensors)
    return tuple(shape)


def broadcast_to(x: Tensor, shape: Shape) -> Tensor:
    """`x` broadcast to `shape`, which its own shape must fit from the right."""
    shape = tuple(shape)
    if x.dims == shape:
        return x
    lead = len(shape) - x.rank
    x = assume(x, tuple(d if d == 1 else s for d, s in zip(x.dims, shape[lead:], strict=True)))
    if x.dims == shape:
        return x
    if x.op is not None and x.op.name == "full":
        return full(x.op.attr("value"), shape, x.type.dtype)
    return apply_op("broadcast", x, axes=tuple(range(lead, len(shape))), shape=shape)


def meet(a: Dim, b: Dim, what: str, *tensors: Tensor) -> Dim:
    """The size that two axes share. Raises ShapeError, `what` and the tensors' shapes, where they cannot."""
    found = unify(a, b)
    if found is None:
        raise ShapeError(f"{what} {' '.join(str(tuple(t.shape)) for t in tensors)}", where=current_origin())
    return found
