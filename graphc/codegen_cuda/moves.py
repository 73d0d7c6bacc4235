"""Kernels that move data for the runtime: batches from a data set to where a step reads them, results to where they
wait, states at the end of a step.

Data is moved in words of 4 bytes where its size allows it, else in bytes. `step` is a number in device memory, so that
recorded work does something else each time it runs.
What does not live here: kernels of models (emit.py).
"""

from __future__ import annotations

from graphc.ir.program import Emitted

THREADS = 256


def unit_of(size: int) -> str:
    """The type in which `size` bytes are moved."""
    return "u8" if size % 4 else "u32"


def emit_take(unit: str) -> Emitted:
    """Rows of a data set: words (from, rows i32, step i32, to, count of rows, width of a row in units)."""
    return _emitted("take", f"const_{unit}* const_i32* const_i32* {unit}* i32 i32", "p0, p1, p2, p3, n0, n1", [
        f"    g = index32(cuda.blockIdx.x * {THREADS} + cuda.threadIdx.x)",
        "    if g < n0 * n1:",
        "        row = int64(p1[p2[0] * n0 + quotient(g, n1)])",
        "        p3[g] = p0[row * n1 + rest(g, n1)]"])


def emit_keep(unit: str) -> Emitted:
    """A result of this step, behind those of the steps before: words (from, step i32, to, count in units)."""
    return _emitted("keep", f"const_{unit}* const_i32* {unit}* i32", "p0, p1, p2, n0", [
        f"    g = index32(cuda.blockIdx.x * {THREADS} + cuda.threadIdx.x)",
        "    if g < n0:",
        "        p2[p1[0] * n0 + g] = p0[g]"])


def emit_store(unit: str) -> Emitted:
    """A state's new value, unless an index was out of range: words (from, to, count in units, status)."""
    return _emitted("store", f"const_{unit}* {unit}* i32 const_i64*", "p0, p1, n0, e0", [
        f"    g = index32(cuda.blockIdx.x * {THREADS} + cuda.threadIdx.x)",
        "    if g < n0 and e0[0] == 0:",
        "        p1[g] = p0[g]"])


def emit_advance() -> Emitted:
    """The next step, unless an index was out of range in this one: words (step i32, status)."""
    return _emitted("advance", "i32* const_i64*", "p0, e0", ["    if e0[0] == 0:", "        p0[0] = p0[0] + 1"], 1)


def _emitted(title: str, signature: str, parameters: str, lines: list[str], threads: int = THREADS) -> Emitted:
    source = "\n".join([f"# {title}", "from numba import cuda",
                        "from graphc.codegen_cuda.numba_side import index32, int64, quotient, rest", "",
                        f'SIGNATURE = "{signature}"', f"THREADS = {threads}", "", "",
                        f"def kernel({parameters}):", *lines, ""])
    return Emitted(source, (), 1, 1, threads)
