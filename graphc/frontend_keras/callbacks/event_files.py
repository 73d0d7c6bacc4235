"""Event files, which TensorBoard reads: scalars, histograms, images and graphs, each with the step it belongs to.

Needs the package tensorboardX for its protocol buffers, and imports it when the first file is opened.

What does not live here: when something is written (tensorboard.py), graphs of models (event_graphs.py).
"""

from __future__ import annotations

import os
import platform
import struct
import time
import zlib
from importlib import import_module
from typing import Any

import numpy as np

from graphc.errors import GraphcError

MOST_IMAGES = 3
"""How many images one weight gives at most."""


class MissingTensorBoardError(GraphcError, ImportError):
    """The package that writes event files is not installed."""


def protocol() -> Any:
    """tensorboardX's protocol buffers and checksums, as attributes of one object. Raises MissingTensorBoardError."""
    try:
        return _Protocol()
    except ImportError as error:
        raise MissingTensorBoardError("writing files for TensorBoard needs the package tensorboardX",
                                      where="TensorBoard", got=str(error),
                                      fix='Install it: pip install "graphc-compiler[tensorboard]"') from error


class _Protocol:
    def __init__(self) -> None:
        found = {name: import_module(f"tensorboardX.proto.{name}_pb2")
                 for name in ("event", "summary", "graph", "node_def", "attr_value", "tensor_shape")}
        self.Event, self.Summary = found["event"].Event, found["summary"].Summary
        self.HistogramProto, self.GraphDef = found["summary"].HistogramProto, found["graph"].GraphDef
        self.NodeDef, self.AttrValue = found["node_def"].NodeDef, found["attr_value"].AttrValue
        self.TensorShape = found["tensor_shape"].TensorShapeProto
        self.checksum = import_module("tensorboardX.record_writer").masked_crc32c


class EventWriter:
    """A new event file in a folder, which is made where it is missing. It grows with each flush, and is closed between.

    The file stands under events.out.tfevents.SECONDS.HOST, with a number behind where that is taken. Raises OSError,
    MissingTensorBoardError.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.protocol = protocol()
        self._waiting: list[bytes] = []
        os.makedirs(folder, exist_ok=True)
        self._path = _new_file(os.path.join(folder, f"events.out.tfevents.{int(time.time())}.{platform.node()}"))
        self._write(self.protocol.Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add_summary(self, summary: Any, global_step: int | None = None) -> None:
        """Write a Summary protocol buffer, or the bytes of one, for a step."""
        if isinstance(summary, bytes):
            summary = self.protocol.Summary.FromString(summary)
        self._write(self.protocol.Event(wall_time=time.time(), step=int(global_step or 0), summary=summary))

    def add(self, values: list[Any], step: int) -> None:
        """Write values made by the functions below."""
        if values:
            self.add_summary(self.protocol.Summary(value=values), step)

    def add_graph(self, graph: Any) -> None:
        """Write a GraphDef protocol buffer."""
        self._write(self.protocol.Event(wall_time=time.time(), graph_def=graph.SerializeToString()))

    def flush(self) -> None:
        with open(self._path, "ab") as file:
            file.write(b"".join(self._waiting))
        self._waiting.clear()

    def close(self) -> None:
        self.flush()

    def _write(self, event: Any) -> None:
        """A record is its length, the length's checksum, the bytes and their checksum."""
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        self._waiting.append(length + struct.pack("<I", self.protocol.checksum(length)) + data
                             + struct.pack("<I", self.protocol.checksum(data)))


def _new_file(path: str) -> str:
    """Make an empty file; its path, with the first number behind that is not taken."""
    found, number = path, 0
    while True:
        try:
            with open(found, "xb"):
                return found
        except FileExistsError:
            number += 1
            found = f"{path}.{number}"


# ---- values of a summary


def scalar(p: Any, tag: str, value: float) -> Any:
    return p.Summary.Value(tag=tag, simple_value=float(value))


def _limits() -> np.ndarray:
    """TensorFlow's upper ends of buckets: 1e-12 times powers of 1.1 up to 1e20, the same below 0, and infinity."""
    positive = [1e-12]
    while positive[-1] * 1.1 < 1e20:
        positive.append(positive[-1] * 1.1)
    largest = float(np.finfo(np.float64).max)
    return np.array([-largest, *(-x for x in reversed(positive)), 0.0, *positive, largest])


_LIMITS = _limits()


def histogram(p: Any, tag: str, array: np.ndarray) -> Any:
    """The distribution of the finite numbers of an array."""
    values = np.asarray(array, np.float64).reshape(-1)
    values = values[np.isfinite(values)]
    counts = np.bincount(np.searchsorted(_LIMITS, values, side="right"), minlength=len(_LIMITS))
    filled = np.flatnonzero(counts)
    kept = slice(max(filled[0] - 1, 0), filled[-1] + 1) if len(filled) else slice(0, 1)
    least, most = (values.min(), values.max()) if len(values) else (0.0, 0.0)
    return p.Summary.Value(tag=tag, histo=p.HistogramProto(
        min=least, max=most, num=len(values), sum=values.sum(), sum_squares=np.square(values).sum(),
        bucket_limit=_LIMITS[kept].tolist(), bucket=counts[kept].tolist()))


def images(p: Any, tag: str, pictures: np.ndarray) -> list[Any]:
    """The first pictures of (number, rows, columns) as grey images.

    Each has its largest number white; where one is negative, 0 is grey and the number furthest from it white or black.
    """
    return [p.Summary.Value(tag=f"{tag}/image/{i}", image=p.Summary.Image(
        height=one.shape[0], width=one.shape[1], colorspace=1, encoded_image_string=_png(_greys(one))))
        for i, one in enumerate(pictures[:MOST_IMAGES])]


def _greys(picture: np.ndarray) -> np.ndarray:
    values = np.nan_to_num(np.asarray(picture, np.float64))
    if values.min() < 0:
        return np.clip(np.rint(values * (127 / np.abs(values).max()) + 128), 0, 255).astype(np.uint8)
    return (values * (255 / (values.max() or 1.0))).astype(np.uint8)


def _png(greys: np.ndarray) -> bytes:
    """PNG of uint8 greys[rows, columns] (ISO/IEC 15948)."""
    rows, columns = greys.shape
    body = np.concatenate([np.zeros((rows, 1), np.uint8), greys], axis=1).tobytes()  # filter type 0 for each row
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0)),
                           (b"IDAT", zlib.compress(body)), (b"IEND", b"")))
