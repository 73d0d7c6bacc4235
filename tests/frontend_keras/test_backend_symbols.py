"""Unknown sizes and the equations between them."""

import pytest

from graphc.errors import ShapeError
from graphc.frontend_keras.backend.symbols import BATCH, fresh_dim, solve, static_shape, unify
from graphc.ir.dims import symbol

D, E = symbol("D"), symbol("E")


def test_fresh_sizes_differ():
    assert fresh_dim() != fresh_dim()


@pytest.mark.parametrize(("a", "b", "met"), [
    (3, 3, 3), (D, D, D), (D, 5, 5), (5, D, 5), (D, BATCH, BATCH), (BATCH, D, BATCH), (BATCH, 32, 32),
    (D - 2, 5, 5), (2 * D, 10, 10), (D + 1, E, E), (3, 4, None), (2 * D, 5, None), (D + 3, 1, None)])
def test_two_sizes_meet_in_what_both_can_be(a, b, met):
    assert unify(a, b) == met


def test_equations_are_solved_together():
    assert solve([(D, E), (E, 7)]) == {"D": 7, "E": 7}
    assert solve([(D - 2, E), (D, 10)]) == {"D": 10, "E": 8}
    assert solve([(BATCH, D), (D, BATCH)]) == {"D": BATCH}


def test_contradictions_are_named():
    with pytest.raises(ShapeError, match=r"must be equal.*D = 4; got 3 and 4"):
        solve([(D, 3), (D, 4)])


def test_shapes_as_keras_shows_them():
    assert static_shape((BATCH, 3, D - 1)) == (None, 3, None)
