"""Convolutions on the device against float64: forward with bias and relu, and the gradients of data and filters, by
the library and by kernels of our own, however small they are.

What does not live here: ops and products (checks.py), speed (speed.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from graphc.compiler import compile_graph
from graphc.ir.builder import Builder
from graphc.ir.evaluate import evaluate
from graphc.ir.graph import Graph
from graphc.ir.parser import parse
from graphc.passes.autodiff import gradients
from graphc.passes.choices import Choices
from graphc.runtime_cuda import forms
from graphc.runtime_cuda.device import current


class Case(NamedTuple):
    """extents: of an image with its channels; window: with the filters."""

    extents: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]

    @property
    def text(self) -> str:
        *window, filters = self.window
        w = [*window, self.extents[-1], filters]
        return f"x [B, *{self.extents}], w {w}, strides {self.strides}, dilations {self.dilations}"


CASES = (Case((13, 11, 5), (3, 2, 7), (1, 1), (1, 1)), Case((32, 32, 64), (3, 3, 64), (1, 1), (1, 1)),
         Case((33, 31, 3), (7, 5, 17), (2, 3), (1, 1)), Case((29, 30, 16), (3, 3, 33), (1, 1), (2, 3)),
         Case((16, 15, 31), (1, 1, 8), (2, 2), (1, 1)), Case((57, 12), (5, 20), (2,), (3,)),
         Case((9, 8, 7, 6), (2, 3, 2, 5), (1, 2, 1), (1, 1, 2)))
BATCHES = (1, 9)
BY = {"library": True, "kernels": False}


def convolutions(small: bool, limits: dict[str, float], distance: Any, failed: list[str]) -> dict[str, Any]:
    """The largest error by who computes and precision; adds what is wrong to `failed`.

    distance(got, want): relative, as norms. Runs are done twice, the second time as a recording, for the same bits.
    """
    worst: dict[str, dict[str, float]] = {}
    for by, library in BY.items():
        if library and not current().has_convolutions:
            continue
        worst[by] = {}
        for case in CASES[:1] if small else CASES:
            graph = with_gradients(case)
            for precision in ("default", "tf32"):
                what = f"convolution {case.text} in {precision} by {by}"
                try:
                    error = max(_errors(graph, precision, library, distance, what, failed))
                except Exception as problem:
                    failed.append(f"{what}: {type(problem).__name__}: {problem}"[:300])
                    continue
                worst[by][precision] = max(worst[by].get(precision, 0.0), error)
                if not error < limits[precision]:
                    failed.append(f"{what}: {error:.2e}")
    return worst


def with_gradients(case: Case) -> Graph:
    """y = relu(convolution(x, w) + b), and of the sum of y * g the gradients by x and w."""
    rank, (*window, filters) = len(case.extents), case.window
    shapes = {"x": ("B", *case.extents), "w": (*window, case.extents[-1], filters), "b": (filters,)}
    inputs = ", ".join(f"%{name}: f32[{','.join(map(str, shape))}]" for name, shape in shapes.items())
    plain = parse(f"graph y({inputs}) {{\n  %y = convolution(%x, %w){{strides={case.strides}, "
                  f"dilations={case.dilations}}}\n  return %y\n}}")
    b = Builder(plain.inputs)
    x, w, bias = plain.inputs
    (op,) = plain.ops
    y = b.add_existing(op).result
    made = b.emit("relu", b.emit("add", y, b.emit("broadcast", bias, axes=(rank,), shape=y.type.shape)))
    cotangent = b.input(y.type, "g")
    found = gradients(b, list(b.ops), [made], [cotangent], [x, w])
    return Graph("convolution", tuple(b.inputs), tuple(b.ops), (made, *(v for v in found if v is not None)), ())


def _errors(graph: Graph, precision: str, library: bool, distance: Any, what: str,
            failed: list[str]) -> Iterator[float]:
    rng = np.random.default_rng(0)
    with _computed_by(library):
        f = compile_graph(graph, target="cuda", choices=Choices(precision))
        for rows in BATCHES:
            arrays = [rng.normal(size=[rows if not isinstance(d, int) else d for d in v.type.shape]).astype("f4")
                      for v in graph.inputs]
            once, again = f(*arrays), f(*arrays)
            if any(a.tobytes() != b.tobytes() for a, b in zip(once, again, strict=True)):
                failed.append(f"{what}: the second run has other bits")
            yield from map(distance, once, evaluate(graph, arrays, float64=True))


@contextmanager
def _computed_by(library: bool) -> Iterator[None]:
    """Inside of it, the library computes every convolution, or none."""
    device: Any = current()
    kept = device.has_convolutions, forms.LEAST_WORK
    device.has_convolutions = library
    if library:
        forms.LEAST_WORK = 0
    try:
        yield
    finally:
        device.has_convolutions, forms.LEAST_WORK = kept
