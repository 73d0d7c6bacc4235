"""Rules for images with channels first: inside, channels are last.

A window op has its channels last, so the frontend puts a transpose in front of each and one behind. These rules move
the one behind (here: to the front) past what follows, until it meets the next one in front and the two merge into
nothing.

What does not live here: the merging (rules_layout.py).
"""

from __future__ import annotations

from typing import Any

from graphc.ir.graph import Op, Value
from graphc.ir.spec import Kind, op_spec, registered_ops
from graphc.passes.rewrite import Rewriter, rule

DEPTH = 8  # how far back a mask is looked through
ELEMENTWISE = tuple(sorted(name for name in registered_ops() if op_spec(name).kind is Kind.ELEMENTWISE))
FOLDS = ("logsumexp", "reduce_all", "reduce_any", "reduce_max", "reduce_mean", "reduce_min", "reduce_prod",
         "reduce_sum")


def _to_front(rank: int) -> tuple[int, ...]:
    """The order that moves the last axis behind the first."""
    return (0, rank - 1, *range(1, rank - 1))


def _to_back(rank: int) -> tuple[int, ...]:
    return (0, *range(2, rank), 1)


def _with_last(value: Value, b: Rewriter) -> Value | None:
    """`value` before its channels were moved to the front, if they were."""
    op = b.made_by(value, "transpose") if value.type.rank >= 4 else None
    return op.operands[0] if op is not None and op.attr("perm") == _to_front(value.type.rank) else None


def _in_front(value: Value, b: Rewriter) -> Value:
    return b.emit("transpose", value, perm=_to_front(value.type.rank))


def _can_have_last(value: Value, b: Rewriter, depth: int = DEPTH) -> bool:
    """Whether moving the channels of `value` to the back costs nothing, or only the one transposition of an input."""
    op = b.producer(value)
    if op is None or _with_last(value, b) is not None or _is_spread(value, b):
        return True
    if op.spec.kind is Kind.SOURCE or op.name.startswith("random_"):
        return True
    return depth > 0 and op.spec.kind is Kind.ELEMENTWISE and all(_can_have_last(v, b, depth - 1) for v in op.operands)


def _is_spread(value: Value, b: Rewriter, depth: int = DEPTH) -> bool:
    """Whether `value` is made of broadcasts and numbers only, so that it can be made in any order of axes."""
    op = b.producer(value)
    if op is None or op.name in ("broadcast", "full"):
        return op is not None
    return depth > 0 and op.spec.kind is Kind.ELEMENTWISE and all(_is_spread(v, b, depth - 1) for v in op.operands)


@rule(*ELEMENTWISE)
def channels_last_in_elementwise(op: Op, b: Rewriter) -> Value | None:
    """Elementwise ops come before the transpose that moves the channels to the front, where no operand forbids it.

    graph before(%x: f32[2,5,6,3], %bias: f32[3]) {
      %a = transpose(%x){perm=(0,3,1,2)}
      %b = broadcast(%bias){axes=(1,), shape=(2,3,5,6)}
      %y = add(%a, %b)
      return %y
    }
    graph after(%x: f32[2,5,6,3], %bias: f32[3]) {
      %b = broadcast(%bias){axes=(3,), shape=(2,5,6,3)}
      %y = add(%x, %b)
      %a = transpose(%y){perm=(0,3,1,2)}
      return %a
    }
    """
    if op.result.type.rank < 4 or all(_with_last(v, b) is None for v in op.operands):
        return None
    if not all(_can_have_last(v, b) for v in op.operands):
        return None
    back = _to_back(op.result.type.rank)
    operands = (_with_last(v, b) or _moved(v, back, b) for v in op.operands)
    return _in_front(b.emit(op.name, *operands, **op.kwargs), b)


def _moved(value: Value, perm: tuple[int, ...], b: Rewriter) -> Value:
    """The transpose of `value`, of what it was broadcast from where it was."""
    spread, number = b.made_by(value, "broadcast"), b.splat(value)
    if number is not None:
        return b.full(number, tuple(value.type.shape[i] for i in perm), value.type.dtype)
    return b.emit("transpose", value, perm=perm) if spread is None else _broadcast_moved(spread, perm, b)


def _broadcast_moved(spread: Op, perm: tuple[int, ...], b: Rewriter) -> Value:
    (x,) = spread.operands
    places = [perm.index(axis) for axis in spread.attr("axes")]
    order = tuple(sorted(range(len(places)), key=places.__getitem__))
    x = x if order == tuple(range(len(order))) else b.emit("transpose", x, perm=order)
    shape = spread.result.type.shape
    return b.emit("broadcast", x, axes=tuple(sorted(places)), shape=tuple(shape[i] for i in perm))


@rule("transpose")
def transpose_before_broadcast(op: Op, b: Rewriter) -> Value | None:
    """What is transposed is what was broadcast, if anything.

    graph before(%x: f32[2,3]) {
      %a = broadcast(%x){axes=(0,1), shape=(2,3,5,6)}
      %y = transpose(%a){perm=(0,2,3,1)}
      return %y
    }
    graph after(%x: f32[2,3]) {
      %y = broadcast(%x){axes=(0,3), shape=(2,5,6,3)}
      return %y
    }
    """
    spread = b.made_by(op.operands[0], "broadcast")
    return None if spread is None else _broadcast_moved(spread, op.attr("perm"), b)


