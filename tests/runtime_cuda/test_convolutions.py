"""Which kernels become convolutions of a library, and that the results stay the same."""

from collections import Counter

import numpy as np
import pytest

from benchmarks.gpu.convolutions import CASES, with_gradients
from graphc import frontend_keras as keras
from graphc.compiler import compile_graph
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.passes.choices import Choices
from graphc.passes.pipeline import optimize, plan
from graphc.runtime_cuda import forms
from graphc.runtime_cuda.calls import ClearCall, ConvolutionCall, KernelCall, ProductCall
from graphc.runtime_cuda.convolutions import ConvolutionForm
from graphc.runtime_cuda.device import Convolution, DeviceError, Geometry, Span, using
from graphc.runtime_cuda.libraries import library_forms
from graphc.runtime_cuda.lockstep_device import LockstepDevice
from graphc.runtime_cuda.recording import RecordingDevice

UNIT = 2.0**-24
F32 = np.dtype(np.float32)
FILTERS, LIBRARY, REST, SUM = "_filters", "convolution", "_rest", "sum"


def graph(body, *inputs):
    return parse(f"graph g({', '.join(inputs)}) {{\n{body}\n}}")


X, W, V = "%x: f32[B,9,8,3]", "%w: f32[3,2,3,5]", "%b: f32[5]"
PLAIN = "  %y = convolution(%x, %w){strides=(1,1), dilations=(1,1)}\n"
BIAS = PLAIN + "  %c = broadcast(%b){axes=(3,), shape=(B,7,7,5)}\n  %a = add(%y, %c)\n"
GRADIENT = "%s = convolution_gradient(%x, %g){shape=(3,2), strides=(1,1), dilations=(1,1)}"


def forward(x, w, strides, dilations):
    return graph(f"  %y = convolution(%x, %w){{strides={strides}, dilations={dilations}}}\n  return %y",
                 f"%x: f32[{x}]", f"%w: f32[{w}]")


def gradient(x, g, shape, strides, dilations):
    return graph(f"  %d = convolution_gradient(%x, %g){{shape={shape}, strides={strides}, dilations={dilations}}}\n"
                 "  return %d", f"%x: f32[{x}]", f"%g: f32[{g}]")


FORWARD = {
    "plain": (graph(PLAIN + "  return %y", X, W), "", False),
    "strides": (forward("B,9,8,3", "3,2,3,5", "(2,3)", "(1,1)"), "", False),
    "dilations": (forward("B,9,8,3", "3,2,3,5", "(1,1)", "(2,4)"), "", False),
    "strides and dilations": (forward("B,19,17,2", "3,3,2,4", "(3,2)", "(2,3)"), "", False),
    "one channel, one filter": (forward("B,6,7,1", "2,3,1,1", "(1,1)", "(1,1)"), "", False),
    "a window of one, strides of two": (forward("B,8,8,4", "1,2,4,6", "(2,2)", "(1,1)"), "", False),
    "one axis": (forward("B,20,4", "3,4,6", "(2,)", "(2,)"), "", False),
    "three axes": (forward("B,5,4,6,2", "2,2,3,2,3", "(1,1,2)", "(2,1,1)"), "", False),
    "any extent": (graph(PLAIN + "  return %y", "%x: f32[B,H,6,2]", "%w: f32[3,2,2,5]"), "", False),
    "zeros around": (graph("  %p = pad(%x){low=(0,2,1,0), high=(0,2,1,0), value=0.0}\n"
                           "  %y = convolution(%p, %w){strides=(2,3), dilations=(1,1)}\n  return %y", X, W), "", False),
    "uneven zeros around": (graph("  %p = pad(%x){low=(0,1,0,0), high=(0,1,1,0), value=0.0}\n"
                           "  %y = convolution(%p, %w){strides=(1,1), dilations=(1,1)}\n  return %y", X, W), "", False),
    "a bias": (graph(BIAS + "  return %a", X, W, V), "bias", False),
    "a layer": (graph(BIAS + "  %r = relu(%a)\n  return %r", X, W, V), "bias relu", False),
    "relu alone": (graph(PLAIN + "  %r = relu(%y)\n  return %r", X, W), "", True),
    "an epilogue": (graph(BIAS + "  %r = sigmoid(%a)\n  return %r", X, W, V), "", True),
    "a value kept": (graph(BIAS + "  %r = relu(%a)\n  %z = full(){value=0.0, shape=(B,7,7,5), dtype=f32}\n"
                           "  %m = greater(%a, %z)\n  return %r, %m", X, W, V), "", True),
    "the filters' transpose": (graph(
        "  %r = reverse(%w){axes=(0,1)}\n  %t = transpose(%r){perm=(0,1,3,2)}\n"
        "  %y = convolution(%x, %t){strides=(1,1), dilations=(1,1)}\n  return %y", X, "%w: f32[3,2,5,3]"), "", False),
}
GRADIENTS = {
    "few weights": gradient("B,9,8,3", "B,7,7,5", "(3,2)", "(1,1)", "(1,1)"),
    "strides": gradient("B,9,8,3", "B,4,3,5", "(3,2)", "(2,3)", "(1,1)"),
    "dilations": gradient("B,9,8,3", "B,5,4,5", "(3,2)", "(1,1)", "(2,4)"),
    "one axis": gradient("B,20,4", "B,8,6", "(3,)", "(2,)", "(2,)"),
    "three axes": gradient("B,5,4,6,2", "B,3,3,2,3", "(2,2,3)", "(1,1,2)", "(2,1,1)"),
    "many weights": gradient("B,4,5,64", "B,2,3,128", "(3,3)", "(1,1)", "(1,1)"),
    "many weights, a long sum": gradient("2,36,36,96", "2,34,34,88", "(3,3)", "(1,1)", "(1,1)"),
}


