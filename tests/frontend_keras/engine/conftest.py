import pytest


@pytest.fixture(autouse=True)
def everywhere(fresh_session):
    """Each test of the engine begins so."""
