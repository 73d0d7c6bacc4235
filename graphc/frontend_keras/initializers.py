"""The initializers of Keras 2.2.4: (shape, dtype=None) -> the first value of a weight.

The random ones return tensors that are evaluated when the weight is first needed; the orthogonal and
the identity matrix are NumPy arrays, made at once but in models that come from files. A seed makes a value
reproducible; without one the seed is drawn from NumPy's global generator, as Keras with TensorFlow does.

What does not live here: the weights (backend.variable), the random generator (backend).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, ShapeError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.backend.variables import Later
from graphc.frontend_keras.utils.checks import finite, known_keys, parameters_of
from graphc.frontend_keras.utils.generic_utils import has_arg, serialize_keras_object
from graphc.frontend_keras.utils.named_objects import NamedObjects

__all__ = ["Constant", "Identity", "Initializer", "Ones", "Orthogonal", "RandomNormal", "RandomUniform",
           "TruncatedNormal", "VarianceScaling", "Zeros", "constant", "deserialize", "get", "glorot_normal",
           "glorot_uniform", "he_normal", "he_uniform", "identity", "lecun_normal", "lecun_uniform", "normal", "one",
           "ones", "orthogonal", "random_normal", "random_uniform", "serialize", "truncated_normal", "uniform", "zero",
           "zeros"]

# Standard deviation of a standard normal variable truncated to [-2, 2].
_TRUNCATED_STDDEV = 0.87962566103423978
_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("normal", "truncated_normal", "untruncated_normal", "uniform")
_NEUTRAL = MappingProxyType({"dtype": (None, "float32", "float64"), "input_axes": (None,), "output_axes": (None,)})


class Initializer:
    """Base of the initializers."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Initializer:
        """A `dtype`, which tf.keras files carry, is left out: the weight's own dtype decides."""
        accepted = parameters_of(cls)
        return cls(**(config if accepted is None else known_keys(cls.__name__, config, accepted, _NEUTRAL)))


class Zeros(Initializer):
    """All 0."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return K.constant(0, shape=shape, dtype=dtype)


class Ones(Initializer):
    """All 1."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return K.constant(1, shape=shape, dtype=dtype)


class Constant(Initializer):
    """All `value`; an array fills the weight with its own numbers."""

    def __init__(self, value: Any = 0):
        if np.ndim(value) == 0:
            finite(value, "value", "Constant")
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return K.constant(self.value, shape=shape, dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}


class RandomNormal(Initializer):
    """Normal distribution."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None):
        _check_normal(type(self).__name__, mean, stddev)
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return K.random_normal(shape, self.mean, self.stddev, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


class RandomUniform(Initializer):
    """Uniform distribution over [minval, maxval)."""

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None):
        finite(minval, "minval", "RandomUniform")
        finite(maxval, "maxval", "RandomUniform")
        self.minval, self.maxval, self.seed = minval, maxval, seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return K.random_uniform(shape, self.minval, self.maxval, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


class TruncatedNormal(Initializer):
    """Normal distribution without the values more than two `stddev` from the mean."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None):
        _check_normal(type(self).__name__, mean, stddev)
        self.mean, self.stddev, self.seed = mean, stddev, seed

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return K.truncated_normal(shape, self.mean, self.stddev, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


def _check_normal(where: str, mean: Any, stddev: Any) -> None:
    finite(mean, "mean", where)
    finite(stddev, "stddev", where, at_least=0)


class VarianceScaling(Initializer):
    """Random values whose variance is scale / n, with n from the weight's shape.

    scale         > 0
    mode          n is the number of inputs (fan_in), of outputs (fan_out), or their mean (fan_avg)
    distribution  normal (truncated at two standard deviations, then widened so that the variance
                  is right; also called truncated_normal), untruncated_normal, or uniform

    Raises ArgumentError for other values.
    """

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "normal",
                 seed: int | None = None):
        if finite(scale, "scale", "VarianceScaling") <= 0:
            raise ArgumentError("`scale` must be a positive float", where="VarianceScaling", got=scale)
        self.scale, self.seed = scale, seed
        self.mode = _word(mode, "mode", _MODES)
        self.distribution = _word(distribution, "distribution", _DISTRIBUTIONS)

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        fan_in, fan_out = _compute_fans(shape)
        units = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        variance = self.scale / max(1.0, units)
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return K.random_uniform(shape, -limit, limit, dtype=dtype, seed=self.seed)
        if self.distribution == "untruncated_normal":
            return K.random_normal(shape, 0.0, math.sqrt(variance), dtype=dtype, seed=self.seed)
        return K.truncated_normal(shape, 0.0, math.sqrt(variance) / _TRUNCATED_STDDEV, dtype=dtype, seed=self.seed)

    def get_config(self) -> dict[str, Any]:
        return {"scale": self.scale, "mode": self.mode, "distribution": self.distribution, "seed": self.seed}


