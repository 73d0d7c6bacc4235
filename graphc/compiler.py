"""From a graph to something that can be called: the only file that knows the passes and a target.

What does not live here: Keras models (frontend_keras lowers them to graphs), the passes' order
(passes/pipeline.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from graphc import codegen, codegen_cpu
from graphc.codegen_cpu.emit import emit_copy, emit_kernel, emit_take
from graphc.codegen_cpu.machine import host
from graphc.errors import CompileError
from graphc.ir.graph import Graph
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted, MemoryPlan
from graphc.ir.sizes import check_told
from graphc.passes.choices import DEFAULT, Choices, check_target
from graphc.passes.costs import compiled, interpreted
from graphc.passes.gathered_products import gathered_products
from graphc.passes.pack_weights import PackFixed
from graphc.passes.pipeline import optimize, plan
from graphc.passes.sparse_updates import sparse_updates
from graphc.runtime import threads
from graphc.runtime.adaptive import AdaptiveExecutable
from graphc.runtime.buffers import check_room
from graphc.runtime.cache import kernel_cache
from graphc.runtime.executable import NativeExecutable
from graphc.runtime.guards import fork_waits_for, import_whole
from graphc.runtime.loader import load, loaded
from graphc.runtime.program import Program, make_program
from graphc.runtime.reference import ReferenceExecutable, StateBuffer, reports_writes
from graphc.runtime.scales import may_have_scale, scale_of
from graphc.runtime.tiered import TieredExecutable

MOST_COMPILERS = 4  # processes that compile kernels at a time


class Executable(Protocol):
    """A compiled graph.

    Calling it takes the explicit inputs in order and returns new arrays, one for each output that is
    not the new value of a state. Raises ShapeError, DTypeError, IndexRangeError before or instead of
    changing any state.
    """

    graph: Graph

    def __call__(self, *given: Any) -> list[np.ndarray]: ...

    def run_steps(self, given: Sequence[Any], steps: int, stepped: Sequence[bool],
                  rows: np.ndarray | None = None) -> list[np.ndarray]:
        """Several calls as one; every output gains an axis 0 of `steps`.

        A stepped input holds the batches of all steps one after the other, or, where rows i64[steps * batch] are
        given, any number of rows of which step s takes rows[s * batch:(s + 1) * batch].
        """
        ...


def compile_graph(graph: Graph, states: Mapping[int, StateBuffer] | None = None, *,
                  target: str = "cpu", fusion: bool = True, choices: Choices = DEFAULT) -> Executable:
    """Compile `graph` for `target`, with these choices of algorithms.

    states maps an input's index to the object whose `array` is that input's live buffer. Such an
    input is not passed at call time; an output donated to it is written there. A donation to any other
    input does nothing. "tiered" is the reference until its calls have cost what compiling would, then "cpu": the last
    bits of results change there. Raises CompileError naming kernel, ops and layers; ShapeError for a size that no
    input of a call would tell; OutOfMemoryError for an output that this machine cannot hold for a single row.
    """
    states = states or {}
    check_room(graph.outputs)
    if target == "reference":
        return ReferenceExecutable(graph, states)
    check_target(target)
    check_told(graph, [v for i, v in enumerate(graph.inputs) if i not in states])
    if target == "tiered":
        return TieredExecutable(ReferenceExecutable(graph, states), interpreted(graph), compiled(graph),
                                lambda: compile_graph(graph, states, fusion=fusion, choices=choices))
    kept = tuple((output, input_) for output, input_ in graph.donations if input_ in states)
    if target == "cuda":
        return _on_device(graph, kept, states, fusion, choices)
    written = {input_ for _, input_ in kept}
    fixed = {graph.inputs[i] for i, state in states.items() if i not in written and reports_writes(state)}
    scalable = {graph.inputs[i] for i in written if may_have_scale(states[i])}
    optimized, scales = sparse_updates(optimize(graph.replace(donations=kept), choices), scalable)
    owners = {graph.inputs[i]: state for i, state in states.items()}
    states = {**states, **{optimized.inputs.index(scale): scale_of(owners[state]) for scale, state in scales.items()}}

    def native(made: Graph) -> NativeExecutable:
        memory = plan(PackFixed(fixed)(made), fusion=fusion, fixed=fixed)
        return NativeExecutable(graph, _program(memory, states))

    tables = gathered_products(optimized, fixed)
    if tables is None:
        return native(optimized)
    return AdaptiveExecutable(native(optimized), lambda: native(tables.graph), tables.saved, tables.cost,
                              [owners[v] for v in fixed])


def _on_device(graph: Graph, kept: tuple[tuple[int, int], ...], states: Mapping[int, StateBuffer], fusion: bool,
               choices: Choices) -> Executable:
    """The graph for the current CUDA device. Raises TargetError where there is none."""
    device, executable, binding, libraries = (import_whole(f"graphc.runtime_cuda.{name}")
                                              for name in ("device", "executable", "binding", "libraries"))
    cuda = import_whole("graphc.codegen_cuda.emit")
    gpu = device.current()
    memory = plan(optimize(graph.replace(donations=kept), replace(choices, device=True)), fusion=fusion, device=True)
    kernels: dict[Kernel, Emitted] = cuda.emit_program(memory, choices.precision)
    plain = choices.precision == "default" and choices.convolution == "direct"
    forms = libraries.library_forms(memory, "highest" if plain else choices.precision, products=gpu.has_products,
                                    convolutions=gpu.has_convolutions)
    around = dict(own for form in forms.values() for own in form.kernels)
    scans = cuda.scan_forms(memory)
    helpers = binding.runtime_kernels()
    loaded_code = gpu.load([*((emitted, kernel.name) for kernel, emitted in {**kernels, **around}.items()),
                            *((form.emitted, kernel.name) for kernel, form in scans.items()),
                            *((emitted, name) for name, emitted in helpers.items())])
    functions = dict(zip([*kernels, *around, *scans.values(), *helpers], loaded_code, strict=True))
    program = make_program(memory, {kernel: (emitted, 0) for kernel, emitted in kernels.items()}, 0, 0, states)
    made: Executable = executable.CudaExecutable(graph, program, gpu, functions, cuda.checks_indices(memory),
                                                forms, scans)
    return made


def _program(memory: MemoryPlan, states: Mapping[int, StateBuffer]) -> Program:
    kernels = memory.all_kernels
    emitted = [emit_kernel(kernel) for kernel in kernels]
    *addresses, copy, take = native_code([*emitted, emit_copy(), emit_take()], kernels)
    code = dict(zip(kernels, zip(emitted, addresses, strict=True), strict=True))
    return make_program(memory, code, copy, take, states)


def native_code(emitted: Sequence[Emitted], kernels: Sequence[Kernel]) -> list[int]:
    """Addresses of the kernels: from this process, from the cache on disk, or compiled now.

    Raises CompileError naming the kernel and its layers.
    """
    symbols = [symbol_of(e.source) for e in emitted]
    objects: dict[str, bytes] = {}
    missing = {}
    for position, symbol in enumerate(symbols):
        if symbol in objects or symbol in missing or loaded(symbol):
            continue
        code = kernel_cache().get(symbol)
        if code is None:
            missing[symbol] = position
        else:
            objects[symbol] = code
    if missing:
        processes = _processes()
        sources = [processes.Source(emitted[position].source, symbol, str(kernel_cache().source_path(symbol)),
                                    _about(kernels, position)) for symbol, position in missing.items()]
        for source, code in processes.compile_sources(sources, min(threads.count(), MOST_COMPILERS)):
            kernel_cache().put(source.symbol, source.text, code)
            objects[source.symbol] = code
    addresses = load(objects)
    return [addresses[symbol] for symbol in symbols]


@cache
def _processes() -> Any:
    """The module that compiles; it imports Numba, which a warm start never needs."""
    module = import_whole("graphc.codegen_cpu.processes")
    fork_waits_for(module.jit.global_compiler_lock)
    return module


def _about(kernels: Sequence[Kernel], position: int) -> str:
    if position >= len(kernels):
        return "in a kernel that moves data"
    kernel = kernels[position]
    return (f"in kernel {kernel.name} ({', '.join(op.name for op in kernel.graph.ops)}), "
            f"layers {', '.join(kernel.origins) or 'none'}")


def symbol_of(source: str) -> str:
    """A kernel's name: the hash of its source and of everything else that its code depends on."""
    return "k_" + hashlib.sha256(f"{_environment()}\0{source}".encode()).hexdigest()[:40]


@cache
def _environment() -> str:
    """Versions, the machine, and the text of the files that turn sources into code."""
    versions = [f"{name} {metadata.version(name)}" for name in ("numba", "llvmlite", "numpy")]
    folders = [Path(package.__path__[0]) for package in (codegen, codegen_cpu)]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in files)).hexdigest()
    return "\n".join([*versions, host().key, digest])


__all__ = ["CompileError", "Executable", "compile_graph", "native_code", "symbol_of"]
