"""The Keras 2.2.4 API on graphc: `from graphc import frontend_keras as keras`.

What does not live here: anything that computes; each module is named as in Keras.
"""

from graphc.frontend_keras import (
    activations,
    applications,
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
    wrappers,
)
from graphc.frontend_keras.layers import Input
from graphc.frontend_keras.models import Model, Sequential

__version__ = "2.2.4"

__all__ = ["Input", "Model", "Sequential", "__version__", "activations", "applications", "backend", "callbacks",
           "constraints", "engine", "initializers", "layers", "losses", "metrics", "models", "optimizers",
           "regularizers", "utils", "wrappers"]
