"""The builder: makes ops, runs their type rules, and interns identical pure ones.

What does not live here: any rewriting; interning is all the common subexpression elimination there is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphc.errors import GraphcError
from graphc.ir.dims import Shape
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import OpSpec, op_spec
from graphc.ir.types import DType, TensorType, dtype_of


def make_op(spec: OpSpec, operands: tuple[Value, ...], attrs: dict[str, Any], *, hint: str = "",
            origin: str = "") -> Op:
    """One op outside any graph; the type rule runs here.

    Raises ShapeError or DTypeError, with the origin as its place, where the operands do not fit.
    """
    try:
        inferred = spec.infer(*(v.type for v in operands), **attrs)
    except GraphcError as error:
        error.where = error.where or origin
        raise
    types = inferred if isinstance(inferred, tuple) else (inferred,)
    results = tuple(Value(t, hint) for t in types)
    return Op(spec, operands, tuple(sorted(attrs.items())), results, origin)


class Builder:
    """Collects ops in order. `b.add(x, y)` and `b.emit("add", x, y)` are the same call.

    Identical ops (spec, operands, attributes) give the same value, so the builder is also the
    common subexpression elimination; two builders share nothing.
    """

    def __init__(self, inputs: Iterable[Value] = ()):
        self.inputs: list[Value] = list(inputs)
        self.ops: list[Op] = []
        self.origin = ""
        self._interned: dict[Any, Op] = {}

    def input(self, type: TensorType, hint: str = "") -> Value:
        value = Value(type, hint)
        self.inputs.append(value)
        return value

    def emit(self, name: str, *operands: Value, hint: str = "", **attrs: Any) -> Value:
        """Make the op and return its only result."""
        return self.emit_op(op_spec(name), operands, attrs, hint=hint).result

    def emit_op(self, spec: OpSpec, operands: Iterable[Value], attrs: dict[str, Any], *, hint: str = "",
                origin: str | None = None) -> Op:
        operands = tuple(operands)
        key = (spec.name, operands, tuple((n, _key(v)) for n, v in sorted(attrs.items())))
        found = self._interned.get(key)
        if found is None:
            found = make_op(spec, operands, attrs, hint=hint, origin=self.origin if origin is None else origin)
            self._interned[key] = found
            self.ops.append(found)
        return found

    def copy(self, op: Op, operands: Iterable[Value]) -> Op:
        """`op` once more, on other operands; hint and origin carry over."""
        return self.emit_op(op.spec, operands, op.kwargs, hint=op.hint, origin=op.origin)

    def add_existing(self, op: Op) -> Op:
        """Take an op made elsewhere as it is, or its equal if there already is one."""
        key = (op.name, op.operands, tuple((n, _key(v)) for n, v in op.attrs))
        found = self._interned.setdefault(key, op)
        if found is op:
            self.ops.append(op)
        return found

    def full(self, value: float, shape: Shape = (), dtype: DType | str = "f32") -> Value:
        return self.emit("full", value=value, shape=tuple(shape), dtype=dtype_of(dtype))

    def full_like(self, value: float, like: Value) -> Value:
        return self.full(value, like.type.shape, like.type.dtype)

    def graph(self, outputs: Iterable[Value], name: str = "graph",
              donations: Iterable[tuple[int, int]] = ()) -> Graph:
        return Graph(name, tuple(self.inputs), tuple(self.ops), tuple(outputs), tuple(donations))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        op_spec(name)
        return lambda *operands, **attrs: self.emit(name, *operands, **attrs)


def _key(value: Any) -> Any:
    """An attribute as a dictionary key: 1, 1.0 and True differ, and so do 0.0 and -0.0."""
    if isinstance(value, tuple):
        return tuple(map(_key, value))
    if isinstance(value, (bool, float, int)):
        return type(value).__name__, repr(value)
    return value
