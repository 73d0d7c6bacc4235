"""A compiled program before it is bound: its kernels' code, and which values come from where.

What does not live here: sizes and addresses of data (binding.py), planning (graphc.passes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from graphc.ir.graph import Value
from graphc.ir.kernel import Kernel
from graphc.ir.program import Emitted, MemoryPlan
from graphc.runtime.reference import StateBuffer

Code = Mapping[Kernel, tuple[Emitted, int]]  # of each kernel: its emitted form and its address


@dataclass(frozen=True)
class Launch:
    """One kernel of the program: what it is, what it needs, where its code lies."""

    kernel: Kernel
    emitted: Emitted
    address: int


@dataclass(frozen=True)
class Loop:
    """A kernel that is a loop: the program of its body, whose carried values are updates of its inputs."""

    kernel: Kernel
    body: Program

    def stored(self, operand: Value) -> Value:
        """The value in memory that an operand is another shape of."""
        producers = self.kernel.graph.producers()
        while operand not in self.kernel.inputs:
            (operand,) = producers[operand].operands
        return operand


@dataclass(frozen=True, eq=False)
class Program:
    """inputs are passed at call time, states are live buffers; updates pairs (output, state input) are stored
    in place of being returned; copy_address and take_address are the kernels that move bytes and rows."""

    plan: MemoryPlan
    launches: tuple[Launch | Loop, ...]
    copy_address: int
    take_address: int
    inputs: tuple[Value, ...]
    states: Mapping[Value, StateBuffer]
    updates: tuple[tuple[int, Value], ...]
    returned: tuple[Value, ...]
    prologue: Program | None = None

    @property
    def late_copies(self) -> list[tuple[Value, Value]]:
        """(new value, state) for the updates that no kernel writes in place."""
        outputs = self.plan.kernels.graph.outputs
        in_place = {new for kernel in self.plan.kernels.kernels for new in kernel.in_place}
        return [(outputs[o], state) for o, state in self.updates if outputs[o] not in in_place]


def make_program(plan: MemoryPlan, code: Code, copy_address: int, take_address: int,
                 states: Mapping[int, StateBuffer]) -> Program:
    """states: input index -> its buffer."""
    graph = plan.kernels.graph
    buffers = {graph.inputs[i]: state for i, state in states.items()}
    updates = tuple((out, graph.inputs[i]) for out, i in graph.donations if graph.inputs[i] in buffers)
    stored = {out for out, _ in updates}
    inputs = tuple(v for v in graph.inputs if v not in buffers)
    returned = tuple(v for i, v in enumerate(graph.outputs) if i not in stored)
    main = Program(plan, _launches(plan, code, copy_address, take_address), copy_address, take_address, inputs,
                   buffers, updates, returned)
    return replace(main, prologue=_prologue(plan.prologue, code, main))


def _launches(plan: MemoryPlan, code: Code, copy_address: int, take_address: int) -> tuple[Launch | Loop, ...]:
    def launch(kernel: Kernel) -> Launch | Loop:
        if kernel not in plan.loops:
            return Launch(kernel, *code[kernel])
        return Loop(kernel, _body(plan.loops[kernel], code, copy_address, take_address))

    return tuple(map(launch, plan.kernels.kernels))


def _body(plan: MemoryPlan, code: Code, copy_address: int, take_address: int) -> Program:
    graph = plan.kernels.graph
    updates = tuple((out, graph.inputs[i]) for out, i in graph.donations)
    body = Program(plan, _launches(plan, code, copy_address, take_address), copy_address, take_address, (), {},
                   updates, ())
    return replace(body, prologue=_prologue(plan.prologue, code, body))


def _prologue(plan: MemoryPlan | None, code: Code, main: Program) -> Program | None:
    """A program without inputs that returns nothing."""
    if plan is None:
        return None
    read = {v for kernel in plan.kernels.kernels for v in kernel.inputs}
    buffers = {v: state for v, state in main.states.items() if v in read}
    launches = _launches(plan, code, main.copy_address, main.take_address)
    return Program(plan, launches, main.copy_address, main.take_address, (), buffers, (), ())
