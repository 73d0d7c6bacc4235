"""Each test of the layers starts from an empty session, on the reference target unless it asks for another."""

import numpy as np
import pytest

from graphc.frontend_keras import backend as K


@pytest.fixture(autouse=True)
def fresh_session():
    target = K.target()
    K.set_target("reference")
    K.clear_session()
    np.random.seed(0)
    yield
    K.set_target(target)
    K.clear_session()
