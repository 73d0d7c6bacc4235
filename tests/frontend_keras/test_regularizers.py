"""Penalties against NumPy, and how names stand for them."""

import numpy as np
import pytest

from graphc.errors import ArgumentError, ModelFormatError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras import regularizers

W = np.random.default_rng(3).normal(size=(4, 3))


def run(regularizer):
    return K.eval(regularizer(K.variable(W)))


@pytest.mark.parametrize(("regularizer", "l1", "l2"), [
    (regularizers.L1L2(0.1, 0.2), 0.1, 0.2),
    (regularizers.l1(), 0.01, 0), (regularizers.l1(0.3), 0.3, 0), (regularizers.l2(l=0.4), 0, 0.4),
    (regularizers.l1_l2(), 0.01, 0.01), (regularizers.l1_l2(l1=0.5), 0.5, 0.01),
    (regularizers.get("l2"), 0, 0.01), (regularizers.get("l1_l2"), 0.01, 0.01),
    (regularizers.get({"class_name": "L1L2", "config": {"l1": 0.0, "l2": 0.7}}), 0, 0.7),
    (regularizers.get({"module": "keras.regularizers", "class_name": "L2", "config": {"l2": 0.8},
                       "registered_name": None}), 0, 0.8),
    (regularizers.get({"class_name": "L1", "config": {"l1": 0.9}}), 0.9, 0)])
def test_value(regularizer, l1, l2):
    np.testing.assert_allclose(run(regularizer), l1 * np.abs(W).sum() + l2 * (W ** 2).sum(), rtol=1e-5)


def test_nothing_to_penalise():
    assert regularizers.L1L2()(K.variable(W)) == 0
    assert regularizers.Regularizer()(K.variable(W)) == 0


def test_config_round_trip():
    config = regularizers.serialize(regularizers.l1_l2(0.01, 0.25))
    assert config == {"class_name": "L1L2", "config": {"l1": float(np.float32(0.01)), "l2": 0.25}}
    assert regularizers.deserialize(config).get_config() == config["config"]


def test_get():
    assert regularizers.get(None) is None
    assert regularizers.get(np.sum) is np.sum
    with pytest.raises(ArgumentError, match="Unknown regularizer: l3"):
        regularizers.get("l3")
    with pytest.raises(ValueError, match="Could not interpret regularizer identifier"):
        regularizers.get(0.1)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "much", None])
def test_bad_factor(bad):
    with pytest.raises(ArgumentError, match="L1L2: `l2` is not"):
        regularizers.l2(bad)


def test_unknown_key():
    with pytest.raises(ModelFormatError, match="L1L2: unknown key 'l3'"):
        regularizers.get({"class_name": "L1L2", "config": {"l3": 1.0}})
