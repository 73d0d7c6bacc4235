"""Dimensions: exact integers, known or symbolic.

A dimension is an `int` or a `SymExpr`, a polynomial with integer coefficients over atoms. An atom is a
symbol (`B`, `T`) or a floor division of a dimension by a positive integer (what strided windows
make). Dimensions that compare equal are equal for all sizes. Polynomials, and one floor division of a
sum however it was nested, have a single normal form, so for them the converse holds too.
Binding evaluates a dimension once its symbols are known.

What does not live here: tensors, broadcasting, memory sizes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd, prod
from operator import index

from graphc.errors import ParseError, ShapeError

MAX_TEXT, MAX_DEPTH, MAX_TERMS, MAX_DEGREE = 4096, 64, 64, 16  # of a dimension read from text
MAX_PRODUCT = 4096  # terms that one multiplication may make

_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")
_TOKEN = re.compile(r"[0-9]+|[A-Za-z_][A-Za-z0-9_]*|//|\S")


@dataclass(frozen=True, slots=True)
class Symbol:
    """A size known only when the program is called. Names start with a capital."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class FloorDiv:
    """`numerator // divisor`; every coefficient of the numerator lies in 0..divisor-1."""

    numerator: SymExpr
    divisor: int

    def __str__(self) -> str:
        text = str(self.numerator)
        return f"{text}//{self.divisor}" if _NAME.fullmatch(text) else f"({text})//{self.divisor}"


Monomial = tuple  # sorted atoms, repeated for powers


