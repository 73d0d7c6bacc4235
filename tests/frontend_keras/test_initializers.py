"""Initializers: exact values where there are any, else bounds and moments that theory gives."""

import math

import numpy as np
import pytest

from graphc.errors import ArgumentError, ModelFormatError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import initializers
from graphc.frontend_keras.backend.variables import Later
from graphc.frontend_keras.layers import LSTM, Dense
from graphc.frontend_keras.models import Sequential, load_model, model_from_json

SHAPE = (300, 200)
COUNT = math.prod(SHAPE)


def value(initializer, shape=SHAPE, dtype=None):
    """What a weight made with the initializer starts as."""
    return K.get_value(K.variable(initializer(shape, dtype=dtype), dtype=dtype))


def check_moments(x, mean, stddev):
    """Within five standard errors, for distributions no wider than the normal one."""
    assert abs(x.mean() - mean) < 5 * stddev / math.sqrt(x.size)
    assert abs(x.std() - stddev) < 5 * stddev / math.sqrt(x.size)


def test_constants():
    assert value(initializers.Zeros(), (2, 3)).tolist() == [[0] * 3] * 2
    assert value(initializers.Ones(), (3,)).tolist() == [1] * 3
    assert value(initializers.Constant(2.5), (2,)).tolist() == [2.5] * 2
    assert value(initializers.Constant([1, 2]), (2,)).tolist() == [1, 2]
    assert value(initializers.Constant(), ()) == 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype(dtype):
    for initializer in (initializers.Ones(), initializers.RandomNormal(), initializers.RandomUniform(),
                        initializers.TruncatedNormal(), initializers.Orthogonal(), initializers.Identity()):
        assert value(initializer, (4, 4), dtype).dtype == dtype


def test_random_normal():
    check_moments(value(initializers.RandomNormal(1.0, 0.2, seed=1)), 1.0, 0.2)
    check_moments(value(initializers.RandomNormal(seed=1)), 0.0, 0.05)


def test_random_uniform():
    x = value(initializers.RandomUniform(-1, 3, seed=2))
    assert -1 <= x.min() < -0.99
    assert 2.99 < x.max() <= 3
    check_moments(x, 1.0, 4 / math.sqrt(12))


def test_truncated_normal():
    x = value(initializers.TruncatedNormal(1.0, 0.5, seed=3))
    assert 0 <= x.min() < 0.02
    assert 1.98 < x.max() <= 2
    check_moments(x, 1.0, 0.5 * 0.87962566)


FANS = {(300, 200): (300, 200), (3, 50, 70): (150, 210), (3, 4, 20, 30): (240, 360), (2, 2, 2, 30, 40): (240, 320),
        (40000,): (200, 200)}


@pytest.mark.parametrize("shape", sorted(FANS))
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg"])
@pytest.mark.parametrize("distribution", ["normal", "uniform", "untruncated_normal"])
def test_variance_scaling(shape, mode, distribution):
    fan_in, fan_out = FANS[shape]
    n = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]
    x = value(initializers.VarianceScaling(3.0, mode, distribution, seed=5), shape)
    stddev = math.sqrt(3.0 / n)
    check_moments(x, 0.0, stddev)
    if distribution == "uniform":
        assert np.abs(x).max() <= stddev * math.sqrt(3) * (1 + 1e-6)
    if distribution == "normal":
        assert np.abs(x).max() <= 2 * stddev / 0.87962566 * (1 + 1e-6)


NAMED = {"lecun_uniform": (1.0, "fan_in", "uniform"), "lecun_normal": (1.0, "fan_in", "normal"),
         "glorot_uniform": (1.0, "fan_avg", "uniform"), "glorot_normal": (1.0, "fan_avg", "normal"),
         "he_uniform": (2.0, "fan_in", "uniform"), "he_normal": (2.0, "fan_in", "normal")}


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_scalings(name):
    scale, mode, distribution = NAMED[name]
    config = {"scale": scale, "mode": mode, "distribution": distribution, "seed": None}
    assert initializers.serialize(initializers.get(name)) == {"class_name": "VarianceScaling", "config": config}
    assert getattr(initializers, name)(seed=7).seed == 7
    camel = "".join(word.capitalize() for word in name.split("_"))
    later = {"module": "keras.initializers", "class_name": camel, "config": {"seed": 3, "dtype": "float32"},
             "registered_name": None}
    assert initializers.get(later).get_config() == {**config, "seed": 3}


