"""Constraints against NumPy, and how names stand for them."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ModelFormatError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import constraints

EPS = 1e-7
W = np.random.default_rng(4).normal(size=(5, 3)) * [0.1, 1.0, 4.0]
KERNEL = np.random.default_rng(5).normal(size=(3, 3, 2, 4))


def norms(w, axis):
    return np.sqrt((w ** 2).sum(axis, keepdims=True))


def run(constraint, w):
    return K.eval(constraint(K.variable(w)))


@pytest.mark.parametrize(("w", "axis"), [(W, 0), (W, 1), (KERNEL, [0, 1, 2])])
@pytest.mark.parametrize("limit", [0.5, 2])
def test_max_norm(w, axis, limit):
    n = norms(w, tuple(axis) if isinstance(axis, list) else axis)
    expected = w * np.clip(n, 0, limit) / (EPS + n)
    np.testing.assert_allclose(run(constraints.MaxNorm(limit, axis=axis), w), expected, rtol=1e-5, atol=1e-7)


def test_max_norm_of_zeros():
    assert run(constraints.MaxNorm(2), np.zeros((2, 2))).tolist() == [[0, 0], [0, 0]]


def test_non_neg():
    w = np.array([-1.0, -0.0, 0.0, 2.0, np.nan])
    np.testing.assert_array_equal(run(constraints.NonNeg(), w), [0, 0, 0, 2, np.nan])


@pytest.mark.parametrize(("w", "axis"), [(W, 0), (W, 1), (KERNEL, [0, 1, 2])])
def test_unit_norm(w, axis):
    expected = w / (EPS + norms(w, tuple(axis) if isinstance(axis, list) else axis))
    np.testing.assert_allclose(run(constraints.UnitNorm(axis), w), expected, rtol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("rate", [0.0, 0.3, 1.0])
def test_min_max_norm(axis, rate):
    n = norms(W, axis)
    expected = W * (rate * np.clip(n, 0.5, 2) + (1 - rate) * n) / (EPS + n)
    np.testing.assert_allclose(run(constraints.MinMaxNorm(0.5, 2, rate, axis), W), expected, rtol=1e-5)


@pytest.mark.parametrize(("names", "cls"), [
    (("max_norm", "maxnorm", "MaxNorm"), constraints.MaxNorm), (("non_neg", "nonneg", "NonNeg"), constraints.NonNeg),
    (("unit_norm", "unitnorm", "UnitNorm"), constraints.UnitNorm),
    (("min_max_norm", "MinMaxNorm"), constraints.MinMaxNorm)])
def test_names(names, cls):
    for name in names:
        assert getattr(constraints, name) is cls
        assert isinstance(constraints.get(name), cls)


def test_defaults_and_config_round_trip():
    assert constraints.MaxNorm().get_config() == {"max_value": 2, "axis": 0}
    assert constraints.UnitNorm().get_config() == {"axis": 0}
    assert constraints.NonNeg().get_config() == {}
    assert constraints.MinMaxNorm().get_config() == {"min_value": 0.0, "max_value": 1.0, "rate": 1.0, "axis": 0}
    config = constraints.serialize(constraints.MaxNorm(3, axis=[0, 1]))
    assert config == {"class_name": "MaxNorm", "config": {"max_value": 3, "axis": [0, 1]}}
    assert constraints.serialize(constraints.deserialize(config)) == config


def test_get():
    assert constraints.get(None) is None
    assert constraints.get(np.abs) is np.abs
    with pytest.raises(ArgumentError, match=r"Unknown constraint: max_nrm.*'max_norm'"):
        constraints.get("max_nrm")
    with pytest.raises(ValueError, match="Could not interpret constraint identifier"):
        constraints.get(2)


def test_bad_values():
    with pytest.raises(ArgumentError, match="MaxNorm: `max_value` is too small"):
        constraints.MaxNorm(-1)
    with pytest.raises(ArgumentError, match="MinMaxNorm: `rate` is not finite"):
        constraints.MinMaxNorm(rate=float("nan"))
    with pytest.raises(ModelFormatError, match="UnitNorm: unknown key 'max'"):
        constraints.get({"class_name": "UnitNorm", "config": {"max": 1}})


def test_own_class():
    class Half(constraints.Constraint):
        def __call__(self, w):
            return w * 0.5

    found = constraints.deserialize({"class_name": "Half", "config": {}}, custom_objects={"Half": Half})
    np.testing.assert_allclose(run(found, W), W / 2, rtol=1e-6)
