"""What all tests share: golden files, and settings that make every run the same."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

from graphc import compiler

GOLDEN = Path(__file__).parent / "golden"

settings.register_profile("graphc", deadline=None, database=None, derandomize=True, max_examples=60)
settings.load_profile("graphc")


if "PYTEST_XDIST_WORKER" in os.environ:
    compiler.MOST_COMPILERS = 1  # the other cores are taken: a helper's imports would only be more work


def pytest_addoption(parser):
    parser.addoption("--update-golden", action="store_true", help="write the golden files instead of comparing")


def pytest_collection_modifyitems(items):
    """Tests marked slow are skipped unless the environment says GRAPHC_SLOW=1."""
    if os.environ.get("GRAPHC_SLOW") != "1":
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow: only with GRAPHC_SLOW=1"))


@pytest.fixture
def golden(request):
    """golden("name.txt", text) compares text with tests/golden/name.txt, or writes it with --update-golden."""

    def check(name, text):
        path = GOLDEN / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"tests/golden/{name} is missing; run pytest with --update-golden and read what it wrote"
        assert text == path.read_text(encoding="utf-8")

    return check
