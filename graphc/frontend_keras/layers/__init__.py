"""The layers of Keras 2.2.4: every public name, and the table of classes that configurations may name.

What does not live here: any layer; each topic has its module.
"""

# ruff: noqa: F401, I001  (a table of names)
from types import MappingProxyType

from graphc.frontend_keras.engine import registry
from graphc.frontend_keras.engine.base_layer import InputSpec, Layer
from graphc.frontend_keras.engine.input_layer import Input, InputLayer
from graphc.frontend_keras.engine.registry import deserialize_layer as deserialize
from graphc.frontend_keras.engine.registry import serialize_layer as serialize
from graphc.frontend_keras.engine.sequential import Sequential
from graphc.frontend_keras.engine.training import Model
from graphc.frontend_keras.layers.advanced_activations import ELU, LeakyReLU, PReLU, ReLU, Softmax, ThresholdedReLU
from graphc.frontend_keras.layers.convolutional import (
    AtrousConv1D, AtrousConv2D, AtrousConvolution1D, AtrousConvolution2D, Conv1D, Conv2D, Conv2DTranspose, Conv3D,
    Conv3DTranspose, Convolution1D, Convolution2D, Convolution2DTranspose, Convolution3D, Deconv2D, Deconv3D,
    Deconvolution2D, Deconvolution3D, DepthwiseConv2D, SeparableConv1D, SeparableConv2D, SeparableConvolution1D,
    SeparableConvolution2D)
from graphc.frontend_keras.layers.convolutional_recurrent import ConvLSTM2D, ConvLSTM2DCell, ConvRNN2D
from graphc.frontend_keras.layers.core import (
    Activation, ActivityRegularization, Dense, Dropout, Flatten, Masking, Permute, RepeatVector, Reshape,
    SpatialDropout1D, SpatialDropout2D, SpatialDropout3D)
from graphc.frontend_keras.layers.cudnn_recurrent import CuDNNGRU, CuDNNLSTM
from graphc.frontend_keras.layers.embeddings import Embedding
from graphc.frontend_keras.layers.function_layer import Lambda
from graphc.frontend_keras.layers.keras1 import ConvRecurrent2D, Highway, MaxoutDense, Merge
from graphc.frontend_keras.layers.keras1_recurrent import Recurrent
from graphc.frontend_keras.layers.local import LocallyConnected1D, LocallyConnected2D
from graphc.frontend_keras.layers.merge import (
    Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract, add, average, concatenate, dot, maximum,
    minimum, multiply, subtract)
from graphc.frontend_keras.layers.noise import AlphaDropout, GaussianDropout, GaussianNoise
from graphc.frontend_keras.layers.normalization import BatchNormalization
from graphc.frontend_keras.layers.pooling import (
    AveragePooling1D, AveragePooling2D, AveragePooling3D, AvgPool1D, AvgPool2D, AvgPool3D, GlobalAveragePooling1D,
    GlobalAveragePooling2D, GlobalAveragePooling3D, GlobalAvgPool1D, GlobalAvgPool2D, GlobalAvgPool3D,
    GlobalMaxPool1D, GlobalMaxPool2D, GlobalMaxPool3D, GlobalMaxPooling1D, GlobalMaxPooling2D, GlobalMaxPooling3D,
    MaxPool1D, MaxPool2D, MaxPool3D, MaxPooling1D, MaxPooling2D, MaxPooling3D)
from graphc.frontend_keras.layers.recurrent import (
    GRU, LSTM, RNN, GRUCell, LSTMCell, SimpleRNN, SimpleRNNCell, StackedRNNCells)
from graphc.frontend_keras.layers.spatial import (
    Cropping1D, Cropping2D, Cropping3D, UpSampling1D, UpSampling2D, UpSampling3D, ZeroPadding1D, ZeroPadding2D,
    ZeroPadding3D)
from graphc.frontend_keras.layers.wrappers import Bidirectional, TimeDistributed, Wrapper

LAYERS = MappingProxyType({name: value for name, value in globals().items()
                           if isinstance(value, type) and issubclass(value, Layer)
                           and value not in (Layer, ConvRecurrent2D, Merge, Recurrent)}
                          | {"Functional": Model})
"""Class name in a configuration -> class, Keras 1's names included; tf_keras calls a Model Functional."""

registry.fill(LAYERS)

__all__ = [*(name for name in LAYERS if name not in ("Functional", "Model", "Sequential")), "LAYERS",
           "AtrousConv1D", "AtrousConv2D", "AtrousConvolution1D", "AtrousConvolution2D", "ConvRecurrent2D", "Input",
           "InputSpec", "Layer", "Merge", "Recurrent", "add", "average", "concatenate", "deserialize", "dot",
           "maximum", "minimum", "multiply", "serialize", "subtract"]
