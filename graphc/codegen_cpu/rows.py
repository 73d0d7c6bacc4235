"""Kernels that update few rows of a large table. Threads share columns, so that no two of them write the same number.

What does not live here: gathers and scatters of whole tensors (indexed.py).
"""

from __future__ import annotations

import numpy as np

from graphc.codegen.expressions import status_code
from graphc.codegen_cpu.loops import share
from graphc.codegen_cpu.source import KernelSource
from graphc.ir.kernel import Kernel
from graphc.ir.ops_rows import FOLD
from graphc.ir.program import Emitted


def emit_first_positions(kernel: Kernel, source: KernelSource) -> Emitted:
    """From the last index to the first, by one thread. An index out of range is reported in the status word."""
    (op,) = kernel.graph.ops
    (indices,) = op.operands
    out, index = source.pointer(op.result), source.pointer(indices)
    count, size = source.size(indices.type.size), source.size(op.result.type.size)
    with source.block(f"for k in range({size}):"):
        source.line(f"{out}[k] = np.int32(-1)")
    with source.block(f"for k in range({count} - 1, -1, -1):"):
        source.line(f"row = np.int64({index}[k])")
        with source.block(f"if row < 0 or row >= {size}:"):
            source.report(status_code(kernel, op))
        with source.block("else:"):
            source.line(f"{out}[row] = np.int32(k)")
    return source.finish(work=indices.type.size * 2 + op.result.type.size, grid=1)


def emit_sum_rows(kernel: Kernel, source: KernelSource) -> Emitted:
    """Rows are added in order, however many threads share the columns."""
    (op,) = kernel.graph.ops
    g, first = op.operands
    rows, columns = (source.size(d) for d in g.type.shape)
    out, given = source.pointer(op.result), source.pointer(g)
    share(source, columns)
    with source.block(f"for k in range({rows}):"), source.block("for c in range(lo, hi):"):
        source.line(f"{out}[k * {columns} + c] = {source.constant(0, g.type.dtype)}")
    with source.block(f"for k in range({rows}):"):
        source.line(f"row = np.int64({source.pointer(first)}[k])")
        with source.block("for c in range(lo, hi):"):
            source.line(f"{out}[row * {columns} + c] += {given}[k * {columns} + c]")
    return source.finish(work=g.type.size * 2, grid=g.type.shape[1])


def emit_scatter_rows(kernel: Kernel, source: KernelSource) -> Emitted:
    """Written over the table where that is a state; else the table is copied first."""
    (op,) = kernel.graph.ops
    table, indices, first, rows, scale = op.operands
    for output, input_ in kernel.aliases:
        source.pointer(kernel.outputs[output], alias=kernel.inputs[input_])
    size, columns = (source.size(d) for d in table.type.shape)
    old, out, dtype = source.pointer(table), source.pointer(op.result), table.type.dtype
    here = f"k * {columns} + c"
    share(source, columns)
    source.line(f"scale = {source.pointer(scale)}[0]")
    with source.block(f"if scale < {source.constant(FOLD, dtype)}:"):
        with source.block(f"for k in range({size}):"), source.block("for c in range(lo, hi):"):
            source.line(f"v = {old}[{here}] * scale")
            tiny = source.constant(np.finfo(dtype.numpy).tiny, dtype)
            source.line(f"{out}[{here}] = {source.constant(0, dtype)} if abs(v) < {tiny} else v")
        source.line(f"scale = {source.constant(1, dtype)}")
    if not kernel.aliases:
        with source.block("else:"), source.block(f"for k in range({size}):"), source.block("for c in range(lo, hi):"):
            source.line(f"{out}[{here}] = {old}[{here}]")
    with source.block(f"for k in range({source.size(indices.type.size)}):"), \
            source.block(f"if {source.pointer(first)}[k] == k:"):
        source.line(f"row = np.int64({source.pointer(indices)}[k])")
        with source.block("for c in range(lo, hi):"):
            source.line(f"{out}[row * {columns} + c] = {source.pointer(rows)}[{here}] / scale")
    return source.finish(work=rows.type.size * 2 + (0 if kernel.aliases else table.type.size), grid=table.type.shape[1])
