"""What kernel sources import: everything that touches numba-cuda's types and lowering.

The pointer types of kernel arguments (`x[i]` is one load, `x[i] = v` one store, at a 32-bit element number; a boolean
is one byte), integer helpers, loads and stores of four neighbours, and the scalar functions of graphc.codegen.vmath.

What does not live here: how a source becomes a cubin (compiling.py), what the functions mean (graphc.ir, vmath).
"""

import operator
from inspect import Parameter, Signature
from typing import Any

from llvmlite import ir
from numba.cuda import types
from numba.cuda.core.errors import TypingError
from numba.cuda.cudaimpl import lower
from numba.cuda.datamodel import register_default
from numba.cuda.datamodel.models import PointerModel
from numba.cuda.extending import intrinsic

from graphc.codegen.vmath import FUNCTIONS
from graphc.codegen.vmath.functions import Numba, bind
from graphc.codegen.vmath.lane import Machine

# NVVM knows few of LLVM's intrinsics over floats; the rest are CUDA's own library's.
DEVICE = Machine(fma=True, ldexp=False, library={name: f"__nv_{name}" for name in ("fabs", "rint", "trunc", "pow")})

ELEMENTS = {
    "f32": types.float32, "f64": types.float64, "bool": types.boolean,
    "i8": types.int8, "i16": types.int16, "i32": types.int32, "i64": types.int64,
    "u8": types.uint8, "u16": types.uint16, "u32": types.uint32, "u64": types.uint64,
}
boolean, float32, float64 = types.boolean, types.float32, types.float64
int8, int16, int32, int64 = types.int8, types.int16, types.int32, types.int64
uint8, uint16, uint32, uint64 = types.uint8, types.uint16, types.uint32, types.uint64
WORD, LONG = ir.IntType(32), ir.IntType(64)
TOGETHER = 4
WIDEST = 16  # bytes of one access


class Pointer(types.CPointer):
    """A pointer to the elements of one array; constant: nobody writes to it while the kernel runs."""

    def __init__(self, dtype: types.Type, constant: bool):
        self.constant = constant
        super().__init__(dtype)
        self.name = f"{'const ' if constant else ''}{dtype}*"

    @property
    def key(self) -> tuple[types.Type, bool]:
        return self.dtype, self.constant


register_default(Pointer)(PointerModel)


def argument_type(word: str) -> types.Type | None:
    """The type of one word of a SIGNATURE: `f32*` and `const_f32*` are pointers, `i32` an integer, else None."""
    if word == "i32":
        return types.int32
    element = ELEMENTS.get(word.removeprefix("const_").removesuffix("*"))
    return Pointer(element, word.startswith("const_")) if element is not None and word.endswith("*") else None


