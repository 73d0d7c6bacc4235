"""T2 with few children."""

import pytest

from tests.soak import fork

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.mark.parametrize("check", [
    lambda: fork.forked(4), lambda: fork.forked(3, thread=True), lambda: fork.forked_while_busy(6),
    lambda: fork.processes("fork", 2), lambda: fork.pooled("forkserver", 2, workers=1), lambda: fork.processes("spawn", 1),
    lambda: fork.executor(3)], ids=["os.fork", "in a thread", "while busy", "fork", "forkserver", "spawn", "executor"])
def test_children_compute_the_same(check):
    assert check() == []
