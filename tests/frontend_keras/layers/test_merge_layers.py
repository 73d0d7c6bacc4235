"""Merge layers: values against NumPy, broadcasting, masks, errors."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import layers
from graphc.frontend_keras.layers import Add, Concatenate, Dense, Dot, Input, Masking, Subtract, add, concatenate, dot
from graphc.frontend_keras.models import Model, model_from_json

RANDOM = np.random.RandomState(2)
A, B, C = (RANDOM.randn(3, 4) for _ in range(3))


@pytest.mark.parametrize(("name", "inputs", "want"), [
    ("Add", (A, B, C), A + B + C), ("Subtract", (A, B), A - B), ("Multiply", (A, B, C), A * B * C),
    ("Average", (A, B, C), (A + B + C) / 3), ("Maximum", (A, B, C), np.maximum(np.maximum(A, B), C)),
    ("Minimum", (A, B), np.minimum(A, B)), ("Concatenate", (A, B, C), np.concatenate([A, B, C], axis=-1)),
])
def test_values_through_json(name, inputs, want):
    tensors = [Input((4,)) for _ in inputs]
    made = [layers.LAYERS[name]()(tensors), getattr(layers, name.lower())(tensors)]
    assert [K.int_shape(y) for y in made] == [(None, *want.shape[1:])] * 2
    model = model_from_json(Model(tensors, made).to_json())
    for got in model.predict(list(inputs)):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_inputs_of_fewer_axes_gain_axes_after_the_batch():
    steps = RANDOM.randn(3, 5, 4)
    x, y = Input((5, 4)), Input((4,))
    model = Model([x, y], add([x, y]))
    np.testing.assert_allclose(model.predict([steps, A]), steps + A[:, None], rtol=1e-5, atol=1e-6)
    one = Input((1, 4))
    np.testing.assert_allclose(Model([x, one], add([x, one])).predict([steps, A[:, None]]), steps + A[:, None],
                               rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("shapes", "axes", "normalize", "formula"), [
    (((4,), (4,)), 1, False, lambda x, y: (x * y).sum(axis=1, keepdims=True)),
    (((4,), (4,)), -1, True, lambda x, y: (x * y).sum(1, keepdims=True) / np.linalg.norm(x, axis=1)[:, None]
     / np.linalg.norm(y, axis=1)[:, None]),
    (((5, 4), (6, 4)), 2, False, lambda x, y: np.einsum("bik,bjk->bij", x, y)),
    (((4, 5), (6, 4)), (1, 2), False, lambda x, y: np.einsum("bki,bjk->bij", x, y)),
])
def test_dot(shapes, axes, normalize, formula):
    x, y = (RANDOM.randn(3, *shape) for shape in shapes)
    tensors = [Input(shape) for shape in shapes]
    model = model_from_json(Model(tensors, dot(tensors, axes, normalize)).to_json())
    np.testing.assert_allclose(model.predict([x, y]), formula(x, y), rtol=1e-4, atol=1e-5)


def test_concatenate_along_other_axes():
    x, y = RANDOM.randn(3, 2, 4), RANDOM.randn(3, 5, 4)
    tensors = [Input((2, 4)), Input((5, 4))]
    np.testing.assert_array_equal(Model(tensors, concatenate(tensors, axis=1)).predict([x, y]),
                                  np.concatenate([x, y], axis=1).astype("float32"))


def test_masks_of_merges():
    steps, other = Input((3, 2)), Input((3, 2))
    masked, masked_too = Masking(0.0)(steps), Masking(0.0)(other)
    x, y = np.array([[[1, 1], [0, 0], [2, 2]]]), np.array([[[0, 0], [1, 1], [3, 3]]])

    def mask_of(tensor):
        return K.function([steps, other], [tensor._keras_mask])([x, y])[0].tolist()

    assert mask_of(add([masked, masked_too])) == [[False, False, True]]
    assert mask_of(add([masked, other])) == [[True, False, True]]
    assert mask_of(concatenate([masked, masked_too])) == [[False, False, True]]
    assert mask_of(concatenate([masked, other], axis=1)) == [[True, False, True, True, True, True]]
    assert add([steps, other])._keras_mask is None


@pytest.mark.parametrize(("make", "kind", "message"), [
    (lambda: add([Input((2,))]), ArgumentError, "at least 2 inputs. Got 1 inputs"),
    (lambda: add(Input((2,))), ArgumentError, "at least 2 inputs"),
    (lambda: add([Input((3, 256)), Input((3, 4))]), ShapeError,
     r"Operands could not be broadcast together with shapes \(3, 256\) \(3, 4\)"),
    (lambda: add([Input(batch_shape=(2, 3)), Input(batch_shape=(4, 3))]), ShapeError, "different batch sizes"),
    (lambda: Subtract()([Input((2,))] * 3), ArgumentError, "exactly 2 inputs"),
    (lambda: concatenate([Input((2,))]), ArgumentError, "`Concatenate` layer should be called on a list of at least 2"),
    (lambda: concatenate([Input((2, 3)), Input((4, 5))]), ShapeError, "matching shapes except for the concat axis"),
    (lambda: Concatenate(axis=7)([Input((2,)), Input((2,))]), ShapeError, "axis 7 does not exist"),
    (lambda: dot([Input((2,)), Input((3,))], 1), ShapeError, "Dimension incompatibility 2 != 3"),
    (lambda: Dot("x"), ArgumentError, "Invalid type for `axes`"),
    (lambda: Dot((1, 2, 3)), ArgumentError, "should contain two elements"),
    (lambda: dot([Input((2,)), Input((2,))], 0), ShapeError, "cannot sum over axis 0"),
])
def test_inputs_that_do_not_merge(make, kind, message):
    with pytest.raises(kind, match=message):
        make()


def test_residuals_train():
    x = Input((4,))
    model = Model(x, add([Dense(4)(x), x]))
    model.compile("sgd", "mse")
    losses = model.fit(A, np.zeros((3, 4)), epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("layer", [Add(), Subtract(), Concatenate(), Dot(1)], ids=lambda layer: type(layer).__name__)
def test_each_call_is_checked_and_so_are_masks(layer):
    """Not only the call that builds a layer."""
    a, b = Input((4, 5)), Input((4, 5))
    layer([a, b])
    with pytest.raises(ValueError, match="2 inputs"):
        layer([a])
    if isinstance(layer, Dot):
        return
    assert layer.compute_mask([a, b], [None, None]) is None
    for inputs, mask in (([a, b], np.ones((2, 4))), (a, [None, None]), ([a, b], [None])):
        with pytest.raises(ArgumentError):
            layer.compute_mask(inputs, mask)


def test_the_difference_is_of_two_at_each_call():
    a = Input((3,))
    layer = Subtract()
    layer([a, a])
    with pytest.raises(ArgumentError, match="exactly 2 inputs"):
        layer([a, a, a])
