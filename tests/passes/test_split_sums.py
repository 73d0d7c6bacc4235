"""Sums cut for a device: what the docstring says, the same values, and only where blocks are wanting."""

import numpy as np
import pytest

from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse, parse_all
from graphc.ir.verify import verify
from graphc.passes.split_sums import split_product, split_sums


def test_the_rule_does_what_its_docstring_says():
    before, after = parse_all(split_product.__doc__)
    found = split_sums(before)
    verify(found)
    assert [(op.name, op.attrs) for op in found.ops] == [(op.name, op.attrs) for op in after.ops]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(3, 8192)), rng.normal(size=(8192, 256))]
    (old,), (new,) = evaluate(before, arrays, float64=True), evaluate(found, arrays, float64=True)
    np.testing.assert_allclose(new, old, atol=1e-11 * np.sqrt(8192))


@pytest.mark.parametrize(("x", "w"), [("B,500", "500,64"), ("4096,8192", "8192,4096"), ("4,B,9000", "4,9000,8")])
def test_other_products_stay(x, w):
    graph = parse(f"graph g(%x: f32[{x}], %w: f32[{w}]) {{\n  %y = matmul(%x, %w)\n  return %y\n}}")
    assert split_sums(graph) is graph
