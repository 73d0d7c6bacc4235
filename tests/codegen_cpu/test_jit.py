import ast
import ctypes
from concurrent.futures import ThreadPoolExecutor

import llvmlite.binding as llvm
import numpy as np
import pytest

from graphc.codegen_cpu import jit
from graphc.errors import CompileError
from graphc.runtime.loader import symbols
from tests.codegen_cpu.native import WORDS, load

RELU = '''
import numpy as np
SIGNATURE = "f32* f32* f32* i64 i64"
ZERO = np.float32(0)
def kernel(x, b, o, n, m, thread, threads):
    lo = n * thread // threads
    hi = n * (thread + 1) // threads
    for i in range(lo, hi):
        for j in range(m):
            s = x[i * m + j] + b[j]
            o[i * m + j] = s if s > ZERO else ZERO
'''
HEAD = 'import numpy as np\nfrom graphc.codegen_cpu.vmath import exp, maximum, power\n'


def simple(body, signature="f32* f32* i64"):
    return (f'{HEAD}SIGNATURE = "{signature}"\ndef kernel(x, o, n, thread, threads):\n'
            f"    for i in range(n):\n        {body}\n")


@pytest.mark.parametrize("threads", [1, 3])
def test_a_kernel_computes_its_share(threads):
    rng = np.random.default_rng(0)
    x, b = rng.standard_normal((10, 37), np.float32), rng.standard_normal(37, np.float32)
    out = np.full_like(x, np.nan)
    load(RELU)(x, b, out, 10, 37, threads=threads)
    np.testing.assert_array_equal(out, np.maximum(x + b, 0))


@pytest.mark.parametrize("dtype", WORDS)
def test_every_pointer_type_reads_and_writes_its_elements(dtype):
    word = WORDS[dtype]
    x = np.array([1, 0, 1, 1, 0, 3, 100], np.int64).astype(dtype)
    out = np.zeros(9, dtype)
    load(simple("o[i + 1] = x[i]", f"{word} {word} i64"))(x, out, 7)
    np.testing.assert_array_equal(out, np.concatenate([[0], x, [0]]).astype(dtype))


def test_booleans_are_bytes_of_any_nonzero_value():
    flags = np.array([0, 1, 2, 255, 128], np.uint8)
    out = np.empty(5, np.bool_)
    load(simple("o[i] = not x[i]", "bool* bool* i64"))(flags, out, 5)
    np.testing.assert_array_equal(out.view(np.uint8), [1, 0, 0, 0, 0])


def test_integer_division_by_zero_does_not_trap():
    x, out = np.array([7, -7], np.int64), np.ones(2, np.int64)
    load(simple("o[i] = x[i] // (n - 2) + x[i] % (n - 2)", "i64* i64* i64"))(x, out, 2)
    np.testing.assert_array_equal(out, [0, 0])


def test_objects_refer_to_nothing_or_to_the_c_library():
    assert symbols(jit.compile_source(RELU, "relu", "relu.py"))[1] <= {"", "_GLOBAL_OFFSET_TABLE_"}
    power = simple("o[i] = power(x[i], x[i])", "f64* f64* i64")
    assert symbols(jit.compile_source(power, "power", "power.py"))[1] - {"", "_GLOBAL_OFFSET_TABLE_"} == {"pow"}


def test_the_same_source_gives_the_same_bytes():
    first = jit.compile_source(RELU, "relu", "relu.py")
    jit.compile_source(simple("o[i] = exp(x[i])"), "other", "other.py")
    assert jit.compile_source(RELU, "relu", "relu.py") == first


def test_many_objects_live_in_one_engine():
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""),
                                        llvm.Target.from_default_triple().create_target_machine())
    for k in range(3):
        source = simple(f"o[i] = exp(x[i]) * np.float32({k})")
        engine.add_object_file(llvm.ObjectFileRef.from_data(jit.compile_source(source, f"k{k}", f"k{k}.py")))
    engine.finalize_object()
    x, out = np.zeros(5, np.float32), np.empty(5, np.float32)
    block = np.array([x.ctypes.data, out.ctypes.data, 5])
    for k in range(3):
        entry = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
        entry(engine.get_function_address(f"k{k}"))(block.ctypes.data, 0, 1)
        np.testing.assert_array_equal(out, np.full(5, k, np.float32))


def test_loops_use_the_widest_registers():
    features = llvm.get_host_cpu_features()
    register = "zmm" if features.get("avx512vl") else "ymm" if features.get("avx2") else "xmm"
    assert f"%{register}" in jit.assembly(RELU, "relu")


def test_ir_names_the_symbol_and_keeps_pointers_apart():
    text = jit.llvm_ir(RELU, "relu_7")
    assert "@relu_7(" in text
    assert text.count("ptr noalias") >= 3
    assert "vector.memcheck" not in text


def test_threads_may_compile_at_once():
    def run(k):
        x, out = np.arange(4, dtype=np.float32), np.empty(4, np.float32)
        load(simple(f"o[i] = x[i] * np.float32({k})"), f"times{k}")(x, out, 4)
        return out

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(run, range(6)))
    np.testing.assert_array_equal(results, np.outer(np.arange(6), np.arange(4)))


@pytest.mark.parametrize(("source", "message"), [
    (simple("o[i] = x[i"), "does not run"),
    ("SIGNATURE = 'f32*'\n", "KeyError"),
    ("SIGNATURE = 'f16*'\ndef kernel(x, thread, threads): pass\n", "expected i64 or a pointer"),
    (simple("o[i] = missing(x[i])"), "holds what no emitter writes; got missing"),
    (simple("o[i] = maximum(x[i], 0.0)"), "maximum takes float32 or float64 operands of one type, got float32"),
    (simple("o[i] = exp(i)"), "got int64"),
    (simple("print(i)"), "holds what no emitter writes; got print"),
    (simple("v = x[i]; o[i] = v; v = i; o[i] = v"), "v holds float64 and is given"),
])
def test_errors_name_the_kernel_and_the_cause(source, message):
    with pytest.raises(CompileError) as caught:
        jit.compile_source(source, "softmax_3", "softmax_3.py")
    assert "kernel softmax_3" in str(caught.value)
    assert message in str(caught.value)


def test_what_needs_more_than_the_c_library_is_refused(monkeypatch):
    monkeypatch.setattr(jit, "checked", lambda source, where: ast.parse(source))
    with pytest.raises(CompileError, match="outside the C library"):
        jit.compile_source(simple("print(i)"), "softmax_3")


def test_a_typing_error_tells_the_line_of_the_source(tmp_path):
    path = tmp_path / "exp_1.py"
    source = simple("o[i] = exp(i)")
    path.write_text(source)
    with pytest.raises(CompileError, match=r"exp_1\.py"):
        jit.compile_source(source, "exp_1", str(path))
