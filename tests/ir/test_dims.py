"""Dimensions against Python's integers: arithmetic and then binding is binding and then arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc.errors import ParseError, ShapeError
from graphc.ir.dims import MAX_DEPTH, SymExpr, bind, exact_div, parse_dim, size_of, symbol, symbols

B, T = symbol("B"), symbol("T")
sizes = st.fixed_dictionaries({"B": st.integers(0, 50), "T": st.integers(0, 50)})


@st.composite
def dims(draw, depth=4, operators=("+", "-", "*", "//", "%")):
    """A dimension, and how to compute it from plain integers."""
    kind = draw(st.sampled_from(["symbol", "int"] if depth == 0 else ["symbol", "int", *operators]))
    if kind == "symbol":
        name = draw(st.sampled_from("BT"))
        return symbol(name), lambda env: env[name]
    if kind == "int":
        number = draw(st.integers(-9, 9))
        return number, lambda env: number
    x, x_of = draw(dims(depth - 1, operators))
    if kind in ("//", "%"):
        d = draw(st.integers(1, 6))
        return (x // d, lambda env: x_of(env) // d) if kind == "//" else (x % d, lambda env: x_of(env) % d)
    y, y_of = draw(dims(depth - 1, operators))
    if kind == "+":
        return x + y, lambda env: x_of(env) + y_of(env)
    if kind == "-":
        return x - y, lambda env: x_of(env) - y_of(env)
    return x * y, lambda env: x_of(env) * y_of(env)


@given(dims(), sizes)
def test_binding_gives_what_integers_give(made, env):
    dim, value_of = made
    assert bind(dim, env) == value_of(env)


@given(dims(), sizes)
def test_binding_one_symbol_after_the_other_is_binding_both(made, env):
    dim, _ = made
    assert bind(bind(dim, {"B": env["B"]}), {"T": env["T"]}) == bind(dim, env)


@given(dims())
def test_text_reads_back(made):
    dim, _ = made
    assert parse_dim(str(dim)) == dim


@given(dims(depth=2), dims(depth=2))
def test_a_product_divides_exactly(x, y):
    assert exact_div(x[0] * y[0], y[0]) == (None if y[0] == 0 else x[0])


@given(dims(depth=2), dims(depth=2), sizes)
def test_an_exact_quotient_times_its_divisor_is_the_dividend(x, y, env):
    quotient = exact_div(x[0], y[0])
    if quotient is not None:
        assert bind(quotient, env) * y[1](env) == x[1](env)


@given(dims(operators=("+", "-", "*")), st.integers(1, 6), st.integers(1, 6))
def test_floor_divisions_of_a_polynomial_in_a_row_are_one(made, a, b):
    assert made[0] // a // b == made[0] // (a * b)


@pytest.mark.parametrize(("dim", "text"), [
    (2 * B + 3, "2*B+3"), (B * 4 + 1, "4*B+1"), ((T - 3) // 2 + 1, "(T+1)//2-1"), (T // 2, "T//2"),
    (2 * (T // 4), "2*(T//4)"), ((T // 2) * (B // 3), "(B//3)*(T//2)"), (-T + 5, "-T+5"), (B * B, "B*B")])
def test_text(dim, text):
    assert str(dim) == text


@pytest.mark.parametrize(("x", "y"), [
    ((2 * T) // 4, T // 2), ((2 * T + 1) // 4, T // 2), (3 * T // 2, T + T // 2),
    (((T - 3) // 2 + 1) // 2, (T - 1) // 4),
    ((T + 4) // 2, T // 2 + 2), ((6 * B + 4 * T) // 2, 3 * B + 2 * T), ((B + 1) * (B - 1), B * B - 1)])
def test_equal_sizes_have_one_form(x, y):
    assert x == y
    assert hash(x) == hash(y)


def test_nothing_symbolic_left_is_an_int():
    assert B - B == 0
    assert (B + 3) - B == 3
    assert not isinstance(B * 0, SymExpr)
    assert size_of(()) == 1
    assert size_of((B, 0)) == 0


@pytest.mark.parametrize(("dividend", "divisor", "quotient"), [
    (6, 3, 2), (6, 4, None), (0, B, 0), (B, 0, None), (2 * B * (T + 1), T + 1, 2 * B), (B * B - 1, B + 1, B - 1),
    (B * T, T * T, None), (B, 2, None), (6 * B * T, 3 * T, 2 * B)])
def test_exact_division(dividend, divisor, quotient):
    assert exact_div(dividend, divisor) == quotient


def test_symbols_are_found_inside_divisions():
    assert symbols((B * T + 1) // 3, 7, B) == {"B", "T"}


@pytest.mark.parametrize("name", ["b", "", "1B", "B-1", "B\n", "É"])
def test_names_start_with_a_capital(name):
    with pytest.raises(ShapeError):
        symbol(name)


@pytest.mark.parametrize("divisor", [0, -2, B, 1.5])
def test_divisors_are_positive_integers(divisor):
    with pytest.raises(ShapeError):
        B // divisor


def test_fractions_are_not_sizes():
    with pytest.raises(TypeError):
        B * 0.5


@pytest.mark.parametrize("text", [
    "", "+", "B+", "2**B", "(B", "B)", "b", "B//0", "B//T", "B%-2", "1.5", "²", "B B", "9" * 30, "\x00", "é",
    "B" * 5000, "(" * 1000 + "B" + ")" * 1000, "*".join(["(A+B+C+D)"] * 40), "*".join("B" * 100), "__import__('os')"])
def test_text_that_is_no_dimension(text):
    with pytest.raises(ParseError):
        parse_dim(text)


def test_the_deepest_text_still_reads():
    assert parse_dim("(" * MAX_DEPTH + "B" + ")" * MAX_DEPTH) == B
