"""A product of a single row: what a block multiplies by itself in a loop over time.

Where the columns of the second operand are neighbours, threads take columns, and share the sum of each if there are
fewer columns than threads; where its rows are, as in the transpose of a matrix, the lanes of a warp share a column.
Both read neighbouring elements together.

What does not live here: products of many rows (contractions.py), the loop (scans.py).
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.codegen.expressions import Expressions
from graphc.codegen.operands import operand_of
from graphc.codegen.positions import At, linear, plus
from graphc.codegen_cuda.loops import THREADS, pieces
from graphc.codegen_cuda.source import CudaSource
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted
from graphc.ir.spec import Kind
from graphc.ir.views import Axis, view_of

WARP = 32
TOGETHER = 4  # terms whose loads do not wait for each other


def emit_row_product(kernel: Kernel, source: CudaSource) -> Emitted:
    """The kernel's body: a matmul of [1,k] and [k,n] with its epilogue; sizes are numbers."""
    anchor = kernel.anchor
    assert anchor is not None
    expressions = Expressions(kernel, source)
    for output, input_ in kernel.aliases:
        source.pointer(kernel.outputs[output], alias=kernel.inputs[input_])
    movers = {op.result: op for op in kernel.graph.ops if op.spec.kind is Kind.INDEX}
    a, b = (operand_of(view_of(v, movers, lambda op: False)[0], (), source) for v in anchor.operands)
    k, n = anchor.operands[1].type.shape
    dtype = anchor.result.type.dtype
    zero = source.constant(0, dtype)

    def term(column: str, index: str) -> str:
        left = f"{a.name}[{plus(a.at, linear(index, a.columns, source.size))}]"
        return f"{left} * {b.name}[{plus(b.at, linear(index, b.rows, source.size), column)}]"

    def finish(total: str) -> None:
        expressions.fresh()
        expressions.give(anchor.result, lambda at: total)
        expressions.store_all(kernel.outputs, At((((1,), "0"), ((n,), "column"))))

    shared = source.shared(dtype, THREADS)
    source.line("t = index32(cuda.threadIdx.x)")
    across = bool(b.rows) and b.rows[-1].stride == 1 and not (b.columns and b.columns[-1].stride == 1)
    assert isinstance(k, int)
    assert isinstance(n, int)
    width = THREADS
    if across:
        _columns_of_warps(source, k, n, shared, zero, b.columns, term)
        source.line(f"column = index32(cuda.blockIdx.x * {THREADS} + t)")
        with source.block(f"if column < {n}:"):
            source.line(f"total = {shared}[t]")
            finish("total")
        return source.finish_with(k * n * 2, pieces(n, THREADS), THREADS)
    while width // 2 >= max(n, WARP):
        width //= 2
    parts = THREADS // width
    source.line(f"column = index32(cuda.blockIdx.x * {width} + t % {width})")
    source.line(f"safe = index32(column if column < {n} else {n - 1})")
    source.line(f"along = index32({linear('safe', b.columns, source.size)})")
    terms = -(-k // parts)
    source.line(f"k = index32(t // {width} * {terms})")
    source.line(f"end = index32(k + {terms})")
    source.line(f"end = index32(end if end < {k} else {k})")
    for i in range(TOGETHER):
        source.line(f"c{i} = {zero}")
    with source.block(f"while k + {TOGETHER - 1} < end:"):
        for i in range(TOGETHER):
            source.line(f"k{i} = index32(k + {i})")
            source.line(f"c{i} = c{i} + {term('along', f'k{i}')}")
        source.line(f"k = index32(k + {TOGETHER})")
    with source.block("while k < end:"):
        source.line(f"c0 = c0 + {term('along', 'k')}")
        source.line("k = index32(k + 1)")
    source.line("total = c0 + c1 + (c2 + c3)")
    if parts > 1:
        source.line(f"{shared}[t] = total")
        source.barrier()
        with source.block(f"if t < {width} and column < {n}:"):
            source.line(f"total = {shared}[t]")
            for part in range(1, parts):
                source.line(f"total = total + {shared}[t + {part * width}]")
            finish("total")
    else:
        with source.block(f"if column < {n}:"):
            finish("total")
    return source.finish_with(k * n * 2, pieces(n, width), THREADS)


def _columns_of_warps(source: CudaSource, k: int, n: int, shared: str, zero: str, columns: Axis,
                      term: Callable[[str, str], str]) -> None:
    """Sums of up to THREADS columns into shared memory, a column a warp."""
    source.line(f"lane = index32(t % {WARP})")
    source.line(f"c = index32(t // {WARP})")
    with source.block(f"while c < {min(n, THREADS)}:"):
        source.line(f"wanted = index32(cuda.blockIdx.x * {THREADS} + c)")
        source.line(f"total = {zero}")
        with source.block(f"if wanted < {n}:"):
            source.line(f"along = index32({linear('wanted', columns, source.size)})")
            source.line("k = index32(lane)")
            with source.block(f"while k < {k}:"):
                source.line(f"total = total + {term('along', 'k')}")
                source.line(f"k = index32(k + {WARP})")
            step = WARP // 2
            while step:
                source.line(f"other = cuda.shfl_xor_sync(0xffffffff, total, {step})")
                source.line("total = total + other")
                step //= 2
            with source.block("if lane == 0:"):
                source.line(f"{shared}[c] = total")
        source.line(f"c = index32(c + {THREADS // WARP})")
    source.barrier()