@rule("transpose")
def transpose_before_elementwise(op: Op, b: Rewriter) -> Value | None:
    """An elementwise op on broadcasts is made in the order that is wanted.

    graph before(%x: f32[3], %y: f32[5]) {
      %a = broadcast(%x){axes=(0,), shape=(3,5)}
      %b = broadcast(%y){axes=(1,), shape=(3,5)}
      %c = multiply(%a, %b)
      %d = transpose(%c){perm=(1,0)}
      return %d
    }
    graph after(%x: f32[3], %y: f32[5]) {
      %a = broadcast(%x){axes=(1,), shape=(5,3)}
      %b = broadcast(%y){axes=(0,), shape=(5,3)}
      %c = multiply(%a, %b)
      return %c
    }
    """
    made = b.producer(op.operands[0])
    if made is None or made.spec.kind is not Kind.ELEMENTWISE or not _is_spread(made.result, b):
        return None
    return b.emit(made.name, *(_moved(v, op.attr("perm"), b) for v in made.operands), **made.kwargs)


@rule("transpose")
def transpose_of_unit_axes(op: Op, b: Rewriter) -> Value | None:
    """A transpose that moves nothing but axes of one is a reshape.

    graph before(%x: f32[1,3,1,1]) {
      %y = transpose(%x){perm=(0,2,3,1)}
      return %y
    }
    graph after(%x: f32[1,3,1,1]) {
      %y = reshape(%x){shape=(1,1,1,3)}
      return %y
    }
    """
    shape = op.operands[0].type.shape
    moved = [axis for axis in op.attr("perm") if shape[axis] != 1]
    return b.emit("reshape", op.operands[0], shape=op.result.type.shape) if moved == sorted(moved) else None


@rule(*FOLDS)
def channels_last_in_fold(op: Op, b: Rewriter) -> Value | None:
    """A reduction reads what lies before the transpose that moved the channels to the front; what it leaves is moved.

    graph before(%x: f32[2,5,6,3]) {
      %a = transpose(%x){perm=(0,3,1,2)}
      %y = reduce_max(%a){axes=(2,3)}
      return %y
    }
    graph after(%x: f32[2,5,6,3]) {
      %y = reduce_max(%x){axes=(1,2)}
      return %y
    }
    """
    x = _with_last(op.operands[0], b)
    if x is None:
        return None
    perm, axes = _to_front(x.type.rank), op.attr("axes")
    folded = b.emit(op.name, x, axes=tuple(sorted(perm[axis] for axis in axes)))
    left = [axis for i, axis in enumerate(perm) if i not in axes]
    order = tuple(sorted(left).index(axis) for axis in left)
    return folded if order == tuple(range(len(order))) else b.emit("transpose", folded, perm=order)


@rule("concatenate")
def channels_last_in_concatenate(op: Op, b: Rewriter) -> Value | None:
    """Parts whose channels were moved to the front are joined before that.

    graph before(%x: f32[2,5,6,3], %y: f32[2,5,6,4]) {
      %a = transpose(%x){perm=(0,3,1,2)}
      %b = transpose(%y){perm=(0,3,1,2)}
      %c = concatenate(%a, %b){axis=1}
      return %c
    }
    graph after(%x: f32[2,5,6,3], %y: f32[2,5,6,4]) {
      %c = concatenate(%x, %y){axis=3}
      %a = transpose(%c){perm=(0,3,1,2)}
      return %a
    }
    """
    if all(_with_last(v, b) is None for v in op.operands) or not all(_can_have_last(v, b) for v in op.operands):
        return None
    rank = op.result.type.rank
    parts = (_with_last(v, b) or _moved(v, _to_back(rank), b) for v in op.operands)
    return _in_front(b.emit("concatenate", *parts, axis=_to_front(rank)[op.attr("axis")]), b)


@rule("log_softmax", "pad", "reverse", "slice", "softmax")
def channels_last_along_axes(op: Op, b: Rewriter) -> Value | None:
    """So do movers that keep the order of the axes, and ops along an axis.

    graph before(%x: f32[2,5,6,3]) {
      %a = transpose(%x){perm=(0,3,1,2)}
      %y = slice(%a){limits=(2,2,5,6), starts=(0,1,0,0), strides=(1,1,1,2)}
      return %y
    }
    graph after(%x: f32[2,5,6,3]) {
      %y = slice(%x){limits=(2,5,6,2), starts=(0,0,0,1), strides=(1,1,2,1)}
      %a = transpose(%y){perm=(0,3,1,2)}
      return %a
    }
    """
    x = _with_last(op.operands[0], b)
    if x is None:
        return None
    back, perm, attrs = _to_back(x.type.rank), _to_front(x.type.rank), op.kwargs
    moved: dict[str, Any]
    if op.name in ("pad", "slice"):
        moved = {name: tuple(value[i] for i in back) if isinstance(value, tuple) else value
                 for name, value in attrs.items()}
    elif op.name == "reverse":
        moved = {"axes": tuple(sorted(perm[axis] for axis in attrs["axes"]))}
    else:
        moved = {"axis": perm[attrs["axis"]]}
    return _in_front(b.emit(op.name, x, **moved), b)
