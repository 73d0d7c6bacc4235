"""N1 to N3: special values at every place of a vector loop, NaN that reaches the loss, the floating point environment.

What does not live here: indices out of range (indices.py), sizes (sizes.py), values away from the edges
(tests/codegen_cpu/test_ops.py).
"""

import ctypes
import subprocess
import sys

import numpy as np

from graphc import frontend_keras as keras
from graphc.compiler import compile_graph
from graphc.ir.builder import Builder
from graphc.ir.dims import symbol
from graphc.ir.evaluate import evaluate
from graphc.ir.parser import parse
from graphc.ir.spec import Kind, op_spec, registered_ops
from graphc.ir.types import BOOL, F32, F64, TensorType
from graphc.runtime import assembly, threads
from tests.codegen_cpu.bounds import check
from tests.soak import indices

layers = keras.layers
WIDTH = 37  # two vectors of 16 float32 and a tail; of float64, four and a tail
SKIPPED = ("cast", "power")  # whose definitions the table of samples and test_ops hold


def specials(dtype):
    """The twelve: zeros, ones, the ends of the normal and of the denormal numbers, infinities, NaN, one of size 1e-40."""
    info = np.finfo(dtype.numpy)
    return np.array([0.0, -0.0, 1, -1, info.tiny, info.smallest_subnormal, -info.smallest_subnormal, info.max, -info.max,
                     np.inf, -np.inf, np.nan], dtype.numpy)


def elementwise(dtype):
    """Every elementwise op of this type on x, y and a condition."""
    b = Builder()
    x, y = (b.input(TensorType(dtype, (symbol("N"),)), name) for name in "xy")
    c = b.input(TensorType(BOOL, (symbol("N"),)), "c")
    results = []
    for name in sorted(n for n in registered_ops() if op_spec(n).kind is Kind.ELEMENTWISE and n not in SKIPPED):
        for given in [(c, x, y)] if name == "select" else [(x,), (x, y)]:
            try:
                results.append(b.emit(name, *given))
            except (TypeError, ValueError):
                continue
            break
    return b.graph(results)


def elementwise_failures(dtype, places=range(WIDTH)):
    """(count, failures): each pair of specials at each place has the bits it has alone, which are the reference's."""
    graph, values, failures, count = elementwise(dtype), specials(dtype), [], 0
    f = compile_graph(graph)
    x, y = (v.ravel() for v in np.meshgrid(values, values))
    alone = f(x, y, x > 0)
    for op, got, want in zip(graph.ops, alone, evaluate(graph, [x, y, x > 0]), strict=True):
        check(graph.replace(ops=(op,), outputs=(op.result,)), [x, y, x > 0], [got], op.name)
        zeros = (got == 0) & (want == 0) if got.dtype == dtype.numpy else np.zeros(got.shape, bool)
        either = (x == 0) & (op.name == "relu") | (x == 0) & (y == 0) & (op.name in ("maximum", "minimum"))
        wrong = zeros & (np.signbit(got) != np.signbit(want)) & ~either  # of two zeros either is the larger one
        failures += [f"{op.name}({a}, {b}): the zero's sign" for a, b in zip(x[wrong], y[wrong])]
    for place in places:
        for i in range(x.size):
            row, other = np.ones(WIDTH, dtype.numpy), np.full(WIDTH, 0.5, dtype.numpy)
            row[place], other[place] = x[i], y[i]
            for op, got, want in zip(graph.ops, f(row, other, row > 0), alone, strict=True):
                count += 1
                if got[place].tobytes() != want[i].tobytes():
                    failures.append(f"{op.name}({x[i]}, {y[i]}) at {place}")
    return count, failures