def _word(value: Any, name: str, allowed: tuple[str, ...]) -> str:
    word = str(value).lower()
    if word not in allowed:
        raise ArgumentError(f"Invalid `{name}` argument", where="VarianceScaling",
                            expected=" or ".join(allowed), got=repr(value))
    return word


class Matrix(Initializer):
    """Base of those whose value is an array, which may be as large as a few words of a file say."""

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> np.ndarray:
        self.check(shape)
        return self.value(shape).astype(dtype or K.floatx())

    def check(self, shape: Sequence[int]) -> None:
        """Raise ShapeError where there is no value of this shape."""
        raise NotImplementedError

    def value(self, shape: Sequence[int]) -> np.ndarray:
        """The float64 value of a shape that fits."""
        raise NotImplementedError


class Orthogonal(Matrix):
    """A matrix with orthonormal rows or columns, times `gain`; from the SVD of a normal random matrix.

    Saxe et al., 2014, arXiv:1312.6120. Shapes of more axes are flattened to (all but the last, last).
    The numbers come from NumPy's global generator, and a `seed` seeds that generator, as in Keras:
    what is drawn later, such as the order of the batches, depends on it.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None):
        finite(gain, "gain", "Orthogonal")
        self.gain, self.seed = gain, seed

    def check(self, shape: Sequence[int]) -> None:
        if len(shape) < 2:
            raise ShapeError("an orthogonal matrix needs two axes", where="Orthogonal", expected="rank >= 2",
                             got=tuple(shape))

    def value(self, shape: Sequence[int]) -> np.ndarray:
        flat = (math.prod(shape[:-1]), shape[-1])
        if self.seed is not None:
            np.random.seed(self.seed)
        u, _, v = np.linalg.svd(np.random.normal(0.0, 1.0, flat), full_matrices=False)
        return self.gain * (u if u.shape == flat else v).reshape(shape)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed}


class Identity(Matrix):
    """The identity matrix times `gain`, several of them side by side for a shape that is longer one way.

    Raises ShapeError for another rank than 2, and for a long side that is no multiple of the short one.
    """

    def __init__(self, gain: float = 1.0):
        finite(gain, "gain", "Identity")
        self.gain = gain

    def check(self, shape: Sequence[int]) -> None:
        if len(shape) != 2:
            raise ShapeError("Identity matrix initializer can only be used for 2D matrices", where="Identity",
                             expected="rank 2", got=tuple(shape))
        short, long = sorted(shape)
        if short and long % short:
            raise ShapeError("Long side should be multiple of short side", where="Identity", got=tuple(shape))

    def value(self, shape: Sequence[int]) -> np.ndarray:
        short = min(shape)
        return self.gain * np.tile(np.eye(short), [side // max(short, 1) for side in shape])

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


_WAITING: ContextVar[bool] = ContextVar("waiting", default=False)


@contextmanager
def matrices_wait() -> Iterator[None]:
    """Within, first values that are matrices are made when somebody looks at them, and not where others take their
    place before: a file's few words do not cost the decomposition of the matrix that they describe."""
    token = _WAITING.set(True)
    try:
        yield
    finally:
        _WAITING.reset(token)