def test_a_vanishing_fan_counts_as_one():
    limit = math.sqrt(3.0)
    assert np.abs(value(initializers.lecun_uniform(seed=1), (0, 3))).size == 0
    assert 0.9 * limit < np.abs(value(initializers.lecun_uniform(seed=1), (1, 500))).max() <= limit


@pytest.mark.parametrize("shape", [(6, 6), (10, 4), (4, 10), (3, 2, 5, 4)])
def test_orthogonal(shape):
    x = value(initializers.Orthogonal(gain=2.0, seed=4), shape).astype(float).reshape(-1, shape[-1]) / 2
    product = x.T @ x if x.shape[0] >= x.shape[1] else x @ x.T
    np.testing.assert_allclose(product, np.eye(min(x.shape)), atol=1e-6)


def test_orthogonal_draws_from_numpy_in_keras_order():
    np.random.seed(11)
    found = initializers.Orthogonal()((5, 3))
    after = np.random.random()
    np.random.seed(11)
    u, _, _ = np.linalg.svd(np.random.normal(0.0, 1.0, (5, 3)), full_matrices=False)
    np.testing.assert_allclose(found, u, atol=1e-6)
    assert after == np.random.random()


def test_identity():
    assert value(initializers.Identity(3.0), (2, 2)).tolist() == [[3, 0], [0, 3]]
    assert value(initializers.Identity(), (2, 4)).tolist() == [[1, 0, 1, 0], [0, 1, 0, 1]]
    assert value(initializers.Identity(2.0), (4, 2)).tolist() == [[2, 0], [0, 2], [2, 0], [0, 2]]
    with pytest.raises(ShapeError, match="Long side should be multiple of short side"):
        initializers.Identity()((2, 3))
    with pytest.raises(ShapeError, match="2D"):
        initializers.Identity()((2, 2, 2))
    with pytest.raises(ShapeError, match="two axes"):
        initializers.Orthogonal()((2,))


RANDOM = [initializers.RandomNormal, initializers.RandomUniform, initializers.TruncatedNormal,
          initializers.VarianceScaling, initializers.Orthogonal]