FOLDS = """graph folds(%x: T[R,37]) {
  %sum = reduce_sum(%x){axes=(1,)}
  %prod = reduce_prod(%x){axes=(1,)}
  %max = reduce_max(%x){axes=(1,)}
  %min = reduce_min(%x){axes=(1,)}
  %mean = reduce_mean(%x){axes=(1,)}
  %variance = reduce_variance(%x){axes=(1,)}
  %softmax = softmax(%x){axis=1}
  %log_softmax = log_softmax(%x){axis=1}
  %logsumexp = logsumexp(%x){axes=(1,)}
  %argmax = argmax(%x){axis=1}
  %argmin = argmin(%x){axis=1}
  %cumsum = cumsum(%x){axis=1}
  return %sum, %prod, %max, %min, %mean, %variance, %softmax, %log_softmax, %logsumexp, %argmax, %argmin, %cumsum
}"""


def fold_failures(dtype):
    """Folds of rows with one special value at each place, and of rows of nothing else: the reference's, which is NumPy's."""
    graph = parse(FOLDS.replace("T[", f"{dtype}["))
    values, rows = specials(dtype), []
    for value in values:
        base = np.linspace(-2, 2, WIDTH).astype(dtype.numpy)
        rows += [np.where(np.arange(WIDTH) == place, value, base) for place in range(WIDTH)]
        rows.append(np.full(WIDTH, value))
    x, failures = np.array(rows, dtype.numpy), []
    results = compile_graph(graph)(x)
    with np.errstate(all="ignore"):
        wanted = evaluate(graph, [x])
    for name, got, want in zip([v.hint for v in graph.outputs], results, wanted, strict=True):
        same = (np.isnan(got) == np.isnan(want)) & (np.isinf(got) == np.isinf(want)) \
            & (~np.isinf(want) | (np.sign(got) == np.sign(want)))
        if name.startswith("arg"):
            same = got == want
        if not same.all():
            at = np.argwhere(~same)[0]
            failures.append(f"{name} of row {at[0]} ({x[at[0]][:3]}...): {got[tuple(at)]}, not {want[tuple(at)]}")
    return x.size * len(results), failures


def layer_stacks():
    """Layers a NaN must come through, as (name, input shape, layers)."""
    pool = [layers.MaxPooling2D(), layers.AveragePooling2D(), layers.GlobalMaxPooling2D(), layers.GlobalAveragePooling2D(),
            layers.Conv2D(4, 3, padding="same"), layers.SeparableConv2D(4, 3, padding="same"),
            layers.DepthwiseConv2D(3, padding="same"), layers.Conv2DTranspose(3, 3), layers.BatchNormalization(),
            layers.UpSampling2D(), layers.ZeroPadding2D(), layers.SpatialDropout2D(0.0)]
    flat = [layers.Dense(5, activation=a) for a in ("relu", "tanh", "sigmoid", "softmax", "elu", "selu", "softplus",
                                                    "softsign", "hard_sigmoid", "exponential", "linear")]
    flat += [layers.LeakyReLU(), layers.PReLU(), layers.ELU(), layers.ThresholdedReLU(0.5), layers.ReLU(6.0),
             layers.Softmax(), layers.Dropout(0.2), layers.GaussianNoise(0.1)]
    steps = [layers.LSTM(4), layers.GRU(4), layers.SimpleRNN(4), layers.Bidirectional(layers.LSTM(3)),
             layers.Conv1D(4, 2), layers.TimeDistributed(layers.Dense(3)), layers.GlobalMaxPooling1D(),
             layers.MaxPooling1D(5), layers.LocallyConnected1D(2, 2)]
    return [*((layer, (6, 6, 3)) for layer in pool), *((layer, (9,)) for layer in flat),
            *((layer, (5, 4)) for layer in steps)]


LOSSES = ("mean_squared_error", "mean_absolute_error", "mean_absolute_percentage_error",
          "mean_squared_logarithmic_error", "squared_hinge", "hinge", "categorical_hinge", "logcosh",
          "categorical_crossentropy", "binary_crossentropy", "kullback_leibler_divergence", "poisson",
          "cosine_proximity")


