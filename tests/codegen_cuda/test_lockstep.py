"""The lockstep executor finds what it is there to find: faults planted in kernels that are right without them."""

import numpy as np
import pytest

from graphc.codegen_cuda.lockstep import KernelError, run_kernel
from tests.codegen_cpu.bounds import check
from tests.codegen_cuda.kernels import kernels_of, run

MATMUL = """graph g(%x: f32[B,40], %w: f32[40,48]) {
  %m = matmul(%x, %w)
  return %m
}"""
LONG_ROWS = """graph g(%x: f32[B,3000]) {
  %s = reduce_sum(%x){axes=(1,)}
  return %s
}"""
COLUMNS = """graph g(%x: f32[B,70]) {
  %s = reduce_sum(%x){axes=(0,)}
  return %s
}"""
SOFTMAX = """graph g(%x: f32[B,50]) {
  %s = softmax(%x){axis=1}
  return %s
}"""
RELU = """graph g(%x: f32[B,64], %b: f32[64]) {
  %c = broadcast(%b){axes=(1,), shape=(B,64)}
  %a = add(%x, %c)
  %r = relu(%a)
  return %r
}"""
ODD = """graph g(%x: f32[B,7]) {
  %r = relu(%x)
  return %r
}"""


def without(part, number):
    """The source without one occurrence of a line."""
    def change(source):
        lines = source.splitlines()
        del lines[[i for i, line in enumerate(lines) if line.strip() == part][number]]
        return "\n".join(lines) + "\n"

    return change


def with_line(after, line):
    def change(source):
        lines = source.splitlines()
        at = next(i for i, text in enumerate(lines) if text.strip().startswith(after))
        indent = lines[at][:len(lines[at]) - len(lines[at].lstrip())]
        lines[at + 1:at + 1] = [indent + part for part in line.split("\n")]
        return "\n".join(lines) + "\n"

    return change


def replaced(old, new):
    def change(source):
        assert old in source, source
        return source.replace(old, new, 1)

    return change


@pytest.mark.parametrize("text", [MATMUL, LONG_ROWS, COLUMNS, SOFTMAX, RELU, ODD])
@pytest.mark.parametrize("rows", [1, 5, 33])
def test_without_a_fault_nothing_is_found(text, rows):
    (kernel,) = kernels_of(text)
    arrays, results = run(kernel, {"B": rows})
    check(kernel.graph, arrays, results)


BARRIER = "cuda.syncthreads()"
FAULTS = {
    "shared memory read before it is written": (MATMUL, without(BARRIER, 0), "read by another thread than wrote it"),
    "shared memory written before it is read": (MATMUL, without(BARRIER, 1), "written where another thread has read"),
    "a tile handed over without a barrier": (MATMUL, without(BARRIER, 2), "read by another thread than wrote it"),
    "partial sums read without a barrier": (LONG_ROWS, without(BARRIER, 0), "read by another thread than wrote it"),
    "column sums read without a barrier": (COLUMNS, without(BARRIER, 0), "read by another thread than wrote it"),
    "one element too many": (ODD, replaced("if g < n0:", "if g <= n0:"), "outside of p"),
    "one element too early": (ODD, replaced("g = index32(", "g = index32(-1 + "), "outside of p"),
    "a fold too long": (LONG_ROWS, replaced("while r < 3000:", "while r <= 3000:"), "outside of p0"),
    "a barrier in a branch": (LONG_ROWS, replaced("    cuda.syncthreads()", "    if lane < 32:\n        cuda.syncthreads()"),
                              "a barrier that not all threads"),
    "a shuffle in a branch": (SOFTMAX, with_line("lane =", "if lane < 7:\n    b0 = cuda.shfl_xor_sync(0xffffffff, lane, 1)"),
                              "not all threads of a warp"),
    "two threads at one place": (ODD, replaced("g = index32(cuda.blockIdx.x * 256 + cuda.threadIdx.x)",
                                               "g = quotient(cuda.threadIdx.x, 2)"), "written by two threads"),
    "two blocks at one place": (COLUMNS, replaced("wanted = index32(cuda.blockIdx.x * 32 + slot)",
                                                  "wanted = index32(slot)"), "written by two threads"),
    "an argument that is const is written": (RELU, replaced("store4(p2", "store4(p0"), "const"),
    "four neighbours that begin in between": (RELU, replaced("j = index32(", "j = index32(1 + "), "multiple of four"),
    "a float64": (SOFTMAX, with_line("lane =", "y = 2 / 3"), "becomes a float64"),
    "a number of more than 32 bits": (ODD, with_line("g =", "y = index32((g + 1) * 3000000000)"), "32 bits do not hold"),
    "a negative number divided as if it had no sign": (ODD, with_line("g =", "y = rest(g - 5, 3)"), "without signs"),
    "a name of two types": (SOFTMAX, with_line("lane =", "lane = float32(lane)"), "changes its type"),
    "a name without a value": (ODD, with_line("g =", "y = z + 1"), "has no value yet"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault):
    text, change, message = FAULTS[fault]
    (kernel,) = kernels_of(text)
    with pytest.raises(KernelError, match=message) as caught:
        run(kernel, {"B": 33}, change=lambda source: change(source).replace(
            "import index32", "import float32, quotient, rest, index32"))
    assert kernel.name in caught.value.where
    assert "line" in caught.value.where


@pytest.mark.parametrize(("text", "change"), [
    (COLUMNS, replaced("s4[lane * 32 + slot] = a1", "s4[0 + slot] = a1 if lane == 0 else a1")),
    (LONG_ROWS, replaced("if rest(lane, 32) == 0:", "if lane == 0:"))], ids=["columns", "rows"])
def test_shared_memory_that_nobody_wrote_is_poison(text, change):
    """What was forgotten shows in the result, or as a race."""
    (kernel,) = kernels_of(text)
    try:
        _, (result,) = run(kernel, {"B": 33}, change=change)
    except KernelError:
        return
    assert np.isnan(result).any()


def test_a_launch_needs_all_arguments():
    with pytest.raises(KernelError, match="number of arguments"):
        run_kernel('SIGNATURE = "f32* i32"\nTHREADS = 32\ndef kernel(p0, n0):\n    p0[0] = p0[0]\n', [1], 1)
