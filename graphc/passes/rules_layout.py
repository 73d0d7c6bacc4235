"""Layout rules: movers of elements that cancel, merge, do nothing, or make way for others."""

from __future__ import annotations

from typing import Any

from graphc.ir.dims import Dim
from graphc.ir.graph import Op, Value
from graphc.ir.spec import Kind, op_spec, registered_ops
from graphc.passes.rewrite import Rewriter, rule


@rule("transpose")
def merge_transposes(op: Op, b: Rewriter) -> Value | None:
    """Two transposes are one.

    graph before(%x: f32[2,3,4]) {
      %a = transpose(%x){perm=(1,2,0)}
      %b = transpose(%a){perm=(2,1,0)}
      return %b
    }
    graph after(%x: f32[2,3,4]) {
      %b = transpose(%x){perm=(0,2,1)}
      return %b
    }
    """
    inner = b.made_by(op.operands[0], "transpose")
    if inner is None:
        return None
    first = inner.attr("perm")
    return b.emit("transpose", inner.operands[0], perm=tuple(first[i] for i in op.attr("perm")))


@rule("transpose")
def drop_identity_transpose(op: Op, b: Rewriter) -> Value | None:
    """A transpose that keeps the order does nothing.

    graph before(%x: f32[2,3]) {
      %a = transpose(%x){perm=(0,1)}
      return %a
    }
    graph after(%x: f32[2,3]) {
      return %x
    }
    """
    perm = op.attr("perm")
    return op.operands[0] if perm == tuple(range(len(perm))) else None


@rule("pad")
def drop_empty_pad(op: Op, b: Rewriter) -> Value | None:
    """A padding of nothing does nothing.

    graph before(%x: f32[B,3]) {
      %a = pad(%x){high=(0,0), low=(0,0), value=1.0}
      return %a
    }
    graph after(%x: f32[B,3]) {
      return %x
    }
    """
    return op.operands[0] if all(d == 0 for d in (*op.attr("low"), *op.attr("high"))) else None


@rule("reshape")
def merge_reshapes(op: Op, b: Rewriter) -> Value | None:
    """Two reshapes are one; a reshape to the same shape is none.

    graph before(%x: f32[2,6]) {
      %a = reshape(%x){shape=(3,4)}
      %b = reshape(%a){shape=(12,)}
      return %b
    }
    graph after(%x: f32[2,6]) {
      %b = reshape(%x){shape=(12,)}
      return %b
    }
    """
    (x,) = op.operands
    if x.type.shape == op.result.type.shape:
        return x
    inner = b.made_by(x, "reshape")
    return None if inner is None else b.emit("reshape", inner.operands[0], shape=op.attr("shape"))


@rule("reshape", "reverse", "transpose")
def rows_by_their_indices(op: Op, b: Rewriter) -> Value | None:
    """Gathered rows that are moved as wholes are gathered where they go.

    graph before(%x: f32[7,3], %i: i32[2,5]) {
      %a = gather(%x, %i){axis=0}
      %b = transpose(%a){perm=(1,0,2)}
      %c = reshape(%b){shape=(10,3)}
      return %c
    }
    graph after(%x: f32[7,3], %i: i32[2,5]) {
      %a = transpose(%i){perm=(1,0)}
      %b = reshape(%a){shape=(10,)}
      %c = gather(%x, %b){axis=0}
      return %c
    }
    """
    rows = b.made_by(op.operands[0], "gather")
    if rows is None or rows.attr("axis") != 0 or rows.operands[0].type.rank != 2 or not rows.operands[1].type.rank:
        return None
    attrs, last = op.kwargs, op.result.type.rank - 1
    if op.name == "reshape":
        whole, attrs = op.attr("shape")[-1:] == rows.result.type.shape[-1:], {"shape": op.attr("shape")[:-1]}
    elif op.name == "transpose":
        whole, attrs = op.attr("perm")[-1] == last, {"perm": op.attr("perm")[:-1]}
    else:
        whole = last not in op.attr("axes")
    return b.emit("gather", rows.operands[0], b.emit(op.name, rows.operands[1], **attrs), axis=0) if whole else None


@rule("broadcast")
def drop_identity_broadcast(op: Op, b: Rewriter) -> Value | None:
    """A broadcast to the same shape does nothing.

    graph before(%x: f32[2,3]) {
      %a = broadcast(%x){axes=(0,1), shape=(2,3)}
      return %a
    }
    graph after(%x: f32[2,3]) {
      return %x
    }
    """
    (x,) = op.operands
    return x if x.type == op.result.type and op.attr("axes") == tuple(range(x.type.rank)) else None


