"""Loading object code: what is damaged or incomplete is an error, where LLVM would end the process."""

import ctypes

import pytest

from graphc.codegen_cpu.jit import compile_source
from graphc.errors import CompileError
from graphc.runtime.loader import load, load_functions, loaded, symbols

SOURCE = 'SIGNATURE = "f64* i64"\ndef kernel(x, n, thread, threads):\n    for i in range(n):\n        x[i] = x[i] + x[i]\n'


def test_a_kernel_is_loaded_once_and_runs():
    code = compile_source(SOURCE, "loader_twice")
    address = load({"loader_twice": code})["loader_twice"]
    assert loaded("loader_twice")
    assert load({"loader_twice": b"never looked at"})["loader_twice"] == address
    data = (ctypes.c_double * 3)(1.5, 2, -3)
    words = (ctypes.c_int64 * 2)(ctypes.addressof(data), 3)
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(address)(ctypes.addressof(words), 0, 1)
    assert list(data) == [3, 4, -6]


@pytest.mark.parametrize("keep", [0, 1, 15, 16, 63, 64, 200, 0.5, 0.9, 0.99])
def test_a_truncated_object_is_an_error(keep):
    code = compile_source(SOURCE, "loader_short")
    with pytest.raises(CompileError, match="loader_short"):
        load({"loader_short": code[:keep if isinstance(keep, int) else int(len(code) * keep)]})
    assert not loaded("loader_short")


def test_garbage_and_foreign_objects_are_errors():
    code = compile_source(SOURCE, "loader_foreign")
    foreign = code[:18] + (8).to_bytes(2, "little") + code[20:]  # e_machine: MIPS
    for bad in (b"\x7fELF" * 100, bytes(1000), foreign, b"!<arch>\n" + code):
        with pytest.raises(CompileError, match="damaged object code"):
            load({"loader_foreign": bad})


def test_an_object_must_define_its_symbol_and_need_nothing_unknown():
    with pytest.raises(CompileError, match="does not define"):
        load({"loader_other": compile_source(SOURCE, "loader_named")})
    with pytest.raises(CompileError, match="does not define"):
        load_functions(compile_source(SOURCE, "loader_named"), ["loader_named", "missing"])
    code = compile_source(SOURCE.replace("x[i] + x[i]", "x[i] ** x[i]"), "loader_power")
    assert "pow" in symbols(code)[1]
    strange = code.replace(b"\0pow\0", b"\0pxw\0")
    with pytest.raises(CompileError, match="pxw"):
        load({"loader_power": strange})
    assert load({"loader_power": code})["loader_power"]
