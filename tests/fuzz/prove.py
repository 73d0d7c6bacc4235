"""python -m tests.fuzz.prove: what the code relies on when it counts with sizes, proved for all sizes from 0 to 2^31.

Needs z3-solver (pip install ".[prove]"). Every line that is printed is a statement without counterexample: the solver was
asked for one, over the integers, and says that there is none. The statements are written once more here, from what the
docstrings of graphc/ir/dims.py, ops_window.py and codegen/positions.py say, and compared with the code itself on samples.

What does not live here: tests by sampling (tests/ir/test_dims.py).
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator

import z3

from graphc.ir.dims import SymExpr, bind, symbol
from graphc.ir.ops_window import positions

LIMIT = 2**31
SMALL = range(1, 5)
Statement = tuple[str, Callable[[], Iterator[z3.BoolRef]]]


def sizes(*names: str) -> list[z3.ArithRef]:
    return [z3.Int(name) for name in names]


def within(*values: z3.ArithRef) -> z3.BoolRef:
    return z3.And(*(z3.And(v >= 0, v <= LIMIT) for v in values))


# ---- dims.py: one normal form


def nested_floor_divisions() -> Iterator[z3.BoolRef]:
    """(x // a + y) // d is (x + a y) // (a d)."""
    x, y = sizes("x", "y")
    for a, d in itertools.product(range(1, 9), repeat=2):
        yield z3.Implies(within(x, y), (x / a + y) / d == (x + a * y) / (a * d))


def common_factors() -> Iterator[z3.BoolRef]:
    """(g x + c) // (g d) is (x + c // g) // d."""
    x, c = sizes("x", "c")
    for g, d in itertools.product(range(1, 9), repeat=2):
        yield z3.Implies(z3.And(within(x), c >= -LIMIT, c <= LIMIT), (g * x + c) / (g * d) == (x + c / g) / d)


def whole_parts_leave() -> Iterator[z3.BoolRef]:
    """(k d x + r) // d is k x + r // d, for any rest r; and x % d is x - x // d d."""
    x, r = sizes("x", "r")
    for k, d in itertools.product(range(-4, 5), range(1, 9)):
        yield z3.Implies(within(x), (k * d * x + r) / d == k * x + r / d)
        yield z3.Implies(within(x), x % d == x - (x / d) * d)


# ---- index maps: no read or write outside


def windows_stay_inside() -> Iterator[z3.BoolRef]:
    """position * stride + offset * dilation < extent, for every position and offset of `windows`."""
    extent, position, offset, size = sizes("extent", "position", "offset", "size")
    for stride, dilation in itertools.product(SMALL, repeat=2):
        count = (extent - (size - 1) * dilation - 1) / stride + 1
        there = z3.And(within(extent), size >= 1, size <= extent, position >= 0, position < count, offset >= 0,
                       offset < size)
        at = position * stride + offset * dilation
        yield z3.Implies(there, z3.And(at >= 0, at < extent))


def windows_are_all_there() -> Iterator[z3.BoolRef]:
    """One position more would read past the end: `positions` counts none too few."""
    extent, size = sizes("extent", "size")
    for stride, dilation in itertools.product(SMALL, repeat=2):
        span = (size - 1) * dilation + 1
        count = (extent - span) / stride + 1
        yield z3.Implies(z3.And(within(extent), size >= 1, span <= extent), count * stride + span > extent)


def slices_stay_inside() -> Iterator[z3.BoolRef]:
    """start + i * stride < limit <= size, for every i of the result."""
    start, limit, size, i = sizes("start", "limit", "size", "i")
    for stride in range(1, 9):
        count = (limit - start + stride - 1) / stride
        there = z3.And(within(size), start >= 0, start <= limit, limit <= size, i >= 0, i < count)
        yield z3.Implies(there, z3.And(start + i * stride >= 0, start + i * stride < limit))
        yield z3.Implies(z3.And(within(size), start >= 0, start <= limit, limit <= size), count >= 0)


def paddings_read_inside() -> Iterator[z3.BoolRef]:
    """i - low lies in the operand where the tests that are written hold: none of a margin that is 0."""
    size, low, high, i = sizes("size", "low", "high", "i")
    there = z3.And(within(size, low, high), i >= 0, i < low + size + high)
    for no_low, no_high in itertools.product((True, False), repeat=2):
        begins = low == 0 if no_low else i - low >= 0
        ends = high == 0 if no_high else i - low < size
        yield z3.Implies(z3.And(there, begins, ends), z3.And(i - low >= 0, i - low < size))


def reversals_stay_inside() -> Iterator[z3.BoolRef]:
    size, i = sizes("size", "i")
    yield z3.Implies(z3.And(within(size), i >= 0, i < size), z3.And(size - 1 - i >= 0, size - 1 - i < size))


def spreads_read_inside() -> Iterator[z3.BoolRef]:
    """What `spread` reads where its condition holds is a position of the windows."""
    count, at, offset = sizes("count", "at", "offset")
    for stride, dilation in itertools.product(SMALL, repeat=2):
        start = at - offset * dilation
        place = start / stride
        holds = z3.And(start >= 0, place < count, place * stride == start)
        yield z3.Implies(z3.And(within(count), at >= 0, offset >= 0, holds), z3.And(place >= 0, place < count))


def parts_read_inside() -> Iterator[z3.BoolRef]:
    """A concatenation of three parts: where i lies in a part's range, the index in it fits; and it lies in one."""
    a, b, c, i = sizes("a", "b", "c", "i")
    there = z3.And(within(a, b, c), i >= 0, i < a + b + c)
    ranges = [(z3.IntVal(0), a), (a, a + b), (a + b, a + b + c)]
    yield z3.Implies(there, z3.Or(*(z3.And(low <= i, i < high) for low, high in ranges)))
    for (low, high), size in zip(ranges, (a, b, c), strict=True):
        yield z3.Implies(z3.And(there, low <= i, i < high), z3.And(i - low >= 0, i - low < size))


def rows_are_numbered_once() -> Iterator[z3.BoolRef]:
    """i * n + j, with j < n, is below m * n, and gives i and j back by division: `At.flat` and `At.axes`."""
    i, j, m = sizes("i", "j", "m")
    for n in (1, 2, 3, 5, 7, 64, 1000):
        there = z3.And(within(m), i >= 0, i < m, j >= 0, j < n)
        yield z3.Implies(there, z3.And(i * n + j < m * n, (i * n + j) / n == i, (i * n + j) % n == j))


def shares_cover_all() -> Iterator[z3.BoolRef]:
    """n t // threads to n (t + 1) // threads: from 0, to n, each beginning where the one before ends, none backwards."""
    n, t = sizes("n", "t")
    for count in range(1, 17):
        yield z3.Implies(within(n), z3.And(n * 0 / count == 0, n * count / count == n))
        yield z3.Implies(z3.And(within(n), t >= 0, t < count), n * t / count <= n * (t + 1) / count)


STATEMENTS: list[Statement] = [(function.__name__.replace("_", " "), function) for function in (
    nested_floor_divisions, common_factors, whole_parts_leave, windows_stay_inside, windows_are_all_there,
    slices_stay_inside, paddings_read_inside, reversals_stay_inside, spreads_read_inside, parts_read_inside,
    rows_are_numbered_once, shares_cover_all)]


def proved(statement: z3.BoolRef) -> bool:
    """Whether the solver knows that no numbers make the statement false."""
    solver = z3.Solver()
    solver.set("timeout", 20_000)
    solver.add(z3.Not(statement))
    return solver.check() == z3.unsat


# ---- the dimensions of the code itself


def as_term(dim: int | SymExpr, known: dict[str, z3.ArithRef]) -> z3.ArithRef:
    """A dimension as a term of the solver, floor divisions and all."""
    if isinstance(dim, int):
        return z3.IntVal(dim)
    total = z3.IntVal(0)
    for monomial, coefficient in dim.terms:
        term = z3.IntVal(coefficient)
        for atom in monomial:
            if hasattr(atom, "divisor"):
                term = term * (as_term(atom.numerator, known) / atom.divisor)
            else:
                term = term * known.setdefault(atom.name, z3.Int(atom.name))
        total = total + term
    return total


def code_agrees() -> Iterator[z3.BoolRef]:
    """What dims.py makes of an expression is the expression, for all sizes: sums, multiples and divisions, nested."""
    b, t = symbol("B"), symbol("T")
    known = {"B": z3.Int("B"), "T": z3.Int("T")}
    zb, zt = known["B"], known["T"]
    for a, c, d, e in itertools.product((1, 2, 3, 6), (0, 1, 5), (1, 2, 4), (1, 3)):
        yield _equal(((b * a + c) // d + t) // e, ((zb * a + c) / d + zt) / e, known)
        yield _equal((b * a + t * 2 - c) // d % e, ((zb * a + zt * 2 - c) / d) % e, known)
    for size, stride, dilation in itertools.product(SMALL, repeat=3):
        counted = positions(positions(b, size, stride, dilation), 2, 2, 1)
        inner = (zb - (size - 1) * dilation - 1) / stride + 1
        yield _equal(counted, (inner - 1 - 1) / 2 + 1, known)


def _equal(dim: int | SymExpr, term: z3.ArithRef, known: dict[str, z3.ArithRef]) -> z3.BoolRef:
    assert bind(dim, {"B": 7, "T": 5}) == z3.simplify(z3.substitute(term, *((v, z3.IntVal({"B": 7, "T": 5}[n]))
                                                                           for n, v in known.items()))).as_long()
    return z3.Implies(within(*known.values()), as_term(dim, known) == term)


STATEMENTS.append(("the code of dims agrees", code_agrees))


def main() -> int:
    x = z3.Int("x")
    assert not proved(z3.Implies(within(x), x / 2 * 2 == x)), "a solver that proves what is wrong"
    failed = 0
    for name, make in STATEMENTS:
        begun, verdicts = time.process_time(), [proved(statement) for statement in make()]
        failed += verdicts.count(False)
        print(f"{name:28} {verdicts.count(True):3} of {len(verdicts):3} proved, {time.process_time() - begun:5.1f} s",
              flush=True)
    print(f"{len(STATEMENTS)} statements, {failed} instances without a proof")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
