"""Traced values: a value together with its builder, so that rules read like formulas.

`g * (1 - y * y)` emits ops. Python numbers become constants of the other operand's type; nothing is
broadcast implicitly. Any op is a method: `x.exp()`, `x.reduce_sum(axes=(0,))`, `c.select(x, y)`.

What does not live here: the frontend's tensors, which broadcast as NumPy does.
"""

from __future__ import annotations

from typing import Any

from graphc.ir.builder import Builder
from graphc.ir.dims import Dim, Shape
from graphc.ir.graph import Op, Value
from graphc.ir.spec import op_spec
from graphc.ir.types import DType, TensorType, dtype_of


class Traced:
    """One value in the hands of a vjp rule or a composite's body."""

    __slots__ = ("b", "value")

    def __init__(self, b: Builder, value: Value):
        self.b, self.value = b, value

    @property
    def type(self) -> TensorType:
        return self.value.type

    @property
    def shape(self) -> Shape:
        return self.value.type.shape

    @property
    def dtype(self) -> DType:
        return self.value.type.dtype

    def _lift(self, other: Any) -> Traced:
        return other if isinstance(other, Traced) else Traced(self.b, self.b.full_like(other, self.value))

    def apply(self, name: str, *others: Any, **attrs: Any) -> Traced:
        operands = (self.value, *(self._lift(o).value for o in others))
        return Traced(self.b, self.b.emit(name, *operands, **attrs))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        op_spec(name)
        return lambda *others, **attrs: self.apply(name, *others, **attrs)

    def __add__(self, o: Any) -> Traced:
        return self.apply("add", o)

    def __radd__(self, o: Any) -> Traced:
        return self._lift(o) + self

    def __sub__(self, o: Any) -> Traced:
        return self.apply("subtract", o)

    def __rsub__(self, o: Any) -> Traced:
        return self._lift(o) - self

    def __mul__(self, o: Any) -> Traced:
        return self.apply("multiply", o)

    def __rmul__(self, o: Any) -> Traced:
        return self._lift(o) * self

    def __truediv__(self, o: Any) -> Traced:
        return self.apply("divide", o)

    def __rtruediv__(self, o: Any) -> Traced:
        return self._lift(o) / self

    def __neg__(self) -> Traced:
        return self.apply("negative")

    def __gt__(self, o: Any) -> Traced:
        return self.apply("greater", o)

    def __ge__(self, o: Any) -> Traced:
        return self.apply("greater_equal", o)

    def __lt__(self, o: Any) -> Traced:
        return self.apply("less", o)

    def __le__(self, o: Any) -> Traced:
        return self.apply("less_equal", o)

    def zeros(self) -> Traced:
        """Zeros of this value's type."""
        return self._lift(0)


class RuleContext:
    """What a vjp or body rule sees besides its operands.

    op    the op at hand; attrs its attributes by name
    y     its result (vjp only), or ys all of them
    """

    def __init__(self, b: Builder, op: Op):
        self.b, self.op, self.attrs = b, op, op.kwargs
        self.ys = tuple(Traced(b, v) for v in op.results)

    @property
    def y(self) -> Traced:
        (y,) = self.ys
        return y

    def full(self, value: float, shape: Shape, dtype: DType | str) -> Traced:
        return Traced(self.b, self.b.full(value, shape, dtype))

    def size(self, dim: Dim, dtype: DType | str) -> Traced:
        """A dimension as a scalar value."""
        return Traced(self.b, self.b.emit("size", dim=dim, dtype=dtype_of(dtype)))

    def emit(self, name: str, *operands: Traced, **attrs: Any) -> Traced:
        return Traced(self.b, self.b.emit(name, *(t.value for t in operands), **attrs))
