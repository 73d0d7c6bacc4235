"""Running one compiled kernel on NumPy arrays, for the tests of this folder."""

import ctypes

import llvmlite.binding as llvm
import numpy as np

from graphc.codegen_cpu import jit

ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
WORDS = {"float32": "f32*", "float64": "f64*", "bool": "bool*", "int8": "i8*", "int16": "i16*", "int32": "i32*",
         "int64": "i64*", "uint8": "u8*", "uint16": "u16*", "uint32": "u32*", "uint64": "u64*"}


def load(source, symbol="kernel_under_test"):
    """A function of arrays and integers, one for each word of the kernel's SIGNATURE."""
    obj = jit.compile_source(source, symbol, f"{symbol}.py")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), llvm.Target.from_default_triple()
                                        .create_target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(obj))
    engine.finalize_object()
    entry = ENTRY(engine.get_function_address(symbol))

    def call(*arguments, threads=1):
        words = [a.ctypes.data if isinstance(a, np.ndarray) else a for a in arguments]
        block = np.array([*words, 0], np.int64)
        for thread in range(threads):
            entry(block.ctypes.data, thread, threads)
        assert engine is not None  # the code lives as long as its engine

    return call


def loop(function, operands, result):
    """The source of a kernel that applies a function of vmath to arrays of these dtypes."""
    names = [f"x{i}" for i in range(len(operands))]
    words = " ".join(WORDS[np.dtype(d).name] for d in (*operands, result))
    elements = ", ".join(f"{name}[i]" for name in names)
    return (f"from graphc.codegen_cpu.vmath import {function}\n"
            f'SIGNATURE = "{words} i64"\n'
            f"def kernel({', '.join(names)}, out, n, thread, threads):\n"
            f"    for i in range(n):\n"
            f"        out[i] = {function}({elements})\n")


def apply(function, *arrays, result=None):
    """What the function of vmath makes of each element."""
    arrays = [np.ascontiguousarray(a) for a in arrays]
    out = np.empty(arrays[0].shape, result or arrays[0].dtype)
    load(loop(function, [a.dtype for a in arrays], out.dtype))(*arrays, out, out.size)
    return out
