"""Loading object code: what is damaged or incomplete is an error, where LLVM would end the process."""

import ctypes
import struct

import pytest

from graphc.codegen_cpu.jit import compile_source
from graphc.errors import CompileError
from graphc.runtime import loader
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


def sections(code):
    """(where the header of each section of an object lies, its kind)."""
    first, size, count = struct.unpack_from("<40xQ10xHH", code)
    return [(at, struct.unpack_from("<4xI", code, at)[0]) for at in range(first, first + size * count, size)]


@pytest.mark.parametrize(("kind", "field", "value", "words"), [
    (1, 24, 1 << 40, "a section lies beyond the end"), (2, 56, 7, "a damaged symbol table"),
    (2, 40, 1 << 20, "damaged object code")])
def test_a_damaged_section_is_an_error(kind, field, value, words):
    code = bytearray(compile_source(SOURCE, "loader_section"))
    at = next(at for at, found in sections(code) if found == kind)
    struct.pack_into("<Q" if field != 40 else "<I", code, at + field, value)
    with pytest.raises(CompileError, match=words):
        load({"loader_section": bytes(code)})
    assert not loaded("loader_section")


def test_functions_of_one_object_are_apart_from_all_others():
    code = compile_source(SOURCE, "loader_apart")
    first, second = load_functions(code, ["loader_apart"]), load_functions(code, ["loader_apart"])
    assert first != second
    assert not loaded("loader_apart")


def test_a_symbol_of_the_maths_library_is_announced(monkeypatch):
    told = []
    monkeypatch.setattr(loader.llvm, "address_of_symbol", lambda name: None)
    monkeypatch.setattr(loader.llvm, "add_symbol", lambda name, address: told.append((name, address)))
    assert loader._resolve("lgamma_r")
    assert told[0][0] == "lgamma_r"
    assert told[0][1]
    assert not loader._resolve("no_such_function_anywhere")


def test_a_weak_symbol_that_nobody_defines_is_no_error():
    assembly = """declare extern_weak void @nobody_has_it()
    define ptr @loader_weak() { ret ptr @nobody_has_it }"""
    machine = loader.llvm.Target.from_default_triple().create_target_machine(reloc="pic")
    defined, needed = symbols(machine.emit_object(loader.llvm.parse_assembly(assembly)))
    assert defined == {"loader_weak"}
    assert "nobody_has_it" not in needed
