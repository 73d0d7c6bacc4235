"""A sample of every campaign; `python -m tests.fuzz` runs as many cases as asked for."""

from itertools import islice

import pytest

from tests.fuzz import __main__ as command
from tests.fuzz.campaigns import KINDS, graph_case, run
from tests.fuzz.cases import RefusedError

SAMPLES = {"graphs": range(10), "passes": range(30), "gradients": range(40), "models": range(1, 2)}
CASES = 4  # of a seed: a model has as many for each draw of its weights


@pytest.mark.parametrize(("kind", "seed"), [(kind, seed) for kind in KINDS for seed in SAMPLES[kind]])
def test_a_sample(kind, seed):
    for case, check in islice(KINDS[kind](seed), CASES):
        try:
            check(case)
        except RefusedError:
            continue


def test_a_seed_always_gives_the_same_case():
    first, second = graph_case(9), graph_case(9)
    assert [op.name for op in first.graph.ops] == [op.name for op in second.graph.ops]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first.arrays, second.arrays, strict=True))


def test_the_command_prints_figures_and_ends_with_0(capsys):
    assert command.main(["--kind", "gradients", "--cases", "5", "--seed", "3"]) == 0
    assert capsys.readouterr().out.startswith("gradients: 5 drawn, ")


def test_a_difference_is_counted_made_small_and_printed(capsys, monkeypatch):
    def wrong(case):
        assert not any(op.name == "reduce_sum" for op in case.graph.ops), "a sum"

    monkeypatch.setitem(KINDS, "passes", lambda seed: iter([(graph_case(seed), wrong)]))
    tally = run("passes", range(10))
    assert 0 < len(tally.failures) <= tally.seeds == 10
    assert all("reduce_sum" in text and "AssertionError: a sum" in text for _, text in tally.failures)
    assert command.main(["--kind", "passes", "--cases", "10"]) == 1
    assert f"{len(tally.failures)} differences" in capsys.readouterr().out
