"""A compiled program before it is bound: its kernels' code, and which values come from where.

What does not live here: sizes and addresses of data (binding.py), planning (graphc.passes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from graphc.ir.graph import Value
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted, MemoryPlan
from graphc.runtime.reference import StateBuffer


@dataclass(frozen=True)
class Launch:
    """One kernel of the program: what it is, what it needs, where its code lies."""

    kernel: Kernel
    emitted: Emitted
    address: int


@dataclass(frozen=True, eq=False)
class Program:
    """inputs are passed at call time, states are live buffers; updates pairs (output, state input) are stored
    in place of being returned; copy_address and take_address are the kernels that move bytes and rows."""

    plan: MemoryPlan
    launches: tuple[Launch, ...]
    copy_address: int
    take_address: int
    inputs: tuple[Value, ...]
    states: Mapping[Value, StateBuffer]
    updates: tuple[tuple[int, Value], ...]
    returned: tuple[Value, ...]
    prologue: Program | None = None


def make_program(plan: MemoryPlan, kernels: Sequence[tuple[Emitted, int]], copy_address: int,
                 take_address: int, states: Mapping[int, StateBuffer]) -> Program:
    """kernels: the emitted form and the address of each kernel, those of the prologue first; states: input index -> its
    buffer."""
    if plan.prologue is not None:
        count = len(plan.prologue.kernels.kernels)
        main = make_program(replace(plan, prologue=None), kernels[count:], copy_address, take_address, states)
        return replace(main, prologue=_prologue(plan.prologue, kernels[:count], copy_address, take_address, states))
    graph = plan.kernels.graph
    buffers = {graph.inputs[i]: state for i, state in states.items()}
    launches = _launches(plan, kernels)
    updates = tuple((out, graph.inputs[i]) for out, i in graph.donations if graph.inputs[i] in buffers)
    stored = {out for out, _ in updates}
    inputs = tuple(v for v in graph.inputs if v not in buffers)
    returned = tuple(v for i, v in enumerate(graph.outputs) if i not in stored)
    return Program(plan, launches, copy_address, take_address, inputs, buffers, updates, returned)


def _launches(plan: MemoryPlan, kernels: Sequence[tuple[Emitted, int]]) -> tuple[Launch, ...]:
    return tuple(Launch(kernel, emitted, address)
                 for kernel, (emitted, address) in zip(plan.kernels.kernels, kernels, strict=True))


def _prologue(plan: MemoryPlan, kernels: Sequence[tuple[Emitted, int]], copy_address: int, take_address: int,
              states: Mapping[int, StateBuffer]) -> Program:
    """A program without inputs that returns nothing."""
    read = {v for kernel in plan.kernels.kernels for v in kernel.inputs}
    inputs = plan.kernels.graph.inputs
    buffers = {inputs[i]: state for i, state in states.items() if inputs[i] in read}
    return Program(plan, _launches(plan, kernels), copy_address, take_address, (), buffers, (), ())
