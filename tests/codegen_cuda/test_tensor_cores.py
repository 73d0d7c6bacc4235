"""Products of lower precision: their operands are rounded once, and nothing else is.

The lockstep executor models the instructions by the fragments that the PTX manual gives; here it is checked that the
kernels which use them compute products of rounded operands. What the hardware does is for a GPU to show.
"""

import numpy as np
import pytest

from graphc.codegen_cuda.lockstep import KernelError
from graphc.ir.evaluate import evaluate
from tests.codegen_cuda.kernels import kernels_of, run

UNIT = 2.0**-24
BITS = {"tf32": 11, "bfloat16": 8}  # of a significand, the leading one included
GRAPHS = {
    "rows": "graph g(%x: f32[B,{k}], %w: f32[{k},{n}]) {{\n  %y = matmul(%x, %w)\n  return %y\n}}",
    "turned": "graph g(%x: f32[{k},B], %w: f32[{n},{k}]) {{\n  %a = transpose(%x){{perm=(1,0)}}\n"
              "  %b = transpose(%w){{perm=(1,0)}}\n  %y = matmul(%a, %b)\n  return %y\n}}",
    "batch": "graph g(%x: f32[3,B,{k}], %w: f32[3,{k},{n}]) {{\n  %y = matmul(%x, %w)\n  return %y\n}}",
}


def rounded(x, precision):
    """The nearest number of so many bits: of two, the even one as bfloat16, the larger one as tf32."""
    significand, exponent = np.frexp(x.astype(np.float64))
    scaled = significand * 2.0**BITS[precision]
    near = np.rint(scaled) if precision == "bfloat16" else np.trunc(np.abs(scaled) + 0.5) * np.sign(scaled)
    return np.ldexp(near, exponent - BITS[precision])


@pytest.mark.parametrize("precision", BITS)
@pytest.mark.parametrize("form", GRAPHS)
@pytest.mark.parametrize(("m", "k", "n"), [(1, 5, 7), (17, 40, 33), (40, 70, 10), (128, 33, 300)])
def test_products_of_rounded_operands(precision, form, m, k, n):
    (kernel,) = kernels_of(GRAPHS[form].format(k=k, n=n))
    arrays, (got,) = run(kernel, {"B": m}, precision=precision)
    near = [rounded(x, precision) for x in arrays]
    (want,) = evaluate(kernel.graph, near, float64=True)
    (terms,) = evaluate(kernel.graph, [np.abs(x) for x in near], float64=True)
    assert np.all(np.abs(got - want) <= (k + 1) * UNIT * terms)
    (plain,) = evaluate(kernel.graph, arrays, float64=True)
    assert np.abs(got - want).max() < 0.05 * np.abs(plain - want).max(), "the operands were not rounded"


@pytest.mark.parametrize("precision", BITS)
def test_large_tiles(precision, monkeypatch):
    """Whichever tile is chosen, the result has the same bits: every sum adds the same terms in the same order."""
    from graphc.codegen_cuda import contractions

    (kernel,) = kernels_of(GRAPHS["rows"].format(k=70, n=130))
    results = []
    for tile in contractions.TENSOR_TILES:
        monkeypatch.setattr(contractions, "tile_for", lambda m, n, batch, tiles, tile=tile: tile)
        results.append(run(kernel, {"B": 150}, precision=precision)[1][0])
    assert all(np.array_equal(results[0], other) for other in results[1:])


def test_an_operand_that_was_not_rounded_is_found():
    (kernel,) = kernels_of(GRAPHS["rows"].format(k=40, n=33))
    with pytest.raises(KernelError, match="an operand that is no tf32"):
        run(kernel, {"B": 17}, precision="tf32", change=lambda source: source.replace("tf32(av", "float32(av"))


def test_float64_stays_float64():
    (kernel,) = kernels_of(GRAPHS["rows"].format(k=40, n=33).replace("f32", "f64"))
    arrays, (got,) = run(kernel, {"B": 17}, precision="bfloat16")
    np.testing.assert_allclose(got, arrays[0] @ arrays[1], rtol=1e-13, atol=1e-13)
