"""The Keras 2.2.4 backend API, usually imported as K: every public name, nothing else.

Each topic has its module. Where its functions take tensors, they also take arrays when called by the names here.
"""

# ruff: noqa: F401, I001  (a table of names)
import graphc.ir
from graphc.frontend_keras.backend.activations import (
    elu, hard_sigmoid, relu, sigmoid, softmax, softplus, softsign, tanh)
from graphc.frontend_keras.backend.arrays import accept_arrays
from graphc.frontend_keras.backend.config import (
    backend, cast_to_floatx, epsilon, floatx, image_data_format, image_dim_ordering, normalize_data_format,
    precision, set_epsilon, set_floatx, set_image_data_format, set_image_dim_ordering, set_precision, set_target,
    target, write_default_config)
from graphc.frontend_keras.backend.contraction import batch_dot, bias_add, dot
from graphc.frontend_keras.backend.convolution import (
    conv1d, conv2d, conv2d_transpose, conv3d, conv3d_transpose, depthwise_conv2d, local_conv1d, local_conv2d,
    separable_conv1d, separable_conv2d)
from graphc.frontend_keras.backend.ctc import ctc_batch_cost
from graphc.frontend_keras.backend.ctc_decoding import ctc_decode
from graphc.frontend_keras.backend.elementwise import (
    abs, cast, clip, cos, equal, exp, greater, greater_equal, less, less_equal, log, maximum, minimum, not_equal, pow,
    round, sign, sin, sqrt, square)
from graphc.frontend_keras.backend.function import Function, function
from graphc.frontend_keras.backend.gradients import gradients, stop_gradient
from graphc.frontend_keras.backend.leaves import Placeholder
from graphc.frontend_keras.backend.loops import foldl, foldr, map_fn
from graphc.frontend_keras.backend.losses import (
    binary_crossentropy, categorical_crossentropy, in_top_k, l2_normalize, sparse_categorical_crossentropy)
from graphc.frontend_keras.backend.naming import get_uid, name_scope, origin, reset_uids
from graphc.frontend_keras.backend.normalization import batch_normalization, normalize_batch_in_training
from graphc.frontend_keras.backend.phase import (
    in_test_phase, in_train_phase, learning_phase, set_learning_phase, switch)
from graphc.frontend_keras.backend.pooling import pool2d, pool3d
from graphc.frontend_keras.backend.random import (
    dropout, random_binomial, random_normal, random_normal_variable, random_uniform, random_uniform_variable,
    truncated_normal)
from graphc.frontend_keras.backend.recurrence import rnn
from graphc.frontend_keras.backend.reductions import (
    all, any, argmax, argmin, cumprod, cumsum, logsumexp, max, mean, min, prod, std, sum, var)
from graphc.frontend_keras.backend.session import (
    clear_session, count_params, dtype, get_variable_shape, int_shape, is_keras_tensor, is_placeholder, is_sparse,
    is_tensor, is_variable, ndim, to_dense)
from graphc.frontend_keras.backend.shaping import (
    arange, batch_flatten, concatenate, expand_dims, flatten, gather, one_hot, permute_dimensions, repeat,
    repeat_elements, reshape, resize_images, resize_volumes, reverse, slice, spatial_2d_padding, spatial_3d_padding,
    squeeze, stack, temporal_padding, tile, transpose)
from graphc.frontend_keras.backend.sizes import shape
from graphc.frontend_keras.backend.tensor import Tensor
from graphc.frontend_keras.backend.tensorflow_only import (
    OfTensorFlowError, ctc_label_dense_to_sparse, get_session, manual_variable_initialization, set_session)
from graphc.frontend_keras.backend.variables import (
    Update, Variable, batch_get_value, batch_set_value, constant, eval, eye, get_value, identity, moving_average_update,
    ones, ones_like, placeholder, print_tensor, set_value, update, update_add, update_sub, variable, zeros, zeros_like)
from graphc.frontend_keras.backend import tensorflow_backend

accept_arrays(globals())
del accept_arrays

__all__ = sorted(name for name, value in globals().items()  # modules left out: `random` is also one of the user's
                 if not name.startswith("_") and not isinstance(value, type(graphc)))