@rule("broadcast")
def merge_broadcasts(op: Op, b: Rewriter) -> Value | None:
    """Two broadcasts are one.

    graph before(%x: f32[3]) {
      %a = broadcast(%x){axes=(1,), shape=(2,3)}
      %b = broadcast(%a){axes=(0,2), shape=(2,5,3)}
      return %b
    }
    graph after(%x: f32[3]) {
      %b = broadcast(%x){axes=(2,), shape=(2,5,3)}
      return %b
    }
    """
    inner = b.made_by(op.operands[0], "broadcast")
    if inner is None:
        return None
    outer_axes = op.attr("axes")
    axes = tuple(outer_axes[i] for i in inner.attr("axes"))
    return b.emit("broadcast", inner.operands[0], axes=axes, shape=op.attr("shape"))


@rule("broadcast")
def broadcast_without_unit_axes(op: Op, b: Rewriter) -> Value | None:
    """A reshape that only adds axes of one before a broadcast is said by the broadcast's axes alone.

    graph before(%x: f32[2]) {
      %a = reshape(%x){shape=(2,1)}
      %b = broadcast(%a){axes=(0,1), shape=(2,3)}
      return %b
    }
    graph after(%x: f32[2]) {
      %b = broadcast(%x){axes=(0,), shape=(2,3)}
      return %b
    }
    """
    inner = b.made_by(op.operands[0], "reshape")
    if inner is None:
        return None
    (x,) = inner.operands
    kept = [i for i, dim in enumerate(inner.result.type.shape) if dim != 1]
    if tuple(inner.result.type.shape[i] for i in kept) != x.type.shape:
        return None
    axes = op.attr("axes")
    return b.emit("broadcast", x, axes=tuple(axes[i] for i in kept), shape=op.attr("shape"))


@rule("slice")
def merge_slices(op: Op, b: Rewriter) -> Value | None:
    """A slice of a slice is one.

    graph before(%x: f32[9]) {
      %a = slice(%x){limits=(8,), starts=(2,), strides=(1,)}
      %b = slice(%a){limits=(3,), starts=(1,), strides=(1,)}
      return %b
    }
    graph after(%x: f32[9]) {
      %b = slice(%x){limits=(5,), starts=(3,), strides=(1,)}
      return %b
    }
    """
    inner = b.made_by(op.operands[0], "slice")
    if inner is None or {*inner.attr("strides"), *op.attr("strides")} != {1}:
        return None
    starts, limits = (tuple(x + y for x, y in zip(inner.attr("starts"), op.attr(name), strict=True))
                      for name in ("starts", "limits"))
    return b.emit("slice", inner.operands[0], starts=starts, limits=limits, strides=op.attr("strides"))

# Images with channels first. A window op has its channels last, so the frontend puts a transpose in front of each and
# one behind. The rules below move the one behind (here: to the front) past what follows, until it meets the next one in
# front and the two merge into nothing.

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


@rule("add")
def sum_of_parts(op: Op, b: Rewriter) -> Value | None:
    """Parts padded with zeros to the places of their neighbours and added up are put together instead
    (only the sign of a zero can differ).

    graph before(%x: f32[R,2], %y: f32[R,3]) {
      %a = pad(%x){high=(0,3), low=(0,0), value=0.0}
      %b = pad(%y){high=(0,0), low=(0,2), value=0.0}
      %z = add(%a, %b)
      return %z
    }
    graph after(%x: f32[R,2], %y: f32[R,3]) {
      %z = concatenate(%x, %y){axis=1}
      return %z
    }
    """
    parts = _padded_parts(op, b)
    if parts is None:
        return None
    axes = {i for part in parts for i, (low, high) in enumerate(zip(part.attr("low"), part.attr("high"), strict=True))
            if low != 0 or high != 0}
    if len(axes) != 1:
        return None
    (axis,) = axes
    if any(not isinstance(part.attr("low")[axis], int) for part in parts):
        return None
    parts.sort(key=lambda part: part.attr("low")[axis])
    reached: Dim = 0
    for part in parts:
        if part.attr("low")[axis] != reached:
            return None
        reached = reached + part.operands[0].type.shape[axis]
    if reached != op.result.type.shape[axis]:
        return None
    return b.emit("concatenate", *(part.operands[0] for part in parts), axis=axis)


def _padded_parts(op: Op, b: Rewriter, depth: int = 6) -> list[Op] | None:
    """The pads that a tree of sums adds up; None where something else is among them."""
    found: list[Op] = []
    for value in op.operands:
        pad, inner = b.made_by(value, "pad"), b.made_by(value, "add")
        if pad is not None and pad.attr("value") == 0:
            found.append(pad)
            continue
        more = _padded_parts(inner, b, depth - 1) if inner is not None and depth else None
        if more is None:
            return None
        found += more
    return found
