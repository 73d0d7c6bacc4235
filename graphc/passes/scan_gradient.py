"""The gradient of a scan: a scan in the other direction.

The forward loop is written once more with further stacks: what the backward loop reads of each step. Cheap values are
computed again there; results of contractions, folds and transcendental functions are kept, and the carried values that
a step began with. `merge_scans` makes the two forward loops one. A value that every step reads gets a contribution of
each step, stacked and summed behind the loop; passes/scan_fission.py moves most of that work out of it.

What does not live here: the rules of single ops (ir/ops_*.py), everything else about differentiation (autodiff.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.ir.builder import Builder
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.spec import Kind
from graphc.ir.types import TensorType
from graphc.passes.costs import is_cheap

Differentiate = Callable[[Builder, Sequence[Op], Sequence[Value], Sequence[Value], Sequence[Value]], list[Value | None]]


def scan_gradient(builder: Builder, op: Op, cotangents: Sequence[Value | None], reached: set[Value],
                  differentiate: Differentiate) -> list[Value | None]:
    """Cotangents of the scan's operands that lie in `reached`, given those of its results.

    differentiate(builder, ops, outputs, cotangents, wrt) differentiates straight-line code.
    """
    return _ScanGradient(builder, op, cotangents, reached, differentiate).run()


class _ScanGradient:
    def __init__(self, builder: Builder, op: Op, cotangents: Sequence[Value | None], reached: set[Value],
                 differentiate: Differentiate):
        self.builder, self.op, self.reached, self.differentiate = builder, op, reached, differentiate
        self.body: Graph = op.attr("body")
        self.carried, self.sliced = op.attr("carried"), op.attr("sliced")
        self.length = op.attr("length")
        self.cotangents = cotangents
        self.inner = Builder(self.body.inputs)
        for one in self.body.ops:
            self.inner.add_existing(one)

    def run(self) -> list[Value | None]:
        body, carried = self.body, self.carried
        floats = [i for i in range(carried) if body.inputs[i].type.dtype.is_float]
        given = [k for k in range(carried, len(body.outputs)) if self.cotangents[k] is not None]
        wanted = [i for i, v in enumerate(self.op.operands)
                  if i >= carried and v in self.reached and v.type.dtype.is_float]
        carries = [Value(body.inputs[i].type, "g") for i in floats]
        slices = [Value(body.outputs[k].type, "g") for k in given]
        found = self.differentiate(self.inner, tuple(self.inner.ops),
                                   [body.outputs[i] for i in (*floats, *given)], [*carries, *slices],
                                   [body.inputs[i] for i in (*floats, *wanted)])
        following = [value or self.inner.full_like(0.0, body.inputs[i])
                     for value, i in zip(found, floats, strict=False)]
        pulled = {i: value for i, value in zip(wanted, found[len(floats):], strict=True) if value is not None}
        results = self._emit(floats, carries, [(self.cotangents[k], s) for k, s in zip(given, slices, strict=True)],
                             [*following, *pulled.values()])
        answer: list[Value | None] = [None] * len(self.op.operands)
        for i, value in zip(floats, results, strict=False):
            answer[i] = value
        for i, value in zip(pulled, results[len(floats):], strict=True):
            answer[i] = value if i < carried + self.sliced else self.builder.emit("reduce_sum", value, axes=(0,))
        return answer

    def _emit(self, floats: list[int], carries: list[Value], slices: list[tuple[Value | None, Value]],
              outputs: list[Value]) -> tuple[Value, ...]:
        """Both loops; the results of the backward one."""
        body = self.body
        ops, kept = self._chosen(outputs, {*carries, *(s for _, s in slices)})
        again = [v for v in body.inputs[self.carried:] if v in kept]
        residuals = [v for v in kept if v not in again]
        attrs = {"carried": self.carried, "sliced": self.sliced, "length": self.length,
                 "reverse": self.op.attr("reverse")}
        longer = body.replace(outputs=(*body.outputs, *residuals))
        forward = self.builder.emit_op(self.op.spec, self.op.operands, {**attrs, "body": longer},
                                       origin=self.op.origin)
        outer = dict(zip(body.inputs, self.op.operands, strict=True))
        stacks = [v for v in again if v in body.inputs[self.carried:self.carried + self.sliced]]
        rest = [v for v in again if v not in stacks]
        inner = Graph(f"{body.name}_grad", (*carries, *(s for _, s in slices), *residuals, *stacks, *rest), ops,
                      tuple(outputs))
        starts = [self._start(i) for i in floats]
        operands = [*starts, *(g for g, _ in slices if g is not None), *forward.results[len(body.outputs):],
                    *(outer[v] for v in (*stacks, *rest))]
        backward = self.builder.emit_op(self.op.spec, operands, {
            "body": _apart(inner), "carried": len(carries), "sliced": len(slices) + len(residuals) + len(stacks),
            "length": self.length, "reverse": not attrs["reverse"]})
        return backward.results

    def _start(self, i: int) -> Value:
        return self.cotangents[i] or self.builder.full_like(0.0, self.op.operands[i])

    def _chosen(self, outputs: Sequence[Value], given: set[Value]) -> tuple[tuple[Op, ...], dict[Value, None]]:
        """The ops of the backward body, and what it reads of the forward one: inputs of that, and kept results."""
        forward = set(self.body.ops)
        producers = {r: op for op in self.inner.ops for r in op.results}
        readers: dict[Value, int] = {}
        for op in self.body.ops:
            for v in dict.fromkeys(op.operands):
                readers[v] = readers.get(v, 0) + 1
        wanted: set[Op] = set()
        kept: dict[Value, None] = {}
        pending = list(outputs)
        while pending:
            value = pending.pop()
            if value in given or value in kept:
                continue
            maker = producers.get(value)
            if maker is None or (maker in forward and _keeps(maker, producers, readers)):
                kept[value] = None
            elif maker not in wanted:
                wanted.add(maker)
                pending.extend(maker.operands)
        order = {v: i for i, v in enumerate([*self.body.inputs, *(r for op in self.body.ops for r in op.results)])}
        return (tuple(op for op in self.inner.ops if op in wanted),
                dict.fromkeys(sorted(kept, key=order.__getitem__)))


def _keeps(op: Op, producers: dict[Value, Op], readers: dict[Value, int]) -> bool:
    """Whether an op's result is kept: it is dear, or a sum with a dear value that nobody else reads."""
    if not is_cheap(op):
        return True
    if op.spec.kind is not Kind.ELEMENTWISE:
        return False
    return any((maker := producers.get(v)) is not None and not is_cheap(maker) and readers[v] == 1
               and maker.spec.kind is not Kind.ELEMENTWISE and v.type.size == op.result.type.size
               for v in op.operands)


def _apart(graph: Graph) -> Graph:
    """The same graph with values of its own: a value belongs to one graph."""
    builder = Builder()
    new: dict[Value, Value] = {v: builder.input(TensorType(v.type.dtype, v.type.shape), v.hint) for v in graph.inputs}
    for op in graph.ops:
        copy = builder.copy(op, (new[v] for v in op.operands))
        new.update(zip(op.results, copy.results, strict=True))
    return builder.graph((new[v] for v in graph.outputs), graph.name)
