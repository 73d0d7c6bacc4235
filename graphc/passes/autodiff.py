"""Reverse-mode differentiation by the ops' vjp rules.

The adjoint ops are appended to a builder that already holds the forward ops, so everything the
rules share with the forward pass is interned. `K.gradients` and the training step use this file.

What does not live here: the rules themselves (ops_*.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.errors import GraphcError, NotDifferentiableError
from graphc.ir.builder import Builder
from graphc.ir.graph import Op, Value
from graphc.ir.traced import RuleContext, Traced
from graphc.passes.scan_gradient import scan_gradient


def gradients(builder: Builder, ops: Sequence[Op], outputs: Sequence[Value], cotangents: Sequence[Value],
              wrt: Sequence[Value]) -> list[Value | None]:
    """Cotangents of `wrt`, given those of `outputs`; None where an output does not depend on one.

    ops are the forward ops in execution order. A value of an integer or bool type has no cotangent.
    Raises NotDifferentiableError, naming op and layer, where a float path crosses an op without rule.
    """
    reached = _depends_on(ops, wrt)
    adjoint: dict[Value, Value] = {}
    for value, cotangent in zip(outputs, cotangents, strict=True):
        _accumulate(builder, adjoint, value, cotangent)
    for op in reversed(ops):
        if not any(r in adjoint for r in op.results) or not any(v in reached for v in op.operands):
            continue
        for operand, pulled in zip(op.operands, _pull_back(builder, op, adjoint, reached), strict=True):
            if pulled is not None and operand in reached and operand.type.dtype.is_float:
                _accumulate(builder, adjoint, operand, pulled)
    return [adjoint.get(v) for v in wrt]


def _depends_on(ops: Sequence[Op], wrt: Sequence[Value]) -> set[Value]:
    reached = set(wrt)
    for op in ops:
        if any(v in reached for v in op.operands):
            reached.update(op.results)
    return reached


def _accumulate(builder: Builder, adjoint: dict[Value, Value], value: Value, cotangent: Value) -> None:
    if cotangent.type != value.type:
        raise NotDifferentiableError("a cotangent has another type than its value",
                                     expected=value.type, got=cotangent.type)
    known = adjoint.get(value)
    adjoint[value] = cotangent if known is None else builder.emit("add", known, cotangent)


def _pull_back(builder: Builder, op: Op, adjoint: dict[Value, Value], reached: set[Value]) -> list[Value | None]:
    if op.spec.vjp is None and op.name != "scan":
        if all(r.type.dtype.is_float for r in op.results) and any(v.type.dtype.is_float for v in op.operands):
            raise NotDifferentiableError(f"{op.name} has no gradient", where=op.origin)
        return [None] * len(op.operands)
    outside, builder.origin = builder.origin, f"{op.origin}/grad" if op.origin else "grad"
    try:
        if op.name == "scan":
            return scan_gradient(builder, op, [adjoint.get(r) for r in op.results], reached, gradients)
        return _by_rule(builder, op, adjoint)
    except GraphcError as error:
        error.add_note(f"in the gradient of {op.name}" + (f", layer {op.origin}" if op.origin else ""))
        raise
    finally:
        builder.origin = outside


def _by_rule(builder: Builder, op: Op, adjoint: dict[Value, Value]) -> list[Value | None]:
    assert op.spec.vjp is not None
    cotangents = [Traced(builder, adjoint.get(r) or builder.full_like(0.0, r)) for r in op.results]
    g = cotangents[0] if len(cotangents) == 1 else cotangents
    pulled = op.spec.vjp(RuleContext(builder, op), g, *(Traced(builder, v) for v in op.operands))
    return [None if traced is None else traced.value for traced in pulled]
