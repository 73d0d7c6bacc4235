"""The name that Keras 1 gave to losses.py; scripts still import it.

What does not live here: anything of its own.
"""
from graphc.frontend_keras.losses import *  # noqa: F403
