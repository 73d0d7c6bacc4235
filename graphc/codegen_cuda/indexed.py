"""Kernels that write at computed positions or carry a value along an axis.

What does not live here: gathers, which are read through inside other kernels (graphc.codegen.expressions).
"""

from __future__ import annotations

from graphc.codegen.expressions import Expressions, status_code
from graphc.codegen.positions import At
from graphc.codegen_cuda.folds import THREADS, WARP
from graphc.codegen_cuda.loops import pieces
from graphc.codegen_cuda.source import CudaSource
from graphc.ir.dims import size_of
from graphc.ir.graph import Op
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted
from graphc.ir.random import GOLDEN
from graphc.ir.types import I64

COLUMNS = 4  # of one lane, at most: one search serves them all


def emit_scatter(kernel: Kernel, source: CudaSource) -> Emitted:
    """gather_grad: a warp makes each row of the result. It looks through the indices 32 at a time and adds what belongs
    to its row in the order of the indices, so that no atomic operation is needed and every run gives the same bits.

    An index out of range is reported in the status word and skipped.
    """
    op = _only(kernel)
    g, indices = op.operands
    axis, dtype = op.attr("axis"), op.result.type.dtype
    before, after = g.type.shape[:axis], g.type.shape[axis + indices.type.rank:]
    columns = size_of(after)
    post = source.size(columns)
    rows, extent = source.size(indices.type.size), source.size(op.result.type.shape[axis])
    count = size_of(before) * op.result.type.shape[axis]
    each = min(COLUMNS, -(-columns // WARP)) if isinstance(columns, int) else COLUMNS
    source.line(f"lane = cuda.threadIdx.x % {WARP}")
    source.line(f"row = index32(cuda.blockIdx.x * {THREADS // WARP} + cuda.threadIdx.x // {WARP})")
    with source.block(f"if row < {source.size(count)}:"):
        source.line(f"i = row // {extent}")
        source.line(f"wanted = int64(row % {extent})")
        source.integer("")
        source.line("c = index32(lane)")
        with source.block(f"while c - lane < {post}:"):
            for n in range(each):
                source.line(f"a{n} = {source.cast(source.constant(0, dtype), dtype)}")
            source.line("k = index32(0)")
            with source.block(f"while k < {rows}:"):
                source.line("here = int64(-1)")
                with source.block(f"if k + lane < {rows}:"):
                    index = source.load(indices, "k + lane")
                    source.line(f"here = int64({index})")
                    with source.block(f"if row == 0 and (here < 0 or here >= {extent}):"):
                        source.report(status_code(kernel, op))
                source.line("found = cuda.ballot_sync(0xffffffff, here == wanted)")
                with source.block("while found != 0:"):
                    source.line(f"x0 = (i * {rows} + k + {source.function('first_bit')}(found)) * {post} + c")
                    source.line(f"found = {source.function('without_first_bit')}(found)")
                    for n in range(each):
                        with source.block(f"if c + {n * WARP} < {post}:"):
                            element = source.load(g, f"x0 + {n * WARP}")
                            source.line(f"a{n} = {source.cast(f'a{n} + {element}', dtype)}")
                source.line(f"k = index32(k + {WARP})")
            for n in range(each):
                with source.block(f"if c + {n * WARP} < {post}:"):
                    source.store(op.result, f"row * {post} + c + {n * WARP}", f"a{n}")
            source.line(f"c = index32(c + {each * WARP})")
    return source.finish_with(g.type.size + op.result.type.size, pieces(count, THREADS // WARP), THREADS)


def emit_prefix(kernel: Kernel, source: CudaSource) -> Emitted:
    """cumsum: a running sum along one axis, a thread a column."""
    op = _only(kernel)
    shape, axis = op.result.type.shape, op.attr("axis")
    columns, dtype = size_of((*shape[:axis], *shape[axis + 1:])), op.result.type.dtype
    post, extent = source.size(size_of(shape[axis + 1:])), source.size(shape[axis])
    source.line(f"column = index32(cuda.blockIdx.x * {THREADS} + cuda.threadIdx.x)")
    with source.block(f"if column < {source.size(columns)}:"):
        source.line(f"x0 = column // {post} * {extent} * {post} + column % {post}")
        source.line(f"total = {source.cast(source.constant(0, dtype), dtype)}")
        source.line("k = index32(0)")
        with source.block(f"while k < {extent}:"):
            element = source.load(op.operands[0], "x0")
            source.line(f"total = {source.cast(f'total + {element}', dtype)}")
            source.store(op.result, "x0", "total")
            source.line(f"x0 = x0 + {post}")
            source.line("k = index32(k + 1)")
    return source.finish_with(op.result.type.size * 2, pieces(columns, THREADS), THREADS)


def emit_random_key(kernel: Kernel, source: CudaSource) -> Emitted:
    """The two words of a random key, from seed, step and stream, by one thread; see the CPU's.

    A fixed seed is passed as two words, so that the code stays the same.
    """
    op = kernel.graph.ops[-1]
    seed, step = op.operands
    expressions = Expressions(kernel, source)
    fixed = {o.result: o.attr("value") for o in kernel.graph.ops if o.name == "full"}
    if seed in fixed:
        low, high = (source.size(_signed(int(fixed[seed]) >> shift), runtime=True) for shift in (0, 32))
    else:
        low = expressions.value(seed, At(()))
        high = f"{low} >> 32"
    count = source.constant(int(fixed[step]), I64) if step in fixed else expressions.value(step, At(()))
    stream, call = op.attr("stream"), source.function("threefry2x32")
    first = f"{count} ^ {stream * GOLDEN & 0xFFFFFFFF}"
    source.line(f"k0, k1 = {call}({low}, {high}, {first}, {count} >> 32 ^ {stream & 0xFFFFFFFF})")
    source.store(op.result, "0", "k0")
    source.store(op.result, "1", "k1")
    return source.finish_with(64, 1, 1)


def _signed(word: int) -> int:
    """The lowest 32 bits, as an int32 holds them."""
    return (word & 0xFFFFFFFF ^ 1 << 31) - (1 << 31)


def _only(kernel: Kernel) -> Op:
    (op,) = kernel.graph.ops
    return op
