"""The intermediate representation: types, graphs, builders and the closed table of ops.

Importing this package declares every op; afterwards the table is read-only.
"""

from graphc.ir import (
    ops_contract,
    ops_convolution,
    ops_elementwise,
    ops_gather,
    ops_math,
    ops_reduce,
    ops_rows,
    ops_scan,
    ops_shape,
    ops_source,
    ops_window,
    ops_winograd,
)
from graphc.ir.builder import Builder
from graphc.ir.dims import Dim, Shape, SymExpr, symbol
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import Array, Kind, OpSpec, close_table, op_spec, registered_ops
from graphc.ir.types import BOOL, F32, F64, I32, I64, U32, DType, TensorType, dtype_of

FAMILIES = (ops_contract, ops_convolution, ops_elementwise, ops_gather, ops_math, ops_reduce, ops_rows, ops_scan,
            ops_shape, ops_source, ops_window, ops_winograd)
close_table()

__all__ = ["BOOL", "F32", "F64", "I32", "I64", "U32", "Array", "Builder", "DType", "Dim", "Graph", "Kind", "Op",
           "OpSpec", "Shape", "SymExpr", "TensorType", "Value", "dtype_of", "evaluate", "op_spec", "registered_ops",
           "symbol"]
