"""Cases by number: the same number always gives the same case, whatever else was drawn before.

What does not live here: how graphs are made (graphs.py), running many (__main__.py, hunting.py).
"""

from __future__ import annotations

import random

from graphc.ir.dims import bind_shape
from tests.fuzz.cases import Case
from tests.fuzz.graphs import in_double, random_graph, slopes_known, with_specials
from tests.fuzz.maker import Drawn
from tests.fuzz.states import with_states


def drawn(seed: int, low: int = 2, high: int = 30) -> tuple[Drawn, random.Random]:
    """A graph of `low` to `high` ops: every third with gradients, others at times with special numbers or in f64."""
    rng = random.Random(seed)
    made = random_graph(rng, rng.randint(low, high), gradient=seed % 3 == 0, outputs=rng.choice([1, 2, 4]))
    if seed % 4 == 1:
        made = with_specials(made, rng)
    return in_double(made) if seed % 7 == 5 else made, rng


def graph_case(seed: int, low: int = 2, high: int = 30) -> Case:
    """A case for the passes and the compiler; every fifth has states."""
    made, rng = drawn(seed, low, high)
    return Case(with_states(made.graph, rng) if seed % 5 == 4 else made.graph, made.arrays)


def other_sizes(made: Drawn, rng: random.Random) -> list[dict[str, int]]:
    """The sizes that a graph was made for, larger ones, and at times one of 0."""
    tried = [made.sizes, {name: size + rng.randint(1, 5) for name, size in made.sizes.items()}]
    empty = {**made.sizes, rng.choice("BT"): 0}
    if rng.random() < 0.5 and min((d for v in made.graph.inputs for d in bind_shape(v.type.shape, empty)), default=0) >= 0:
        tried.append(empty)
    return tried


def slope_case(seed: int, low: int = 2, high: int = 16) -> Case | None:
    """A case for the rules' gradients; None where no output has a slope."""
    rng = random.Random(seed)
    made = slopes_known(random_graph(rng, rng.randint(low, high)))
    return None if made is None else Case(made.graph, made.arrays)
