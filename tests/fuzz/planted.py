"""Bugs that a compiler might have, to be planted into ours: the tests must find each of them.

What does not live here: how they are planted (planting.py), looking for them (hunting.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from graphc.codegen import expressions, folding, positions
from graphc.codegen_cpu import contract, folds, indexed, loops
from graphc.ir import Builder, Graph, Kind, op_spec
from graphc.ir.dims import size_of
from graphc.ir.evaluate import apply_reference
from graphc.ir.ops_reduce import spread
from graphc.passes import make_kernels, plan_memory, rules_algebra, rules_layout, rules_legal
from graphc.passes.cse import cse
from graphc.passes.dce import dce
from graphc.passes.scan_gradient import scan_gradient
from graphc.runtime import loop_room, program
from tests.fuzz.cases import Case
from tests.fuzz.planting import Plant, attribute, body, instead, method, source, spec, special


@dataclass(frozen=True)
class Bug:
    """stage: what it is planted in, and so which check can see it: passes, gradients, code, or the runtime.

    relevant: whether a case could show a bug of the runtime, whose programs have the same text.
    """

    name: str
    stage: str
    plant: Plant
    relevant: Callable[[Case], bool] = lambda case: True


def stated(case: Case) -> bool:
    return bool(case.states)


def looped(case: Case) -> bool:
    return any(op.name == "scan" for op in case.graph.ops)


# ---- in passes


def _fold_turned(old, op, arrays):
    """Constants are folded with their operands in the wrong order."""
    turned = arrays[::-1] if len(arrays) == 2 and arrays[0].shape == arrays[1].shape else arrays
    return old(op, turned)


def _subtract_from_zero(old, op, b):
    """0 - x taken for x - 0."""
    return op.operands[1] if b.splat(op.operands[0]) == 0 else old(op, b)


def _wrong_branch(old, op, b):
    condition, x, y = op.operands
    known = b.splat(condition)
    return old(op, b) if known is None else y if known else x


def _perm_of_perm(old, op, b):
    """Two transposes merged the wrong way round."""
    inner = b.made_by(op.operands[0], "transpose")
    if inner is None:
        return None
    return b.emit("transpose", inner.operands[0], perm=tuple(op.attr("perm")[i] for i in inner.attr("perm")))


def _axes_not_followed(old, op, b):
    """Two broadcasts merged with the axes of the inner one alone."""
    inner = b.made_by(op.operands[0], "broadcast")
    return inner and b.emit("broadcast", inner.operands[0], axes=inner.attr("axes"), shape=op.attr("shape"))


def _cast_dropped(old, op, b):
    """A cast to integers and back taken for nothing."""
    inner = b.made_by(op.operands[0], "cast")
    there_and_back = inner is not None and inner.operands[0].type == op.result.type
    return inner.operands[0] if there_and_back else old(op, b)


def _without_attributes(old, graph):
    """Ops are merged whose attributes differ, but whose operands and types do not."""
    b, new, seen = Builder(graph.inputs), {v: v for v in graph.inputs}, {}
    for op in graph.ops:
        operands = tuple(new[v] for v in op.operands)
        key = (op.name, operands, tuple(r.type for r in op.results))
        found = seen.setdefault(key, op) if operands else op
        made = b.copy(found, [new[v] for v in found.operands])
        new.update(zip(op.results, made.results, strict=True))
    return b.graph([new[v] for v in graph.outputs], graph.name, graph.donations)


def _output_dropped(old, graph: Graph):
    """An output that another output is made of, by an op that keeps its type, is taken for dead."""
    made = {op.result: op for op in graph.ops if len(op.results) == 1}
    instead_of = {v: w for w in graph.outputs if w in made for v in made[w].operands
                  if v in graph.outputs and v.type == w.type and v in made}
    return old(graph.replace(outputs=tuple(instead_of.get(v, v) for v in graph.outputs)))


def _first_axes(old, op, b):
    """A reduction that is cut in two folds its first axes twice, where that gives the same type."""
    axes = op.attr("axes")
    first = next((i for i in range(len(axes)) if axes[-1] - axes[i] == len(axes) - 1 - i), 0)
    if first == 0:
        return old(op, b)
    last = b.emit(op.name, op.operands[0], axes=tuple(range(len(axes) - first)))
    result = b.emit(op.name, last, axes=axes[:first]) if axes[first - 1] < last.type.rank else None
    return result if result is not None and result.type == op.result.type else old(op, b)


def _squared_by_one(old, op, b):
    """x ** 2 computed as x + x."""
    return b.emit("add", *op.operands[:1] * 2) if b.splat(op.operands[1]) == 2 else old(op, b)


# ---- in gradients


def _missed_sum(ctx, g, x):
    """The gradient of a broadcast that takes the first of the repeated elements in place of their sum."""
    shape = ctx.attrs["shape"]
    kept = [axis for axis, dim in zip(ctx.attrs["axes"], x.shape, strict=True) if dim == shape[axis]]
    limits = tuple(dim if axis in kept or dim == 0 else 1 for axis, dim in enumerate(shape))
    first = g.slice(starts=(0,) * len(shape), limits=limits, strides=(1,) * len(shape))
    return [first.reduce_sum(axes=tuple(axis for axis in range(len(shape)) if axis not in kept)).reshape(shape=x.shape)]


def _same_perm(ctx, g, x):
    return [g.transpose(perm=ctx.attrs["perm"])]


def _one_direction(old, builder, *rest):
    """The backward loop of a scan walks in the forward one's direction."""
    emit = builder.emit_op

    def turned(kind, operands, attrs, **more):
        backward = kind.name == "scan" and attrs["body"].name.endswith("_grad")
        return emit(kind, operands, {**attrs, "reverse": not attrs["reverse"]} if backward else attrs, **more)

    builder.emit_op = turned
    try:
        return old(builder, *rest)
    finally:
        del builder.emit_op


