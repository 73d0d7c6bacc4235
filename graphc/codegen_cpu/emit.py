"""From a kernel to its source file: the one place that knows which emitter serves which kind."""

from __future__ import annotations

from graphc.codegen_cpu.contractions import emit_contract
from graphc.codegen_cpu.folds import emit_fold
from graphc.codegen_cpu.indexed import emit_prefix, emit_random_key, emit_scatter
from graphc.codegen_cpu.loops import emit_loop
from graphc.codegen_cpu.rows import emit_first_positions, emit_scatter_rows, emit_sum_rows
from graphc.codegen_cpu.source import KernelSource
from graphc.codegen_cpu.winograd import emit_winograd, emit_winograd_gradient
from graphc.errors import CompileError, GraphcError
from graphc.ir.kernel import Kernel, KernelKind
from graphc.ir.program import Emitted, Word

_EMITTERS = {KernelKind.LOOP: emit_loop, KernelKind.REDUCE: emit_fold, KernelKind.CONTRACT: emit_contract,
             KernelKind.SCATTER: emit_scatter, KernelKind.PREFIX: emit_prefix}
DEVICE_ONLY = ("split_matmul",)  # no pass makes them here
_ANCHORS = {"random_key": emit_random_key, "first_positions": emit_first_positions, "sum_rows": emit_sum_rows,
            "scatter_rows": emit_scatter_rows, "winograd": emit_winograd, "winograd_gradient": emit_winograd_gradient}


def emit_kernel(kernel: Kernel) -> Emitted:
    """The source of one kernel. Errors name the kernel's ops and layers."""
    source = KernelSource(", ".join(dict.fromkeys(op.name for op in kernel.graph.ops)))
    main = kernel.anchor or kernel.graph.ops[-1]
    emit = _ANCHORS.get(main.name, _EMITTERS[kernel.kind])
    try:
        if main.name in DEVICE_ONLY:
            raise CompileError(f"no CPU code for {main.name}", where=main.origin)
        return emit(kernel, source)
    except GraphcError as error:
        error.add_note(f"while writing kernel {kernel.name}, layers {', '.join(kernel.origins) or 'none'}")
        raise


def emit_copy() -> Emitted:
    """Moves bytes from its first pointer to its second: words (from, to, count)."""
    source = "\n".join(["# copy", "", 'SIGNATURE = "u8* u8* i64"', "", "", "def kernel(p0, p1, n0, thread, threads):",
                        "    for i in range(n0):", "        p1[i] = p0[i]", ""])
    return Emitted(source, (Word("pointer"), Word("pointer"), Word("size", 0)), 1, 1)


def emit_take() -> Emitted:
    """Moves the rows that its second pointer names, side by side: words (from, rows, to, count, bytes of a row)."""
    source = "\n".join(["# take", "", 'SIGNATURE = "u8* i64* u8* i64 i64"', "", "",
                        "def kernel(p0, p1, p2, n0, n1, thread, threads):",
                        "    for r in range(n0 * thread // threads, n0 * (thread + 1) // threads):",
                        "        at = p1[r] * n1", "        for i in range(n1):",
                        "            p2[r * n1 + i] = p0[at + i]", ""])
    words = (Word("pointer"), Word("pointer"), Word("pointer"), Word("size", 0), Word("size", 0))
    return Emitted(source, words, 1, 1)
