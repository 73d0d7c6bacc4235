"""The operands of a contraction as its loops see them.

What does not live here: which movers a view passes through (graphc.ir.views), the loops (contract.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen.positions import At, plus, times
from graphc.codegen.source import Source
from graphc.ir.dims import Shape
from graphc.ir.views import Axis, View


@dataclass(frozen=True)
class Operand:
    """One matrix of the product: a pointer's name, an offset as text, the digits of its rows and columns."""

    name: str
    at: str
    rows: Axis
    columns: Axis


def operand_of(view: View, batch: Shape, source: Source) -> Operand:
    """A view [*batch, rows, columns] as a matrix; in a batch, the one of number q."""
    texts = At(((batch, "q"),)).axes(source.size) if batch else []
    steps = [times(f"({text})" if " " in text else text, source.size(axis[0].stride))
             for text, axis in zip(texts, view.axes[:-2], strict=True) if axis]
    at = plus(*steps, source.size(view.offset, runtime=view.offset != 0))  # every step of a time loop has its own
    rows, columns = view.axes[-2:]
    return Operand(source.pointer(view.value), f"({at})" if " " in at else at, rows, columns)
