"""K.rnn: a step function applied along the time axis, as one loop.

Inside, time is axis 0: a step's slice lies in one piece, and the rows of a batch are what threads share. The
transposes at the borders meet those of the next layer and vanish, or become the order in which a product reads its
operand.

What does not live here: the loop itself (loops.py), what one step computes (layers/recurrent_cells.py), the layers
(layers/recurrent.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras.backend.loops import Loop
from graphc.frontend_keras.backend.naming import current_origin
from graphc.frontend_keras.backend.phase import switch
from graphc.frontend_keras.backend.random import drawing_each_step, keys_made
from graphc.frontend_keras.backend.shaping import expand_dims, permute_dimensions, reverse
from graphc.frontend_keras.backend.tensor import Tensor, as_tensor, assume, cast, full_like
from graphc.ir.dims import Dim

Step = Callable[[Tensor, list[Tensor]], tuple[Tensor, Sequence[Tensor]]]


def rnn(step_function: Step, inputs: Tensor, initial_states: Sequence[Tensor], go_backwards: bool = False,
        mask: Tensor | None = None, constants: Sequence[Tensor] | None = None, unroll: bool = False,
        input_length: int | None = None, zero_output_for_mask: bool = False) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Apply `step_function` to each time step of `inputs`, (samples, time, ...).

    step_function   (input (samples, ...), states then constants) -> (output (samples, ...), new states)
    go_backwards    begin with the last time step; outputs come in the order in which they are made
    mask            (samples, time) or (samples, time, 1): where it is False the states stay as they are and the output
                    is the first state; if `unroll`, that of the step before, which is zero before the first
    constants       tensors that every step gets after the states
    input_length    number of time steps, where the shape does not say it
    zero_output_for_mask  where the mask is False the output is zero

    Returns the last output, all outputs (samples, time, ...), and the last states. Raises ShapeError for inputs of less
    than 3 axes or no time steps, ArgumentError for a mask without states.
    """
    if inputs.rank < 3:
        raise ShapeError("Input should be at least 3D", where=current_origin(), got=tuple(inputs.shape))
    states = [as_tensor(state, inputs.dtype) for state in initial_states]
    if mask is not None and not states and not unroll:
        raise ArgumentError("No initial states provided! When using masking in an RNN, you should provide initial "
                            "states (and your step function should return as its first state at time `t` the output "
                            "at time `t-1`)", where=current_origin())
    steps = _number_of_steps(inputs, input_length, unroll)
    loop = Loop(steps, reverse=go_backwards, least=1)
    x = loop.slice(_time_first(assume(inputs, (inputs.dims[0], steps, *inputs.dims[2:]))))
    held = [loop.carry(state) for state in states]
    output, made = _traced(step_function, x, [*held, *(constants or ())], loop)
    new_states = list(made)
    phased = output._uses_learning_phase
    place = next((i for i, state in enumerate(new_states) if state is output), None)
    before = None
    if mask is not None:
        here = loop.slice(_time_first(_kept(mask, inputs, steps)))
        if zero_output_for_mask:
            output, place = switch(here, output, full_like(0, output)), None
        else:
            if unroll or not held or held[0].dims[1:] != output.dims[1:]:
                before, place = loop.carry(full_like(0, output)), None
            output = switch(here, output, held[0] if before is None else before)
        new_states = [switch(here, new, old) for new, old in zip(new_states, held, strict=True)]
    for leaf, new in zip(held, new_states, strict=True):
        loop.follow(leaf, new)
    if before is not None:
        loop.follow(before, output)
    loop.result(output)
    finals, (outputs,) = loop.run()
    if place is None:
        last = finals[-1] if before is not None else outputs[0 if go_backwards else -1]
    else:
        last = finals[place]
    outputs = _time_first(reverse(outputs, 0) if go_backwards else outputs)
    last._uses_learning_phase = outputs._uses_learning_phase = phased
    return last, outputs, finals[:len(held)]


def _traced(step_function: Step, x: Tensor, states: list[Tensor], loop: Loop) -> tuple[Tensor, Sequence[Tensor]]:
    """What the step makes. One that draws random numbers is called again, as Keras does: what a cell keeps from its
    first call, such as a mask for all steps, belongs to the whole loop; what the second one draws is drawn anew in
    each step."""
    before = keys_made()
    made = step_function(x, states)
    if keys_made() == before:
        return made
    with drawing_each_step(loop.number):
        return step_function(x, states)


def _time_first(x: Tensor) -> Tensor:
    """Axes 0 and 1 change places."""
    return permute_dimensions(x, (1, 0, *range(2, x.rank)))


def _number_of_steps(inputs: Tensor, input_length: int | None, unroll: bool) -> Dim:
    steps = inputs.dims[1] if isinstance(inputs.dims[1], int) or input_length is None else input_length
    if unroll and not isinstance(steps, int):
        raise ShapeError("Unrolling requires a fixed number of timesteps", where=current_origin(),
                         got=tuple(inputs.shape),
                         fix="Give the input a fixed number of time steps: Input(shape=(steps, features)), or in the "
                             "first layer input_shape=(steps, features), or input_length=steps in an Embedding.")
    if isinstance(steps, int) and steps < 1:
        raise ShapeError("recurrence needs at least one time step", where=current_origin(), got=tuple(inputs.shape))
    return steps


def _kept(mask: Tensor, inputs: Tensor, steps: Dim) -> Tensor:
    """(samples, time, 1): whether a step counts."""
    mask = cast(mask, "bool")
    if mask.rank == 2:
        mask = expand_dims(mask)
    return assume(mask, (inputs.dims[0], steps, *mask.dims[2:]))
