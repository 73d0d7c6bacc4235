"""The intermediate representation: types, graphs, ops, their text and their meaning."""

from graphc.ir import (
    ops_contract,
    ops_elementwise,
    ops_gather,
    ops_reduce,
    ops_shape,
    ops_source,
)
from graphc.ir.spec import close_table

close_table()
FAMILIES = (ops_elementwise, ops_reduce, ops_contract, ops_shape, ops_source, ops_gather)
