"""What real Keras computed with models of sequences, computed again. See recordings/README.md."""

from pathlib import Path

import numpy as np
import pytest

from graphc import frontend_keras as keras
from graphc.frontend_keras import layers, models  # noqa: F401
from tests.frontend_keras.layers.sequence_cases import cases, numbers

RECORDED = np.load(Path(__file__).parent / "recordings" / "sequences.npz")
NAMES = sorted({key.split("/")[0] for key in RECORDED.files})


def test_every_case_was_recorded():
    assert sorted(cases(keras)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_numbers(name):
    found = numbers(*cases(keras)[name])
    wanted = {key.split("/")[1]: RECORDED[key] for key in RECORDED.files if key.split("/")[0] == name}
    assert set(found) == set(wanted)
    for key, array in wanted.items():
        np.testing.assert_allclose(found[key], array, rtol=2e-5, atol=2e-6, err_msg=key)
