"""Unknown sizes: the batch symbol, fresh symbols, and the equations that hold between them.

Axis 0 of unknown size is `B` everywhere. Every other unknown size is a fresh symbol, so two of them can meet
that must be equal (a target of shape (None, None) and a prediction of shape (None, 10)). The meeting is
recorded as an equation on the tensors; a graph made of them solves all of its equations at once and replaces
symbols accordingly. Nothing is global: another graph that does not hold the meeting is not bound by it.

A symbol that meets 1 is never bound to 1: the 1 is broadcast. A size-1 axis handed in at run time where the
graph says symbol is therefore a size of 1, not a request to broadcast.

What does not live here: broadcasting itself (tensor.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count

from graphc.errors import ShapeError
from graphc.ir.dims import Dim, Shape, Symbol, SymExpr, bind, exact_div, symbol, symbols

BATCH = symbol("B")
Equation = tuple[Dim, Dim]
_numbers = count(1)


def fresh_dim() -> SymExpr:
    """A size nobody else knows."""
    return symbol(f"D{next(_numbers)}")


def restart_fresh_dims() -> None:
    """Number fresh symbols from 1 again (clear_session)."""
    global _numbers
    _numbers = count(1)


def dims_of_static(shape: Sequence[int | None]) -> Shape:
    """A Keras shape as dimensions: None on axis 0 is the batch, None elsewhere is fresh."""
    return tuple(int(d) if d is not None else BATCH if axis == 0 else fresh_dim() for axis, d in enumerate(shape))


def static_shape(shape: Shape) -> tuple[int | None, ...]:
    """Dimensions as Keras shows them: None for what is not known yet."""
    return tuple(d if isinstance(d, int) else None for d in shape)


def unify(a: Dim, b: Dim) -> Dim | None:
    """The size both have if they can be equal, else None. The known one, or the simpler one, is returned."""
    if a == b:
        return a
    found = _solve_one(a, b)
    return None if found is None else bind(a, dict([found]))


def solve(equations: Iterable[Equation]) -> dict[str, Dim]:
    """What each symbol must be replaced by, so that all equations hold.

    Raises ShapeError where two of them contradict each other.
    """
    sizes: dict[str, Dim] = {}
    for left, right in equations:
        a, b = bind(left, sizes), bind(right, sizes)
        if a == b:
            continue
        found = _solve_one(a, b)
        if found is None:
            raise ShapeError("sizes that must be equal are not", expected=f"{left} = {right}", got=f"{a} and {b}")
        name, size = found
        sizes = {n: bind(d, {name: size}) for n, d in sizes.items()}
        sizes[name] = size
    return sizes


def _solve_one(a: Dim, b: Dim) -> tuple[str, Dim] | None:
    """One symbol of `a = b` and what it is; fresh symbols are given up before the batch symbol."""
    difference = _without_common_factors(a - b)
    if not isinstance(difference, SymExpr):
        return None
    candidates = [(atoms[0].name, factor) for atoms, factor in difference.terms
                  if len(atoms) == 1 and isinstance(atoms[0], Symbol)]
    for name, factor in sorted(candidates, key=lambda c: (c[0] == "B", abs(c[1]))):
        rest = difference - factor * symbol(name)
        size = _divided(-rest, factor)
        if size is None or name in symbols(rest) or (isinstance(size, int) and size < 0):
            continue
        return name, size
    return None


def _without_common_factors(dim: Dim) -> Dim:
    """`dim` over every symbol that all of its terms share: B*D - B is zero when D - 1 is, for B may be anything."""
    terms = dim.terms if isinstance(dim, SymExpr) else ()
    for atom in terms[0][0] if terms else ():
        shared = exact_div(dim, SymExpr((((atom,), 1),)))
        dim = dim if shared is None else shared
    return dim


def _divided(dim: Dim, divisor: int) -> Dim | None:
    if divisor < 0:
        dim, divisor = -dim, -divisor
    return dim // divisor if dim % divisor == 0 else None
