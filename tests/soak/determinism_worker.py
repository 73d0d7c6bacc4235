"""One process of determinism.py: prints, as JSON, what it found: `key digest` for training runs and for dump-ir's text.

    python -m tests.soak.determinism_worker '{"models": [...], "threads": [1, 2], "runs": 1, "steps": 50, "stages": [...]}'
"""

import hashlib
import json
import sys

from graphc.dump import dump
from graphc.errors import ArgumentError
from graphc.frontend_keras.engine.functions import PREDICT, TRAIN, ModelFunctions
from graphc.passes.choices import Choices
from graphc.runtime.threads import set_num_threads
from tests.soak.models import digest, fresh, state_of


def trained(name, steps):
    """Digest of weights, slots, losses and predictions after `steps` steps: one by one, then many in one call."""
    model, x, y = fresh(name)
    count = len(x[0]) // 2
    losses = [model.train_on_batch([a[:count] for a in x], _rows(y, count)) for _ in range(steps // 5)]
    fitted = model.fit(x, y, batch_size=count, epochs=(steps - steps // 5) // 2, verbose=0)
    predicted = model.predict(x, batch_size=11)
    outputs = predicted if isinstance(predicted, list) else [predicted]
    return digest([*losses, *fitted.history.values(), *outputs]) + state_of(model)


def _rows(y, count):
    return [one[:count] for one in y] if isinstance(y, list) else y[:count]


def texts(name, stages):
    """Digest of dump-ir's text of each stage, of the prediction and of the training step."""
    found = {}
    for kind in (PREDICT, TRAIN):
        model, _, _ = fresh(name)
        graph, _ = ModelFunctions(model).special(kind).graph_and_states()
        for stage in stages:
            target, _, stage_name = stage.rpartition(" ")
            try:
                text = dump(graph, stage_name, Choices(device=target == "cuda"))
            except ArgumentError as error:
                text = str(error)
            found[f"{name} {kind} {stage}"] = hashlib.sha256(text.encode()).hexdigest()
    return found


def main(job):
    training, texts_found = {}, {}
    for threads in job["threads"]:
        set_num_threads(threads)
        for run in range(job["runs"]):
            for name in job["models"]:
                training[f"{name} threads={threads} run={run}"] = trained(name, job["steps"])
    for name in job["models"]:
        texts_found.update(texts(name, [*job["stages"], *(("llvm", "asm") if name in job["coded"] else ())]))
    return {"training": training, "texts": texts_found}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