def _narrow(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    return builder.trunc(value, WORD) if value.type.width > 32 else value


def _address(builder: ir.IRBuilder, pointer: ir.Value, index: ir.Value) -> ir.Value:
    return builder.gep(pointer, [builder.sext(_narrow(builder, index), LONG)], inbounds=True)


def _read(builder: ir.IRBuilder, kind: Pointer, address: ir.Value) -> ir.Value:
    value = builder.load(address)
    if kind.constant:
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


@lower(operator.getitem, Pointer, types.Integer)
def _lower_load(context: Any, builder: ir.IRBuilder, signature: Any, operands: Any) -> ir.Value:
    pointer, index = operands
    value = _read(builder, signature.args[0], _address(builder, pointer, index))
    return _from_memory(builder, signature.return_type, value)


@lower(operator.setitem, Pointer, types.Integer, types.Any)
def _lower_store(context: Any, builder: ir.IRBuilder, signature: Any, operands: Any) -> ir.Value:
    pointer, index, value = operands
    element = signature.args[0].dtype
    given = context.cast(builder, value, signature.args[2], element)
    data = context.data_model_manager[element].as_data(builder, given)
    builder.store(data, _address(builder, pointer, index))
    return context.get_dummy_value()


def _from_memory(builder: ir.IRBuilder, kind: types.Type, value: ir.Value) -> ir.Value:
    return builder.icmp_unsigned("!=", value, value.type(0)) if kind == types.boolean else value


def _vector(builder: ir.IRBuilder, kind: Pointer, pointer: ir.Value, index: ir.Value) -> tuple[ir.Value, int]:
    """The address of four neighbours as one vector, and its alignment."""
    address = _address(builder, pointer, index)
    element = address.type.pointee
    size = max(kind.dtype.bitwidth // 8, 1) if kind.dtype != types.boolean else 1
    wide = builder.bitcast(address, ir.VectorType(element, TOGETHER).as_pointer())
    return wide, min(TOGETHER * size, WIDEST)


@intrinsic
def load4(typing: Any, pointer: types.Type, index: types.Type) -> Any:
    """Four neighbours from element number `index` on, a multiple of four, as one access."""
    def lower_it(context: Any, builder: ir.IRBuilder, signature: Any, operands: Any) -> ir.Value:
        wide, align = _vector(builder, pointer, *operands)
        vector = _read(builder, pointer, wide)
        vector.align = align
        parts = [_from_memory(builder, pointer.dtype, builder.extract_element(vector, ir.Constant(WORD, i)))
                 for i in range(TOGETHER)]
        return context.make_tuple(builder, signature.return_type, parts)

    if not isinstance(pointer, Pointer):
        raise TypingError(f"load4 takes a pointer, got {pointer}")
    return types.UniTuple(pointer.dtype, TOGETHER)(pointer, index), lower_it


@intrinsic
def store4(typing: Any, pointer: types.Type, index: types.Type, a: types.Type, b: types.Type, c: types.Type,
           d: types.Type) -> Any:
    """Four neighbours to element number `index` on, a multiple of four, as one access."""
    def lower_it(context: Any, builder: ir.IRBuilder, signature: Any, operands: Any) -> ir.Value:
        target, at, *values = operands
        wide, align = _vector(builder, pointer, target, at)
        vector = ir.Constant(wide.type.pointee, ir.Undefined)
        for i, (value, kind) in enumerate(zip(values, (a, b, c, d), strict=True)):
            given = context.cast(builder, value, kind, pointer.dtype)
            data = context.data_model_manager[pointer.dtype].as_data(builder, given)
            vector = builder.insert_element(vector, data, ir.Constant(WORD, i))
        builder.store(vector, wide, align=align)
        return context.get_dummy_value()

    if not isinstance(pointer, Pointer) or pointer.constant:
        raise TypingError(f"store4 takes a pointer that may be written to, got {pointer}")
    return types.void(pointer, index, a, b, c, d), lower_it


FLOAT = ir.FloatType()


def _assembly(name: str, text: str, constraints: str, result: types.Type, given: str) -> Any:
    """One instruction as a function of words (w) and floats (f); one with several results needs its whole warp."""
    parts = constraints.split(",")
    outputs, inputs = [c for c in parts if c.startswith("=")], [c for c in parts if not c.startswith("=")]
    wanted = [types.float32 if letter == "f" else types.uint32 for letter in given]
    made = ir.LiteralStructType([FLOAT] * len(outputs)) if len(outputs) > 1 else WORD

    def definition(typing: Any, *kinds: types.Type) -> Any:
        def lower_it(context: Any, builder: ir.IRBuilder, signature: Any, operands: Any) -> ir.Value:
            values = [context.cast(builder, *one) for one in zip(operands, signature.args, wanted, strict=True)]
            values = [builder.bitcast(value, WORD) if kind == "r" else value
                      for value, kind in zip(values, inputs, strict=True)]
            called = builder.asm(ir.FunctionType(made, [v.type for v in values]), text, constraints, values,
                                 len(outputs) > 1)
            if len(outputs) == 1:
                return builder.bitcast(called, FLOAT) if result == types.float32 else called
            elements = [builder.extract_value(called, i) for i in range(len(outputs))]
            return context.make_tuple(builder, signature.return_type, elements)

        return result(*wanted), lower_it

    names = ("typing", *(f"x{i}" for i in range(len(given))))
    definition.__signature__ = Signature([Parameter(one, Parameter.POSITIONAL_ONLY) for one in names])  # type: ignore
    definition.__name__ = definition.__qualname__ = name
    return intrinsic(definition)


# The nearest tf32, as a float32; two bfloat16 in a word, the first in its lower half; products of fragments.
tf32 = _assembly("tf32", "cvt.rna.tf32.f32 $0, $1;", "=r,f", types.float32, "f")
bfloat16_pair = _assembly("bfloat16_pair", "cvt.rn.bf16x2.f32 $0, $2, $1;", "=r,f,f", types.uint32, "ff")
_SUMS = "{$0, $1, $2, $3}, {$4, $5, $6, $7}, {$8, $9}, {$10, $11, $12, $13};"
_REGISTERS = "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f"
mma_tf32 = _assembly("mma_tf32", f"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {_SUMS}", _REGISTERS,
                     types.UniTuple(types.float32, 4), "f" * 10)
mma_bfloat16 = _assembly("mma_bfloat16", f"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {_SUMS}", _REGISTERS,
                         types.UniTuple(types.float32, 4), "w" * 6 + "f" * 4)


def _on_words(name: str, count: int, emit: Any) -> Any:
    """A function of 32-bit words."""
    def define(*kinds: types.Type) -> Any:
        def lower_it(context: Any, builder: ir.IRBuilder, signature: Any, operands: Any) -> ir.Value:
            return emit(builder, *(_narrow(builder, value) for value in operands))

        return types.int32(*kinds), lower_it

    definition = (lambda typing, a: define(a)) if count == 1 else (lambda typing, a, b: define(a, b))
    definition.__name__ = definition.__qualname__ = name
    return intrinsic(definition)


def _first_bit(builder: ir.IRBuilder, x: ir.Value) -> ir.Value:
    function = builder.module.declare_intrinsic("llvm.cttz", [WORD], ir.FunctionType(WORD, [WORD, ir.IntType(1)]))
    return builder.call(function, [x, ir.Constant(ir.IntType(1), 1)])


index32 = _on_words("index32", 1, lambda builder, x: x)  # an element number, which 32 bits hold
quotient = _on_words("quotient", 2, lambda builder, a, b: builder.udiv(a, b))  # of numbers that are not negative
rest = _on_words("rest", 2, lambda builder, a, b: builder.urem(a, b))
first_bit = _on_words("first_bit", 1, _first_bit)  # the number of the lowest bit that is set
without_first_bit = _on_words("without_first_bit", 1, lambda builder, x: builder.and_(x, builder.sub(x, WORD(1))))

globals().update({name: bind(function, Numba(types, TypingError, intrinsic), DEVICE)
                  for name, function in FUNCTIONS.items()})
