import pytest


@pytest.fixture(autouse=True)
def everywhere(fresh_session, tmp_path, monkeypatch):
    """Each test of the applications begins so, with a home folder of its own."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
