"""How a function over lanes becomes one that kernels can call: Numba's typing of the operands, and nothing else.

What does not live here: the arithmetic (lane.py).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from graphc.codegen_cpu.vmath.lane import Lane

FLOATS = (types.float32, types.float64)
Emitter = Callable[..., Lane]


def on_floats(emit: Emitter) -> Any:
    """Make a function that kernels can call, over float32 or float64 operands of one type, from its emitter."""
    return _function(emit, _one_float_type)


def condition_on_floats(emit: Emitter) -> Any:
    """As on_floats, for a condition."""
    return _function(emit, lambda name, operands: types.boolean(*_one_float_type(name, operands).args))


def on_numbers(emit: Callable[..., Lane]) -> Any:
    """As on_floats, also over integers, which are widened to one type; the emitter gets `signed` too."""
    return _function(emit, _one_number_type, tells_sign=True)


def _one_float_type(name: str, operands: tuple[types.Type, ...]) -> Any:
    first = operands[0]
    if first not in FLOATS or any(operand != first for operand in operands):
        raise TypingError(f"{name} takes float32 or float64 operands of one type, got {_listed(operands)}")
    return first(*operands)


def _one_number_type(name: str, operands: tuple[types.Type, ...]) -> Any:
    plain = [types.unliteral(operand) for operand in operands]
    if not all(isinstance(operand, types.Integer) for operand in plain):
        return _one_float_type(name, tuple(plain))
    widest = max(plain, key=lambda operand: operand.bitwidth)
    if any(operand.signed != widest.signed for operand in plain):
        raise TypingError(f"{name} takes integers that are all signed or all unsigned, got {_listed(operands)}")
    return widest(*[widest] * len(plain))


def _listed(operands: tuple[types.Type, ...]) -> str:
    return ", ".join(str(operand) for operand in operands)


def _function(emit: Emitter, infer: Callable[[str, tuple[types.Type, ...]], Any], *, tells_sign: bool = False) -> Any:
    def define(*operands: types.Type) -> Any:
        signature = infer(emit.__name__, operands)
        options = {"signed": getattr(signature.args[0], "signed", True)} if tells_sign else {}

        def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
            return emit(*(Lane(builder, value) for value in values), **options).value

        return signature, lower

    return _intrinsic(emit, define)


def _intrinsic(emit: Emitter, define: Callable[..., Any]) -> Any:
    """Numba wants a definition that names each operand."""
    count = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in inspect.signature(emit).parameters.values())
    definitions: dict[int, Callable[..., Any]] = {
        1: lambda typing, a: define(a), 2: lambda typing, a, b: define(a, b),
        3: lambda typing, a, b, c: define(a, b, c)}
    definition = definitions[count]
    definition.__name__, definition.__qualname__ = emit.__name__, emit.__qualname__
    definition.__doc__, definition.__module__ = emit.__doc__, emit.__module__
    return intrinsic(definition)
