"""Layout rules: movers of elements that cancel, merge, do nothing, or make way for others."""

from __future__ import annotations

from graphc.ir.dims import Dim
from graphc.ir.graph import Op, Value
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
