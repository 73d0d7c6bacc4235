"""The names of keras.preprocessing.image.

What does not live here: anything that computes. Pillow and SciPy are imported where they are first needed.
"""

from graphc.frontend_keras.preprocessing.image.array_iterator import NumpyArrayIterator
from graphc.frontend_keras.preprocessing.image.dataframe_iterator import DataFrameIterator
from graphc.frontend_keras.preprocessing.image.directory_iterator import DirectoryIterator
from graphc.frontend_keras.preprocessing.image.generator import ImageDataGenerator
from graphc.frontend_keras.preprocessing.image.iterators import Iterator
from graphc.frontend_keras.preprocessing.image.pictures import (
                                                                array_to_img,
                                                                img_to_array,
                                                                list_pictures,
                                                                load_img,
                                                                save_img,
)
from graphc.frontend_keras.preprocessing.image.transforms import (
                                                                  apply_affine_transform,
                                                                  apply_brightness_shift,
                                                                  apply_channel_shift,
                                                                  flip_axis,
                                                                  random_brightness,
                                                                  random_channel_shift,
                                                                  random_rotation,
                                                                  random_shear,
                                                                  random_shift,
                                                                  random_zoom,
                                                                  transform_matrix_offset_center,
)

__all__ = ["DataFrameIterator", "DirectoryIterator", "ImageDataGenerator", "Iterator", "NumpyArrayIterator",
           "apply_affine_transform", "apply_brightness_shift", "apply_channel_shift", "array_to_img", "flip_axis",
           "img_to_array", "list_pictures", "load_img", "random_brightness", "random_channel_shift",
           "random_rotation", "random_shear", "random_shift", "random_zoom", "save_img",
           "transform_matrix_offset_center"]
