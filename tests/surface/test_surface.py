"""The public names of Keras 2.2.4: those that users expect are here, take Keras's arguments and have tests."""

import pytest

from graphc.errors import GraphcError
from graphc.frontend_keras import backend as K
from tests.surface.exceptions import ABSENT, DIFFERENT, PENDING, REFUSED, UNTESTED, below, pending
from tests.surface.names import Name, read
from tests.surface.report import ABSENT as IS_ABSENT
from tests.surface.report import as_markdown, as_text, ours, rows
from tests.surface.signatures import differences

EXPECTED = ("core", "expected")


@pytest.fixture(scope="module")
def table():
    return rows()


def paths(table, condition):
    return sorted(row.name.path for row in table if condition(row))


def test_what_users_expect_is_here(table):
    assert paths(table, lambda row: row.state == IS_ABSENT and row.name.tier in EXPECTED and not row.reason) == []


def test_what_is_not_here_has_a_reason(table):
    assert paths(table, lambda row: row.state == IS_ABSENT and not row.reason) == []


def test_what_users_expect_is_tested(table):
    assert paths(table, lambda row: row.state != IS_ABSENT and not row.tests and row.name.tier in EXPECTED
                 and not row.name.path.startswith(tuple(UNTESTED)) and not pending(row.name.path)) == []


def test_arguments_are_those_of_keras(table):
    assert paths(table, lambda row: row.differs and row.name.path not in DIFFERENT and not pending(row.name.path)) == []


def test_other_paths_lead_to_the_same(table):
    assert paths(table, lambda row: row.missing_paths and not all(map(pending, row.missing_paths))
                 and not row.reason) == []
    for row in table:
        places = [ours(path) for path in (row.name.path, *row.name.also)]
        assert all(place is places[0] for place in places if place is not None and not pending(row.name.path)), row.name


def test_no_exception_is_left_over(table):
    state = {row.name.path: row for row in table}
    assert [path for path in ABSENT if path not in state or state[path].state != IS_ABSENT] == []
    assert [path for path in DIFFERENT if not state[path].differs] == []
    assert [path for path in UNTESTED if state[path].tests] == []
    for work, starts in PENDING.items():
        done = [start for start in starts if not any(_lacks(row) for row in table if below(row.name.path, (start,)))]
        assert done == [], f"{work}: take these lines out of PENDING"


def _lacks(row):
    return row.state == IS_ABSENT or bool(row.differs) or bool(row.missing_paths) or (
        not row.tests and row.name.tier in EXPECTED)


def test_what_raises_says_what_to_use():
    for path in REFUSED:
        refused = ours(path)
        with pytest.raises(GraphcError) as caught:
            refused(*(() if path.endswith("get_session") else (None,) * (2 if "ctc" in path else 1)))
        assert caught.value.fix


def test_names_are_read_as_they_were_written():
    assert [name.line() for name in read()] == sorted(name.line() for name in read())
    assert len({name.path for name in read()}) == len(read())


def test_the_texts_name_every_path(table):
    text, markdown = as_text(table), as_markdown(table)
    assert all(row.name.path in text and f"`{row.name.path}`" in markdown for row in table)
    assert "keras.backend.dot" in text and "core: " in text


@pytest.mark.parametrize(("theirs", "mine", "told"), [
    ("x, axis=-1", lambda x, axis=-1, more=0: 0, []), ("x, axis=-1", lambda x, axis=0: 0, ["axis=0, Keras: -1"]),
    ("x, axis", lambda x: 0, ["axis is missing"]), ("x, a, b", lambda x, b, a: 0, ["a is argument 2, not 1", "b is argument 1, not 2"]),
    ("x, **kwargs", lambda x: 0, ["**kwargs is missing"]), ("x", lambda x, y: 0, ["y must be given"]),
    ("x, y=None", lambda x, *, y=None: 0, ["y is argument keyword only, not 1"]),
    ("x=1.0", lambda x=1: 0, []), ("x=True", lambda x=1: 0, ["x=1, Keras: True"]), ("*args, **kwargs", lambda x: 0, [])])
def test_differences_are_seen(theirs, mine, told):
    assert differences(Name("keras.f", "function", "core", theirs, ()), mine) == told


def test_uses_are_found_where_tests_read_them(table):
    """`K.dot` is read by tests of products; nothing reads what no test names."""
    tests = {row.name.path: row.tests for row in table}
    assert any("test_backend_contraction.py::test_dot" in test for test in tests["keras.backend.dot"])
    assert any("test_losses.py" in test for test in tests["keras.losses.hinge"]), "looked up by a string"
    assert any(test.startswith("tests/tutorial/p") for test in tests["keras.Model.compile"]), "a script"
    assert not tests["keras.utils.generic_utils.func_dump"] and K.dot is ours("keras.backend.dot")
