"""One case: a file is made from (kind, seed, number) and loaded; the verdict is `loads`, `refused` or what went wrong.

What does not live here: mutations, processes and their limits (workers.py).
"""

import random
import tempfile
import traceback
import warnings
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np

from graphc.errors import GraphcError
from graphc.frontend_keras import backend as K
from graphc.frontend_keras.models import load_model, model_from_json, model_from_yaml
from graphc.frontend_keras.saving.hdf5 import untrusted
from tests.hostile import archives, hdf5_files, seeds, texts, trees
from tests.hostile.watching import Canaries, Watch

LOADS, REFUSED = "loads", "refused"
GRAPHS = 60  # layers of a model whose graph is made too
DISK = 4e6   # numbers of weights that are looked at


class Bench:
    """What the cases of one worker share.

    apart  HDF5 files are parsed by a process of their own, as on the command line
    """

    def __init__(self, kind, seed, folder, apart=False):
        self.kind, self.seed, self.folder, self.apart = kind, seed, Path(folder), apart
        self.folder.mkdir(parents=True, exist_ok=True)
        self.canaries = Canaries(self.folder)
        self.watch = Watch()
        self.watch.spawning = apart
        tempfile.tempdir = str(self.folder / "temporary")
        Path(tempfile.tempdir).mkdir(exist_ok=True)
        if kind in ("keras", "hdf5"):
            self.watch.temporary = tempfile.tempdir + "/"
        self.path = self.folder / {"json": "m.json", "yaml": "m.yaml", "hdf5": "m.h5", "keras": "m.keras"}[kind]
        self.plain = seeds.small_models()[2]
        self._warm_up()

    def _warm_up(self):
        """Whatever is imported late is imported now."""
        broken = (b"[", b'{"class_name": "Sequential", "config": {"layers": 3}}', b"{a: b", b"!!binary aGk=", b"a: 2001-01-01")
        bases = self.bases()[:2] if self.apart else self.bases()  # a process apart takes as long as a hundred cases
        for data in (*bases, *broken):
            with suppress(GraphcError, OSError):
                self.load(data)

    def bases(self):
        if self.kind in ("json", "yaml"):
            write = texts.as_json if self.kind == "json" else texts.as_yaml
            return [write(tree, random.Random(0)).encode() for tree in seeds.trees()]
        return seeds.hdf5_files() if self.kind == "hdf5" else seeds.archives(str(self.folder))

    def make(self, number):
        """The bytes of a case, and those it was made from."""
        rng = random.Random(f"{self.kind} {self.seed} {number}")
        if self.kind in ("json", "yaml"):
            return self._text(rng)
        base = rng.choice(self.bases())
        change = hdf5_files.mutate if self.kind == "hdf5" else archives.mutate
        return change(base, rng, self.canaries.paths), base

    def _text(self, rng):
        value = rng.choice(seeds.trees())
        if rng.random() < 0.9:
            value = trees.mutate(value, rng, self.canaries.paths)
        write, tokens = (texts.as_json, texts.JSON_TOKENS) if self.kind == "json" else (texts.as_yaml, texts.YAML_TOKENS)
        text = write(value, rng)
        data = texts.mutate(text, rng, tokens) if rng.random() < 0.25 else text.encode("utf-8", "surrogatepass")
        return data, None

    def verdict(self, data):
        """`loads`, `refused`, or a finding in words: the event, or the exception and where it came from."""
        self.canaries.opened()
        try:
            with self.watch.case(str(self.path)):
                found = self.load(data)
            said = LOADS
        except (GraphcError, OSError) as error:
            found, said = [], REFUSED
            if not isinstance(error, GraphcError) and not str(error):
                said = "an error without a word"
        except BaseException as error:
            found, said = [], f"{type(error).__name__} {_place(error)}: {error!s:.160}"
        if self.watch.seen:
            said = f"event {self.watch.seen[0]}"
        elif self.canaries.opened():
            said = "a canary was opened"
        elif self.canaries.shows_in(found):
            said = "a canary was read"
        return said

    def load(self, data):
        """Load in every way that the kind has; the arrays of what was loaded."""
        K.clear_session()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.kind in ("json", "yaml"):
                return self._load_text(data)
            with untrusted() if self.apart else nullcontext():
                return self._load_file(data)

    def _load_text(self, data):
        text = data
        with suppress(UnicodeDecodeError):
            text = data.decode("utf-8")
        model = (model_from_json if self.kind == "json" else model_from_yaml)(text)
        if len(model.layers) <= GRAPHS and model.built:
            model.lower_to_graph()
            model.to_json()
        return []

    def _load_file(self, data):
        watching, self.watch.active = self.watch.active, False
        self.path.write_bytes(data)
        self.watch.active = watching
        if self.kind == "hdf5":
            for by_name in (False, True):
                with suppress(GraphcError, OSError):
                    self.plain.load_weights(self.path, by_name=by_name)
        model = load_model(self.path)
        return [np.asarray(K.get_value(weight)) for weight in model.weights
                if K.count_params(weight) < DISK] + self.plain.get_weights()


def _place(error):
    """The last frame that is graphc's."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "/graphc/" in f.filename and "/tests/" not in f.filename]
    if not frames:
        return ""
    return f"in {frames[-1].filename.rpartition('/graphc/')[2]}:{frames[-1].lineno} {frames[-1].name}"
