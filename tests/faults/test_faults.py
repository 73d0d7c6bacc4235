"""Samples of F1 to F5; `python -m tests.faults` runs all of them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from graphc.runtime import files
from tests.faults import crash_order, refusals
from tests.faults.kills import IN_SAVE
from tests.faults.operations import Counted, in_place, memory_folder
from tests.faults.trainings import Training

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.filterwarnings("ignore:Method on_batch")  # a busy machine makes callbacks slow


def figures(*options):
    """What `python -m tests.faults` prints: a process of its own, because it forks and takes signals."""
    environment = {**os.environ, "GRAPHC_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "tests.faults", "--seed", "1", *options], cwd=ROOT, text=True,
                          capture_output=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_f1_a_killed_training_leaves_the_bits_of_one_that_never_stopped():
    said = figures("--kills", "20")
    kills, inside = map(int, re.search(r"(\d+) kills, (\d+) of them inside", said).groups())
    assert kills >= 20 and inside >= kills / 4 and ": 0 different" in said


def test_f2_every_refused_call_of_a_save_leaves_a_sound_checkpoint():
    found = refusals.folders(pairs=20, seed=1)
    assert found.points > 25 and found.faults > 5 * found.points and found.refused > found.faults / 2 and not found.wrong


def test_f2_a_training_goes_on_after_a_refused_call():
    found = refusals.trainings(sample=12, seed=1)
    assert found.faults == 12 and found.refused and not found.wrong


@pytest.mark.parametrize("part", [refusals.caches, refusals.replacements, refusals.size_limits])
def test_f2_refused_calls_elsewhere(part):
    found = part()
    assert found.faults >= 10 and not found.wrong


def test_f3_every_order_of_a_loss_of_power_leaves_the_old_or_the_new_checkpoint():
    found = crash_order.run(states=300, seed=1)
    assert found.states == 300 and found.old and found.new and not found.wrong


@pytest.mark.parametrize("forgotten", ["fsync of files", "fsync of folders"])
def test_f3_finds_what_was_forgotten(forgotten, monkeypatch):
    real = files._sync if forgotten == "fsync of files" else files.sync_folder
    place = f"{files.__name__}.{real.__name__}"
    monkeypatch.setattr(place, lambda *_: None)
    if forgotten == "fsync of folders":
        monkeypatch.setattr("graphc.frontend_keras.saving.checkpoints.sync_folder", lambda *_: None)
    assert crash_order.run(states=300, seed=1).wrong


def test_f4_a_failed_allocation_changes_no_bit():
    said = figures("--allocations", "3")
    assert re.search(r"27 failures .* \d+ MemoryErrors, 0 trainings different", said)


def test_f5_an_interrupted_training_is_at_a_step_boundary():
    said = figures("--interruptions", "40")
    assert re.search(r"40 points, [23]\d of them hit .*: 0 wrong", said)
    assert re.search(r"SIGTERM: 20 points, \d+ of them hit \(\): 0 wrong", said)


def test_the_named_points_are_those_of_a_save():
    """A save that makes room for itself passes all of them."""
    with in_place(Counted()) as counted:
        Training("dense").run(memory_folder(), frequency=3)
    assert {event.split(" ", 1)[1] for event in IN_SAVE if "middle" not in event} <= set(counted.said)


def test_embedded_keeps_tables_and_scales():
    training = Training("embedded")
    training.run()
    assert any(variable.has_scale and variable.parts()[1] != 1 for variable in training.model.optimizer.weights)
