"""Gradients by the ops' vjp rules, compared with differences along a random direction, in float64.

What does not live here: the rules (graphc/ir/ops_*.py), the pass (graphc/passes/autodiff.py).
"""

import numpy as np

from graphc.ir import Builder, Graph, evaluate
from graphc.passes.autodiff import gradients

STEP = 1e-4


def is_float(value):
    return value.type.dtype.is_float


def gradient_graph(graph: Graph) -> Graph:
    """From the inputs of `graph`, and a weight per float output, to the cotangents of its float inputs.

    An input without cotangent gets zeros.
    """
    b = Builder(graph.inputs)
    for op in graph.ops:
        b.add_existing(op)
    outputs = [v for v in graph.outputs if is_float(v)]
    weights = [b.input(v.type, "weight") for v in outputs]
    wrt = [v for v in graph.inputs if is_float(v)]
    found = gradients(b, graph.ops, outputs, weights, wrt)
    return b.graph([b.full_like(0.0, v) if g is None else g for v, g in zip(wrt, found, strict=True)], "gradient")


def weights_of(graph, arrays, rng):
    """Random weights of the shapes of the float outputs."""
    shapes = [y.shape for v, y in zip(graph.outputs, evaluate(graph, arrays, float64=True), strict=True) if is_float(v)]
    return [rng.uniform(-1, 1, shape) for shape in shapes]


def check_gradient(graph, arrays, rng, rtol=1e-6, atol=1e-8):
    """Assert that the weighted sum of the outputs changes as the gradient says (five-point differences)."""
    predicted, slope = predicted_and_slopes(graph, arrays, rng, [STEP])
    np.testing.assert_allclose(predicted, slope[0], rtol=rtol, atol=atol)


def predicted_and_slopes(graph, arrays, rng, steps):
    """The derivative of the weighted sum of the outputs along a random direction: by the rules, and by five-point
    differences of each of these steps."""
    weights = weights_of(graph, arrays, rng)
    pulled = evaluate(gradient_graph(graph), [*arrays, *weights], float64=True)
    wide = [a.astype(np.float64) if is_float(v) else a for v, a in zip(graph.inputs, arrays, strict=True)]
    direction = [rng.uniform(-1, 1, a.shape) if is_float(v) else None
                 for v, a in zip(graph.inputs, arrays, strict=True)]

    def at(t):
        moved = [a if d is None else a + t * d for a, d in zip(wide, direction, strict=True)]
        outputs = [y for v, y in zip(graph.outputs, evaluate(graph, moved, float64=True), strict=True) if is_float(v)]
        return sum(float(np.sum(w * y)) for w, y in zip(weights, outputs, strict=True))

    slopes = [(8 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) / (12 * step) for step in steps]
    predicted = sum(float(np.sum(g * d)) for g, d in
                    zip(pulled, (d for d in direction if d is not None), strict=True))
    return predicted, slopes
