"""graphc.compile and graphc.function: the way in for callers outside Keras."""

import numpy as np
import pytest

import graphc
from graphc.errors import ArgumentError, ParseError, ShapeError, TargetError

TEXT = """graph g(%x: f32[B,3], %y: f32[B,3]) {
  %z = multiply(%x, %y)
  return %z
}"""


def test_compile_takes_text_and_graphs():
    x, y = np.full((2, 3), 2, "f4"), np.full((2, 3), 5, "f4")
    for given in (TEXT, graphc.parse(TEXT)):
        (z,) = graphc.compile(given)(x, y)
        np.testing.assert_array_equal(z, x * y)


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_function_traces(target):
    @graphc.function("f32[B,3]", "f32[B,3]", target=target)
    def f(x, y):
        return (x * y).tanh(), x.reduce_sum(axes=(1,))

    x, y = np.linspace(-1, 1, 6, dtype="f4").reshape(2, 3), np.full((2, 3), 0.5, "f4")
    t, s = f(x, y)
    np.testing.assert_allclose(t, np.tanh(x * 0.5), rtol=1e-6)
    np.testing.assert_allclose(s, x.sum(1), rtol=1e-6, atol=1e-7)


def test_what_cannot_be_compiled_is_named():
    with pytest.raises(ArgumentError, match="expected a Graph, graph text or a model; got int"):
        graphc.compile(3)
    with pytest.raises(TargetError, match="'tpu'"):
        graphc.compile(TEXT, target="tpu")
    with pytest.raises(ParseError):
        graphc.compile("graph {")
    with pytest.raises(ShapeError):
        graphc.compile(TEXT)(np.zeros((2, 3), "f4"), np.zeros((3, 3), "f4"))


def test_public_names():
    assert set(graphc.__all__) == {"Graph", "GraphcError", "compile", "errors", "function", "install_as_keras", "parse"}
    for name in graphc.__all__:
        assert getattr(graphc, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        graphc.nothing  # noqa: B018
