"""The Keras 2.2.4 API on graphc: `from graphc import frontend_keras as keras`.

What few scripts need is loaded when it is first named. What does not live here: anything that computes; each module is
named as in Keras.
"""

from importlib import import_module
from typing import Any

from graphc.frontend_keras import (
    activations,
    backend,
    callbacks,
    constraints,
    engine,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    utils,
)
from graphc.frontend_keras.layers import Input
from graphc.frontend_keras.models import Model, Sequential

__version__ = "2.2.4"

_LATER = ("applications", "datasets", "legacy", "preprocessing", "wrappers")

__all__ = ["Input", "Model", "Sequential", "__version__", "activations", "backend", "callbacks", "constraints",
           "engine", "initializers", "layers", "losses", "metrics", "models", "optimizers", "regularizers", "utils",
           *_LATER]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