def first_value(initializer: Callable[..., Any], shape: tuple[int, ...], dtype: str) -> Any:
    """What K.variable takes, from an initializer or a function (shape) or (shape, dtype)."""
    if _WAITING.get() and isinstance(initializer, Matrix):
        initializer.check(shape)
        return Later(shape, partial(initializer.value, shape))
    return initializer(shape, dtype=dtype) if has_arg(initializer, "dtype", accept_all=True) else initializer(shape)


def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform within sqrt(3 / fan_in). LeCun et al., Efficient BackProp, 1998."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal of variance 1 / fan_in. Klambauer et al., 2017."""
    return VarianceScaling(1.0, "fan_in", "normal", seed)


def glorot_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform within sqrt(6 / (fan_in + fan_out)). Glorot and Bengio, 2010."""
    return VarianceScaling(1.0, "fan_avg", "uniform", seed)


def glorot_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal of variance 2 / (fan_in + fan_out). Glorot and Bengio, 2010."""
    return VarianceScaling(1.0, "fan_avg", "normal", seed)


def he_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform within sqrt(6 / fan_in). He et al., 2015, arXiv:1502.01852."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


def he_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal of variance 2 / fan_in. He et al., 2015, arXiv:1502.01852."""
    return VarianceScaling(2.0, "fan_in", "normal", seed)


def _compute_fans(shape: Sequence[int]) -> tuple[float, float]:
    """Inputs and outputs of one unit: of a matrix, of a (spatial..., in, out) kernel, else the root of the size."""
    if len(shape) == 2:
        return shape[0], shape[1]
    if len(shape) in (3, 4, 5):
        field = math.prod(shape[:-2])
        return shape[-2] * field, shape[-1] * field
    root = math.sqrt(math.prod(shape))
    return root, root


zero = zeros = Zeros
one = ones = Ones
constant = Constant
uniform = random_uniform = RandomUniform
normal = random_normal = RandomNormal
truncated_normal = TruncatedNormal
identity = Identity
orthogonal = Orthogonal


def _from_config(name: str, make: Callable[..., VarianceScaling]) -> Callable[..., VarianceScaling]:
    """`make` for configurations, which hold a seed and, if a later Keras wrote them, a neutral dtype."""
    def build(**config: Any) -> VarianceScaling:
        return make(**known_keys(name, config, ("seed",), _NEUTRAL))

    build.__name__ = name
    return build


_SCALINGS = {
    "lecun_uniform": lecun_uniform, "lecun_normal": lecun_normal, "glorot_uniform": glorot_uniform,
    "glorot_normal": glorot_normal, "he_uniform": he_uniform, "he_normal": he_normal,
    "LecunUniform": lecun_uniform, "LecunNormal": lecun_normal, "GlorotUniform": glorot_uniform,
    "GlorotNormal": glorot_normal, "HeUniform": he_uniform, "HeNormal": he_normal}

_NAMED = NamedObjects("initializer", {
    "Initializer": Initializer, "Zeros": Zeros, "Ones": Ones, "Constant": Constant, "RandomNormal": RandomNormal,
    "RandomUniform": RandomUniform, "TruncatedNormal": TruncatedNormal, "VarianceScaling": VarianceScaling,
    "Orthogonal": Orthogonal, "Identity": Identity,
    "zero": Zeros, "zeros": Zeros, "one": Ones, "ones": Ones, "constant": Constant, "uniform": RandomUniform,
    "random_uniform": RandomUniform, "normal": RandomNormal, "random_normal": RandomNormal,
    "truncated_normal": TruncatedNormal, "identity": Identity, "orthogonal": Orthogonal,
    "OrthogonalInitializer": Orthogonal, "IdentityInitializer": Identity,
    **{name: _from_config(name, make) for name, make in _SCALINGS.items()}})


def serialize(initializer: Any) -> Any:
    """{"class_name", "config"} of an initializer; the name of a function; None stays None."""
    return serialize_keras_object(initializer)


deserialize = _NAMED.deserialize


def get(identifier: Any) -> Any:
    """An initializer from a name, a configuration, a class or a callable (shape, dtype); None stays None.

    Raises ArgumentError for anything else.
    """
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    return _NAMED.get(identifier)
