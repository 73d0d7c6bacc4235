"""Contraction kernels: a matmul around the micro-kernel, with the ops fused behind it as its epilogue.

Transposes and reshapes in front of the operands become strides. What does not live here: blocking,
packing and the micro-kernel (contract.py, microkernel.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen_cpu.contract import Contraction, emit_contraction
from graphc.codegen_cpu.expressions import Expressions
from graphc.codegen_cpu.loops import cost, share
from graphc.codegen_cpu.machine import host
from graphc.codegen_cpu.positions import At
from graphc.codegen_cpu.source import KernelSource
from graphc.ir.dims import Dim, Shape, size_of
from graphc.ir.graph import Op, Value
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted
from graphc.ir.spec import Kind


@dataclass(frozen=True)
class Strided:
    """A stored value seen through transposes and reshapes: one stride (in elements) per axis."""

    value: Value
    strides: tuple[Dim, ...]


def strided(value: Value, producers: dict[Value, Op]) -> Strided:
    """Where an operand of the contraction lies and with which strides."""
    ways: list[Op] = []
    while (op := producers.get(value)) is not None:
        ways.append(op)
        value = op.operands[0]
    shape = next((op.result.type.shape for op in ways if op.name == "reshape"), value.type.shape)
    strides = contiguous(shape)
    for op in reversed(ways):
        if op.name == "transpose":
            strides = tuple(strides[i] for i in op.attr("perm"))
    return Strided(value, strides)


def contiguous(shape: Shape) -> tuple[Dim, ...]:
    """Row-major strides in elements."""
    return tuple(size_of(shape[i + 1:]) for i in range(len(shape)))


def emit_contract(kernel: Kernel, source: KernelSource) -> Emitted:
    """The kernel's body: loops over batches, if any, around one product and its epilogue."""
    assert kernel.anchor is not None, "a contraction kernel has an anchor"
    expressions = Expressions(kernel, source)
    for output, input_ in kernel.aliases:
        source.pointer(kernel.outputs[output], alias=kernel.inputs[input_])
    result = kernel.anchor.result.type
    views = {op.result: op for op in kernel.graph.ops if op.spec.kind is Kind.INDEX}
    a, b = (strided(v, views) for v in kernel.anchor.operands)
    m, n, k = *result.shape[-2:], kernel.anchor.operands[0].type.shape[-1]
    batch = result.shape[:-2]
    spec = Contraction(m, n, k, source.pointer(a.value), source.pointer(b.value),
                       _batch_offset(batch, a.strides, source), _batch_offset(batch, b.strides, source),
                       (a.strides[-2], a.strides[-1]), (b.strides[-2], b.strides[-1]), result.dtype)

    def epilogue(row: str, column: str, total: str) -> None:
        expressions.fresh()
        expressions.give(kernel.anchor.result, lambda at: total)  # type: ignore[union-attr]
        outer = ((batch, "q"),) if batch else ()
        at = At((*outer, ((m,), row), ((n,), column)))
        expressions.store_all(kernel.outputs, at)

    plain = kernel.outputs == (kernel.anchor.result,)
    out = (source.pointer(kernel.anchor.result), f"q * {source.size(m * n)}" if batch else "0") if plain else ("", "0")
    behind = None if plain else epilogue
    work = size_of((*batch, m, n)) * (k // 2 + cost(kernel))  # a multiply-add is half an operation
    if not batch:
        emit_contraction(spec, host(), source, True, behind, out)
        return source.finish(work, grid=m)
    share(source, source.size(size_of(batch), runtime=True))
    with source.block("for q in range(lo, hi):"):
        emit_contraction(spec, host(), source, False, behind, out)
    return source.finish(work, grid=size_of(batch))


def _batch_offset(batch: Shape, strides: tuple[Dim, ...], source: KernelSource) -> str:
    """The offset of batch q: its index along every leading axis times that axis' stride."""
    if not batch:
        return "0"
    texts = At(((batch, "q"),)).axes(source.size)
    return "(" + " + ".join(f"{text} * {source.size(stride)}"
                            for text, stride in zip(texts, strides[:-2], strict=True)) + ")"