@pytest.mark.parametrize("cls", RANDOM)
def test_seeds(cls):
    first, again, other = (value(cls(seed=seed), (20, 20)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("cls", RANDOM)
def test_without_a_seed_numpy_decides(cls):
    values = []
    for seed in (1, 1, 2):
        np.random.seed(seed)
        values.append(value(cls(), (20, 20)))
    np.testing.assert_array_equal(values[0], values[1])
    assert not np.array_equal(values[0], values[2])


ALIASES = {"zero": "Zeros", "zeros": "Zeros", "one": "Ones", "ones": "Ones", "constant": "Constant",
           "uniform": "RandomUniform", "random_uniform": "RandomUniform", "normal": "RandomNormal",
           "random_normal": "RandomNormal", "truncated_normal": "TruncatedNormal", "identity": "Identity",
           "orthogonal": "Orthogonal"}


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_aliases(alias):
    cls = getattr(initializers, ALIASES[alias])
    assert getattr(initializers, alias) is cls
    assert isinstance(initializers.get(alias), cls)
    assert isinstance(initializers.get(ALIASES[alias]), cls)


@pytest.mark.parametrize("initializer", [
    initializers.Zeros(), initializers.Ones(), initializers.Constant(2), initializers.RandomNormal(0.1, 0.2, 3),
    initializers.RandomUniform(-1, 1, 4), initializers.TruncatedNormal(0.1, 0.2, 5),
    initializers.VarianceScaling(2.0, "fan_out", "uniform", 6), initializers.Orthogonal(1.5, 7),
    initializers.Identity(2.0)])
def test_config_round_trip(initializer):
    config = initializers.serialize(initializer)
    assert initializers.serialize(initializers.deserialize(config)) == config


def test_get():
    assert initializers.get(None) is None
    assert initializers.get(np.zeros) is np.zeros
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    with pytest.raises(ArgumentError, match=r"Unknown initializer: glorot_unifrom.*'glorot_uniform'"):
        initializers.get("glorot_unifrom")
    with pytest.raises(ValueError, match="Could not interpret initializer identifier"):
        initializers.get(1.0)


@pytest.mark.parametrize("make", [
    lambda: initializers.VarianceScaling(scale=0.0), lambda: initializers.VarianceScaling(scale=-1.0),
    lambda: initializers.VarianceScaling(mode="fan"), lambda: initializers.VarianceScaling(distribution="cauchy"),
    lambda: initializers.RandomNormal(stddev=float("nan")), lambda: initializers.RandomNormal(stddev=-1),
    lambda: initializers.RandomUniform(maxval=float("inf")), lambda: initializers.Constant("x"),
    lambda: initializers.Orthogonal(gain=float("inf"))])
def test_bad_arguments(make):
    with pytest.raises(ArgumentError):
        make()


def test_unknown_keys():
    with pytest.raises(ModelFormatError, match="RandomNormal: unknown key 'sttdev'"):
        initializers.get({"class_name": "RandomNormal", "config": {"sttdev": 1.0}})
    with pytest.raises(ModelFormatError, match="GlorotUniform: unknown key 'scale'"):
        initializers.get({"class_name": "GlorotUniform", "config": {"scale": 1.0}})


def lstm(units, initializer="orthogonal"):
    return Sequential([LSTM(units, recurrent_initializer=initializer, input_shape=(2, 3))])


def test_a_file_of_few_words_costs_no_large_matrix():
    """The decomposition of this one would take minutes, and a gibibyte."""
    text = lstm(4).to_json().replace('"units": 4', '"units": 8000')
    model = model_from_json(text)
    assert model.count_params() == 4 * 8000 * (3 + 8000 + 1)
    assert model.to_json() == text
    model.lower_to_graph()


@pytest.mark.parametrize("initializer", ["orthogonal", "identity"])
def test_matrices_of_a_model_from_a_file_are_made_when_they_are_looked_at(initializer, tmp_path, monkeypatch):
    model = lstm(4, initializer)
    model.save(tmp_path / "m.h5")
    monkeypatch.setattr(np.linalg, "svd", None)
    monkeypatch.setattr(np, "eye", None)
    with pytest.warns(UserWarning, match="No training configuration"):
        again = load_model(tmp_path / "m.h5")
    assert not [w.name for w in again.weights if not w.has_array]
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    monkeypatch.undo()
    made = model_from_json(model.to_json()).get_weights()[1]
    assert made.shape == (4, 16)
    gates = 4 if initializer == "identity" else 1  # a square matrix for each, or orthonormal rows
    np.testing.assert_allclose(made @ made.T, gates * np.eye(4), atol=1e-5)


def test_a_shape_without_such_a_matrix_is_refused_when_the_file_is_read():
    text = Sequential([Dense(2, input_shape=(3,), bias_initializer="zeros")]).to_json().replace('"Zeros"', '"Orthogonal"')
    with pytest.raises(ShapeError, match="an orthogonal matrix needs two axes"):
        model_from_json(text)


def test_values_given_before_the_first_look_take_its_place():
    made = []

    def matrix():
        made.append(True)
        return np.ones((2, 3))

    a, b = (K.variable(Later((2, 3), matrix)) for _ in range(2))
    value = np.arange(6).reshape(2, 3)
    K.batch_set_value([(a, value), (a, value + 1)])
    value[:] = 0
    assert K.get_value(a).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert not made
    kept = a.array
    K.batch_set_value([(a, np.zeros((2, 3))), (b, np.full((2, 3), 7))])
    assert a.array is kept
    assert not kept.any()
    assert K.get_value(b).tolist() == [[7, 7, 7]] * 2
    assert not made
    assert K.get_value(K.variable(Later((2, 3), matrix))).tolist() == [[1, 1, 1]] * 2
