"""Data made ready for models: images, sequences, texts.

What does not live here: anything that computes; each module is named as in Keras.
"""

from graphc.frontend_keras.preprocessing import image, sequence, text

__all__ = ["image", "sequence", "text"]
