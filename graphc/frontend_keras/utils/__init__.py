"""The names of keras.utils.

What does not live here: any code; each topic has its module.
"""
from graphc.frontend_keras.utils import conv_utils, data_utils, generic_utils, io_utils, layer_utils, np_utils
from graphc.frontend_keras.utils.data_utils import GeneratorEnqueuer, OrderedEnqueuer, Sequence, get_file
from graphc.frontend_keras.utils.generic_utils import (
                                                       CustomObjectScope,
                                                       custom_object_scope,
                                                       deserialize_keras_object,
                                                       get_custom_objects,
                                                       serialize_keras_object,
)
from graphc.frontend_keras.utils.io_utils import HDF5Matrix, h5dict
from graphc.frontend_keras.utils.layer_utils import (
                                                     convert_all_kernels_in_model,
                                                     count_params,
                                                     get_source_inputs,
                                                     print_summary,
)
from graphc.frontend_keras.utils.multi_gpu_utils import multi_gpu_model
from graphc.frontend_keras.utils.np_utils import normalize, to_categorical
from graphc.frontend_keras.utils.progbar import Progbar
from graphc.frontend_keras.utils.vis_utils import plot_model

__all__ = ["CustomObjectScope", "GeneratorEnqueuer", "HDF5Matrix", "OrderedEnqueuer", "Progbar", "Sequence",
           "conv_utils", "convert_all_kernels_in_model", "count_params", "custom_object_scope", "data_utils",
           "deserialize_keras_object", "generic_utils", "get_custom_objects", "get_file", "get_source_inputs",
           "h5dict", "io_utils", "layer_utils", "multi_gpu_model", "normalize", "np_utils", "plot_model",
           "print_summary", "serialize_keras_object", "to_categorical"]
