"""The path `keras.backend.tensorflow_backend`, from which scripts import functions of K.

What does not live here: the functions; what only TensorFlow has (tensorflow_only.py).
"""

from typing import Any

from graphc.frontend_keras import backend as _backend


def _get_available_gpus() -> list[str]:
    """TensorFlow's devices, of which there are none."""
    return []


def __getattr__(name: str) -> Any:
    return getattr(_backend, name)
