"""What the compiler makes of a graph, stage by stage, as text: the data behind `graphc dump-ir`.

What does not live here: reading models and command lines (cli/), the stages themselves (compiler.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module

from graphc.codegen_cpu import emit as emit_cpu
from graphc.codegen_cuda import emit as emit_cuda
from graphc.compiler import symbol_of
from graphc.errors import ArgumentError
from graphc.ir.builder import make_op
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.kernel import Decision, Kernel, KernelKind
from graphc.ir.lexer import escape
from graphc.ir.printer import names_of, print_graph
from graphc.ir.program import Emitted, MemoryPlan
from graphc.passes.choices import DEFAULT, Choices
from graphc.passes.pipeline import optimize, plan
from graphc.passes.rules_winograd import verdicts
from graphc.passes.sparse_updates import sparse_updates

NOMINAL_SIZE = 32  # what a symbol counts as in the summary of the memory plan
SHOWN_DEVICE = (9, 0)  # the compute capability that PTX is shown for


def dump(graph: Graph, stage: str, choices: Choices = DEFAULT) -> str:
    """The graph after `stage`: lowered, optimized, fused, kernels, source, llvm (not of a device) or asm (of one: PTX).

    The text of lowered, optimized, fused and kernels parses back (one or several graphs; the rest are
    comments). Raises ArgumentError for an unknown stage, CompileError where a kernel cannot be compiled.
    """
    if stage not in STAGES:
        raise ArgumentError("no such stage", where="dump-ir", expected=", ".join(STAGES), got=repr(stage))
    return STAGES[stage](graph, choices)


def named(graph: Graph) -> Graph:
    """The same graph with a unique name on every value, so that all of its kernels call it the same."""
    names = names_of(graph)
    new: dict[Value, Value] = {v: Value(v.type, names[v]) for v in graph.inputs}
    ops = []
    for op in graph.ops:
        attrs = {name: named(value) if isinstance(value, Graph) else value for name, value in op.attrs}
        copy = make_op(op.spec, tuple(new[v] for v in op.operands), attrs, origin=op.origin)
        results = tuple(Value(r.type, names[old]) for r, old in zip(copy.results, op.results, strict=True))
        ops.append(Op(op.spec, copy.operands, copy.attrs, results, op.origin))
        new.update(zip(op.results, results, strict=True))
    return Graph(graph.name, tuple(new[v] for v in graph.inputs), tuple(ops), tuple(new[v] for v in graph.outputs),
                 graph.donations)


def _optimized(graph: Graph, choices: Choices) -> Graph:
    """For the CPU as for states that may have scales: those are further inputs."""
    if choices.device:
        return named(optimize(graph, choices))
    states = {graph.inputs[i] for _, i in graph.donations}
    return named(sparse_updates(optimize(graph, choices), states)[0])


def _planned(graph: Graph, choices: Choices) -> MemoryPlan:
    return plan(_optimized(graph, choices), device=choices.device)


def _fused(graph: Graph, choices: Choices) -> str:
    memory = _planned(graph, choices)
    parts = [_kernel_text(kernel, None) for kernel in _with_bodies(memory)]
    reasons = dict.fromkeys(f"# {decision}" for decision in _decisions(memory))
    return "\n\n".join([*parts, "\n".join(reasons)])


def _kernels(graph: Graph, choices: Choices) -> str:
    memory = _planned(graph, choices)
    sizes = {name: NOMINAL_SIZE for v in graph.inputs for name in v.type.symbols}
    bound = "".join(f", {name} = {size}" for name, size in sizes.items())
    offsets, size = memory.layout(sizes)
    total = f"# arena: {size} bytes{bound}"
    chosen = [f"# {op.name.replace('_', ' ')} {escape(op.origin)}: {v.algorithm}, {v.reason}"
              for op, v in verdicts(graph, choices)]
    kernels = [_kernel_text(kernel, offsets, choices) for kernel in _with_bodies(memory)]
    return "\n\n".join(["\n".join([total, *chosen]), *kernels])


def _with_bodies(memory: MemoryPlan, prefix: str = "") -> Iterator[Kernel]:
    """All kernels in order; behind a loop those of its body, whose names begin with the loop's."""
    for plan_ in ([memory.prologue] if memory.prologue is not None else []) + [memory]:
        for kernel in plan_.kernels.kernels:
            named_kernel = replace(kernel, name=f"{prefix}{kernel.name}")
            yield named_kernel
            if kernel in plan_.loops:
                yield from _with_bodies(plan_.loops[kernel], f"{prefix}{kernel.name}/")


