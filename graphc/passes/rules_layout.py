"""Layout rules: movers of elements that cancel, merge or do nothing."""

from __future__ import annotations

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
