"""Files that Keras would download: where they lie on this machine, and what to do where they do not.

Nothing is fetched here. What does not live here: reading weights (saving/), which file a model wants (its module).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from graphc.errors import GraphcError, ModelFormatError
from graphc.frontend_keras.backend.config import config_path


class MissingFileError(GraphcError, FileNotFoundError):
    """A file of pretrained weights, or of class names, that is not on this machine."""

    __str__ = GraphcError.__str__


@dataclass(frozen=True)
class PublishedFile:
    """A file that the authors of Keras publish.

    name  what it is called in the folder `models`
    url   where it comes from
    md5   its digest, where one is published
    """

    name: str
    url: str
    md5: str = ""

    def local_path(self) -> Path:
        """Where it lies: `models` beside keras.json (`~/.keras/models`, or below KERAS_HOME).

        Raises MissingFileError (a FileNotFoundError) where it does not, ModelFormatError (a ValueError) where its
        digest is another than the published one.
        """
        path = config_path().parent / "models" / self.name
        if not path.is_file():
            raise MissingFileError("this file is not on this machine, and is not downloaded for you", where=self.name,
                                   expected=str(path), got="no such file",
                                   fix=f"Get {self.url} and put it there, or pass weights=None or a file of yours.")
        if self.md5 and (found := _md5(path)) != self.md5:
            raise ModelFormatError("the file is not the published one", where=str(path), expected=f"md5 {self.md5}",
                                   got=f"md5 {found}", fix=f"Get it again from {self.url}, or pass the path of a file "
                                   "of your own as `weights`.")
        return path


@dataclass(frozen=True)
class WeightFiles:
    """The weights of one architecture with and without its classifier."""

    top: PublishedFile
    no_top: PublishedFile


def published(folder: str, stem: str, top_md5: str, no_top_md5: str) -> WeightFiles:
    """`stem.h5` and `stem_notop.h5` below `folder`, a release of the authors."""
    return WeightFiles(PublishedFile(f"{stem}.h5", f"{folder}{stem}.h5", top_md5),
                       PublishedFile(f"{stem}_notop.h5", f"{folder}{stem}_notop.h5", no_top_md5))


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