def _decisions(memory: MemoryPlan) -> Iterator[Decision]:
    yield from memory.kernels.decisions
    for body in memory.loops.values():
        yield from _decisions(body)


def _kernel_text(kernel: Kernel, offsets: Mapping[Value, int] | None, choices: Choices = DEFAULT) -> str:
    nest = " x ".join(f"{part}({','.join(map(str, dims))})" for part, dims in
                      (("outer", kernel.nest.outer), ("reduce", kernel.nest.reduce), ("inner", kernel.nest.inner))
                      if dims or part == "outer")
    lines = [f"# {kernel.kind.value} kernel over {nest}"]
    if kernel.in_place:
        lines.append("# in place: " + ", ".join(f"%{new.hint} over %{old.hint}"
                                                for new, old in kernel.in_place.items()))
    if kernel.kind is KernelKind.SCAN and kernel.anchor is not None:
        rows = kernel.anchor.kwargs.get("rows")
        lines.append("# a loop; its body's kernels follow; " + ("threads share them one by one" if rows is None else
                                                               f"threads share the {rows[1]} rows"))
    elif offsets is not None:
        lines.append("# " + (", ".join(f"%{v.hint} at byte {offsets[v]}" for v in kernel.outputs if v in offsets)
                             or "no result in the arena"))
        lines.append(_code_text(kernel, choices))
    return "\n".join([*lines, print_graph(kernel.graph.replace(name=kernel.name))])


def _code_text(kernel: Kernel, choices: Choices) -> str:
    emitted = _emitted(kernel, choices)
    if choices.device:
        return f"# {emitted.grid} blocks of {emitted.threads} threads"
    return f"# native code {symbol_of(emitted.source)}"


def _emitted(kernel: Kernel, choices: Choices) -> Emitted:
    if choices.device:
        return emit_cuda.emit_kernel(kernel, precision=choices.precision)
    return emit_cpu.emit_kernel(kernel)


def _each_source(show: Callable[[str, Choices], str]) -> Callable[[Graph, Choices], str]:
    def stage(graph: Graph, choices: Choices) -> str:
        sources: dict[str, list[str]] = {}
        for kernel in _with_bodies(_planned(graph, choices)):
            if kernel.kind is KernelKind.SCAN:
                continue
            source = _emitted(kernel, choices).source
            sources.setdefault(source, []).append(kernel.name)
        return "\n\n".join(f"# {', '.join(names)}\n{show(source, choices)}" for source, names in sources.items())

    return stage


def _llvm(source: str, choices: Choices) -> str:
    if choices.device:
        raise ArgumentError("no such stage for a device", where="dump-ir", expected="asm (PTX)", got="llvm")
    return import_module("graphc.codegen_cpu.jit").llvm_ir(source, symbol_of(source))


def _assembly(source: str, choices: Choices) -> str:
    if choices.device:
        return import_module("graphc.codegen_cuda.compiling").ptx_of(source, "kernel", SHOWN_DEVICE)
    return import_module("graphc.codegen_cpu.jit").assembly(source, symbol_of(source))


STAGES: dict[str, Callable[[Graph, Choices], str]] = {
    "lowered": lambda graph, choices: print_graph(graph),
    "optimized": lambda graph, choices: print_graph(_optimized(graph, choices)), "fused": _fused,
    "kernels": _kernels, "source": _each_source(lambda source, choices: source), "llvm": _each_source(_llvm),
    "asm": _each_source(_assembly)}
