"""Random tensors. Numbers are keyed by (seed, step, element), so threads and order cannot change them.

The seed is the one given, or one drawn from NumPy's global generator when the op is built. The step is state
that every function with a random op advances, so each call draws anew. As in TensorFlow, two ops of one kind
with the same seed draw the same numbers.

What does not live here: the generator (ir/random.py), initializers (frontend_keras/initializers.py).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import erf, sqrt
from typing import Any

import numpy as np

from graphc.errors import ArgumentError
from graphc.frontend_keras.backend.config import floatx
from graphc.frontend_keras.backend.leaves import State
from graphc.frontend_keras.backend.sizes import dim_of, dims_of
from graphc.frontend_keras.backend.tensor import Tensor, apply_op, broadcast_to, full, full_like
from graphc.frontend_keras.backend.tensor import cast as cast_to
from graphc.frontend_keras.backend.variables import Variable, variable
from graphc.ir.dims import Shape
from graphc.ir.types import DType, dtype_of
from graphc.runtime.residence import Home

_UNIFORM, _NORMAL, _TRUNCATED, _DROPOUT = range(1, 5)

# M. Giles, "Approximating the erfinv function", GPU Computing Gems 2 (2011): the central branch, w < 5.
_ERFINV = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
           -0.00417768164, 0.246640727, 1.50140941)


class _Step(State):
    """How many calls have drawn random numbers so far."""

    increment = 1

    def __init__(self) -> None:
        super().__init__((), "int64", "random_step")
        self._array = np.zeros((), np.int64)
        self.home: Home | None = None  # set by a device that keeps the value

    @property
    def array(self) -> np.ndarray:
        if self.home is not None:
            self.home.to_host(self._array)
        return self._array


_steps: list[_Step] = []


def random_step() -> State:
    """The state that all random ops of this session share."""
    if not _steps:
        _steps.append(_Step())
    return _steps[0]


def reset_random_step() -> None:
    """Let functions built from now on count from 0 again (clear_session)."""
    _steps.clear()



class _Tracing(threading.local):
    """What this thread builds: how many random ops it made, and the loops it is inside of."""

    def __init__(self) -> None:
        self.made = 0
        self.loops: list[Callable[[], Tensor]] = []


_tracing = _Tracing()


def keys_made() -> int:
    """How many random ops there are so far: who traces a function asks before and after."""
    return _tracing.made


@contextmanager
def drawing_each_step(number: Callable[[], Tensor]) -> Iterator[None]:
    """Random ops made meanwhile draw anew in each step of a loop; number: the tensor that counts the steps, int64."""
    _tracing.loops.append(number)
    try:
        yield
    finally:
        _tracing.loops.pop()


def _key(seed: int | None, stream: int) -> Tensor:
    """u32[2]. In a loop, the key of one step comes from that of the whole loop and the number of the step."""
    _tracing.made += 1
    key = apply_op("random_key", full(_seed(seed, 10_000_000), (), "int64"), random_step(), stream=stream)
    for number in _tracing.loops:
        words = cast_to(key, dtype_of("int64"))
        both = (words[0] - 2**31) * 2**32 + words[1]
        key = apply_op("random_key", both, number(), stream=stream)
    return key


def seeds_behind(tensors: Iterable[Tensor]) -> list[Tensor]:
    """The seeds of the random ops among `tensors`; another number for one can be given to a function (`givens`)."""
    return list({t.operands[0]: None for t in tensors if t.op is not None and t.op.name == "random_key"
                 and t.operands[0].op is not None and t.operands[0].op.name == "full"})


def _seed(seed: int | None, bound: int) -> int:
    """The seed given, or one below `bound`, with the one draw from NumPy that Keras makes."""
    return int(np.random.randint(bound)) if seed is None else int(seed)


def _uniform(seed: int | None, stream: int, shape: Shape, dtype: DType) -> Tensor:
    return apply_op("random_uniform", _key(seed, stream), shape=shape, dtype=dtype)


def random_uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0, dtype: str | None = None,
                   seed: int | None = None) -> Tensor:
    """Numbers spread evenly over [minval, maxval); whole ones for an integer dtype."""
    wanted, dims = dtype_of(dtype or floatx()), dims_of(shape)
    if wanted.is_float:
        return _scaled(_uniform(seed, _UNIFORM, dims, wanted), maxval - minval, minval)
    drawn = _uniform(seed, _UNIFORM, dims, dtype_of("float64"))
    return cast_to(apply_op("floor", _scaled(drawn, maxval - minval, minval)), wanted)


def random_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: str | None = None,
                  seed: int | None = None) -> Tensor:
    """Normally distributed numbers."""
    drawn = apply_op("random_normal", _key(seed, _NORMAL), shape=dims_of(shape), dtype=dtype_of(dtype or floatx()))
    return _scaled(drawn, stddev, mean)


def truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0, dtype: str | None = None,
                     seed: int | None = None) -> Tensor:
    """Normally distributed numbers within two standard deviations of the mean.

    The inverse of the distribution function, sqrt(2) erfinv(2p - 1), of a number p drawn evenly from what the
    two bounds leave.
    """
    drawn = _uniform(seed, _TRUNCATED, dims_of(shape), dtype_of(dtype or floatx()))
    edge = erf(sqrt(2.0))
    normal = _erfinv(_scaled(drawn, 2 * edge, -edge)) * sqrt(2.0)
    normal = apply_op("minimum", apply_op("maximum", normal, full_like(-2, normal)), full_like(2, normal))
    return _scaled(normal, stddev, mean)


def _erfinv(x: Tensor) -> Tensor:
    """The inverse error function for |x| < 0.9966, to seven digits."""
    w = -apply_op("log", 1.0 - x * x) - 2.5
    p = full_like(_ERFINV[0], x)
    for coefficient in _ERFINV[1:]:
        p = p * w + coefficient
    return p * x


def _scaled(x: Tensor, by: Any, plus: Any) -> Tensor:
    if isinstance(by, Tensor) or by != 1:
        x = x * by
    return x + plus if isinstance(plus, Tensor) or plus != 0 else x


def random_binomial(shape: Any, p: Any = 0.0, dtype: str | None = None, seed: int | None = None) -> Tensor:
    """Ones with probability `p`, else zeros."""
    wanted, dims = dtype_of(dtype or floatx()), dims_of(shape)
    drawn = _uniform(seed, _UNIFORM, dims, wanted if wanted.is_float else dtype_of("float32"))
    return cast_to(drawn < p, wanted)


def dropout(x: Tensor, level: float, noise_shape: Any = None, seed: int | None = None) -> Tensor:
    """`x` with a share `level` of its elements set to 0 and the others divided by 1 - level.

    noise_shape  the shape of the mask, broadcast against `x`; None stands for the size of `x` on that axis

    Raises ArgumentError for a share outside of [0, 1).
    """
    if not 0 <= level < 1:
        raise ArgumentError("no share of elements", where="K.dropout", expected="0 <= level < 1", got=repr(level))
    kept = apply_op("random_mask", _key(seed, _DROPOUT), shape=_noise_dims(x, noise_shape), dtype=x.type.dtype,
                    level=float(level))
    kept = broadcast_to(kept, x.dims)
    return apply_op("select", kept, x * (1.0 / (1.0 - level)), full_like(0, x))


def _noise_dims(x: Tensor, noise_shape: Any) -> Shape:
    if noise_shape is None:
        return x.dims
    if isinstance(noise_shape, Tensor):
        return dims_of(noise_shape)
    return tuple(d if n is None else dim_of(n) for n, d in zip(noise_shape, x.dims, strict=True))


def random_uniform_variable(shape: Any, low: float, high: float, dtype: str | None = None, name: str | None = None,
                            seed: int | None = None) -> Variable:
    """A variable whose first values are spread evenly over [low, high)."""
    return variable(random_uniform(shape, low, high, dtype, _seed(seed, 1_000_000_000)), dtype, name)


def random_normal_variable(shape: Any, mean: float, scale: float, dtype: str | None = None, name: str | None = None,
                           seed: int | None = None) -> Variable:
    """A variable whose first values are normally distributed."""
    return variable(random_normal(shape, mean, scale, dtype, _seed(seed, 1_000_000_000)), dtype, name)
