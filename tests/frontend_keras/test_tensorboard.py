"""TensorBoard: the files it writes, read by the program that shows them."""

import io
import struct
import sys

import numpy as np
import pytest

from graphc.errors import ArgumentError
from graphc.frontend_keras.callbacks import TensorBoard, needs_batches
from graphc.frontend_keras.callbacks.base import CallbackList
from graphc.frontend_keras.callbacks.event_files import EventWriter, _greys, _limits, _png, histogram
from graphc.frontend_keras.callbacks.tensorboard import as_pictures
from graphc.frontend_keras.layers import LSTM, Dense, Dropout, Embedding, Input, add
from graphc.frontend_keras.models import Model, Sequential

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("fresh_session")]

X = np.random.RandomState(1).rand(10, 4).astype("float32")
Y = np.random.RandomState(2).rand(10, 3).astype("float32")


def read(folder):
    found = accumulator.EventAccumulator(str(folder), size_guidance={
        accumulator.SCALARS: 0, accumulator.HISTOGRAMS: 0, accumulator.IMAGES: 0})
    return found.Reload()


def made():
    model = Sequential([Dense(5, activation="relu", input_shape=(4,), name="first"), Dropout(0.5), Dense(3, name="last")])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


def points(events, tag):
    return [(one.step, one.value) for one in events.Scalars(tag)]


def test_scalars_of_epochs_are_the_history(tmp_path):
    history = made().fit(X, Y, epochs=3, verbose=0, validation_data=(X, Y),
                         callbacks=[TensorBoard(str(tmp_path), write_graph=False)]).history
    events = read(tmp_path)
    assert sorted(events.Tags()["scalars"]) == sorted(history)
    for tag, values in history.items():
        assert points(events, tag) == [(i, pytest.approx(v, rel=1e-6)) for i, v in enumerate(values)]
    assert not events.Tags()["graph"]


@pytest.mark.parametrize(("freq", "steps"), [("batch", [4, 8, 10, 14, 18, 20]), (6, [8, 14, 20]), (100, [])])
def test_scalars_of_batches_count_samples(tmp_path, freq, steps):
    made().fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[TensorBoard(tmp_path, update_freq=freq)])
    found = [step for step, _ in points(read(tmp_path), "loss")]
    assert sorted(set(found)) == sorted({*steps, 10, 20})  # and at the end of each epoch


def test_scalars_keep_the_native_loop():
    assert not needs_batches(CallbackList([TensorBoard(update_freq="epoch")]))


def test_histograms_of_weights_activations_and_gradients(tmp_path):
    model = made()
    x_val, y_val = X[:6], Y[:6]
    model.fit(X, Y, epochs=3, verbose=0, validation_data=(x_val, y_val),
              callbacks=[TensorBoard(tmp_path, histogram_freq=2, batch_size=4, write_grads=True)])
    events = read(tmp_path)
    weights = [f"{name}/{kind}_0" for name in ("first", "last") for kind in ("kernel", "bias")]
    assert set(events.Tags()["histograms"]) == {*weights, *(f"{one}_grad" for one in weights), "first_out", "last_out",
                                                "dropout_1_out"}
    kernel = events.Histograms("first/kernel_0")
    assert [one.step for one in kernel] == [0, 2]
    final = model.get_weights()
    value = kernel[-1].histogram_value
    assert (value.num, value.min, value.max) == (20, final[0].min(), final[0].max())
    assert value.sum == pytest.approx(final[0].astype("float64").sum(), rel=1e-9)
    assert value.sum_squares == pytest.approx(np.square(final[0].astype("float64")).sum(), rel=1e-9)
    below = sum(n for limit, n in zip(value.bucket_limit, value.bucket) if limit <= 0.1)
    assert below <= (final[0] < 0.1).sum() <= below + max(value.bucket)

    batches = events.Histograms("last_out")[-2:]
    assert [one.histogram_value.num for one in batches] == [4 * 3, 2 * 3]
    hidden = np.maximum(x_val @ final[0] + final[1], 0)
    outputs = hidden @ final[2] + final[3]
    assert batches[0].histogram_value.sum == pytest.approx(outputs[:4].sum(dtype="float64"), rel=1e-4, abs=1e-5)
    gradient = 2 * (outputs[4:] - y_val[4:]).sum(0) / 6
    assert events.Histograms("last/bias_0_grad")[-1].histogram_value.sum == pytest.approx(gradient.sum(), rel=1e-4,
                                                                                         abs=1e-5)


def test_weights_as_images(tmp_path):
    model = made()
    model.fit(X, Y, verbose=0, validation_data=(X, Y), callbacks=[TensorBoard(tmp_path, 1, write_images=True)])
    events = read(tmp_path)
    assert set(events.Tags()["images"]) == {f"{name}/{kind}_0/image/0" for name in ("first", "last")
                                            for kind in ("kernel", "bias")}
    picture = events.Images("first/kernel_0/image/0")[0]
    assert (picture.height, picture.width) == (4, 5)
    assert events.Images("first/bias_0/image/0")[0].height == 5
    image = pytest.importorskip("PIL.Image")
    greys = np.asarray(image.open(io.BytesIO(picture.encoded_image_string)))
    kernel = model.get_weights()[0]
    wanted = 128 + 127 * kernel / np.abs(kernel).max()
    assert np.abs(greys - wanted).max() <= 1


