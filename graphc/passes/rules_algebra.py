"""Algebraic rules: identities of arithmetic, and what follows when an operand is one number everywhere.

Only rules that keep every result bit for bit, NaN and infinities included, or that NumPy itself
would compute the same way (splats are folded by the ops' own references).
"""

from __future__ import annotations

import numpy as np

from graphc.ir.graph import Op, Value
from graphc.ir.spec import Kind, op_spec, registered_ops
from graphc.passes.rewrite import Rewriter, rule


@rule("multiply")
def drop_multiply_by_one(op: Op, b: Rewriter) -> Value | None:
    """x * 1 is x.

    graph before(%x: f32[3]) {
      %one = full{value=1.0, shape=(3,), dtype=f32}
      %y = multiply(%x, %one)
      return %y
    }
    graph after(%x: f32[3]) {
      return %x
    }
    """
    x, y = op.operands
    return x if b.splat(y) == 1 else y if b.splat(x) == 1 else None


@rule("divide")
def drop_divide_by_one(op: Op, b: Rewriter) -> Value | None:
    """x / 1 is x.

    graph before(%x: f32[3]) {
      %one = full{value=1.0, shape=(3,), dtype=f32}
      %y = divide(%x, %one)
      return %y
    }
    graph after(%x: f32[3]) {
      return %x
    }
    """
    return op.operands[0] if b.splat(op.operands[1]) == 1 else None


@rule("subtract")
def drop_subtract_zero(op: Op, b: Rewriter) -> Value | None:
    """x - 0 is x.

    graph before(%x: f32[3]) {
      %zero = full{value=0.0, shape=(3,), dtype=f32}
      %y = subtract(%x, %zero)
      return %y
    }
    graph after(%x: f32[3]) {
      return %x
    }
    """
    zero = b.splat(op.operands[1])
    return op.operands[0] if zero == 0 and not np.signbit(float(zero)) else None


@rule("add")
def drop_add_zero(op: Op, b: Rewriter) -> Value | None:
    """x + 0 is x: a gradient's sum starts from zeros (only the sign of a zero can differ).

    graph before(%x: f32[3]) {
      %zero = full{value=0.0, shape=(3,), dtype=f32}
      %y = add(%x, %zero)
      return %y
    }
    graph after(%x: f32[3]) {
      return %x
    }
    """
    x, y = op.operands
    return x if b.splat(y) == 0 else y if b.splat(x) == 0 else None


@rule("negative", "logical_not")
def cancel_involution(op: Op, b: Rewriter) -> Value | None:
    """Twice negated is not negated.

    graph before(%x: f32[3]) {
      %a = negative(%x)
      %b = negative(%a)
      return %b
    }
    graph after(%x: f32[3]) {
      return %x
    }
    """
    inner = b.made_by(op.operands[0], op.name)
    return inner.operands[0] if inner is not None else None


@rule("stop_gradient")
def drop_stop_gradient(op: Op, b: Rewriter) -> Value | None:
    """Once gradients are taken, stop_gradient is its operand.

    graph before(%x: f32[3]) {
      %y = stop_gradient(%x)
      return %y
    }
    graph after(%x: f32[3]) {
      return %x
    }
    """
    return op.operands[0]


@rule("select")
def choose_known_branch(op: Op, b: Rewriter) -> Value | None:
    """A select whose condition is known, or whose branches are one value, is that branch.

    graph before(%x: f32[3], %y: f32[3]) {
      %c = full{value=true, shape=(3,), dtype=bool}
      %z = select(%c, %x, %y)
      return %z
    }
    graph after(%x: f32[3], %y: f32[3]) {
      return %x
    }
    """
    condition, x, y = op.operands
    if x is y:
        return x
    known = b.splat(condition)
    return None if known is None else x if known else y


@rule("cast")
def drop_cast_to_same(op: Op, b: Rewriter) -> Value | None:
    """A cast to the type a value already has does nothing.

    graph before(%x: f32[3]) {
      %y = cast(%x){dtype=f32}
      return %y
    }
    graph after(%x: f32[3]) {
      return %x
    }
    """
    return op.operands[0] if op.operands[0].type == op.result.type else None


@rule("reduce_mean", "reduce_max", "reduce_min", "broadcast", "reshape", "transpose", "slice", "reverse")
def move_nothing_in_splat(op: Op, b: Rewriter) -> Value | None:
    """Moving or averaging one number everywhere leaves that number everywhere.

    graph before() {
      %x = full{value=2.0, shape=(), dtype=f32}
      %y = broadcast(%x){axes=(), shape=(3,4)}
      return %y
    }
    graph after() {
      %y = full{value=2.0, shape=(3,4), dtype=f32}
      return %y
    }
    """
    value = b.splat(op.operands[0])
    if value is None or (op.name.startswith("reduce") and 0 in op.operands[0].type.shape):
        return None
    return b.full(value, op.result.type.shape, op.result.type.dtype)


@rule(*sorted(name for name in registered_ops() if op_spec(name).kind is Kind.ELEMENTWISE))
def fold_splats(op: Op, b: Rewriter) -> Value | None:
    """An elementwise op on numbers is a number, whatever the shape.

    graph before() {
      %x = full{value=2.0, shape=(B,4), dtype=f32}
      %y = full{value=3.0, shape=(B,4), dtype=f32}
      %z = multiply(%x, %y)
      return %z
    }
    graph after() {
      %z = full{value=6.0, shape=(B,4), dtype=f32}
      return %z
    }
    """
    values = [b.splat(v) for v in op.operands]
    if any(v is None for v in values):
        return None
    arrays = [np.asarray(v, operand.type.dtype.numpy) for v, operand in zip(values, op.operands, strict=True)]
    with np.errstate(all="ignore"):
        result = np.asarray(op.spec.reference(*arrays, **op.kwargs))
    return b.full(result.item(), op.result.type.shape, op.result.type.dtype)


@rule("power")
def power_by_small_number(op: Op, b: Rewriter) -> Value | None:
    """x ** 2 is x * x; x ** 1 is x; x ** 0.5 stays, for its zeros and infinities differ from sqrt's.

    graph before(%x: f32[3]) {
      %two = full{value=2.0, shape=(3,), dtype=f32}
      %y = power(%x, %two)
      return %y
    }
    graph after(%x: f32[3]) {
      %y = square(%x)
      return %y
    }
    """
    exponent = b.splat(op.operands[1])
    if exponent == 1:
        return op.operands[0]
    return b.emit("square", op.operands[0]) if exponent == 2 else None