def arrays_for(made, rows, seed=0):
    rng = np.random.default_rng(seed)
    sizes = {"B": rows, "H": 7}
    return [rng.normal(size=[d if isinstance(d, int) else sizes[str(d)] for d in v.type.shape]).astype("f4")
            for v in made.inputs]


def kinds(calls):
    """What the calls are, kernels by the end of their names; without those that give a result its shape."""
    found = []
    for call in calls:
        if isinstance(call, KernelCall) and call.name.endswith("_reshape"):
            continue
        if isinstance(call, KernelCall):
            found.append(next((end for end in (FILTERS, REST) if call.name.endswith(end)), "kernel"))
        else:
            found.append({ConvolutionCall: LIBRARY, ClearCall: "clear", ProductCall: "product"}[type(call)])
    return found


def convolutions(calls):
    return [call.convolution for call in calls if isinstance(call, ConvolutionCall)]


def close(got, want, terms=1):
    """The library rounds once, and each of the few ops behind it; our own kernels each of the terms of a sum."""
    np.testing.assert_allclose(got, want, rtol=0, atol=4 * terms * UNIT * np.abs(want).max())


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(("made", "epilogue", "rest"), FORWARD.values(), ids=FORWARD)
def test_forward(made, epilogue, rest, rows, always):
    arrays = arrays_for(made, rows)
    with using(LockstepDevice(convolutions=True)):
        f = compile_graph(made, target="cuda")
        results = f(*arrays)
        calls = next(iter(f._bindings.values())).calls
    (one,) = convolutions(calls)
    assert f"{'bias' if one.bias else ''} {one.activation}".strip() == epilogue
    before = ["kernel"] if made is FORWARD["uneven zeros around"][0] else []
    assert kinds(calls) == [*before, FILTERS, LIBRARY, *([REST] if rest else [])]
    for got, want in zip(results, evaluate(made, arrays, float64=True), strict=True):
        if got.dtype == bool:
            np.testing.assert_array_equal(got, want)
        else:
            close(got, want)


@pytest.mark.parametrize("made", GRADIENTS.values(), ids=GRADIENTS)
def test_gradient_of_the_filters(made, always):
    arrays = arrays_for(made, 3)
    with using(LockstepDevice(convolutions=True)):
        f = compile_graph(made, target="cuda")
        (got,) = f(*arrays)
        calls = next(iter(f._bindings.values())).calls
    apart = [] if made is GRADIENTS["many weights"] else ["clear", "kernel"]
    assert kinds(calls) == [LIBRARY, FILTERS, *apart]
    close(got, evaluate(made, arrays, float64=True)[0])


