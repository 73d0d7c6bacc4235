"""Models in the clothes of other libraries.

What does not live here: any wrapper; each library has a module.
"""

from graphc.frontend_keras.wrappers import scikit_learn

__all__ = ["scikit_learn"]
