import pytest

from graphc.runtime import assembly, threads


@pytest.fixture
def thread_counts(monkeypatch):
    """What sets the number of threads; every kernel is shared between them, however small."""
    monkeypatch.setattr(assembly, "PARALLEL_WORK", 0)
    before = threads.count()
    yield threads.set_num_threads
    threads.set_num_threads(before)
