"""K.rnn: a step function applied along the time axis.

The steps are laid out one after the other in the graph, so their number must be known. The time axis is halved again
and again, on the way in and on the way out: the gradient of n slices of one tensor would be a sum of n tensors of its
whole size, that of halves is put together in log2(n) rounds.

What does not live here: what one step computes (layers/recurrent_cells.py), the layers (layers/recurrent.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras.backend.later import NotBuiltError
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.phase import switch
from graphc.frontend_keras.backend.shaping import concatenate, expand_dims
from graphc.frontend_keras.backend.tensor import Tensor, assume, cast, full_like, reshape_to

Step = Callable[[Tensor, list[Tensor]], tuple[Tensor, Sequence[Tensor]]]


def rnn(step_function: Step, inputs: Tensor, initial_states: Sequence[Tensor], go_backwards: bool = False,
        mask: Tensor | None = None, constants: Sequence[Tensor] | None = None, unroll: bool = False,
        input_length: int | None = None) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Apply `step_function` to each time step of `inputs`, (samples, time, ...).

    step_function   (input (samples, ...), states then constants) -> (output (samples, ...), new states)
    go_backwards    begin with the last time step; outputs come in the order in which they are made
    mask            (samples, time) or (samples, time, 1): where it is False the states stay as they are and the output
                    is that of the step before; before the first step it is zero if `unroll`, else the first state
    constants       tensors that every step gets after the states
    input_length    number of time steps, where the shape does not say it

    Returns the last output, all outputs (samples, time, ...), and the last states. Raises ShapeError for inputs of less
    than 3 axes or no time steps, ArgumentError for a mask without states, NotBuiltError for an unknown number of steps.
    """
    if inputs.rank < 3:
        raise ShapeError("Input should be at least 3D", where=current_origin(), got=tuple(inputs.shape))
    states = list(initial_states)
    if mask is not None and not states and not unroll:
        raise ArgumentError("No initial states provided! When using masking in an RNN, you should provide initial "
                            "states (and your step function should return as its first state at time `t` the output "
                            "at time `t-1`)", where=current_origin())
    steps = _number_of_steps(inputs, input_length, unroll)
    parts = _unstacked(assume(inputs, (inputs.dims[0], steps, *inputs.dims[2:])))
    kept = [None] * steps if mask is None else _kept(mask, inputs, steps)
    outputs: list[Tensor] = []
    before = None if unroll or not states else states[0]
    for at in reversed(range(steps)) if go_backwards else range(steps):
        output, new_states = step_function(parts[at], [*states, *(constants or ())])
        phased = output._uses_learning_phase
        here = kept[at]
        if here is not None:
            if before is None or before.dims[1:] != output.dims[1:]:
                before = full_like(0, output)
            output = switch(here, output, before)
            new_states = [switch(here, new, old) for new, old in zip(new_states, states, strict=True)]
        output._uses_learning_phase = phased or any(x._uses_learning_phase for x in outputs[-1:])
        outputs.append(output)
        before, states = output, list(new_states)
    return outputs[-1], _stacked(outputs), states


def _number_of_steps(inputs: Tensor, input_length: int | None, unroll: bool) -> int:
    steps = inputs.dims[1] if isinstance(inputs.dims[1], int) else input_length
    fix = ("Give the input a fixed number of time steps: Input(shape=(steps, features)), or in the first layer "
           "input_shape=(steps, features), or input_length=steps in an Embedding.")
    if steps is None and unroll:
        raise ShapeError("Unrolling requires a fixed number of timesteps", where=current_origin(),
                         got=tuple(inputs.shape), fix=fix)
    if steps is None:
        raise NotBuiltError("recurrence over a number of time steps that is not known beforehand is not built yet",
                            where=current_origin(), got=tuple(inputs.shape), fix=fix)
    if steps < 1:
        raise ShapeError("recurrence needs at least one time step", where=current_origin(), got=tuple(inputs.shape))
    return steps


def _kept(mask: Tensor, inputs: Tensor, steps: int) -> list[Tensor | None]:
    """For each step, (samples, 1): whether it counts."""
    mask = cast(mask, "bool")
    if mask.rank == inputs.rank - 1:
        mask = expand_dims(mask)
    return list(_unstacked(assume(mask, (mask.dims[0], steps, *mask.dims[2:]))))


def _unstacked(x: Tensor) -> list[Tensor]:
    """The parts of `x` along axis 1, without that axis."""
    steps: Any = x.dims[1]
    if steps == 1:
        return [reshape_to(x, (x.dims[0], *x.dims[2:]))]
    return _unstacked(x[:, :steps // 2]) + _unstacked(x[:, steps // 2:])


def _stacked(parts: list[Tensor]) -> Tensor:
    """The parts along a new axis 1."""
    if len(parts) == 1:
        return expand_dims(parts[0], 1)
    half = len(parts) // 2
    return concatenate([_stacked(parts[:half]), _stacked(parts[half:])], 1)
