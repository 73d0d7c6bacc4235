import numpy as np
import pytest

from graphc.frontend_keras import backend as K

SETTINGS = [(K.floatx, K.set_floatx), (K.epsilon, K.set_epsilon), (K.image_data_format, K.set_image_data_format),
            (K.target, K.set_target), (K.precision, K.set_precision)]


@pytest.fixture
def fresh_session():
    """The reference target, nothing built yet, NumPy seeded. Settings are put back after the test."""
    before = [get() for get, _ in SETTINGS]
    K.set_target("reference")
    K.clear_session()
    np.random.seed(0)
    yield
    for value, (_, put) in zip(before, SETTINGS, strict=True):
        put(value)
    K.clear_session()


@pytest.fixture
def float64_session(fresh_session):
    K.set_floatx("float64")
