"""Every differentiable op's gradient against differences in float64: at least three shapes, two layouts of the inputs;
its value is the same with and without the gradient beside it.

What does not live here: the table of samples (tests/ir/samples.py), gradients at kinks (tests/ir/test_ops.py).
"""

import re
from dataclasses import replace

import numpy as np
import pytest

from graphc.ir import Kind, evaluate, op_spec, registered_ops
from graphc.ir.dims import bind_shape
from tests.fuzz.layouts import transposed
from tests.ir.differences import check_gradient, gradient_graph
from tests.ir.samples import SAMPLES, arrays_of, graph_of
from tests.ir.sampling import type_of
from tests.ir.test_ops import is_smooth

NO_SLOPE = {"floor_divide", "stop_gradient"}  # their gradient is none by definition, whatever the slope is
DIFFERENTIABLE = sorted({name for name in registered_ops() if op_spec(name).vjp is not None} - NO_SLOPE | {"scan"})
OTHERS = ("[7]", "[2,1,3]")  # shapes of elementwise ops
MORE = {  # (shape of every operand, attributes)
    "cumsum": [("[2,3,4]", {"axis": 1}), ("[6]", {"axis": 0})],
    "log_softmax": [("[2,3,4]", {"axis": 1}), ("[5]", {"axis": 0})],
    "logsumexp": [("[6]", {"axes": (0,)}), ("[3,4]", {"axes": (1,)})],
    "pad": [("[5]", {"low": (2,), "high": (1,), "value": 0.5})],
    "reduce_max": [("[7]", {"axes": (0,)}), ("[2,6]", {"axes": (1,)})],
    "reduce_mean": [("[7]", {"axes": (0,)})],
    "reduce_min": [("[7]", {"axes": (0,)}), ("[2,6]", {"axes": (1,)})],
    "reduce_prod": [("[5]", {"axes": (0,)})],
    "reduce_variance": [("[7]", {"axes": (0,)})],
    "reshape": [("[6]", {"shape": (2, 3)}), ("[2,2,3]", {"shape": (4, 3)})],
    "reverse": [("[5]", {"axes": (0,)}), ("[3,4]", {"axes": (1,)})],
    "softmax": [("[2,3,4]", {"axis": 1}), ("[5]", {"axis": 0})],
    "transpose": [("[3,4]", {"perm": (1, 0)}), ("[2,3,2,2]", {"perm": (3, 1, 0, 2)})],
}


def samples_of(op):
    """The smooth samples of the table, and the same op on other shapes."""
    found = [s for s in SAMPLES if s.op == op and is_smooth(s)]
    ways = MORE.get(op, [])
    if op_spec(op).kind is Kind.ELEMENTWISE or op == "reciprocal":
        ways = [(shape, found[0].attrs) for shape in OTHERS]
    return [*found, *(replace(found[0], types=tuple(re.sub(r"\[.*\]", shape, t) for t in found[0].types), attrs=attrs,
                              sizes={}) for shape, attrs in ways)]


def shapes_of(sample):
    return tuple(bind_shape(type_of(t).shape, sample.sizes) for t in sample.types)


@pytest.mark.parametrize("op", DIFFERENTIABLE)
def test_three_shapes_and_two_layouts(op):
    samples = samples_of(op)
    assert len({shapes_of(s) for s in samples}) >= 3
    for sample in samples:
        graph, arrays = graph_of(sample), arrays_of(sample)
        for layout in (np.asarray, transposed):
            check_gradient(graph, [layout(a) for a in arrays], np.random.default_rng(3))


@pytest.mark.parametrize("op", DIFFERENTIABLE)
def test_the_value_is_the_same_with_the_gradient_beside_it(op):
    for sample in samples_of(op):
        graph, arrays = graph_of(sample), arrays_of(sample)
        values = evaluate(graph, arrays)
        beside = gradient_graph(graph)
        both = beside.replace(outputs=(*graph.outputs, *beside.outputs))
        weights = [np.ones_like(y) for v, y in zip(graph.outputs, values, strict=True) if v.type.dtype.is_float]
        for value, again in zip(values, evaluate(both, [*arrays, *weights]), strict=False):
            assert value.tobytes() == again.tobytes()