@pytest.mark.parametrize("case", [case for case in CASES if case.window[-1] != 64], ids=lambda case: case.text)
@pytest.mark.parametrize("rows", [1, 3])
def test_with_both_gradients(case, rows, always):
    """No kernel stores zeros around or between the cotangents: the library puts them there."""
    made = with_gradients(case)
    arrays = arrays_for(made, rows)
    with using(LockstepDevice(convolutions=True)):
        f = compile_graph(made, target="cuda")
        results = f(*arrays)
        calls = next(iter(f._bindings.values())).calls
    product = set(case.window[:-1]) == {1}  # of a matrix and the cotangents, which lie apart
    back = [] if product else ["data"] if any(stride > 1 for stride in case.strides) else ["forward"]
    assert [one.kind for one in convolutions(calls)] == ["forward", "filter", *back]
    assert {"pad"} & {op.name for kernel in f.program.plan.kernels.kernels for op in kernel.graph.ops}
    assert product == any("pad" in call.name for call in calls if isinstance(call, KernelCall))
    for got, want in zip(results, evaluate(made, arrays, float64=True), strict=True):
        close(got, want)


def test_what_lies_under_the_zeros_is_kept(always):
    """For our kernels an image is dead once it stands there with its zeros, and its place is free for the result."""
    made = graph("  %a = max_pool(%x){shape=(2,2), strides=(1,1)}\n"
                 "  %p = pad(%a){low=(0,1,1,0), high=(0,1,1,0), value=0.0}\n"
                 "  %y = convolution(%p, %w){strides=(1,1), dilations=(1,1)}\n  %r = relu(%y)\n"
                 "  %m = max_pool(%r){shape=(2,2), strides=(1,1)}\n  return %m", "%x: f32[B,12,13,4]", "%w: f32[3,3,4,4]")
    for library in (False, True):
        with using(RecordingDevice(convolutions=library)):
            f = compile_graph(made, target="cuda")
            f(*arrays_for(made, 2))
            choice = f.choice({"B": 2})
        image, ends = next((v, last) for v, (_, last) in choice.plan.lives.items() if v.type.shape[1:] == (11, 12, 4))
        assert ends == (2 if library else 1)
        assert len(choice.skipped) == library
        assert all(v not in choice.plan.lives for kernel in choice.skipped for v in kernel.outputs)


def test_zeros_that_somebody_else_reads_are_stored(always):
    made = graph("  %p = pad(%x){low=(0,1,1,0), high=(0,1,1,0), value=0.0}\n"
                 "  %y = convolution(%p, %w){strides=(1,1), dilations=(1,1)}\n"
                 "  %s = windows(%p){axes=(1,2), shape=(2,2), strides=(1,1), dilations=(1,1)}\n"
                 "  %m = reduce_max(%s){axes=(3,4)}\n  return %y, %m", X, W)
    arrays = arrays_for(made, 2)
    with using(LockstepDevice(convolutions=True)):
        f = compile_graph(made, target="cuda")
        assert any("pad" in call.name for call in f.calls(B=2) if isinstance(call, KernelCall))
        for got, want in zip(f(*arrays), evaluate(made, arrays, float64=True), strict=True):
            close(got, want)


def test_zeros_for_a_convolution_that_does_not_pay_are_stored(monkeypatch):
    """Of two convolutions of one image the small one runs as a kernel, which reads the zeros."""
    made = graph("  %p = pad(%x){low=(0,1,1,0), high=(0,1,1,0), value=0.0}\n"
                 "  %y = convolution(%p, %w){strides=(1,1), dilations=(1,1)}\n"
                 "  %z = convolution(%p, %v){strides=(1,1), dilations=(1,1)}\n  return %y, %z", X, W, "%v: f32[3,2,3,1]")
    monkeypatch.setattr(forms, "LEAST_WORK", 4 * 2 * 9 * 9 * 18)
    arrays = arrays_for(made, 2)
    with using(LockstepDevice(convolutions=True)):
        f = compile_graph(made, target="cuda")
        assert kinds(f.calls(B=2)).count(LIBRARY) == 1
        assert any("pad" in call.name for call in f.calls(B=2) if isinstance(call, KernelCall))
        for got, want in zip(f(*arrays), evaluate(made, arrays, float64=True), strict=True):
            close(got, want, terms=18)