# ---- in the bodies of composites


MEAN = op_spec("reduce_mean").body


def _mean_of_one_more(ctx, x):
    count = size_of(x.shape[axis] for axis in ctx.attrs["axes"])
    return x.reduce_sum(axes=ctx.attrs["axes"]) / float(count + 1) if isinstance(count, int) else MEAN(ctx, x)


def _softmax_of_large(ctx, x):
    """Without the maximum subtracted first."""
    axes = (ctx.attrs["axis"],)
    y = x.exp()
    return y / spread(y.reduce_sum(axes=axes), x.shape, axes)


# ---- in code


def _swapped(name):
    def compute(old, self, op, at):
        return old(self, replace(op, operands=op.operands[::-1]) if op.name == name else op, at)

    return compute


def _relu_by_comparison(old, self, op, at):
    """NaN becomes 0."""
    if op.name != "relu":
        return old(self, op, at)
    x, zero = self.value(op.operands[0], at), self.source.constant(0, op.result.type.dtype)
    return self._assign(f"{x} if {x} > {zero} else {zero}", "relu")


def _start_at_zero(old, op, file):
    """A maximum that starts from 0."""
    return file.constant(0, op.result.type.dtype) if op.name == "reduce_max" else old(op, file)


def _tail_dropped(text):
    """Threads take whole shares, and nobody takes the rest."""
    return re.sub(r"hi = (\S+) \* \(thread \+ 1\) // threads", r"hi = lo + \1 // threads", text)


def _last_tie(text):
    """The last of equal extremes in place of the first."""
    return re.sub(r"if (\w+) ([<>]) ", r"if \1 \2= ", text)


def _one_term_less(old, m, n, k, *rest):
    return old(m, n, k - 1 if isinstance(k, int) and k > 1 else k, *rest)


def _pad_off_by_one(old, self, op, at):
    """The first element behind a margin is taken for margin."""
    branch = self._branch
    self._branch = lambda condition, *rest: branch(condition.replace(">= 0", "> 0"), *rest)
    try:
        return old(self, op, at)
    finally:
        del self._branch


def _start_of_slice(old, op, at, size):
    strides_only = replace(op, attrs=tuple((n, (0,) * len(v) if n == "starts" else v) for n, v in op.attrs))
    return old(strides_only, at, size)


def _parts_turned(old, self, op, at):
    """Parts of one type are concatenated in the other order."""
    return old(self, replace(op, operands=op.operands[::-1]) if len({v.type for v in op.operands}) == 1 else op, at)


def _stored_at_once(old, self, values, at):
    """Each value is stored as soon as it is computed, over what others still have to read."""
    for value in values:
        old(self, [value], at)
        self.fresh()


# ---- in the memory plan and the runtime


def _lives_too_short(old, *args):
    planned = old(*args)
    lives = {v: (first, last - 1 if last > first else last) for v, (first, last) in planned.lives.items()}
    return replace(planned, lives=lives)


