"""Loaded by pytest before Keras's tests: `keras` is graphc, and parts of Keras that only its tests use are there.

What does not live here: which tests are run (__main__.py).
"""

import importlib.util
import os
import sys
import types

import graphc

graphc.install_as_keras()

from keras import backend as K  # noqa: E402  (the alias comes first)
from keras import utils  # noqa: E402
from keras.engine import saving  # noqa: E402
from keras.utils import data_utils, generic_utils  # noqa: E402


def _keras_own(name):
    """A module of the unpacked Keras that tests build on, run on graphc."""
    path = os.path.join(os.environ["KERAS_SUITE"], "keras", *name.split(".")[1:]) + ".py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = sys.modules[name.replace("keras.", "graphc.frontend_keras.", 1)] = module
    spec.loader.exec_module(module)
    return module


K._BACKEND = K.backend()
utils.test_utils = _keras_own("keras.utils.test_utils")
K.get_session = lambda: types.SimpleNamespace(list_devices=list)  # asked for graphics cards when tests are collected
for _module, _names in ((saving, ["preprocess_weights_for_loading"]), (generic_utils, ["func_dump", "func_load"]),
                        (data_utils, ["_hash_file"])):
    for _name in _names:
        if not hasattr(_module, _name):
            setattr(_module, _name, None)  # imported by files most of whose tests do without
