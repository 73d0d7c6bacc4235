"""The settings of a Keras session: float type, fuzz factor, image layout, backend name, target.

They start from `keras.json` (keys `floatx`, `epsilon`, `image_data_format`, `backend`, `target`) in the folder named by
KERAS_HOME, or `~/.keras`, or `/tmp/.keras` where the home cannot be written. Importing reads that file and
nothing more: it neither prints nor writes; `write_default_config` makes the file when a caller wants it.

What does not live here: naming (naming.py), the learning phase (phase.py).
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import ArgumentError, warn
from graphc.passes.choices import ALL_TARGETS, Choices, check_target

_FLOATS = ("float32", "float64")
_FORMATS = ("channels_last", "channels_first")
_BACKENDS = ("tensorflow", "theano", "cntk", "graphc")


@dataclass
class _Settings:
    floatx: str = "float32"
    epsilon: float = 1e-7
    image_data_format: str = "channels_last"
    backend: str = "tensorflow"
    target: str = "cpu"
    precision: str = "default"


_settings = _Settings()


def config_path() -> Path:
    """Where `keras.json` lies, whether it exists or not."""
    folder = os.environ.get("KERAS_HOME")
    if folder:
        return Path(folder).expanduser() / "keras.json"
    home = os.path.expanduser("~")
    return Path(home if os.access(home, os.W_OK) else "/tmp") / ".keras" / "keras.json"


def load_config() -> None:
    """Take the settings from `keras.json` and KERAS_BACKEND, GRAPHC_TARGET, GRAPHC_PRECISION.

    A file that cannot be read counts as absent. A value that is not allowed is named in a warning and its
    default stays.
    """
    try:
        found = json.loads(config_path().read_text())
    except (OSError, ValueError, RecursionError):
        found = {}
    found = dict(found) if isinstance(found, dict) else {}
    found["backend"] = os.environ.get("KERAS_BACKEND") or found.get("backend", _settings.backend)
    _take(found, "floatx", lambda v: v in _FLOATS)
    _take(found, "epsilon", lambda v: isinstance(v, float) and _is_fuzz(v))
    _take(found, "image_data_format", lambda v: v in _FORMATS)
    _take(found, "backend", lambda v: v in _BACKENDS)
    found["target"] = os.environ.get("GRAPHC_TARGET") or found.get("target", _settings.target)
    _take(found, "target", lambda v: v in ALL_TARGETS)
    set_precision(os.environ.get("GRAPHC_PRECISION") or _settings.precision)


def _take(found: dict[str, Any], key: str, allowed: Any) -> None:
    if key not in found:
        return
    if allowed(found[key]):
        setattr(_settings, key, found[key])
    else:
        warn(f"{key} = {found[key]!r} is not possible; {getattr(_settings, key)!r} is used "
             f"(keras.json or environment)")


def write_default_config() -> Path:
    """Create `keras.json` with the present settings if there is none; a folder that cannot be written is no error."""
    path = config_path()
    if not path.exists():
        wanted = {key: getattr(_settings, key) for key in ("floatx", "epsilon", "backend", "image_data_format")}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(wanted, indent=4))
        except OSError:
            pass
    return path


def backend() -> str:
    """The backend's name as scripts compare it: "tensorflow" unless keras.json or KERAS_BACKEND say otherwise."""
    return _settings.backend


def epsilon() -> float:
    return _settings.epsilon


def set_epsilon(e: float) -> None:
    """Choose the number that keeps divisions and logarithms finite. Raises ArgumentError unless finite and >= 0."""
    if not _is_fuzz(e):
        raise ArgumentError("epsilon is no small number", where="set_epsilon", expected="a finite number >= 0",
                            got=repr(e))
    _settings.epsilon = float(e)


def _is_fuzz(value: Any) -> bool:
    return isinstance(value, (int, float, np.number)) and bool(0 <= value < math.inf)


def floatx() -> str:
    return _settings.floatx


def set_floatx(floatx: str) -> None:
    """Choose the float type of new tensors. Raises ArgumentError for any but float32 and float64."""
    if floatx not in _FLOATS:
        raise ArgumentError(f"Unknown floatx type: {floatx}", where="set_floatx", expected=f"one of {_FLOATS}")
    _settings.floatx = str(floatx)


def cast_to_floatx(x: Any) -> np.ndarray:
    """`x` as an array of the default float type."""
    return np.asarray(x, dtype=_settings.floatx)


def image_data_format() -> str:
    return _settings.image_data_format


def set_image_data_format(data_format: str) -> None:
    """Choose where image layers made from now on expect the channels. Raises ArgumentError for another word."""
    if data_format not in _FORMATS:
        raise ArgumentError(f"Unknown data_format: {data_format}", where="set_image_data_format",
                            expected=f"one of {_FORMATS}")
    _settings.image_data_format = str(data_format)


def normalize_data_format(value: str | None) -> str:
    """`value` in lower case, or the global setting for None. Raises ArgumentError for another word."""
    found = image_data_format() if value is None else str(value).lower()
    if found not in _FORMATS:
        raise ArgumentError(f"The `data_format` argument must be one of {_FORMATS}", got=repr(value))
    return found


def image_dim_ordering() -> str:
    """The Keras 1 name of the image layout: "tf" or "th"."""
    return "th" if image_data_format() == "channels_first" else "tf"


def set_image_dim_ordering(dim_ordering: str) -> None:
    layouts = {"tf": "channels_last", "th": "channels_first"}
    if dim_ordering not in layouts:
        raise ArgumentError(f"Unknown dim_ordering: {dim_ordering}", expected="tf or th")
    set_image_data_format(layouts[dim_ordering])


def target() -> str:
    """The compile target of functions made from now on: "cpu", "cuda", "reference" or "tiered".

    "reference" interprets with NumPy; "tiered" interprets small programs until they have taken as long as compiling
    would, which suits many tiny models that are used once. GRAPHC_TARGET or the key `target` of keras.json set the
    first one.
    """
    return _settings.target


def set_target(name: str) -> None:
    """Raises TargetError for another word."""
    check_target(name)
    _settings.target = name


def precision() -> str:
    """Of functions made from now on: "default", "highest", "tf32" or "bfloat16"; see graphc.passes.choices.Choices.

    GRAPHC_PRECISION sets the first one.
    """
    return _settings.precision


def set_precision(name: str) -> None:
    """Raises ArgumentError for another word."""
    _settings.precision = Choices(precision=name).precision


load_config()
