"""Which functions over lanes kernels may call, and on what operands.

A target turns them into functions that its Numba knows, with `bind`; nothing here imports Numba.
What does not live here: the arithmetic (lane.py and its users).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from graphc.codegen.vmath.lane import Lane, Machine

Emitter = Callable[..., Any]


@dataclass(frozen=True)
class Function:
    """operands: "floats" (of one type, which is the result's), "condition" (floats; the result is one), "numbers" (as
    floats, or integers, which are widened to one type; the emitter gets `signed` too), "choice" (a condition and two
    of one type) or "words" (integers modulo 2**32; results: the types of what it makes)."""

    name: str
    emit: Emitter
    operands: str
    results: tuple[str, ...] = ()


FUNCTIONS: dict[str, Function] = {}


def _register(emit: Emitter, operands: str, results: tuple[str, ...] = ()) -> Emitter:
    FUNCTIONS[emit.__name__] = Function(emit.__name__, emit, operands, results)
    return emit


def on_floats(emit: Emitter) -> Emitter:
    """A function that kernels can call, over float32 or float64 operands of one type."""
    return _register(emit, "floats")


def condition_on_floats(emit: Emitter) -> Emitter:
    """As on_floats, for a condition."""
    return _register(emit, "condition")


def on_numbers(emit: Emitter) -> Emitter:
    """As on_floats, also over integers, which are widened to one type; the emitter gets `signed` too."""
    return _register(emit, "numbers")


def on_choices(emit: Emitter) -> Emitter:
    """A function of a condition and two values of one type."""
    return _register(emit, "choice")


def on_words(*results: str) -> Callable[[Emitter], Emitter]:
    """A function of integers, which makes numbers of these types."""
    return lambda emit: _register(emit, "words", results)


@dataclass(frozen=True)
class Numba:
    """The parts of a Numba that `bind` needs: its `types`, its TypingError and its `intrinsic`."""

    types: Any
    error: type[Exception]
    intrinsic: Callable[[Callable[..., Any]], Any]


def bind(function: Function, numba: Numba, machine: Machine) -> Any:
    """The function as kernels can call it.

    Calling it with operands of other types is the Numba's typing error.
    """
    def define(*operands: Any) -> Any:
        signature = _signature(function, operands, numba)
        options = {"signed": getattr(signature.args[0], "signed", True)} if function.operands == "numbers" else {}

        def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
            made = function.emit(*(Lane(builder, value, machine) for value in values), **options)
            if len(function.results) > 1:
                return context.make_tuple(builder, signature.return_type, [lane.value for lane in made])
            return made.value

        return signature, lower

    return numba.intrinsic(_named(function.emit, define))


def _signature(function: Function, operands: tuple[Any, ...], numba: Numba) -> Any:
    types = numba.types
    plain = [types.unliteral(operand) for operand in operands]

    def refuse(wanted: str) -> Exception:
        return numba.error(f"{function.name} takes {wanted}, got {', '.join(str(operand) for operand in operands)}")

    integers = all(isinstance(operand, types.Integer) for operand in plain)
    if function.operands == "words":
        if not integers:
            raise refuse("integers")
        made = [getattr(types, result) for result in function.results]
        return (made[0] if len(made) == 1 else types.UniTuple(made[0], len(made)))(*plain)
    if function.operands == "choice":
        if plain[0] != types.boolean or plain[1] != plain[2]:
            raise refuse("a boolean and two values of one type")
        return plain[1](*plain)
    if function.operands == "numbers" and integers:
        widest = max(plain, key=lambda operand: operand.bitwidth)
        if any(operand.signed != widest.signed for operand in plain):
            raise refuse("integers that are all signed or all unsigned")
        return widest(*[widest] * len(plain))
    if plain[0] not in (types.float32, types.float64) or any(operand != plain[0] for operand in plain):
        raise refuse("float32 or float64 operands of one type")
    return (types.boolean if function.operands == "condition" else plain[0])(*plain)


def _named(emit: Emitter, define: Callable[..., Any]) -> Callable[..., Any]:
    """Numba wants a definition that names each operand."""
    count = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in inspect.signature(emit).parameters.values())
    definitions: dict[int, Callable[..., Any]] = {
        1: lambda typing, a: define(a), 2: lambda typing, a, b: define(a, b),
        3: lambda typing, a, b, c: define(a, b, c), 4: lambda typing, a, b, c, d: define(a, b, c, d)}
    definition = definitions[count]
    definition.__name__, definition.__qualname__ = emit.__name__, emit.__qualname__
    definition.__doc__, definition.__module__ = emit.__doc__, emit.__module__
    return definition
