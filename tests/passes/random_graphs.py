"""Random typed graphs with inputs for them: the raw material of the differential tests.

What does not live here: picking operands (random_maker.py), the ops (random_ops.py), what the results must be
(tests/codegen_cpu/bounds.py).
"""

from tests.passes.random_maker import Drawn, Maker
from tests.passes.random_ops import FAMILIES


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
        rng.choice(FAMILIES)(maker)
    return maker.finish(outputs, gradient)
