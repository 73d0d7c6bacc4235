"""Max pooling where it costs least: in front of what keeps the order of elements, and inside of a convolution.

    max_pool(relu(winograd(x, u) + bias))  becomes  relu(winograd(x, u){pool} + bias)

to the last bit: a bias of each channel and relu never turn the order of two elements round, and neither does rounding.
Only where nobody else reads what lies between; the gradient of a pooling does.

What does not live here: the pooling itself (graphc.ir.ops_convolution), its kernels.
"""

from __future__ import annotations

from collections import Counter

from graphc.ir.builder import Builder
from graphc.ir.graph import Graph, Op, Value
from graphc.ir.ops_winograd import POOLS

_KEEP_ORDER = ("relu",)


def pool_first(graph: Graph) -> Graph:
    """Move max poolings in front of relu and of a bias for each channel; the same graph if there are none."""
    return _Pools(graph).moved()


def pool_in_winograd(graph: Graph) -> Graph:
    """Let Winograd's convolutions do the poolings behind them; the same graph if there are none."""
    return _Pools(graph).merged()


class _Pools:
    def __init__(self, graph: Graph):
        self.graph, self.producers = graph, graph.producers()
        self.uses = Counter(v for op in graph.ops for v in op.operands)
        self.uses.update(graph.outputs)

    def moved(self) -> Graph:
        found = {op: way for op in self.graph.ops if op.name == "max_pool" and (way := self._way(op))}
        return self._rebuilt(found) if found else self.graph

    def merged(self) -> Graph:
        found = {op: [inner] for op in self.graph.ops if op.name == "max_pool" and (inner := self._winograd(op))}
        return self._rebuilt(found) if found else self.graph

    def _only(self, value: Value) -> Op | None:
        """The op that made a value, if it is read once."""
        return self.producers.get(value) if self.uses[value] == 1 else None

    def _way(self, pool: Op) -> list[Op]:
        """The ops to be moved behind a pooling, the nearest first."""
        way: list[Op] = []
        value = pool.operands[0]
        while (op := self._only(value)) is not None and (op.name in _KEEP_ORDER or self._adds_bias(op)):
            way.append(op)
            value = op.operands[0]
        return way

    def _adds_bias(self, op: Op) -> bool:
        """Whether the op adds the same number everywhere along the spatial axes, as its second operand."""
        if op.name != "add":
            return False
        bias, rank = self.producers.get(op.operands[1]), op.result.type.rank
        return bias is not None and bias.name == "broadcast" and bias.attr("axes") == (rank - 1,)

    def _winograd(self, pool: Op) -> Op | None:
        """The convolution in front of a pooling that can do it."""
        made, shape = self._only(pool.operands[0]), pool.attr("shape")
        fits = made is not None and made.name == "winograd" and set(made.attr("pool")) == {1} \
            and shape == pool.attr("strides") and all(p in POOLS for p in shape)
        return made if fits else None

    def _rebuilt(self, found: dict[Op, list[Op]]) -> Graph:
        b = Builder(self.graph.inputs)
        new: dict[Value, Value] = {v: v for v in self.graph.inputs}
        for op in self.graph.ops:
            b.origin = op.origin
            if op not in found:
                copied = b.copy(op, (new[v] for v in op.operands))
                new.update(zip(op.results, copied.results, strict=True))
            elif found[op][0].name == "winograd":
                (inner,) = found[op]
                attrs = {**inner.kwargs, "pool": op.attr("shape")}
                b.origin = inner.origin
                new[op.result] = b.emit("winograd", *(new[v] for v in inner.operands), **attrs)
            else:
                new[op.result] = self._behind(op, found[op], new, b)
        return b.graph((new[v] for v in self.graph.outputs), self.graph.name, self.graph.donations)

    def _behind(self, pool: Op, way: list[Op], new: dict[Value, Value], b: Builder) -> Value:
        """The pooling of what lies in front of the way, then the way."""
        value = b.emit("max_pool", new[way[-1].operands[0]], **pool.kwargs)
        for op in reversed(way):
            b.origin = op.origin
            more = []
            for operand in op.operands[1:]:
                bias = self.producers[operand]
                more.append(b.emit("broadcast", new[bias.operands[0]], axes=bias.attr("axes"), shape=value.type.shape))
            value = b.emit(op.name, value, *more)
        return value
