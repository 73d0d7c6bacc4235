"""K.function: tensors in, values out, variables updated, as one compiled program.

What does not live here: collecting the ops (lowering.py), compiling (graphc.compiler).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.errors import ArgumentError
from graphc.frontend_keras.backend.config import precision, target
from graphc.frontend_keras.backend.leaves import State
from graphc.frontend_keras.backend.lowering import Lowered, lower
from graphc.frontend_keras.backend.tensor import Alias, Tensor, as_tensor
from graphc.frontend_keras.backend.variables import Update, update
from graphc.ir.graph import Graph, Value
from graphc.passes.choices import Choices
from graphc.runtime.guards import import_whole, lock_for_forks

if TYPE_CHECKING:
    from graphc.compiler import Executable


class Function:
    """Compiles at the first call; a call takes a list with one array per input and returns a list of arrays.

    All outputs and new values are computed from the values that variables have before the call. Where a
    variable is updated more than once, the last update counts.
    """

    def __init__(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], updates: Sequence[Any] | None = None,
                 name: str | None = None, givens: Mapping[Tensor, Any] | None = None):
        for what, given in (("inputs` to", inputs), ("outputs` of", outputs), ("updates` in", updates or [])):
            if not isinstance(given, (list, tuple)):
                raise TypeError(f"`{what} a TensorFlow backend function should be a list or tuple.")
        self.inputs, self.outputs = [_checked(x) for x in inputs], [as_tensor(x) for x in outputs]
        self.assignments = _in_turn(updates or [])
        for fed in self.assignments.keys() & set(self.inputs):
            raise ArgumentError("a variable cannot be fed and updated by the same function", where=fed.name)
        self.name, self.givens = name or "function", dict(givens or {})
        self._lock = lock_for_forks()
        self._executable: Executable | None = None
        self._printed: list[Alias] = []
        self._call: Callable[..., list[Any]] | None = None

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        if not isinstance(inputs, (list, tuple)):
            raise TypeError("`inputs` should be a list or tuple.")
        return (self._call or self._compiled_call())(*inputs)

    @property
    def executable(self) -> Executable:
        """The compiled program; its outputs are this function's, then the values to print."""
        if self._executable is None:
            with self._lock:
                if self._executable is None:
                    self._executable = self._compile()
        return self._executable

    def run_steps(self, inputs: Sequence[Any], steps: int, stepped: Sequence[bool],
                  rows: np.ndarray | None = None) -> list[np.ndarray]:
        """Several calls as one: see Executable.run_steps. Every output gains an axis 0 of `steps`."""
        return self.executable.run_steps(inputs, steps, stepped, rows)[:len(self.outputs)]

    def _compile(self) -> Executable:
        graph, states = self.graph_and_states()
        first = len(self.inputs)
        compiler = import_whole("graphc.compiler")
        made: Executable = compiler.compile_graph(graph, {first + i: state for i, state in enumerate(states)},
                                                  target=target(), choices=Choices(precision()))
        return made

    def graph_and_states(self) -> tuple[Graph, list[State]]:
        """The graph of this function, and the states that are its inputs after the explicit ones."""
        news = list(self.assignments.values())
        lowered = lower([*self.outputs, *news, *self.assignments], self.inputs, self.givens)
        self._printed = lowered.printed
        stored = {state: lowered.values[new] for state, new in self.assignments.items()}
        stored.update((s, _advanced(lowered, s)) for s in lowered.states if s.increment and s not in stored)
        shown = [lowered.values[t] for t in (*self.outputs, *lowered.printed)]
        places = {state: len(self.inputs) + i for i, state in enumerate(lowered.states)}
        donations = [(len(shown) + i, places[state]) for i, state in enumerate(stored)]
        return lowered.builder.graph([*shown, *stored.values()], self.name, donations), lowered.states

    def _compiled_call(self) -> Callable[..., list[Any]]:
        executable = self.executable
        scalars = [i for i, t in enumerate(self.outputs) if not t.rank]
        self._call = executable if not scalars and not self._printed else self._finished_call(executable, scalars)
        return self._call

    def _finished_call(self, executable: Executable, scalars: list[int]) -> Callable[..., list[Any]]:
        printed, count = self._printed, len(self.outputs)

        def call(*inputs: Any) -> list[Any]:
            results = executable(*inputs)
            for i in scalars:
                results[i] = results[i][()]
            for alias, value in zip(printed, results[count:], strict=True):
                print(f"{alias.message}{value}", file=sys.stderr)
            del results[count:]
            return results

        return call


def _checked(x: Any) -> Tensor:
    if not isinstance(x, Tensor):
        raise ArgumentError("an input of K.function must be a tensor", got=repr(x),
                            fix="A learning phase fixed by K.set_learning_phase is a number and cannot be fed.")
    return x


def _in_turn(updates: Sequence[Any]) -> dict[State, Tensor]:
    """The last value of each variable; updates that build on the old value go on from the update before."""
    last: dict[State, Tensor] = {}
    for one in {id(u): u for u in updates}.values():
        for state, new in _assignments(one):
            again = one.again if state in last and isinstance(one, Update) else None
            last[state] = new if again is None else again(last[state])
    return last


def _assignments(given: Any) -> tuple[tuple[State, Tensor], ...]:
    if isinstance(given, Update):
        return given.assignments
    if isinstance(given, (list, tuple)) and len(given) == 2 and isinstance(given[0], State):
        return update(given[0], given[1]).assignments
    raise ArgumentError("an update is a pair of a variable and its new value, or what K.update returns",
                        got=repr(given))


def _advanced(lowered: Lowered, state: State) -> Value:
    b, old = lowered.builder, lowered.values[state]
    return b.emit("add", old, b.full_like(state.increment, old))


def function(inputs: Sequence[Tensor], outputs: Sequence[Tensor], updates: Sequence[Any] | None = None,
             name: str | None = None, givens: Mapping[Tensor, Any] | None = None, **kwargs: Any) -> Function:
    """A callable that maps a list of arrays for `inputs` to a list of the values of `outputs`.

    inputs   any tensors, not only placeholders: what makes them is not computed then
    updates  pairs (variable, new value), or what K.update and its kin return; stored after the outputs are known
    givens   tensors that hold a fixed number, compiled in

    Raises TypeError for arguments that are neither list nor tuple; ValueError for unknown keywords.
    """
    if kwargs:
        raise ValueError(f'Invalid argument "{next(iter(kwargs))}" passed to K.function with TensorFlow backend')
    return Function(inputs, outputs, updates, name, givens)
