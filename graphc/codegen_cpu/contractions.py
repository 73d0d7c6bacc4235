"""Contraction kernels: a matmul around the micro-kernel, with the ops fused behind it as its epilogue.

Movers in front of the operands become strides: a transpose, the windows of a convolution.

What does not live here: blocking (contract.py), packing (packing.py) and the micro-kernel (microkernel.py).
"""

from __future__ import annotations

from graphc.codegen.expressions import Expressions
from graphc.codegen.nests import cost
from graphc.codegen.operands import operand_of
from graphc.codegen.positions import At
from graphc.codegen_cpu.contract import Contraction, emit_contraction
from graphc.codegen_cpu.loops import share
from graphc.codegen_cpu.machine import host
from graphc.codegen_cpu.source import KernelSource
from graphc.codegen_cpu.tilings import tiling
from graphc.ir.dims import size_of
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted
from graphc.ir.spec import Kind
from graphc.ir.views import view_of


def emit_contract(kernel: Kernel, source: KernelSource) -> Emitted:
    """The kernel's body: loops over batches, if any, around one product and its epilogue."""
    assert kernel.anchor is not None, "a contraction kernel has an anchor"
    expressions = Expressions(kernel, source)
    for output, input_ in kernel.aliases:
        source.pointer(kernel.outputs[output], alias=kernel.inputs[input_])
    result = kernel.anchor.result.type
    movers = {op.result: op for op in kernel.graph.ops if op.spec.kind is Kind.INDEX}
    m, n, k = *result.shape[-2:], kernel.anchor.operands[0].type.shape[-1]
    batch = result.shape[:-2]
    a, b = (operand_of(view_of(v, movers, lambda op: False)[0], batch, source) for v in kernel.anchor.operands)
    spec = Contraction(m, n, k, a, b, result.dtype)

    def epilogue(row: str, column: str, total: str) -> None:
        expressions.fresh()
        expressions.give(kernel.anchor.result, lambda at: total)  # type: ignore[union-attr]
        outer = ((batch, "q"),) if batch else ()
        at = At((*outer, ((m,), row), ((n,), column)))
        expressions.store_all(kernel.outputs, at)  # values of other shapes have the same elements in the same order

    plain = kernel.outputs == (kernel.anchor.result,)
    out = (source.pointer(kernel.anchor.result), f"q * {source.size(m * n)}" if batch else "0") if plain else ("", "0")
    behind = None if plain else epilogue
    work = size_of((*batch, m, n)) * (k // 2 + cost(kernel))  # a multiply-add is half an operation
    if not batch:
        emit_contraction(spec, host(), source, True, behind, out)
        panels = -(-n // tiling(n, result.dtype, host()).width) if isinstance(n, int) else n
        return source.finish(work, grid=m * panels)
    share(source, source.size(size_of(batch), runtime=True))
    with source.block("for q in range(lo, hi):"):
        emit_contraction(spec, host(), source, False, behind, out)
    return source.finish(work, grid=size_of(batch))