def lost_in_layers(cases=None):
    """Layers from which a NaN in some element of the input does not reach the loss."""
    lost = []
    for layer, shape in layer_stacks() if cases is None else cases:
        model = keras.models.Sequential([layers.Activation("linear", input_shape=shape), layer, layers.Flatten()]
                                        if len(layer_shape(layer, shape)) > 2 else
                                        [layers.Activation("linear", input_shape=shape), layer])
        model.compile("sgd", "mse")
        targets = np.zeros((2, *model.output_shape[1:]), "f4")
        for at in range(int(np.prod(shape))):
            x = np.full((2, *shape), 0.25, "f4")
            x[1].reshape(-1)[at] = np.nan
            if not np.isnan(model.test_on_batch(x, targets)):
                lost.append(f"{layer.name} element {at}")
    return lost


def layer_shape(layer, shape):
    return layer.compute_output_shape((None, *shape))


def lost_in_losses():
    """Losses that hide a NaN of a prediction or of a target, when testing or training, with weights or without."""
    lost = []
    for loss in LOSSES:
        for place in ("prediction", "target"):
            for step in ("test_on_batch", "train_on_batch"):
                model = keras.models.Sequential([layers.Activation("linear", input_shape=(4,)),
                                                 layers.Dense(4, kernel_initializer="identity")])
                model.compile("sgd", loss)
                for at in range(8):
                    model.set_weights([np.eye(4), np.zeros(4)])
                    x, y = np.full((2, 4), 0.25, "f4"), np.full((2, 4), 0.25, "f4")
                    (x if place == "prediction" else y).reshape(-1)[at] = np.nan
                    if not np.isnan(getattr(model, step)(x, y)):
                        lost.append(f"{loss}: {place} {at} in {step}")
    return lost


# ---- the floating point environment


def control_bits():
    """The control bits of this thread's MXCSR: rounding, masks, flush to zero, denormals are zero."""
    room = ctypes.create_string_buffer(64)
    if ctypes.CDLL("libm.so.6").fegetenv(room):
        raise OSError("fegetenv failed")
    return int.from_bytes(room.raw[28:32], "little") & 0xFFC0


IMPORTING = """
import ctypes, numpy
def bits():
    room = ctypes.create_string_buffer(64)
    ctypes.CDLL("libm.so.6").fegetenv(room)
    return int.from_bytes(room.raw[28:32], "little") & 0xFFC0
before = bits()
import graphc.compiler, graphc.frontend_keras, graphc.codegen_cpu.jit
assert bits() == before
assert numpy.float32(1e-40) * numpy.float32(1) != 0
"""


def environment_failures():
    """Where denormal numbers are flushed, or the control bits are others than before."""
    failures, before, was = [], control_bits(), threads.count()
    f = compile_graph(parse("graph g(%x: f32[N]) {\n%y = multiply(%x, %x)\n%z = add(%x, %x)\nreturn %y, %z\n}"))
    tiny = np.full(40_000, 1e-40, "f4")
    shared, assembly.PARALLEL_WORK = assembly.PARALLEL_WORK, 0
    try:
        for count in (1, 2, 3, 4):
            threads.set_num_threads(count)
            if not (f(tiny)[1] == tiny + tiny).all():
                failures.append(f"a worker of {count} threads flushes")
            if control_bits() != before:
                failures.append(f"control bits {control_bits():x} after a launch on {count} threads")
    finally:
        assembly.PARALLEL_WORK = shared
        threads.set_num_threads(was)
    if np.float32(1e-40) * np.float32(1) == 0:
        failures.append("this thread flushes")
    if subprocess.run([sys.executable, "-c", IMPORTING], check=False).returncode:
        failures.append("the import changes the environment")
    return failures


def main(options):
    fine = True
    for dtype in (F32, F64):
        for what, (count, failures) in (("elementwise", elementwise_failures(dtype)), ("folds", fold_failures(dtype))):
            fine &= not failures
            print(f"N1 {what} {dtype}: {count} values, {len(failures)} wrong {failures[:4] or ''}", flush=True)
    for what, lost in (("layers", lost_in_layers()), ("losses", lost_in_losses())):
        fine &= not lost
        print(f"N1 NaN through {what}: {len(lost)} lost {lost[:8] or ''}", flush=True)
    failures = environment_failures()
    fine &= not failures
    print(f"N2 floating point environment: {len(failures)} failures {failures or ''}", flush=True)
    return indices.main(options) and fine
