"""The layers of Keras 2.2.4: every public name, and the table of classes that configurations may name.

What does not live here: any layer; each topic has its module.
"""

from types import MappingProxyType

from graphc.frontend_keras.engine import registry
from graphc.frontend_keras.engine.base_layer import InputSpec, Layer
from graphc.frontend_keras.engine.input_layer import Input, InputLayer
from graphc.frontend_keras.engine.registry import deserialize_layer as deserialize
from graphc.frontend_keras.engine.registry import serialize_layer as serialize
from graphc.frontend_keras.engine.sequential import Sequential
from graphc.frontend_keras.engine.training import Model
from graphc.frontend_keras.layers.advanced_activations import ELU, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
from graphc.frontend_keras.layers.core import (
    Activation,
    ActivityRegularization,
    Dense,
    Dropout,
    Flatten,
    Masking,
    Permute,
    RepeatVector,
    Reshape,
    SpatialDropout1D,
    SpatialDropout2D,
    SpatialDropout3D,
)
from graphc.frontend_keras.layers.function_layer import Lambda
from graphc.frontend_keras.layers.merge import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from graphc.frontend_keras.layers.noise import AlphaDropout, GaussianDropout, GaussianNoise
from graphc.frontend_keras.layers.recurrent import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    SimpleRNN,
    SimpleRNNCell,
    StackedRNNCells,
)

LAYERS = MappingProxyType({layer.__name__: layer for layer in (
    InputLayer, Activation, ActivityRegularization, Dense, Dropout, Flatten, Lambda, Masking, Permute, RepeatVector,
    Reshape, SpatialDropout1D, SpatialDropout2D, SpatialDropout3D, Add, Average, Concatenate, Dot, Maximum, Minimum,
    Multiply, Subtract, AlphaDropout, GaussianDropout, GaussianNoise, ELU, LeakyReLU, PReLU, ReLU, Softmax,
    ThresholdedReLU, GRU, GRUCell, LSTM, LSTMCell, RNN, SimpleRNN, SimpleRNNCell, StackedRNNCells, Model,
    Sequential)} | {"Functional": Model})
"""Class name in a configuration -> class; tf_keras calls a Model Functional."""

registry.fill(LAYERS)

__all__ = ["ELU", "GRU", "LAYERS", "LSTM", "RNN", "Activation", "ActivityRegularization", "Add", "AlphaDropout",
           "Average", "Concatenate", "Dense", "Dot", "Dropout", "Flatten", "GRUCell", "GaussianDropout",
           "GaussianNoise", "Input", "InputLayer", "InputSpec", "LSTMCell", "Lambda", "Layer", "LeakyReLU", "Masking",
           "Maximum", "Minimum", "Multiply", "PReLU", "Permute", "ReLU", "RepeatVector", "Reshape", "SimpleRNN",
           "SimpleRNNCell", "Softmax", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "StackedRNNCells",
           "Subtract", "ThresholdedReLU", "add", "average", "concatenate", "deserialize", "dot", "maximum", "minimum",
           "multiply", "serialize", "subtract"]