def _forward(old, *args):
    room = old(*args)
    return replace(room, moves={v: abs(step) for v, step in room.moves.items()})


ELEMENT = (expressions.Expressions, "_elementwise")
BUGS = [
    Bug("constants folded in the wrong order", "passes", instead(apply_reference, _fold_turned)),
    Bug("0 - x is x", "passes", instead(rules_algebra.drop_subtract_zero, _subtract_from_zero)),
    Bug("the other branch of a known select", "passes", instead(rules_algebra.choose_known_branch, _wrong_branch)),
    Bug("x ** 2 is x + x", "passes", instead(rules_algebra.power_by_small_number, _squared_by_one)),
    Bug("a cast and its way back dropped", "passes", instead(rules_algebra.drop_cast_to_same, _cast_dropped)),
    Bug("transposes merged the wrong way round", "passes", instead(rules_layout.merge_transposes, _perm_of_perm)),
    Bug("broadcasts merged by the inner axes", "passes", instead(rules_layout.merge_broadcasts, _axes_not_followed)),
    Bug("merged in spite of their attributes", "passes", instead(cse, _without_attributes)),
    Bug("an output taken for dead", "passes", instead(dce, _output_dropped)),
    Bug("the wrong axes of a cut reduction", "passes", instead(rules_legal.split_reduction, _first_axes)),
    Bug("the mean of one element more", "passes", body("reduce_mean", _mean_of_one_more)),
    Bug("softmax without the maximum", "code", body("softmax", _softmax_of_large)),
    Bug("no sum over repeated elements in a gradient", "gradients", spec("broadcast", vjp=_missed_sum)),
    Bug("a transpose's gradient by its own perm", "gradients", spec("transpose", vjp=_same_perm)),
    Bug("the gradient of sigmoid without a factor", "gradients", spec("sigmoid", vjp=lambda ctx, g, x: [g * ctx.y])),
    Bug("a loop's gradient in the loop's direction", "gradients", instead(scan_gradient, _one_direction)),
    Bug("subtract with its operands swapped", "code", method(*ELEMENT, _swapped("subtract"))),
    Bug("divide with its operands swapped", "code", method(*ELEMENT, _swapped("divide"))),
    Bug("relu hides NaN", "code", method(*ELEMENT, _relu_by_comparison)),
    Bug("expm1 as exp - 1", "code", spec("expm1", scalar="(exp({0}) - np.float32(1))")),
    Bug("a maximum that starts from 0", "code", instead(folding.initial, _start_at_zero)),
    Bug("the rest of the shares dropped", "code", source(loops.emit_loop, _tail_dropped)),
    Bug("the last of equal extremes", "code", source(folds.emit_fold, _last_tie)),
    Bug("a product of one term less", "code", instead(contract.Contraction, _one_term_less)),
    Bug("a margin that is one too wide", "code", special("pad", _pad_off_by_one)),
    Bug("a slice from the start", "code", instead(positions.through_slice, _start_of_slice)),
    Bug("parts in the other order", "code", method(expressions.Expressions, "_store_parts", _parts_turned)),
    Bug("rows overwritten where they should be added", "code", source(
        indexed.emit_scatter, lambda text: text.replace(" += ", " = "))),
    Bug("a running sum that forgets", "code", source(
        indexed.emit_prefix, lambda text: text.replace("k > 0", "k > 1"))),
    Bug("every stream draws the same numbers", "code", source(
        indexed.emit_random_key, lambda text: re.sub(r"\^ \d+", "^ 0", text))),
    Bug("a buffer given away too early", "code", instead(plan_memory._planned, _lives_too_short)),
    Bug("a state overwritten before it is read", "code", instead(make_kernels._run_before, lambda old, *args: None)),
    Bug("a state overwritten while it is read elsewhere", "code", instead(
        make_kernels._reads_in_place, lambda old, piece, before, new: old(piece, before, new) or (
            before.type == new.type and before in piece.inputs and piece.ops[-1].spec.kind is not Kind.UPDATE))),
    Bug("stored before everything is read", "code", method(expressions.Expressions, "store_all", _stored_at_once)),
    Bug("a new state that is not kept", "runtime", attribute(
        program.Program, "late_copies", property(lambda self: [])), stated),
    Bug("loops always forward", "runtime", instead(loop_room.loop_room, _forward), looped),
]
