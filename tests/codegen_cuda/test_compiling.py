"""Kernels compiled without a GPU, and what the gate of benchmarks/cuda_kernels.py finds in machine code."""

import ast
import re

import pytest

pytest.importorskip("numba_cuda")

from benchmarks.cuda_kernels import compiled, disassembled
from graphc.codegen_cuda import compiling
from graphc.codegen_cuda.compiling import compile_source, ptx_of
from graphc.codegen_cuda.emit import emit_kernel
from graphc.errors import CompileError
from tests.codegen_cuda.kernels import kernels_of

MATMUL = "graph g(%x: f32[B,40], %w: f32[40,48]) {\n  %m = matmul(%x, %w)\n  return %m\n}"
RELU = "graph g(%x: f32[B,40960]) {\n  %r = relu(%x)\n  return %r\n}"
BODY = """import numpy as np
from numba import cuda
from graphc.codegen_cuda.numba_side import float32, float64, index32, int64

SIGNATURE = "const_f32* f32* i32"
THREADS = 256


def kernel(p0, p1, n0):
    i = index32(cuda.blockIdx.x * 256 + cuda.threadIdx.x)
    if i < n0:
        {line}
"""


def source_of(text, **options):
    (kernel,) = kernels_of(text)
    return emit_kernel(kernel, **options).source


def test_a_kernel_without_problems():
    made = compiled("matmul", source_of(MATMUL))
    assert made["problems"] == []
    assert set(made["row"]) == {"sm_80", "sm_90", "sm_100"}
    assert all(0 < registers <= 128 and 0 < shared <= 48 << 10 and count > 100
               for registers, shared, count in made["row"].values())


@pytest.mark.parametrize(("line", "problem"), [
    ("p1[i] = float32(float64(p0[i]) * 0.1)", "float64"),
    ("p1[i] = float32(int64(p0[i]) // int64(p0[i] + p0[i]))", "a 64-bit division"),
    ("a = cuda.local.array(64, float32)\n        a[i % 64] = p0[i]\n        p1[i] = a[int(p0[i]) % 64]", "local memory")])
def test_what_must_not_be_is_found(line, problem, monkeypatch):
    monkeypatch.setattr(compiling, "checked", lambda source, where: ast.parse(source))  # which refuses some of it before
    assert any(problem in found for found in compiled("planted", BODY.format(line=line))["problems"])


@pytest.mark.parametrize(("precision", "instruction"), [
    ("default", "FFMA"), ("tf32", "HMMA.1688.F32.TF32"), ("bfloat16", "HMMA.16816.F32.BF16")])
def test_products_use_the_instructions_that_their_precision_is_for(precision, instruction):
    code = disassembled(compile_source(source_of(MATMUL, precision=precision), "matmul", (9, 0)).cubin)
    assert instruction in code
    assert ("HMMA" in code) == (precision != "default")


def test_neighbours_are_loaded_together():
    code = disassembled(compile_source(source_of(RELU), "relu", (9, 0)).cubin)
    assert re.search(r"LDG\.E\.128", code)
    assert re.search(r"STG\.E\.128", code)
    assert ".target sm_80" in ptx_of(source_of(RELU), "relu", (8, 0))


def test_a_source_that_numba_refuses():
    with pytest.raises(CompileError, match="kernel broken: Numba refuses the kernel"):
        compile_source(BODY.format(line="p1[i] = p0"), "broken", (9, 0))


def test_what_the_linker_says_is_in_the_error():
    line = "a = cuda.shared.array(20000, float32)\n        a[i] = p0[i]\n        p1[i] = a[i]"
    with pytest.raises(CompileError, match=r"kernel large: the kernel cannot be linked.*shared"):
        compile_source(BODY.format(line=line), "large", (9, 0))
