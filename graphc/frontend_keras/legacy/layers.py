"""The names of keras.legacy.layers.

What does not live here: what they name.
"""

from graphc.frontend_keras.layers.convolutional import AtrousConvolution1D, AtrousConvolution2D
from graphc.frontend_keras.layers.keras1 import ConvRecurrent2D, Highway, MaxoutDense, Merge, merge
from graphc.frontend_keras.layers.keras1_recurrent import Recurrent

__all__ = ["AtrousConvolution1D", "AtrousConvolution2D", "ConvRecurrent2D", "Highway", "MaxoutDense", "Merge",
           "Recurrent", "merge"]
