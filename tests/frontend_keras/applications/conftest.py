"""Each test starts from an empty session, on the reference target, with a home folder of its own."""

import pytest

from graphc.frontend_keras import backend as K


@pytest.fixture(autouse=True)
def fresh_session(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    target, layout = K.target(), K.image_data_format()
    K.set_target("reference")
    K.clear_session()
    yield
    K.set_target(target)
    K.set_image_data_format(layout)
    K.clear_session()
