"""When convolutions become Winograd's, and that they then mean the same."""

import numpy as np
import pytest

from graphc.errors import ArgumentError
from graphc.ir import op_spec
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.ir.verify import verify
from graphc.passes.choices import Choices
from graphc.passes.dce import dce
from graphc.passes.rules_winograd import Winograd, speedup, verdict, verdicts

PADDED = """graph g(%x: f32[B,18,30,16], %w: f32[3,3,16,32]) {
  %p = pad(%x){high=(0,2,1,0), low=(0,1,1,0), value=0.0}
  %y = convolution(%p, %w){dilations=(1,1), strides=(1,1)}
  return %y
}"""
GRADIENT = """graph g(%x: f32[B,18,30,16], %g: f32[B,18,30,32]) {
  %p = pad(%x){high=(0,1,1,0), low=(0,1,1,0), value=0.0}
  %w = convolution_gradient(%p, %g){dilations=(1,1), shape=(3,3), strides=(1,1)}
  return %w
}"""
ALONG_TIME = """graph g(%x: f32[B,T,32], %w: f32[3,32,32]) {
  %p = pad(%x){high=(0,0,0), low=(0,2,0), value=0.0}
  %y = convolution(%p, %w){dilations=(1,), strides=(1,)}
  return %y
}"""


def arrays_of(graph, **sizes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=[sizes.get(str(d), d) for d in v.type.shape]).astype("f4") for v in graph.inputs]


@pytest.mark.parametrize(("text", "op", "sizes"), [(PADDED, "winograd", {"B": 2}), (ALONG_TIME, "winograd", {"B": 3, "T": 9}),
                                                   (GRADIENT, "winograd_gradient", {"B": 2})])
def test_the_rewritten_graph_takes_the_padding_and_means_the_same(text, op, sizes):
    before = parse(text)
    after = dce(Winograd()(before))
    verify(after)
    names = [o.name for o in after.ops]
    assert names.count(op) == 1
    assert not {"pad", "convolution", "convolution_gradient"} & set(names)
    arrays = arrays_of(before, **sizes)
    (old,), (new,) = (evaluate(g, arrays, float64=True) for g in (before, after))
    # coefficients of the transforms are kept in float32, so that 1/6 is off by 2e-9 of 1
    np.testing.assert_allclose(new, old, atol=1e-6 * np.abs(old).max())


def test_padding_with_another_number_stays():
    graph = dce(Winograd()(parse(PADDED.replace("value=0.0", "value=1.0"))))
    assert [op.name for op in graph.ops] == ["pad", "reshape", "constant", "matmul", "winograd"]


@pytest.mark.parametrize(("change", "reason"), [
    (("strides=(1,1)", "strides=(2,1)"), "strides 2 x 1"), (("dilations=(1,1)", "dilations=(1,2)"), "dilations 1 x 2"),
    (("[3,3,16,32]", "[3,2,16,32]"), "windows of 3 x 2"),
    (("[3,3,16,32]", "[3,3,16,24]"), "24 filters do not fill vectors of 16"),
    (("[B,18,30,16], %w: f32[3,3,16,32]", "[B,8,8,128], %w: f32[3,3,128,128]"),
     "few tiles, for which the transformed weights would have to be read")])
def test_other_convolutions_stay_for_a_reason(change, reason):
    graph = parse(PADDED.replace(*change))
    assert Winograd()(graph) is graph
    assert verdict(graph.ops[-1]).reason == reason


def test_few_channels_stay():
    graph = parse(PADDED.replace("30,16]", "30,3]").replace("3,3,16", "3,3,3"))
    assert Winograd()(graph) is graph
    assert verdict(graph.ops[-1]).reason == "3 channels do not fill vectors of 16"


def test_a_caller_may_choose():
    graph = parse(PADDED)
    few = parse(PADDED.replace("[B,18,30,16]", "[B,8,8,16]"))
    for direct in (Choices(convolution="direct"), Choices(precision="highest"), Choices("highest", "winograd")):
        assert Winograd(direct)(graph) is graph
    assert "winograd" in [op.name for op in Winograd(Choices(convolution="winograd"))(few).ops]
    (_, found), = verdicts(few, Choices(convolution="winograd"))
    assert found.algorithm == "winograd"
    assert found.reason.startswith("asked for; ")


@pytest.mark.parametrize("wrong", [{"precision": "high"}, {"convolution": "fft"}])
def test_other_choices_are_errors(wrong):
    with pytest.raises(ArgumentError, match="no such"):
        Choices(**wrong)


def test_the_cost_model_counts_operations():
    """Products alone would be 144 to 36; the transforms take their part, and tiles that are not full waste some."""
    assert 3.5 < speedup("winograd", (96, 96), 512, 512) < 4
    assert 2 < speedup("winograd", (96, 96), 32, 32) < 3
    assert speedup("winograd", (17, 17), 64, 64) < speedup("winograd", (16, 16), 64, 64)
    assert 1.5 < speedup("winograd", (96,), 64, 64) < 2


def test_they_have_no_gradient():
    assert op_spec("winograd").vjp is None
    assert op_spec("winograd_gradient").vjp is None
