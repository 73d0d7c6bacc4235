"""`graphc convert`: every pair of formats, what it checks, what it refuses."""

from pathlib import Path

import numpy as np
import pytest

from graphc.cli import main
from graphc.frontend_keras.layers import LSTM, BatchNormalization, Dense, Input
from graphc.frontend_keras.models import Model, Sequential, load_model

FILES = Path(__file__).parent.parent / "frontend_keras" / "saving" / "files"

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.mark.parametrize("source", ["keras3/seqs.keras", "keras3/nested.h5", "tf_keras/seqs.h5", "tf_keras/nested.keras"])
@pytest.mark.parametrize("target", ["m.h5", "m.keras", "m.json", "m.yaml", "m.weights.h5"])
def test_every_format(source, target, tmp_path, capsys):
    assert main(["convert", str(FILES / source), str(tmp_path / target), "--check"]) == 0
    out = capsys.readouterr().out
    assert "parameters in" in out and "predictions agree" in out
    assert [path.name for path in tmp_path.iterdir()] == [target]


def test_training_comes_along(tmp_path):
    x, y = np.random.RandomState(0).rand(8, 5, 4), np.ones((8, 1))
    inputs = Input((5, 4))
    model = Model(inputs, Dense(1)(LSTM(3, recurrent_activation="sigmoid")(inputs)))
    model.compile("adam", "mse")
    model.train_on_batch(x, y)
    model.save(tmp_path / "a.h5")
    for source, target in (("a.h5", "b.keras"), ("b.keras", "c.h5")):
        assert main(["convert", str(tmp_path / source), str(tmp_path / target)]) == 0
    again = load_model(tmp_path / "c.h5")
    for _ in range(3):
        assert again.train_on_batch(x, y) == pytest.approx(model.train_on_batch(x, y), rel=1e-6)


def test_what_is_refused(tmp_path, capsys):
    path = tmp_path / "a.h5"
    Sequential([Dense(3, input_shape=(4,)), BatchNormalization()]).save(path)
    for arguments, message in (
            ([str(path), str(tmp_path / "b.onnx")], "the ending says no format"),
            ([str(path), str(tmp_path / "b.h5"), "--to", "keras3"], "is written as keras2, not as keras3"),
            ([str(tmp_path / "none.h5"), str(tmp_path / "b.h5")], "No such file")):
        assert main(["convert", *arguments]) == 2
        assert message in capsys.readouterr().err
    (tmp_path / "g.graph").write_text("graph g(%x: f32[3]) {\n%y = negative(%x)\nreturn %y\n}")
    assert main(["convert", str(tmp_path / "g.graph"), str(tmp_path / "b.h5")]) == 2
    assert "holds no model but a graph" in capsys.readouterr().err
    assert not (tmp_path / "b.h5").exists()
