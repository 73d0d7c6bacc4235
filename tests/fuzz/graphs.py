"""Random typed graphs with inputs for them: the raw material of the differential tests.

What does not live here: picking operands (maker.py), the ops (op_families.py, layer_families.py), states
(states.py), what the results must be (tests/codegen_cpu/bounds.py).
"""

import numpy as np

from graphc.errors import ShapeError
from graphc.ir import F32, F64, Array, Builder, Graph
from tests.fuzz.layer_families import LAYERS
from tests.fuzz.loop_families import scan
from tests.fuzz.maker import Drawn, Maker
from tests.fuzz.op_families import FAMILIES

SPECIALS = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -3.0]


def random_graph(rng, ops: int = 12, *, gradient: bool = False, outputs: int = 4) -> Drawn:
    """A graph of about `ops` ops on 2 to 4 inputs; gradient=True adds the gradients of its float outputs' sum.

    rng is anything with the methods of `random.Random`, a hypothesis strategy's too, so that failing graphs shrink.
    Every value has a bound on its size, and what would leave it is squeezed first; inputs are multiples of 1/8, so
    that sums and products are often exact.
    """
    maker = Maker(rng)
    for _ in range(rng.randint(2, 4)):
        maker.some_input()
    while len(maker.b.ops) < ops:
        kind = rng.random()
        try:
            if kind < 0.04:
                scan(maker, FAMILIES)
            else:
                rng.choice(LAYERS if kind < 0.24 else FAMILIES)(maker)
        except ShapeError:
            if 0 not in maker.dims:  # what has no elements has no maximum, and no window fits
                raise
    return maker.finish(outputs, gradient)


ROUGH = ("cast", "convolution", "floor_divide", "remainder", "scan")


def with_specials(drawn: Drawn, rng) -> Drawn:
    """The same graph; some elements of its float inputs are NaN, infinities, zeros of either sign, or very small.

    Graphs that make whole numbers of floats stay as they are, since nothing is said of NaN there, and so do those with
    convolutions, where one may spread over a tile.
    """
    if any(op.name in ROUGH for op in drawn.graph.ops):
        return drawn
    seed = rng.randint(0, 2**16)

    def make(maker, number):
        def special(sizes):
            array, chosen = maker(sizes), np.random.default_rng((seed, number))
            places = chosen.random(array.shape) < 0.1
            return np.where(places, chosen.choice(SPECIALS, array.shape), array).astype(array.dtype)

        return special

    makers = [make(maker, i) if value.type.dtype.is_float else maker
              for i, (maker, value) in enumerate(zip(drawn.makers, drawn.graph.inputs, strict=True))]
    return Drawn(drawn.graph, drawn.sizes, makers)


def slopes_known(drawn: Drawn) -> Drawn | None:
    """The same graph with inputs that are no ties, and only the outputs whose slope is their gradient: not those
    behind a stop_gradient. None where there is none."""
    behind = set()
    for op in drawn.graph.ops:
        if op.name == "stop_gradient" or any(v in behind for v in op.operands) or _stops(op):
            behind.update(op.results)
    outputs = tuple(v for v in drawn.graph.outputs if v.type.dtype.is_float and v not in behind)

    def make(maker, number):
        def generic(sizes):
            array = maker(sizes)
            return np.random.default_rng(number).uniform(-2, 2, array.shape).astype(array.dtype)

        return generic

    makers = [make(maker, i) if value.type.dtype.is_float else maker
              for i, (maker, value) in enumerate(zip(drawn.makers, drawn.graph.inputs, strict=True))]
    return Drawn(drawn.graph.replace(outputs=outputs), drawn.sizes, makers) if outputs else None


def _stops(op):
    return op.name == "scan" and any(inner.name == "stop_gradient" or _stops(inner) for inner in op.attr("body").ops)


def in_double(drawn: Drawn) -> Drawn:
    """The same graph with f64 in place of f32."""

    def make(maker, value):
        return (lambda sizes: maker(sizes).astype("f8")) if value.type.dtype == F32 else maker

    makers = [make(maker, value) for maker, value in zip(drawn.makers, drawn.graph.inputs, strict=True)]
    return Drawn(wide(drawn.graph), drawn.sizes, makers)


def wide(graph: Graph) -> Graph:
    """The graph with f64 in place of f32, in the bodies of loops too."""
    b, new = Builder(), {}
    for value in graph.inputs:
        new[value] = b.input(value.type.with_dtype(_wide(value.type.dtype)), value.hint)
    for op in graph.ops:
        made = b.emit_op(op.spec, [new[v] for v in op.operands], {n: _wide(v) for n, v in op.attrs}, origin=op.origin)
        new.update(zip(op.results, made.results, strict=True))
    return b.graph([new[v] for v in graph.outputs], graph.name, graph.donations)


def _wide(attribute):
    if isinstance(attribute, Graph):
        return wide(attribute)
    if isinstance(attribute, Array):
        return Array(attribute.data.astype("f8")) if attribute.data.dtype == np.float32 else attribute
    return F64 if attribute == F32 else attribute
