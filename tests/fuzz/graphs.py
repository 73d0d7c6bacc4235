"""Random typed graphs with inputs for them: the raw material of the differential tests.

What does not live here: picking operands (maker.py), the ops (op_families.py, layer_families.py), states
(states.py), what the results must be (tests/codegen_cpu/bounds.py).
"""

import numpy as np

from graphc.ir import F32, F64, Array, Builder
from tests.fuzz.layer_families import LAYERS
from tests.fuzz.maker import Drawn, Maker
from tests.fuzz.op_families import FAMILIES


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
        rng.choice(LAYERS if rng.random() < 0.2 else FAMILIES)(maker)
    return maker.finish(outputs, gradient)


def in_double(drawn: Drawn) -> Drawn:
    """The same graph with f64 in place of f32."""
    b, new = Builder(), {}
    for value in drawn.graph.inputs:
        new[value] = b.input(value.type.with_dtype(_wide(value.type.dtype)), value.hint)
    for op in drawn.graph.ops:
        new[op.result] = b.emit(op.name, *(new[v] for v in op.operands), **{n: _wide(v) for n, v in op.attrs})

    def make(maker, value):
        return (lambda sizes: maker(sizes).astype("f8")) if value.type.dtype == F32 else maker

    makers = [make(maker, value) for maker, value in zip(drawn.makers, drawn.graph.inputs, strict=True)]
    return Drawn(b.graph([new[v] for v in drawn.graph.outputs], drawn.graph.name), drawn.sizes, makers)


def _wide(attribute):
    if isinstance(attribute, Array):
        return Array(attribute.data.astype("f8")) if attribute.data.dtype == np.float32 else attribute
    return F64 if attribute == F32 else attribute