@pytest.mark.parametrize("precision", ["highest", "tf32", "bfloat16"])
def test_precisions(precision, always):
    """The library is told; in bfloat16 our own kernels, since operands lie there as float32."""
    made = FORWARD["a layer"][0]
    with using(RecordingDevice()):
        found = convolutions(compile_graph(made, target="cuda", choices=Choices(precision)).calls(B=3))
    assert [one.precision for one in found] == ([] if precision == "bfloat16" else [precision])


def test_plain_sums_where_they_are_asked_for(always):
    made = FORWARD["a layer"][0]
    with using(RecordingDevice()):
        (one,) = convolutions(compile_graph(made, target="cuda", choices=Choices(convolution="direct")).calls(B=3))
    assert one.precision == "highest"


NO_CONVOLUTIONS = {
    "a window of one is a product": forward("B,8,8,4", "1,1,4,6", "(1,1)", "(1,1)"),
    "one window is a product": forward("B,3,2,4", "3,2,4,6", "(1,1)", "(1,1)"),
    "channels apart": graph("  %y = depthwise_convolution(%x, %w){strides=(1,1), dilations=(1,1)}\n  return %y",
                            X, "%w: f32[3,2,3,2]"),
    "float64": graph(PLAIN + "  return %y", "%x: f64[B,9,8,3]", "%w: f64[3,2,3,5]"),
    "a part of an image": graph("  %s = slice(%x){starts=(0,1,0,0), limits=(B,10,8,3), strides=(1,1,1,1)}\n"
                                "  %y = convolution(%s, %w){strides=(1,1), dilations=(1,1)}\n  return %y",
                                "%x: f32[B,11,8,3]", W),
    "channels first": graph("  %s = transpose(%x){perm=(0,2,3,1)}\n"
                            "  %y = convolution(%s, %w){strides=(1,1), dilations=(1,1)}\n  return %y",
                            "%x: f32[B,3,9,8]", W),
    "parts that are read one by one": graph(
        "  %s = windows(%x){axes=(1,2), shape=(3,2), strides=(1,1), dilations=(1,1)}\n"
        "  %c = reshape(%s){shape=(B,49,18)}\n  %t = transpose(%c){perm=(0,2,1)}\n  %m = matmul(%t, %g)\n"
        "  return %m", "%x: f32[B,9,8,3]", "%g: f32[B,49,5]"),
    "parts that are summed and multiplied": graph(
        "  %s = windows(%x){axes=(1,2), shape=(3,2), strides=(1,1), dilations=(1,1)}\n"
        "  %c = reshape(%s){shape=(B,49,18)}\n  %t = transpose(%c){perm=(0,2,1)}\n  %m = matmul(%t, %g)\n"
        "  %r = reduce_sum(%m){axes=(0,)}\n  %q = square(%m)\n  return %r, %q", "%x: f32[B,9,8,3]", "%g: f32[B,49,5]"),
    "the windows of one axis of two": graph(
        "  %s = windows(%x){axes=(1,), shape=(3,), strides=(1,), dilations=(1,)}\n  %c = reshape(%s){shape=(63*B,9)}\n"
        "  %t = matmul(%c, %w)\n  return %t", "%x: f32[B,11,7,3]", "%w: f32[9,5]"),
}


@pytest.mark.parametrize("made", NO_CONVOLUTIONS.values(), ids=NO_CONVOLUTIONS)
def test_kernels_that_are_no_convolutions(made):
    memory = plan(optimize(made, Choices(device=True)), device=True)
    assert not any(isinstance(form, ConvolutionForm) for form in library_forms(memory, "default").values())


def test_windows_that_overlap_are_no_rows_of_a_matrix(always):
    """The gradient of a convolution along one axis reads rows that share elements, which cuBLASLt has no layout for."""
    made = gradient("B,20,4", "B,18,6", "(3,)", "(1,)", "(1,)")
    with using(LockstepDevice(products=True)):
        assert "product" not in kinds(compile_graph(made, target="cuda").calls(B=3))


