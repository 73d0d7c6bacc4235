"""Updates of few rows of a large table: what an optimizer does to the rows of an embedding that a batch names.

What does not live here: which updates become such (passes/sparse_updates.py), gathers (ops_gather.py).
"""

from __future__ import annotations

import numpy as np

from graphc.errors import ShapeError
from graphc.ir.checks import FLOATS, check_dim, check_kind
from graphc.ir.dims import Dim
from graphc.ir.ops_gather import check_indices, in_range
from graphc.ir.spec import Kind, define
from graphc.ir.types import I32, TensorType

FOLD = 1e-12  # a scale below it is multiplied into its table


def _infer_first_positions(indices: TensorType, *, size: Dim) -> TensorType:
    check_indices("first_positions", indices)
    check_dim("first_positions", size, "size")
    if indices.rank != 1:
        raise ShapeError("first_positions: needs indices along one axis", got=indices)
    return TensorType(I32, (size,))


def _first_positions(indices: np.ndarray, *, size: int) -> np.ndarray:
    """Where each of the indices from 0 to size first stands, -1 for one that does not."""
    first = np.full(size, -1, np.int32)
    there = in_range("first_positions", indices, size)[::-1].astype(np.int64)
    first[there] = np.arange(len(indices))[::-1]
    return first


FIRST_POSITIONS = define("first_positions", kind=Kind.SCATTER, infer=_infer_first_positions,
                         reference=_first_positions)


def _infer_sum_rows(g: TensorType, first: TensorType) -> TensorType:
    check_kind("sum_rows", FLOATS, g)
    if g.rank != 2 or first != TensorType(I32, g.shape[:1]):
        raise ShapeError("sum_rows: needs rows, and for each where to add it", expected="[n,D] and i32[n]",
                         got=f"{g} and {first}")
    return g


def _sum_rows(g: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Each row of g added, in order, at the position that `first` names; zeros where none is added."""
    total = np.zeros_like(g)
    np.add.at(total, first, g)
    return total


SUM_ROWS = define("sum_rows", kind=Kind.SCATTER, infer=_infer_sum_rows, reference=_sum_rows)


def _infer_place_rows(rows: TensorType, first: TensorType) -> TensorType:
    if rows.rank != 2 or first.rank != 1 or first.dtype is not I32:
        raise ShapeError("place_rows: needs rows, and which of them stands at each index", expected="[n,D] and i32[V]",
                         got=f"{rows} and {first}")
    return rows.with_shape((*first.shape, rows.shape[1]))


def _place_rows(rows: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The rows at the positions `first` (what first_positions gives); zeros for position -1."""
    made = np.zeros((len(first), rows.shape[1]), rows.dtype)
    made[first >= 0] = rows[first[first >= 0]]
    return made


PLACE_ROWS = define("place_rows", kind=Kind.INDEX, infer=_infer_place_rows, reference=_place_rows)


def _infer_scatter_rows(table: TensorType, indices: TensorType, first: TensorType, rows: TensorType,
                        scale: TensorType) -> TensorType:
    check_kind("scatter_rows", FLOATS, table)
    check_indices("scatter_rows", indices)
    if (table.rank != 2 or indices.rank != 1 or rows != TensorType(table.dtype, (*indices.shape, table.shape[1]))
            or first != indices.with_dtype(I32) or scale != TensorType(table.dtype)):
        raise ShapeError("scatter_rows: the operands do not fit", expected="[V,D], [n], i32[n], [n,D] and a scalar",
                         got=f"{table}, {indices}, {first}, {rows}, {scale}")
    return table


def _scatter_rows(table: np.ndarray, indices: np.ndarray, first: np.ndarray, rows: np.ndarray,
                  scale: np.ndarray) -> np.ndarray:
    """The table of values divided by `scale`, with `rows` at those indices that stand at their first position.

    A scale below FOLD is multiplied into the table instead; what is then smaller than any normal number is zero.
    """
    if scale < FOLD:
        made = table * scale
        made[np.abs(made) < np.finfo(table.dtype).tiny] = 0
        scale = np.ones_like(scale)
    else:
        made = table.copy()
    here = first == np.arange(len(first))
    made[indices[here]] = rows[here] / scale
    return made


SCATTER_ROWS = define("scatter_rows", kind=Kind.UPDATE, infer=_infer_scatter_rows, reference=_scatter_rows)