@dataclass(frozen=True, slots=True)
class SymExpr:
    """A sum of integer multiples of products of atoms; made by arithmetic, never by hand.

    `terms` maps each monomial (atoms sorted by their text) to its coefficient; the constant term
    has the empty monomial. Arithmetic returns a plain `int` as soon as no atom is left.
    """

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Dim) -> Dim:
        return _normal([*self.terms, *_terms(other)])

    __radd__ = __add__

    def __neg__(self) -> Dim:
        return self * -1

    def __sub__(self, other: Dim) -> Dim:
        return self + (-other)

    def __rsub__(self, other: Dim) -> Dim:
        return -self + other

    def __mul__(self, other: Dim) -> Dim:
        terms = _terms(other)
        if len(terms) * len(self.terms) > MAX_PRODUCT:
            raise ShapeError("a size has too many terms", expected=f"at most {MAX_PRODUCT} in a product")
        return _normal([(_merge(m, n), c * d) for m, c in self.terms for n, d in terms])

    __rmul__ = __mul__

    def __floordiv__(self, divisor: int) -> Dim:
        if not isinstance(divisor, int) or divisor <= 0:
            raise ShapeError("a dimension can only be divided by a positive integer", got=divisor)
        whole = _normal((m, c // divisor) for m, c in self.terms)
        rest = _normal((m, c % divisor) for m, c in self.terms)
        return whole + _floor_div(rest, divisor)

    def __mod__(self, divisor: int) -> Dim:
        return self - (self // divisor) * divisor

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in sorted(self.terms, key=lambda t: t[0] == ()):
            size = abs(coefficient)
            alone = size == 1 and len(monomial) == 1
            factors = [] if size == 1 and monomial else [str(size)]
            factors += [str(a) if alone or isinstance(a, Symbol) else f"({a})" for a in monomial]
            text += f"{'-' if coefficient < 0 else '+' if text else ''}{'*'.join(factors)}"
        return text

    __repr__ = __str__


Dim = int | SymExpr
Shape = tuple[Dim, ...]


def symbol(name: str) -> SymExpr:
    """The dimension that is just the symbol `name` (a capital, then letters, digits, _)."""
    if not _NAME.fullmatch(name):
        raise ShapeError("not a dimension name", got=repr(name), expected="a capital, then letters, digits, _")
    return SymExpr((((Symbol(name),), 1),))


def symbols(*dims: Dim) -> set[str]:
    """Names of all symbols in `dims`."""
    found: set[str] = set()
    pending = [d for d in dims if isinstance(d, SymExpr)]
    while pending:
        for monomial, _ in pending.pop().terms:
            for atom in monomial:
                if isinstance(atom, Symbol):
                    found.add(atom.name)
                else:
                    pending.append(atom.numerator)
    return found


def bind(dim: Dim, sizes: Mapping[str, Dim]) -> Dim:
    """`dim` with the symbols in `sizes` replaced; an int when all of its symbols are there."""
    if isinstance(dim, int):
        return dim
    total: Dim = 0
    for monomial, coefficient in dim.terms:
        term: Dim = coefficient
        for atom in monomial:
            if isinstance(atom, Symbol):
                term = term * sizes.get(atom.name, SymExpr((((atom,), 1),)))
            else:
                term = term * (bind(atom.numerator, sizes) // atom.divisor)
        total = total + term
    return total


def bind_shape(shape: Shape, sizes: Mapping[str, Dim]) -> Shape:
    return tuple(bind(d, sizes) for d in shape)


def size_of(shape: Iterable[Dim]) -> Dim:
    """Number of elements: the product of the dimensions."""
    return prod(shape, start=1)


def split_axes(shape: Shape, sizes: Sequence[Dim]) -> list[Shape] | None:
    """`shape` cut into groups of neighbouring axes that hold `sizes` elements each; None where it cannot be.

    Axes of size 1 go to the group before them.
    """
    groups: list[Shape] = []
    start = 0
    for size in sizes:
        end, held = start, 1
        while end < len(shape) and held != size:
            held = held * shape[end]  # type: ignore[assignment]
            end += 1
        if held != size:
            return None
        while end < len(shape) and shape[end] == 1:
            end += 1
        groups.append(shape[start:end])
        start = end
    return groups if start == len(shape) else None


def exact_div(dividend: Dim, divisor: Dim) -> Dim | None:
    """The dimension q with q * divisor == dividend as polynomials, or None where there is none."""
    if divisor == 0:
        return None
    (lead, factor), rest = _leading(divisor), dividend
    quotient: Dim = 0
    while rest != 0:
        monomial, coefficient = _leading(rest)
        left = _without(monomial, lead)
        if left is None or coefficient % factor:
            return None
        step = _normal([(left, coefficient // factor)])
        quotient, rest = quotient + step, rest - step * divisor
    return quotient


def parse_dim(text: str) -> Dim:
    """Read a dimension back from its text: `B`, `2*B+3`, `(T-3)//2+1`.

    Raises ParseError for anything else, and for text beyond the limits above.
    """
    if len(text) > MAX_TEXT:
        raise ParseError("a dimension is too long", expected=f"at most {MAX_TEXT} characters", got=len(text))
    reader = _Reader(text)
    dim = reader.sum(0)
    if reader.head():
        raise reader.error("an operator", reader.head())
    return dim


class _Reader:
    """Recursive descent over the tokens of one dimension."""

    def __init__(self, text: str):
        self.text, self.tokens = text, _TOKEN.findall(text)[::-1]

    def error(self, expected: str, got: object) -> ParseError:
        got = "its end" if got == "" else got
        return ParseError(f"cannot read the dimension {self.text!r}", expected=expected, got=got)

    def head(self) -> str:
        return self.tokens[-1] if self.tokens else ""

    def sum(self, depth: int) -> Dim:
        sign = -1 if self.head() == "-" else 1
        if sign < 0:
            self.tokens.pop()
        value = sign * self.product(depth)
        while self.head() in ("+", "-"):
            sign = 1 if self.tokens.pop() == "+" else -1
            value = self.bounded(value + sign * self.product(depth))
        return value

    def product(self, depth: int) -> Dim:
        value = self.atom(depth)
        while self.head() in ("*", "//", "%"):
            operator, factor = self.tokens.pop(), self.atom(depth)
            if operator == "*":
                value = self.bounded(value * factor)
            elif not isinstance(factor, int) or factor <= 0:
                raise self.error("a positive integer divisor", factor)
            else:
                value = self.bounded(value // factor if operator == "//" else value % factor)
        return value

    def atom(self, depth: int) -> Dim:
        head = self.tokens.pop() if self.tokens else ""
        if head == "(" and depth < MAX_DEPTH:
            value = self.sum(depth + 1)
            if self.head() != ")":
                raise self.error(")", self.head())
            self.tokens.pop()
            return value
        if head[:1] in "0123456789" and 0 < len(head) <= 20:
            return int(head)
        if _NAME.fullmatch(head):
            return symbol(head)
        raise self.error("a number, a name or (", head)

    def bounded(self, dim: Dim) -> Dim:
        terms = _terms(dim)
        if len(terms) > MAX_TERMS or any(len(m) > MAX_DEGREE for m, _ in terms):
            raise self.error(f"at most {MAX_TERMS} terms of degree {MAX_DEGREE}", "more")
        return dim


def _floor_div(rest: Dim, divisor: int) -> Dim:
    """rest // divisor in normal form, where every coefficient of `rest` lies in 0..divisor-1.

    (x//a + y)//d is (x + a*y)//(a*d), and (g*x + c)//(g*d) is (x + c//g)//d.
    """
    if isinstance(rest, int):
        return rest // divisor
    common = gcd(divisor, *(c for m, c in rest.terms if m))
    if common > 1:
        return _normal((m, c // common) for m, c in rest.terms) // (divisor // common)
    nested = [m[0] for m, c in rest.terms if c == 1 and len(m) == 1 and isinstance(m[0], FloorDiv)]
    if len(nested) == 1:
        inner = nested[0]
        others = rest - SymExpr((((inner,), 1),))
        return (inner.numerator + others * inner.divisor) // (divisor * inner.divisor)
    return SymExpr((((FloorDiv(rest, divisor),), 1),))


def _leading(dim: Dim) -> tuple[Monomial, int]:
    """The leading term in an order that products keep: by degree, then by the first atom's power, and so on."""
    terms = _terms(dim)
    atoms = sorted({a for m, _ in terms for a in m}, key=str)
    return max(terms, key=lambda t: (len(t[0]), [t[0].count(a) for a in atoms]))


def _without(monomial: Monomial, divisor: Monomial) -> Monomial | None:
    left = Counter(monomial)
    left.subtract(divisor)
    return None if min(left.values(), default=0) < 0 else _merge(tuple(left.elements()), ())


def _terms(dim: Dim) -> tuple[tuple[Monomial, int], ...]:
    if isinstance(dim, SymExpr):
        return dim.terms
    number = index(dim)
    return (((), number),) if number else ()


def _merge(m: Monomial, n: Monomial) -> Monomial:
    return tuple(sorted((*m, *n), key=str))


def _normal(terms: Iterable[tuple[Monomial, int]]) -> Dim:
    total: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        total[monomial] = total.get(monomial, 0) + coefficient
    kept = tuple(sorted(((m, c) for m, c in total.items() if c), key=lambda t: (len(t[0]), str(t[0]))))
    if not kept:
        return 0
    if len(kept) == 1 and kept[0][0] == ():
        return kept[0][1]
    return SymExpr(kept)
