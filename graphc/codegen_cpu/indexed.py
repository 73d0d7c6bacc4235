"""Kernels that write at computed positions or carry a value along an axis: few, and written out.

What does not live here: gathers, which are read through inside other kernels (expressions.py).
"""

from __future__ import annotations

from graphc.codegen.expressions import Expressions, status_code
from graphc.codegen.positions import At
from graphc.codegen_cpu.loops import share
from graphc.codegen_cpu.source import KernelSource
from graphc.ir.dims import size_of
from graphc.ir.graph import Op
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted
from graphc.ir.random import GOLDEN


def emit_scatter(kernel: Kernel, source: KernelSource) -> Emitted:
    """gather_grad: zeros, then each row of g added at its index, in order. Threads share what lies behind the index.

    An index out of range is reported in the status word and skipped.
    """
    op = _only(kernel)
    g, indices = op.operands
    axis = op.attr("axis")
    before, after = g.type.shape[:axis], g.type.shape[axis + indices.type.rank:]
    pre, post = source.size(size_of(before)), source.size(size_of(after))
    rows, extent = source.size(indices.type.size), source.size(op.result.type.shape[axis])
    out, given, index = source.pointer(op.result), source.pointer(g), source.pointer(indices)
    share(source, post)
    with source.block(f"for k in range({pre} * {extent}):"), source.block("for j in range(lo, hi):"):
        source.line(f"{out}[k * {post} + j] = {source.constant(0, op.result.type.dtype)}")
    with source.block(f"for i in range({pre}):"), source.block(f"for k in range({rows}):"):
        source.line(f"row = np.int64({index}[k])")
        with source.block(f"if row < 0 or row >= {extent}:"):
            source.report(status_code(kernel, op))
        with source.block("else:"), source.block("for j in range(lo, hi):"):
            source.line(f"{out}[(i * {extent} + row) * {post} + j] += {given}[(i * {rows} + k) * {post} + j]")
    return source.finish(work=g.type.size + op.result.type.size, grid=size_of(after))


def emit_prefix(kernel: Kernel, source: KernelSource) -> Emitted:
    """cumsum: a running sum along one axis, columns side by side."""
    op = _only(kernel)
    shape, axis = op.result.type.shape, op.attr("axis")
    out, x = source.pointer(op.result), source.pointer(op.operands[0])
    pre, post = source.size(size_of(shape[:axis])), source.size(size_of(shape[axis + 1:]))
    extent = source.size(shape[axis])
    with source.block(f"for i in range({pre}):"), source.block(f"for k in range({extent}):"), \
            source.block(f"for j in range({post}):"):
        source.line(f"here = (i * {extent} + k) * {post} + j")
        source.line(f"v = {x}[here]")
        with source.block("if k > 0:"):
            source.line(f"v = {source.cast(f'v + {out}[here - {post}]', op.result.type.dtype)}")
        source.line(f"{out}[here] = v")
    return source.finish(work=op.result.type.size * 2, grid=1)


def emit_random_key(kernel: Kernel, source: KernelSource) -> Emitted:
    """The two words of a random key, from seed, step and stream.

    A fixed seed is passed as a word: seeds are often drawn anew by each process, and the code stays the same.
    """
    op = kernel.graph.ops[-1]
    expressions = Expressions(kernel, source)
    fixed = {o.result: o.attr("value") for o in kernel.graph.ops if o.name == "full"}
    seed, step = (source.size(int(fixed[v]), runtime=True) if v in fixed else expressions.value(v, At(()))
                  for v in op.operands)
    out, stream = source.pointer(op.result), op.attr("stream")
    call = source.use("vmath", "threefry2x32")
    low = f"{step} ^ {stream * GOLDEN & 0xFFFFFFFF}"
    source.line(f"k0, k1 = {call}({seed}, {seed} >> 32, {low}, {step} >> 32 ^ {stream & 0xFFFFFFFF})")
    source.line(f"{out}[0] = k0")
    source.line(f"{out}[1] = k1")
    return source.finish(work=64, grid=1)


def _only(kernel: Kernel) -> Op:
    (op,) = kernel.graph.ops
    return op
