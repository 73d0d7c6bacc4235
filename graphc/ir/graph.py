"""The graph: a flat, immutable SSA list. Data only.

What does not live here: how ops are made (builder.py), what they mean (spec.py, ops_*.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from graphc.ir.spec import OpSpec
from graphc.ir.types import TensorType


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """One SSA value. Compared by identity: two adds are two values.

    hint is a name for people; the printer makes it unique.
    """

    type: TensorType
    hint: str = ""


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """One application of an op spec.

    attrs are sorted by name; their values are hashable (ints, floats, strings, DTypes, dims, tuples
    of these, `Array` constants, graphs). origin names the layer it came from.
    """

    spec: OpSpec
    operands: tuple[Value, ...]
    attrs: tuple[tuple[str, Any], ...]
    results: tuple[Value, ...]
    origin: str = ""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def kwargs(self) -> dict[str, Any]:
        return dict(self.attrs)

    @property
    def hint(self) -> str:
        """The name of its first result, if it has any: a loop that nobody reads may have none."""
        return self.results[0].hint if self.results else ""

    @property
    def result(self) -> Value:
        """The only result."""
        (value,) = self.results
        return value

    def attr(self, name: str) -> Any:
        return dict(self.attrs)[name]


@dataclass(frozen=True, eq=False)
class Graph:
    """inputs -> ops in execution order -> outputs.

    donations lists (output index, input index): the output is the input's new state, and may be
    written over it once nobody reads the old value any more.
    """

    name: str
    inputs: tuple[Value, ...]
    ops: tuple[Op, ...]
    outputs: tuple[Value, ...]
    donations: tuple[tuple[int, int], ...] = field(default=())

    def replace(self, **changes: Any) -> Graph:
        return replace(self, **changes)

    def producers(self) -> dict[Value, Op]:
        """The op that makes each value that is not an input."""
        return {result: op for op in self.ops for result in op.results}

    def consumers(self) -> dict[Value, list[Op]]:
        """The ops that read each value, in order; an op that reads it twice stands there once."""
        readers: dict[Value, list[Op]] = {}
        for op in self.ops:
            for operand in dict.fromkeys(op.operands):
                readers.setdefault(operand, []).append(op)
        return readers
