"""From a kernel to its source file: the one place that knows which emitter serves which kind."""

from __future__ import annotations

from graphc.codegen_cuda.contractions import emit_contract
from graphc.codegen_cuda.folds import emit_fold
from graphc.codegen_cuda.indexed import emit_prefix, emit_random_key, emit_scatter
from graphc.codegen_cuda.loops import emit_loop
from graphc.codegen_cuda.scans import ScanForm, scan_form
from graphc.codegen_cuda.source import CudaSource
from graphc.errors import CompileError, GraphcError
from graphc.ir.kernel import Kernel, KernelKind
from graphc.ir.program import Emitted, MemoryPlan
from graphc.ir.spec import Kind

_EMITTERS = {KernelKind.LOOP: emit_loop, KernelKind.REDUCE: emit_fold, KernelKind.CONTRACT: emit_contract,
             KernelKind.PREFIX: emit_prefix}
CPU_ONLY = ("winograd", "winograd_gradient", "first_positions", "sum_rows", "scatter_rows")  # no pass makes them here
_ANCHORS = {"random_key": emit_random_key, "gather_grad": emit_scatter}


def emit_kernel(kernel: Kernel, *, guarded: bool = False, precision: str = "default") -> Emitted:
    """The source of one kernel; a guarded one does nothing once an index was out of range.

    precision: "tf32" or "bfloat16" for float32 products on tensor cores; else they are float32 throughout.

    Errors name the kernel's ops and layers.
    """
    source = CudaSource(", ".join(dict.fromkeys(op.name for op in kernel.graph.ops)), guarded=guarded)
    main = kernel.anchor or kernel.graph.ops[-1]
    emit = _ANCHORS.get(main.name) or _EMITTERS.get(kernel.kind if main.name not in CPU_ONLY else KernelKind.SCATTER)
    try:
        if emit is None:
            raise CompileError(f"no CUDA code for {main.name}", where=main.origin)
        return emit_contract(kernel, source, precision) if emit is emit_contract else emit(kernel, source)
    except GraphcError as error:
        error.add_note(f"while writing kernel {kernel.name}, layers {', '.join(kernel.origins) or 'none'}")
        raise


def scan_forms(memory: MemoryPlan) -> dict[Kernel, ScanForm]:
    """The loops of a program that can run as one kernel each."""
    forms = {kernel: scan_form(kernel, body) for kernel, body in memory.loops.items()}
    return {kernel: form for kernel, form in forms.items() if form is not None}


def checks_indices(memory: MemoryPlan) -> bool:
    """Whether a kernel of the program may meet an index out of range."""
    return any(op.spec.kind in (Kind.GATHER, Kind.SCATTER) for kernel in memory.all_kernels for op in kernel.graph.ops)


def emit_program(memory: MemoryPlan, precision: str = "default") -> dict[Kernel, Emitted]:
    """All kernels of a program; those that overwrite states are guarded where an index may be out of range."""
    checked = checks_indices(memory)
    main = memory.kernels.kernels
    return {kernel: emit_kernel(kernel, guarded=checked and kernel in main and bool(kernel.in_place),
                                precision=precision) for kernel in memory.all_kernels}
