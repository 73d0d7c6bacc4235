"""Products summed over steps: what the docstring says, and the same values."""

import numpy as np

from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse_all
from graphc.ir.verify import verify
from graphc.passes.sums_of_products import sum_of_products, sums_of_products


def test_the_rule_does_what_its_docstring_says():
    before, after = parse_all(sum_of_products.__doc__[sum_of_products.__doc__.index("graph before"):])
    found = sums_of_products(before)
    verify(found)
    used = {v for op in found.ops for v in op.operands} | set(found.outputs)
    assert [(op.name, op.attrs) for op in found.ops if op.results[0] in used and op.name != "reduce_sum"][-4:] == [
        (op.name, op.attrs) for op in after.ops]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(7, 3, 5)), rng.normal(size=(7, 5, 4))]
    (old,), (new,) = evaluate(before, arrays, float64=True), evaluate(found, arrays, float64=True)
    np.testing.assert_allclose(new, old, atol=1e-13)
