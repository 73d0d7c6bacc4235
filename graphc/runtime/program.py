"""A compiled program before it is bound: its kernels' code, and which values come from where.

What does not live here: sizes and addresses of data (binding.py), planning (graphc.passes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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


def make_program(plan: MemoryPlan, kernels: Sequence[tuple[Emitted, int]], copy_address: int,
                 take_address: int, states: Mapping[int, StateBuffer]) -> Program:
    """kernels: each kernel's emitted form and its address; states: input index -> its buffer."""
    graph = plan.kernels.graph
    buffers = {graph.inputs[i]: state for i, state in states.items()}
    launches = (Launch(kernel, emitted, address)
                for kernel, (emitted, address) in zip(plan.kernels.kernels, kernels, strict=True))
    updates = tuple((out, graph.inputs[i]) for out, i in graph.donations if graph.inputs[i] in buffers)
    stored = {out for out, _ in updates}
    inputs = tuple(v for v in graph.inputs if v not in buffers)
    returned = tuple(v for i, v in enumerate(graph.outputs) if i not in stored)
    return Program(plan, tuple(launches), copy_address, take_address, inputs, buffers, updates, returned)
