"""The programs of examples/keras, each run by `graphc run` in a process of its own: they judge themselves.

Two of them always run; GRAPHC_SLOW=1 runs all. What does not live here: what they should reach (the programs say it).
"""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "keras"
SHARED = "small_data"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != SHARED)
ALWAYS = {"digits_mlp", "lstm_stateful"}
LAST_LINE = re.compile(r".* \S+ \(at (least|most) \S+ wanted\)")


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow) for name in NAMES])
def test_program(name, tmp_path):
    """It ends with status 0 and the line that says what was reached, and leaves nothing in the current folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "graphc", "run", str(EXAMPLES / f"{name}.py")], cwd=tmp_path,
                          env=environment, capture_output=True, encoding="utf-8", timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert LAST_LINE.fullmatch(done.stdout.splitlines()[-1])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("limit", "status"), [({"at_least": 0.5}, None), ({"at_least": 0.8}, 1),
                                               ({"at_most": 0.8}, None), ({"at_most": 0.5}, 1)])
@pytest.mark.parametrize("value", [0.75, float("nan")])
def test_what_is_not_reached_ends_the_program(value, limit, status, capsys):
    report = runpy.run_path(str(EXAMPLES / f"{SHARED}.py"))["report"]
    if status is None and value == value:
        report("share", value, **limit)
    else:
        with pytest.raises(SystemExit) as ended:
            report("share", value, **limit)
        assert ended.value.code == 1
    assert LAST_LINE.fullmatch(capsys.readouterr().out.strip())


def test_made_up_data_follow_their_rule():
    """Labels are worked out again from the texts by themselves."""
    data = runpy.run_path(str(EXAMPLES / f"{SHARED}.py"))
    texts, labels = data["reviews"](200, seed=0)
    for text, label in zip(texts, labels, strict=True):
        verdicts = [(clause.split()[-1] in data["GOOD"]) != any(turn in clause.split() for turn in data["TURNS"])
                    for clause in text.split(".")[:-1]]
        assert label == (sum(verdicts) > len(verdicts) / 2)
    assert 60 < sum(labels) < 140
    (x_train, y_train), (x_test, y_test) = data["digits"]()
    assert x_train.shape == (1437, 8, 8) and x_test.shape == (360, 8, 8) and x_train.max() == 1
    assert {*y_train} == {*y_test} == set(range(10))


def test_the_table_lists_every_program():
    listed = re.findall(r"^\| \[(\w+)\]", (EXAMPLES / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_programs_know_keras_alone(name):
    source = (EXAMPLES / f"{name}.py").read_text(encoding="utf-8")
    assert "import graphc" not in source and "from keras" in source