def test_small_convolutions_stay_kernels():
    made = FORWARD["a layer"][0]
    with using(LockstepDevice(convolutions=True)):
        f = compile_graph(made, target="cuda")
        assert kinds(f.calls(B=4)) == ["kernel"]
        small, large = (f.memory(B=rows) for rows in (4, 1 << 16))
        assert kinds(f.calls(B=1 << 16)) == [FILTERS, LIBRARY]
        assert small * (1 << 14) >= large, "nothing of the arena is the library's"


def test_without_an_algorithm_the_kernel_runs(always):
    made = FORWARD["an epilogue"][0]
    arrays = arrays_for(made, 3)
    asked = []
    device = LockstepDevice(convolutions=True)
    device.convolves = lambda convolution: bool(asked.append(convolution))
    with using(device):
        f = compile_graph(made, target="cuda")
        assert kinds(f.calls(B=3)) == ["kernel"]
        close(f(*arrays)[0], evaluate(made, arrays, float64=True)[0], terms=18)
    assert [one.kind for one in asked] == ["forward"]


def test_training_with_and_without(on, always):
    """Three convolutions with padding, strides, dilations: losses and weights after three steps.

    A gradient sums at most 5 * 30 terms a layer, each rounded once; three steps take a hundredth of each.
    """
    found = {}
    for which in (False, True):
        on("cuda")
        device = LockstepDevice(products=which, convolutions=which)
        asked = []
        device.convolve = lambda one, asked=asked, convolve=device.convolve: (asked.append(one.kind), convolve(one))
        with using(device):
            losses, weights = _trained()
        found[which] = losses, weights, asked
    assert found[False][2] == []
    assert Counter(found[True][2]) == {"forward": 12, "filter": 9, "data": 3}
    np.testing.assert_allclose(found[True][0], found[False][0], rtol=1e-6)
    for got, want in zip(found[True][1], found[False][1], strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=3 * 0.01 * 2 * 150 * UNIT)


def _trained():
    layers = keras.layers
    np.random.seed(3)
    model = keras.models.Sequential([
        layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", input_shape=(11, 9, 3)),
        layers.Conv2D(4, (2, 3), dilation_rate=(2, 1)), layers.Conv2D(6, 2, strides=2), layers.Flatten(), layers.Dense(3, activation="softmax")])
    model.compile(loss="categorical_crossentropy", optimizer="sgd")
    rng = np.random.default_rng(0)
    model.set_weights([(rng.normal(size=w.shape) / 4).astype("f4") for w in model.get_weights()])
    x, y = rng.normal(size=(5, 11, 9, 3)).astype("f4"), np.eye(3, dtype="f4")[rng.integers(3, size=5)]
    return [model.train_on_batch(x, y) for _ in range(3)], model.get_weights()


def test_the_recorder_checks_what_a_library_is_given():
    device = RecordingDevice()
    address = device.allocate(1 << 12)
    at = Geometry(2, (4,), 3, 5, (2,), (1,), (1,), (0,))
    x, w, y = Span(address, 24, F32), Span(address + 512, 30, F32), Span(address + 1024, 30, F32)
    with pytest.raises(DeviceError, match="a convolution reads what nobody has written"):
        device.convolve(Convolution("forward", at, x, w, y))
    device.clear(address, 1024)
    device.convolve(Convolution("forward", at, x, w, y))
    device.convolve(Convolution("filter", at, x, w, y))
    assert [(event.name, event.size) for event in device.events if event.kind == "convolve"] == [
        ("forward", 180), ("filter", 180)]
    with pytest.raises(DeviceError, match="a convolution writes over what it reads"):
        device.convolve(Convolution("forward", at, x, w, Span(x.address + 16, 30, F32)))
    for wrong in (Span(x.address, 23, F32), Span(x.address + 4, 24, F32)):
        with pytest.raises(DeviceError, match="a convolution's x that does not fit"):
            device.convolve(Convolution("forward", at, wrong, w, y))
