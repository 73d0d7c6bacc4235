"""`from keras.x import *` binds the names of Keras that are there, and nothing of Python's or of other libraries."""

import importlib
from types import ModuleType

import pytest

from tests.surface.names import read
from tests.surface.report import OURS, ours

UNLISTED = ("keras.backend.tensorflow_backend", "keras.engine.topology", "keras.engine.training_arrays",
            "keras.engine.training_generator", "keras.engine.training_utils", "keras.legacy", "keras.legacy.interfaces",
            "keras.legacy.layers", "keras.utils.test_utils")


def by_module():
    """Module -> the names that Keras has in it."""
    found = {path: set() for path in UNLISTED}
    for name in read():
        for path in (name.path, *name.also):
            module, _, last = path.rpartition(".")
            if name.kind == "module":
                found.setdefault(path, set())
            elif name.kind not in ("method", "property"):
                found.setdefault(module, set()).add(last)
    return found


NAMES = by_module()


def bound_by(module):
    bound = {}
    exec(f"from {OURS + module.removeprefix('keras')} import *", bound)
    del bound["__builtins__"]
    return bound


def home(value):
    """The package where something was defined, or its type where it does not say."""
    if isinstance(value, ModuleType):
        return value.__name__.partition(".")[0]
    return (getattr(value, "__module__", None) or type(value).__module__).partition(".")[0]


@pytest.mark.parametrize("module", sorted(NAMES))
def test_star_import(module):
    bound = bound_by(module)
    makers = {name: getattr(value, "func", value) for name, value in bound.items()}  # of a partial, its function
    assert {name: value for name, value in makers.items() if home(value) not in ("graphc", "builtins")} == {}
    here = importlib.import_module(OURS + module.removeprefix("keras"))
    for name in NAMES[module]:
        if ours(f"{module}.{name}") is not None:
            assert bound[name] is getattr(here, name)


@pytest.mark.parametrize("module", ["keras.backend", "keras.backend.tensorflow_backend"])
def test_no_module_of_the_backend_is_bound(module):
    """`random` is the user's own, and so are `losses` and `activations`."""
    bound = bound_by(module)
    assert [name for name, value in bound.items() if isinstance(value, ModuleType)] == []
    assert {"dot", "random_uniform", "set_target", "image_data_format"} <= set(bound)


def test_a_sequence_stays_that_of_keras():
    bound = {}
    exec("from keras.utils import Sequence\nfrom keras.preprocessing.text import *\n"
         "from keras.preprocessing.sequence import *\nfrom keras.layers.merge import *\nfrom keras.initializers import *\n"
         .replace("keras", OURS), bound)
    assert bound["Sequence"] is ours("keras.utils.Sequence")
