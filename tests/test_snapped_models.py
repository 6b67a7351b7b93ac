"""Model files that are snapped: what is written, and what is never written over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import keras_models
import pytest
from keras_models import sequential

from hwnas._tensorflow import import_keras
from hwnas.errors import NetworkError, UnsupportedLayerError
from hwnas.keras_io import from_keras
from hwnas.models import load_network
from hwnas.network import PARAMETRIC, Layer, Network, NetworkBuilder
from hwnas.snapped_models import snap_model
from hwnas.snapping import layer_changes, snap

keras = import_keras()

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A Keras model whose first layer has 6 filters."""
    path = tmp_path / "lenet.keras"
    keras_models.lenet().save(path)
    return path


def files(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_a_keras_model(model: Path) -> None:
    before = load_network(model)
    found = snap_model(model)
    assert found.path == model.with_name("lenet-snapped.keras")
    assert files(model.parent) == ["lenet-snapped.keras", "lenet.keras"]
    assert load_network(found.path) == found.after == snap(before) != before
    assert (found.before, found.changes) == (before, layer_changes(before, found.after))
    assert not found.is_rebuilt
    assert snap_model(found.path).path is None
    assert files(model.parent) == ["lenet-snapped.keras", "lenet.keras"]


def test_a_network(tmp_path: Path, lenet: Network) -> None:
    (tmp_path / "lenet.json").write_text(lenet.to_json())
    found = snap_model(tmp_path / "lenet.json")
    assert found.path == tmp_path / "lenet-snapped.json"
    assert load_network(found.path) == snap(lenet)


def test_from_one_kind_to_the_other(model: Path, lenet: Network) -> None:
    (model.parent / "lenet.json").write_text(lenet.to_json())
    to_json = snap_model(model, model.with_name("out.json"))
    assert load_network(model.with_name("out.json")) == to_json.after
    found = snap_model(model.with_name("lenet.json"), model.with_name("out.keras"))
    assert load_network(model.with_name("out.keras")) == found.after == snap(lenet)
    assert not found.is_rebuilt  # A network never knew more.


def test_a_model_that_has_to_be_built_anew(tmp_path: Path) -> None:
    built = keras_models.activations_behind_reshapes()
    built.save(tmp_path / "model.keras")
    found = snap_model(tmp_path / "model.keras", multiple=7)
    assert found.is_rebuilt and found.path is not None
    # As to_keras writes it: what follows a layer and does nothing more is not there any more.
    assert with_weights(load_network(found.path)) == with_weights(found.after)
    assert found.after == snap(from_keras(built), multiple=7)


def with_weights(network: Network) -> list[Layer]:
    return [layer for layer in network.layers if layer.operator in PARAMETRIC]


def test_nothing_is_written_where_nothing_changes(tmp_path: Path) -> None:
    layers = keras.layers
    sequential((8, 8, 3), layers.Conv2D(8, 3), layers.Conv2D(2, 1)).save(tmp_path / "m.keras")
    found = snap_model(tmp_path / "m.keras", tmp_path / "out.keras")
    assert (found.path, found.changes, found.after) == (None, (), found.before)
    assert files(tmp_path) == ["m.keras"]


def test_another_multiple(model: Path) -> None:
    found = snap_model(model, multiple=8)
    assert [layer.output_shape[-1] for layer in found.after.layers if layer.use_bias] == [
        8, 16, 24, 10,
    ]  # fmt: skip
    with pytest.raises(ValueError, match="multiple 0"):
        snap_model(model, model.with_name("other.keras"), multiple=0)


def test_what_is_there_stays_unless_forced(model: Path) -> None:
    out = model.with_name("out.keras")
    out.write_text("precious")
    with pytest.raises(NetworkError, match="is there already"):
        snap_model(model, out)
    assert out.read_text() == "precious"
    assert snap_model(model, out, force=True).path == out
    assert load_network(out) == snap(load_network(model))


def test_the_model_itself_is_never_replaced(model: Path) -> None:
    data = model.read_bytes()
    os.link(model, model.with_name("linked.keras"))
    for out in (model, model.with_name("linked.keras")):
        with pytest.raises(NetworkError, match="is the model itself"):
            snap_model(model, out, force=True)
    assert model.read_bytes() == data


def test_a_link_that_leads_nowhere_is_something_that_is_there(model: Path) -> None:
    model.with_name("out.keras").symlink_to("nowhere")
    with pytest.raises(NetworkError, match="is there already"):
        snap_model(model, model.with_name("out.keras"))


@pytest.mark.parametrize("name", ["out.h5", "out", "out.keras.zip"])
def test_other_kinds_of_files_are_refused(model: Path, name: str) -> None:
    with pytest.raises(NetworkError, match=r"neither \.keras nor \.json"):
        snap_model(model, model.with_name(name))


@pytest.mark.parametrize("name", ["out.keras", "out.json"])
def test_what_cannot_be_written_leaves_nothing(model: Path, name: str) -> None:
    with pytest.raises(NetworkError, match="cannot be written"):
        snap_model(model, model.parent / "nowhere" / name)
    assert files(model.parent) == ["lenet.keras"]
    model.with_name(name).mkdir()
    with pytest.raises(NetworkError, match="cannot be written"):
        snap_model(model, model.with_name(name), force=True)
    assert files(model.parent) == sorted(["lenet.keras", name])


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no such file"):
        snap_model(tmp_path / "nowhere.keras")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(NetworkError, match=r"bad\.json"):
        snap_model(tmp_path / "bad.json")
    assert files(tmp_path) == ["bad.json"]


def test_a_network_that_keras_cannot_hold(tmp_path: Path) -> None:
    b = NetworkBuilder((9, 9, 3))
    x: Any = b.conv2d(b.input, 7, 3, padding=(2, 0, 0, 1))
    b.conv2d(x, 2, 1)
    (tmp_path / "odd.json").write_text(b.build().to_json())
    with pytest.raises(UnsupportedLayerError, match="node 0"):
        snap_model(tmp_path / "odd.json", tmp_path / "odd.keras")
    assert files(tmp_path) == ["odd.json"]
