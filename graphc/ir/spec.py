"""Op specs: everything about an op, declared once.

What does not live here: the ops themselves (ops_*.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from graphc.errors import UnknownOpError


class Kind(Enum):
    """How the compiler may treat an op."""

    ELEMENTWISE = "elementwise"  # equal shapes in and out; has a scalar expression
    SOURCE = "source"            # result elements depend on the index alone (and on scalar operands)
    INDEX = "index"              # moves elements without changing them
    REDUCE = "reduce"            # folds axes away
    CONTRACT = "contract"        # sums products over shared axes
    WINDOW = "window"            # convolution and pooling
    GATHER = "gather"            # reads at computed positions
    SCATTER = "scatter"          # adds at computed positions
    UPDATE = "update"            # an operand with some rows replaced; trusts its positions
    LOOP = "loop"                # scan
    COMPOSITE = "composite"      # defined by a body of other ops, inlined first


@dataclass(frozen=True, eq=False, slots=True)
class OpSpec:
    """One op.

    infer(*types, **attrs)        its type rule: the result's TensorType, or a tuple of them
    reference(*arrays, **attrs)   its meaning in NumPy; dims in attrs are bound to ints before;
                                  dtype attributes are DTypes
    vjp(ctx, g, *operands)        cotangents of the operands (None where there is none), as Traced
    scalar                        for ELEMENTWISE: a template over {0}, {1}, ... of the kernel language
    body(ctx, *operands)          for COMPOSITE: the same value made of other ops, as Traced
    laws                          facts for the rules, such as "commutative", "associative",
                                  "idempotent", "involution"; identity=0
    """

    name: str
    kind: Kind
    infer: Callable[..., Any]
    reference: Callable[..., Any]
    vjp: Callable[..., Any] | None = None
    scalar: str | None = None
    body: Callable[..., Any] | None = None
    laws: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"OpSpec({self.name})"


_TABLE: dict[str, OpSpec] = {}
_closed = False


def define(name: str, *, kind: Kind, infer: Callable[..., Any], reference: Callable[..., Any],
           vjp: Callable[..., Any] | None = None, scalar: str | None = None,
           body: Callable[..., Any] | None = None, **laws: Any) -> OpSpec:
    """Declare an op. A second definition, or one after `close_table`, is refused."""
    if _closed:
        raise RuntimeError(f"the op table is closed; {name} came too late")
    if name in _TABLE:
        raise RuntimeError(f"op {name} is defined twice")
    _TABLE[name] = OpSpec(name, kind, infer, reference, vjp, scalar, body, laws)
    return _TABLE[name]


def close_table() -> None:
    """Make the table read-only; graphc.ir does this once all families are in."""
    global _closed
    _closed = True


def op_spec(name: str) -> OpSpec:
    try:
        return _TABLE[name]
    except KeyError:
        raise UnknownOpError("no such op", got=repr(name), expected=f"one of {', '.join(sorted(_TABLE))}") from None


def registered_ops() -> set[str]:
    return set(_TABLE)


@dataclass(frozen=True, eq=False, slots=True)
class Array:
    """A constant's data as an attribute: immutable, compared by type, shape and bits."""

    data: np.ndarray

    def __post_init__(self) -> None:
        self.data.setflags(write=False)

    def _key(self) -> tuple[Any, ...]:
        return self.data.dtype.str, self.data.shape, self.data.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Array) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())