def test_how_weights_become_pictures():
    assert as_pictures(np.zeros((5, 3))).shape == (1, 3, 5)
    assert as_pictures(np.zeros((1, 7))).shape == (1, 7, 1)
    assert as_pictures(np.zeros((3, 1, 4, 6))).shape == (6, 3, 4)
    assert as_pictures(np.zeros(())) is None
    assert as_pictures(np.zeros((2, 2, 2, 2))) is None
    np.testing.assert_array_equal(_greys(np.array([[0.0, 1.0, 4.0]])), [[0, 63, 255]])
    np.testing.assert_array_equal(_greys(np.array([[-4.0, 0.0, 4.0]])), [[1, 128, 255]])
    np.testing.assert_array_equal(_greys(np.zeros((1, 2))), [[0, 0]])
    assert struct.unpack(">II", _png(np.zeros((2, 3), np.uint8))[16:24]) == (3, 2)


def test_buckets_are_tensorflows():
    limits = _limits()
    assert len(limits) == 2 * 774 + 3  # 1e-12 * 1.1^773 is the last below 1e20
    assert (np.diff(limits) > 0).all()
    np.testing.assert_allclose(limits[777:780] / limits[776:779], 1.1)


def test_the_graph_has_a_node_for_each_call(tmp_path):
    inner = Sequential([Dense(4, input_shape=(4,), name="dense")], name="inner")
    a = Input((4,), name="a")
    shared = Dense(4, name="shared")
    y = add([shared(a), shared(inner(a))], name="sum")
    model = Model(a, y)
    model.compile("sgd", "mse")
    model.fit(X, X, verbose=0, callbacks=[TensorBoard(tmp_path)])
    nodes = {node.name: node for node in read(tmp_path).Graph().node}
    assert {name: (node.op, list(node.input)) for name, node in nodes.items()} == {
        "a": ("InputLayer", []), "inner/dense": ("Dense", ["a"]), "shared": ("Dense", ["a"]),
        "shared/call_1": ("Dense", ["inner/dense"]), "sum": ("Add", ["shared", "shared/call_1"])}
    shape = nodes["shared"].attr["_output_shapes"].list.shape[0]
    assert [dim.size for dim in shape.dim] == [-1, 4]
    assert nodes["shared"].attr["parameters"].i == 20


def test_embeddings_for_the_projector(tmp_path):
    text_format = pytest.importorskip("google.protobuf.text_format")
    config_type = pytest.importorskip("tensorboard.plugins.projector.projector_config_pb2").ProjectorConfig
    words = np.arange(6).reshape(6, 1)
    model = Sequential([Embedding(6, 3, input_length=1, name="words"), LSTM(2, dropout=0.5), Dense(3)])
    model.compile("sgd", "mse")
    model.fit(words, Y[:6], epochs=2, verbose=0, callbacks=[
        TensorBoard(tmp_path, embeddings_freq=1, embeddings_data=words, embeddings_metadata={"words": "labels.tsv"},
                    batch_size=4)])
    config = config_type()
    text_format.Parse((tmp_path / "projector_config.pbtxt").read_text(), config)
    (one,) = config.embeddings
    assert one.metadata_path == "labels.tsv"
    np.testing.assert_allclose(np.loadtxt(tmp_path / one.tensor_path, delimiter="\t"), model.get_weights()[0],
                               rtol=1e-6)


@pytest.mark.parametrize("arguments", [{"histogram_freq": 1}, {"embeddings_freq": 1}])
def test_what_needs_data_says_so(tmp_path, arguments):
    with pytest.raises(ValueError, match="must be provided"):
        made().fit(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path, **arguments)])


@pytest.mark.parametrize(("name", "wrong"), [
    ("update_freq", "foo"), ("update_freq", None), ("update_freq", -1), ("histogram_freq", "1"), ("embeddings_freq", [1]),
    ("log_dir", None)])
def test_wrong_arguments_are_refused_at_once(tmp_path, name, wrong):
    with pytest.raises(ArgumentError, match=f"`{name}`"):
        TensorBoard(**{"log_dir": tmp_path, name: wrong})


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.proto", None)
    monkeypatch.delitem(sys.modules, "tensorboardX.proto.event_pb2", raising=False)
    with pytest.raises(ImportError, match=r'pip install "graphc-compiler\[tensorboard\]"'):
        TensorBoard()


def test_two_files_of_one_second_and_numbers_that_are_none(tmp_path):
    writers = [EventWriter(tmp_path), EventWriter(tmp_path)]
    for i, writer in enumerate(writers):
        writer.add_summary(writer.protocol.Summary(value=[writer.protocol.Summary.Value(tag="x", simple_value=i)]), i)
        writer.close()
    assert len(list(tmp_path.iterdir())) == 2
    callback = TensorBoard(tmp_path / "own")
    callback.set_model(made())
    callback.on_epoch_end(0, {"loss": np.float32("nan"), "size": 3})
    callback.writer.add([histogram(callback.writer.protocol, "h", np.array([np.nan, np.inf, 2.0]))], 1)
    callback.on_train_end()
    events = read(tmp_path / "own")
    assert np.isnan(events.Scalars("loss")[0].value)
    value = events.Histograms("h")[0].histogram_value
    assert (value.num, value.min, value.max) == (1, 2, 2)


def test_the_batch_size_is_that_of_histograms(tmp_path):
    TensorBoard(str(tmp_path), batch_size=None)
    for wrong in (None, 0, "32"):
        with pytest.raises(ArgumentError, match="`batch_size`"):
            TensorBoard(str(tmp_path), batch_size=wrong, histogram_freq=1)
