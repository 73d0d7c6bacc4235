"""What a sample of an op is, and how its graph and its inputs are made.

What does not live here: the samples themselves (samples.py).
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.ir import Builder, Graph, TensorType, dtype_of
from graphc.ir.dims import bind_shape, parse_dim

Domain = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True, eq=False)
class Sample:
    """One application of an op: `types` of the operands as text, attributes, and where operands come from.

    domain    one per operand, or one for all; None: anything in (-2, 2), 0..4 for integers
    given     the operands themselves, in place of a domain
    expected  the result as computed in float64 from float64 operands, or the result itself
    smooth    whether the gradient can be compared with differences
    sizes     the value of each symbol in the types
    """

    op: str
    types: tuple[str, ...]
    attrs: dict[str, Any]
    domain: tuple[Domain | None, ...] = ()
    given: tuple[Any, ...] | None = None
    expected: Any = None
    smooth: bool = True
    sizes: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.op}({','.join(self.types)})"

    @property
    def size_inputs(self) -> list[str]:
        """The types of further inputs, one for each symbol that no operand tells."""
        told = set().union(*(type_of(text).symbols for text in self.types))
        return [f"f32[{symbol}]" for symbol in sorted(self.sizes.keys() - told)]


def sample(op: str, *types: str, domain: Any = None, given: Any = None, expected: Any = None, smooth: bool = True,
           sizes: dict[str, int] | None = None, **attrs: Any) -> Sample:
    """A Sample; `domain` may be one for all operands."""
    domains = domain if isinstance(domain, tuple) else (domain,) * len(types)
    return Sample(op, types, attrs, domains, given, expected, smooth and given is None, sizes or {})


def type_of(text: str) -> TensorType:
    """`f32[B,4]` as a type."""
    dtype, dims = re.fullmatch(r"(\w+)\[(.*)\]", text).groups()
    return TensorType(dtype_of(dtype), tuple(parse_dim(d) for d in dims.split(",") if d))


def graph_of(sample: Sample) -> Graph:
    """The graph that applies the sample's op to inputs x0, x1, ...; see `Sample.size_inputs`."""
    b = Builder()
    operands = [b.input(type_of(text), f"x{i}") for i, text in enumerate(sample.types)]
    for text in sample.size_inputs:
        b.input(type_of(text), "like")
    return b.graph([b.emit(sample.op, *operands, **sample.attrs)], sample.op)


def arrays_of(sample: Sample) -> list[np.ndarray]:
    """Inputs of the declared dtypes; always the same for one sample."""
    rng = np.random.default_rng(zlib.crc32(sample.name.encode()))
    arrays = []
    for i, text in enumerate((*sample.types, *sample.size_inputs)):
        type_ = type_of(text)
        if sample.given is not None and i < len(sample.given):
            drawn = np.array(sample.given[i])
        else:
            domain = sample.domain[i] if i < len(sample.domain) else None
            drawn = (domain or _default(type_))(rng, bind_shape(type_.shape, sample.sizes))
        arrays.append(drawn.astype(type_.dtype.numpy))
    return arrays


def expected_of(sample: Sample, arrays: list[np.ndarray]) -> np.ndarray:
    """The result in double precision, computed without the op's reference."""
    if not callable(sample.expected):
        return np.asarray(sample.expected)
    wide = [a.astype(np.float64) if a.dtype.kind == "f" else a for a in arrays[:len(sample.types)]]
    return np.asarray(sample.expected(*wide))


def _default(type_: TensorType) -> Domain:
    return {"f": between(-2, 2), "b": integers(0, 2)}.get(type_.dtype.numpy.kind, integers(0, 5))


# ---- domains


def between(low: float, high: float) -> Domain:
    return lambda rng, shape: rng.uniform(low, high, shape)


def integers(low: int, high: int) -> Domain:
    """Whole numbers in [low, high)."""
    return lambda rng, shape: rng.integers(low, high, shape)


def away_from_zero(low: float = 0.1, high: float = 2.0) -> Domain:
    return lambda rng, shape: rng.uniform(low, high, shape) * rng.choice([-1, 1], shape)


def between_integers(low: int, high: int) -> Domain:
    """Numbers at least a tenth away from the next whole one, and from the next half."""
    return lambda rng, shape: rng.integers(low, high, shape) + rng.choice([0.15, 0.35, 0.65, 0.85], shape)


def distinct(step: float = 0.125) -> Domain:
    """Multiples of `step` around 0 in random order, offset by a third of it: no two equal, none 0."""
    return lambda rng, shape: ((rng.permutation(int(np.prod(shape))) - np.prod(shape) // 2) * step
                               + step / 3).reshape(shape)


# ---- expected values, element by element in Python's own arithmetic


def each(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """`function` of Python numbers on every element of equally shaped arrays."""
    def apply(*arrays: np.ndarray) -> np.ndarray:
        columns = zip(*(a.ravel().tolist() for a in arrays), strict=True)
        return np.array([function(*column) for column in columns]).reshape(arrays[0].shape)

    return apply


def fold(function: Callable[[list], Any], *axes: int) -> Callable[[np.ndarray], np.ndarray]:
    """`function` of the list of elements along `axes`, for every position on the other axes."""
    def apply(x: np.ndarray) -> np.ndarray:
        kept = [i for i in range(x.ndim) if i not in axes]
        shape = [x.shape[i] for i in kept]
        rows = x.transpose(*kept, *axes).reshape(int(np.prod(shape)), -1)
        return np.array([function(row.tolist()) for row in rows]).reshape(shape)

    return apply
