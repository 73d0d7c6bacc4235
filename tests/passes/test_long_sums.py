"""Long sums in parts: what the docstring says, the same values, and only where it pays."""

import numpy as np
import pytest

from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse, parse_all
from graphc.ir.verify import verify
from graphc.passes.long_sums import long_sums, split_long_sum


def graphs():
    return parse_all(split_long_sum.__doc__[split_long_sum.__doc__.index("graph before"):])


def test_the_rule_does_what_its_docstring_says():
    before, after = graphs()
    found = long_sums(before)
    verify(found)
    assert [(op.name, op.attrs) for op in found.ops] == [(op.name, op.attrs) for op in after.ops]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(3, 8192)), rng.normal(size=(8192, 256))]
    (old,), (new,) = evaluate(before, arrays, float64=True), evaluate(found, arrays, float64=True)
    np.testing.assert_allclose(new, old, atol=1e-11 * np.sqrt(8192))


@pytest.mark.parametrize(("x", "w"), [("B,4000", "4000,2000"), ("B,8192", "8192,64"), ("65,8192", "8192,256"),
                                      ("B,8196", "8196,256")])
def test_other_products_stay(x, w):
    graph = parse(f"graph g(%x: f32[{x}], %w: f32[{w}]) {{\n  %y = matmul(%x, %w)\n  return %y\n}}")
    assert long_sums(graph) is graph
