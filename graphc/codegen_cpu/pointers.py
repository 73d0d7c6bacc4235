"""The pointer types of kernel arguments: `x[i]` is one load, `x[i] = v` one store, at any integer index.

What does not live here: compiling kernels (jit.py) and the functions they call (vmath.py).
Numba's own CPointer computes addresses that may wrap around, and cannot hold booleans. These addresses never
leave their array (LLVM's `inbounds`), so that loops over them vectorise; a boolean is one byte in memory.
"""

import operator
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models, register_default
from numba.core.imputils import lower_builtin

ELEMENTS = {
    "f32": types.float32, "f64": types.float64, "bool": types.boolean,
    "i8": types.int8, "i16": types.int16, "i32": types.int32, "i64": types.int64,
    "u8": types.uint8, "u16": types.uint16, "u32": types.uint32, "u64": types.uint64,
}


class Pointer(types.CPointer):
    """A pointer to the elements of one array, which no other argument of the kernel overlaps."""


register_default(Pointer)(models.PointerModel)


def argument_type(word: str) -> types.Type | None:
    """The type of one word of a SIGNATURE: `f32*` is a pointer, `i64` an integer, anything else None."""
    if word == "i64":
        return types.int64
    element = ELEMENTS.get(word.removesuffix("*"))
    return Pointer(element) if element is not None and word.endswith("*") else None


@lower_builtin(operator.getitem, Pointer, types.Integer)
def _lower_load(context: Any, builder: ir.IRBuilder, signature: Any, operands: Any) -> ir.Value:
    pointer, index = operands
    value = builder.load(builder.gep(pointer, [index], inbounds=True))
    if signature.return_type == types.boolean:
        return builder.icmp_unsigned("!=", value, value.type(0))
    return value


@lower_builtin(operator.setitem, Pointer, types.Integer, types.Any)
def _lower_store(context: Any, builder: ir.IRBuilder, signature: Any, operands: Any) -> ir.Value:
    pointer, index, value = operands
    element = signature.args[0].dtype
    data = context.data_model_manager[element].as_data(builder, value)
    builder.store(data, builder.gep(pointer, [index], inbounds=True))
    return context.get_dummy_value()
