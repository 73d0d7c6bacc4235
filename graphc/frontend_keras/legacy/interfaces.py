"""keras.legacy.interfaces: decorators for the `__init__` of a subclass that shall take the keywords of Keras 1 too.

    class MyDense(Dense):
        @interfaces.legacy_dense_support
        def __init__(self, units, **kwargs): ...

The layers of this package take them without; a subclass needs a decorator where its own arguments have such names.

What does not live here: which keywords the layers take (each has its table).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.frontend_keras.engine.legacy import renamed_keywords, shape_first
from graphc.frontend_keras.engine.training_generator import keras1_keywords
from graphc.frontend_keras.layers.convolutional_base import CONVERT_1, KERAS_1, sizes_apart
from graphc.frontend_keras.layers.core import DENSE_1
from graphc.frontend_keras.layers.normalization import BATCH_NORMALIZATION_1
from graphc.frontend_keras.layers.pooling import POOLING_1, POOLING_1D_1
from graphc.frontend_keras.layers.recurrent import RECURRENT_1
from graphc.frontend_keras.optimizers.base import either_order
from graphc.frontend_keras.utils.checks import KeywordError

__all__ = ["generate_legacy_interface", "generate_legacy_method_interface", "legacy_add_weight_support",
           "legacy_batchnorm_support", "legacy_conv1d_support", "legacy_conv2d_support", "legacy_conv3d_support",
           "legacy_convlstm2d_support", "legacy_cropping2d_support", "legacy_cropping3d_support",
           "legacy_deconv2d_support", "legacy_dense_support", "legacy_dropout_support", "legacy_embedding_support",
           "legacy_gaussiandropout_support", "legacy_gaussiannoise_support", "legacy_generator_methods_support",
           "legacy_get_updates_support", "legacy_global_pooling_support", "legacy_input_support",
           "legacy_lambda_support", "legacy_model_constructor_support", "legacy_pooling1d_support",
           "legacy_pooling2d_support", "legacy_pooling3d_support", "legacy_prelu_support", "legacy_recurrent_support",
           "legacy_separable_conv2d_support", "legacy_spatialdropout1d_support", "legacy_spatialdropoutNd_support",
           "legacy_upsampling1d_support", "legacy_upsampling2d_support", "legacy_upsampling3d_support",
           "legacy_zeropadding2d_support", "legacy_zeropadding3d_support"]

Method = Callable[..., Any]


def generate_legacy_interface(allowed_positional_args: Sequence[str] | None = None,
                              conversions: Sequence[tuple[str, str]] | None = None,
                              preprocessor: Callable[..., Any] | None = None,
                              value_conversions: Mapping[str, Mapping[Any, Any]] | None = None,
                              object_type: str = "class") -> Callable[[Method], Method]:
    """A decorator that reads old keywords as new ones, with a warning.

    allowed_positional_args  arguments that may come by position; None: all
    conversions              pairs (old keyword, new keyword)
    preprocessor             (args, kwargs) -> (args, kwargs, converted), before everything else; args begin with self
    value_conversions        old keyword -> {old value: new value}

    Raises KeywordError (a TypeError) for more arguments by position, and for an old and a new keyword at once.
    """
    tables = value_conversions or {}
    convert = {name: functools.partial(_converted, table) for name, table in tables.items()}

    def decorate(method: Method) -> Method:
        renaming = renamed_keywords(dict(conversions or ()), convert=convert)(method)

        @functools.wraps(method)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if preprocessor is not None:
                args, kwargs, _ = preprocessor(args, kwargs)
            if allowed_positional_args is not None and len(args) > len(allowed_positional_args) + 1:
                name = type(args[0]).__name__ if object_type == "class" else method.__name__
                raise KeywordError(f"`{name}` can accept only {len(allowed_positional_args)} positional arguments "
                                   f"{tuple(allowed_positional_args)}", where=name, got=f"{args[1:]!r:.200}")
            return renaming(*args, **kwargs)

        wrapper._original_function = method  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _converted(table: Mapping[Any, Any], value: Any, args: Any, kwargs: Any) -> Any:
    try:
        return table.get(value, value)
    except TypeError:  # a list, say, is no key
        return value


generate_legacy_method_interface = functools.partial(generate_legacy_interface, object_type="method")

_layout = renamed_keywords({"dim_ordering": "data_format"}, convert=CONVERT_1)
_convolution = renamed_keywords(KERAS_1, convert=CONVERT_1)


def _of_kernels(*names: str) -> Callable[[Method], Method]:
    return lambda method: sizes_apart(*names)(_convolution(method))


legacy_dense_support = renamed_keywords(DENSE_1)
legacy_dropout_support = legacy_gaussiandropout_support = legacy_spatialdropout1d_support = \
    renamed_keywords({"p": "rate"})
legacy_spatialdropoutNd_support = renamed_keywords(  # noqa: N816 (Keras's name)
    {"p": "rate", "dim_ordering": "data_format"}, convert=CONVERT_1)
legacy_embedding_support = renamed_keywords({"init": "embeddings_initializer",
                                             "W_regularizer": "embeddings_regularizer",
                                             "W_constraint": "embeddings_constraint"})
legacy_pooling1d_support = renamed_keywords(POOLING_1D_1)
legacy_pooling2d_support = legacy_pooling3d_support = renamed_keywords(POOLING_1, convert=CONVERT_1)
legacy_global_pooling_support = legacy_upsampling2d_support = legacy_upsampling3d_support = _layout
legacy_zeropadding2d_support = legacy_zeropadding3d_support = _layout
legacy_cropping2d_support = legacy_cropping3d_support = _layout
legacy_upsampling1d_support = renamed_keywords({"length": "size"})
legacy_prelu_support = renamed_keywords({"init": "alpha_initializer"})
legacy_gaussiannoise_support = renamed_keywords({"sigma": "stddev"})
legacy_recurrent_support = renamed_keywords(RECURRENT_1)
legacy_conv1d_support = _convolution
legacy_conv2d_support = legacy_deconv2d_support = legacy_separable_conv2d_support = _of_kernels("nb_row", "nb_col")
legacy_conv3d_support = _of_kernels("kernel_dim1", "kernel_dim2", "kernel_dim3")
legacy_convlstm2d_support = generate_legacy_interface(conversions=list({**RECURRENT_1, **KERAS_1}.items()))
legacy_batchnorm_support = renamed_keywords(BATCH_NORMALIZATION_1)
legacy_lambda_support = generate_legacy_interface(allowed_positional_args=["function", "output_shape"])
legacy_generator_methods_support = keras1_keywords
legacy_model_constructor_support = renamed_keywords({"input": "inputs", "output": "outputs"})
legacy_input_support = renamed_keywords({"input_dtype": "dtype"})
legacy_add_weight_support = shape_first
legacy_get_updates_support = either_order
