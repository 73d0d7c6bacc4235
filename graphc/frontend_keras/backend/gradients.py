"""K.gradients: derivatives as tensors, by the same rules that training uses.

What does not live here: the rules (ir/ops_*.py), the pass (passes/autodiff.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.frontend_keras.backend.leaves import Placeholder
from graphc.frontend_keras.backend.lowering import lower, walk
from graphc.frontend_keras.backend.symbols import Equation
from graphc.frontend_keras.backend.tensor import Alias, Tensor, apply_op
from graphc.ir.graph import Op, Value
from graphc.passes import autodiff


def gradients(loss: Tensor | Sequence[Tensor], variables: Tensor | Sequence[Tensor]) -> list[Tensor | None]:
    """The derivative of `loss` with respect to each of `variables`, in their shapes; None where there is none.

    Several losses, and the elements of a loss that is not a scalar, are summed. Raises NotDifferentiableError
    where a path crosses an op without a gradient.
    """
    losses, wanted = _listed(loss), _listed(variables)
    reached = walk(losses)
    lowered = lower([*losses, *wanted], [t for t in walk([*losses, *wanted]) if isinstance(t, Placeholder)])
    builder = lowered.builder
    tensors: dict[Value, Tensor] = {}
    for t, value in lowered.values.items():
        tensors.setdefault(value, t)
    forward = tuple(builder.ops)
    ends = [lowered.values[t] for t in losses]
    found = autodiff.gradients(builder, forward, ends, [builder.full_like(1, v) for v in ends],
                               [lowered.values[t] for t in wanted])
    for op in builder.ops:
        _lift(op, tensors)
    equations = tuple(e for t in reached if isinstance(t, Alias) for e in t.equations)
    return [None if v is None else _bound(tensors[v], equations) for v in found]


def _lift(op: Op, tensors: dict[Value, Tensor]) -> None:
    operands = tuple(tensors[v] for v in op.operands)
    for result in op.results:
        tensors.setdefault(result, Tensor(result, op, operands))


def _listed(tensors: Tensor | Sequence[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _bound(gradient: Tensor, equations: tuple[Equation, ...]) -> Tensor:
    return Alias(gradient, equations=equations) if equations else gradient


def stop_gradient(variables: Tensor | Sequence[Tensor]) -> Tensor | list[Tensor]:
    """The same values, held constant by K.gradients."""
    if isinstance(variables, Tensor):
        return apply_op("stop_gradient", variables)
    return [apply_op("stop_gradient", v) for v in variables]
