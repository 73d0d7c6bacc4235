"""The table of K: values of variables and of placeholders, element types, gradients; and that every function has a row."""

import inspect
import pickle

import numpy as np
import pytest

from graphc.errors import DTypeError
from graphc.frontend_keras import backend as K
from tests.frontend_keras.backend_samples import FACTS, SAMPLES

STEP = 1e-5

pytestmark = pytest.mark.usefixtures("fresh_session")


def listed(x):
    return list(x) if isinstance(x, (list, tuple)) else [x]


def kind(array):
    """The name in K of an array's element type: floats are floatx."""
    return K.floatx() if np.asarray(array).dtype.kind == "f" else str(np.asarray(array).dtype)


def compare(found, wanted, rtol):
    for one, other in zip(found, wanted, strict=True):
        assert str(np.asarray(one).dtype) == kind(other)
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * np.abs(np.asarray(other, float)).max(initial=1e-3))


def ids(samples):
    return [f"{one.name}-{number}" for number, one in enumerate(samples)]


@pytest.mark.parametrize("sample", SAMPLES, ids=ids(SAMPLES))
def test_row(sample):
    """Variables in float64 through K.eval; placeholders in float32 through K.function; K.gradients against differences."""
    wanted = listed(sample.expected(*sample.inputs))
    K.set_floatx("float64")
    held = [K.variable(x, kind(x)) for x in sample.inputs]
    outputs = listed(sample.call(*held))
    assert [K.dtype(t) for t in outputs] == [kind(w) for w in wanted]
    compare([K.eval(t) for t in outputs], wanted, 1e-12)
    check_gradients(sample, held, outputs, wanted)
    K.set_floatx("float32")
    check_placeholders(sample, wanted)


def check_placeholders(sample, wanted):
    places = [K.placeholder(x.shape if i or sample.known else (None, *x.shape[1:]), dtype=kind(x))
              for i, x in enumerate(sample.inputs)]
    outputs = listed(sample.call(*places))
    for t, value in zip(outputs, wanted, strict=True):
        assert K.ndim(t) == np.ndim(value)
        assert all(size in (None, real) for size, real in zip(K.int_shape(t), np.shape(value), strict=True))
    compare(K.function(places, outputs)([*sample.inputs]), wanted, 2e-5)


def check_gradients(sample, held, outputs, wanted):
    """The derivative of a weighted sum of the float outputs along a random direction of each float input."""
    random = np.random.RandomState(11)
    floats = [i for i, x in enumerate(sample.inputs) if x.dtype.kind == "f"]
    weights = [random.randn(*np.shape(w)) if np.asarray(w).dtype.kind == "f" else None for w in wanted]
    if not floats or all(w is None for w in weights):
        return
    loss = sum(K.sum(t * w) for t, w in zip(outputs, weights, strict=True) if w is not None)
    for i, gradient in zip(floats, K.gradients(loss, [held[i] for i in floats]), strict=True):
        direction = random.randn(*sample.inputs[i].shape)
        found = 0.0 if gradient is None else np.sum(K.eval(gradient) * direction)

        def at(t, i=i, direction=direction):
            moved = [x + t * direction if j == i else x for j, x in enumerate(sample.inputs)]
            values = listed(sample.expected(*moved))
            return sum(np.sum(w * v) for w, v in zip(weights, values, strict=True) if w is not None)

        slope = (8 * (at(STEP) - at(-STEP)) - (at(2 * STEP) - at(-2 * STEP))) / (12 * STEP)
        # five points: the formula errs by STEP^4, rounding by 1e-16 / STEP of the largest value
        np.testing.assert_allclose(found, slope, rtol=1e-7, atol=1e-8 * max(1.0, abs(at(0.0))))


@pytest.mark.parametrize("name", FACTS)
def test_fact(name, request):
    fact = FACTS[name]
    fact(**{needed: request.getfixturevalue(needed) for needed in inspect.signature(fact).parameters})


@pytest.mark.parametrize("sample", SAMPLES[::3], ids=ids(SAMPLES[::3]))
def test_arrays_in_place_of_tensors(sample):
    """Whole numbers stay whole numbers, floats become floatx."""
    compare([K.eval(t) for t in listed(sample.call(*sample.inputs))], listed(sample.expected(*sample.inputs)), 2e-5)


def test_lists_and_numbers_in_place_of_tensors():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    for found, wanted in ((K.sum([1, 2, 3]), 6), (K.softmax([[0.0, 0.0]]), [[0.5, 0.5]]), (K.square(3), 9),
                          (K.dot(K.variable([[1.0, 2.0]]), [[3.0], [4.0]]), [[11]]),
                          (K.reshape([0, 1, 2, 3], (2, 2)), [[0, 1], [2, 3]])):
        np.testing.assert_array_equal(K.eval(found), wanted)
    assert K.dtype(K.sum([1, 2, 3])) == "int32" and K.dtype(K.square(3)) == "float32"
    x = K.variable([1.0, 2.0], "float64")
    assert K.dtype(K.batch_normalization(x, [0.0, 0.0], [1.0, 1.0], None, None)) == "float64", "the tensor's own"
    assert K.eval(K.dot(scipy_sparse.csr_matrix([[0.0, 2.0]]), K.constant([[1.0], [3.0]]))) == 6
    with pytest.raises(DTypeError, match="cannot be read as numbers"):
        K.softmax(["a"])
    assert pickle.loads(pickle.dumps(K.relu)) is K.relu, "known by the name that it has in K"
    assert K.get_value(x * 2).tolist() == [2, 4], "values of tensors, as in TensorFlow"


def test_every_function_of_k_has_a_row():
    public = {name for name, value in vars(K).items() if not name.startswith("_") and callable(value)}
    rows = {sample.name for sample in SAMPLES} | set(FACTS)
    assert public - rows == set(), "no row"
    assert rows - public == set(), "no such function"
