"""keras.legacy: what scripts of Keras 1 and writers of subclasses import.

What does not live here: how old keywords are read (engine/legacy.py), the old layers (layers/keras1.py).
"""

from graphc.frontend_keras.legacy import interfaces, layers

__all__ = ["interfaces", "layers"]
