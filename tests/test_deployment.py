"""``hwnas deploy``, ``verify`` and ``export`` as a user calls them, and what stands behind them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import hwnas, refused
from keras_models import sequential
from wire import WiredBoard

from hwnas._tensorflow import import_keras
from hwnas.boards import load_board
from hwnas.datasets import load_fashion_mnist
from hwnas.deploy import DeployedModel, KeptOutputs, deploy_model, verify
from hwnas.errors import DatasetError, HwnasError, NetworkError, PlanError
from hwnas.firmware import find_image
from hwnas.models import TrainedModel, load_network, load_trained, quantize_keras
from hwnas.network import DType
from hwnas.opening import open_backend, virtual_client
from hwnas.plan import ModelImage
from hwnas.samples import random_samples
from hwnas.table import LookupTable
from hwnas.target import Provenance

keras = import_keras()
layers = keras.layers

BOARD = "nucleo_l496zg"
SIDE = 14
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def halved(images: np.ndarray) -> np.ndarray:
    return images.reshape(-1, SIDE, 2, SIDE, 2, 1).mean(axis=(2, 4))


@cache
def trained_keras() -> Any:
    """A small network that has learned something of Fashion-MNIST."""
    keras.utils.set_random_seed(1)
    data = load_fashion_mnist(limit=4_000)
    model = sequential(
        (SIDE, SIDE, 1),
        layers.Conv2D(8, 3, strides=2, activation="relu"),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(halved(data.x_train), data.y_train, epochs=4, verbose=0)
    return model


@cache
def shown_data() -> tuple[np.ndarray, np.ndarray]:
    data = load_fashion_mnist(limit=4_000)
    return halved(data.x_test[:300]).astype(np.float32), data.y_test[:300]


@cache
def trained() -> TrainedModel:
    return quantize_keras(trained_keras(), DType.INT8, lambda shape: shown_data()[0][:100])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the model in all its forms, and data."""
    trained_keras().save(tmp_path / "model.keras")
    trained_keras().save(tmp_path / "model.h5")
    (tmp_path / "model.tflite").write_bytes(trained().flat)
    x, y = shown_data()
    np.savez(tmp_path / "data.npz", x=x, y=y)
    return tmp_path


# The library


def test_all_files_of_a_model_are_one_network(folder: Path) -> None:
    networks = [load_network(folder / f"model.{kind}") for kind in ("keras", "h5", "tflite")]
    assert networks[0] == networks[1] == networks[2]
    whole = [
        load_trained(folder / f"model.{kind}", DType.INT8, lambda shape: shown_data()[0][:100])
        for kind in ("keras", "h5", "tflite")
    ]
    assert {model.trained.parameters for model in whole} == {trained().trained.parameters}
    assert whole[2].keras is None and whole[0].keras is not None


def test_code_in_an_h5_file_is_not_run(tmp_path: Path) -> None:
    sequential((4, 4, 1), layers.Lambda(lambda x: x)).save(tmp_path / "model.h5")
    with pytest.raises(NetworkError, match=r"Keras cannot load it.*no Lambda"):
        load_network(tmp_path / "model.h5")


def test_what_holds_no_trained_model_is_told(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "net.json").write_text(load_network(folder / "model.keras").to_json())
    with pytest.raises(NetworkError, match="has no parameters"):
        load_trained(tmp_path / "net.json", DType.INT8)
    with pytest.raises(PlanError, match="needs samples of its input"):
        load_trained(folder / "model.keras", DType.INT8)
    with pytest.raises(PlanError, match="is int8 and the kernels compute in float32"):
        load_trained(folder / "model.tflite", DType.FLOAT32)
    with pytest.raises(DatasetError, match="do not fit a model that reads"):
        load_trained(folder / "model.keras", DType.INT8, lambda shape: random_samples((3, 3)))


def test_a_deployed_model_takes_what_the_search_was_told() -> None:
    deployment = deploy_model(ModelImage.of(trained().trained), BOARD)
    assert deployment.difference is not None and abs(deployment.difference) < 0.02
    plain = deployment.to_dict()
    assert plain["provenance"] == {"latency_ms": "simulated"}
    assert plain["latency_ms"] == pytest.approx(deployment.run.cycles / 80e3)
    assert len(plain["layers"]) == 3  # the reshape takes no step
    json.dumps(plain)


def test_a_physical_board_knows_only_what_the_table_holds(tmp_path: Path) -> None:
    model = ModelImage.of(trained().trained)
    spec = load_board(BOARD)
    line = virtual_client(spec, find_image(spec), model).transport
    table = tmp_path / "table.db"
    with WiredBoard(line, spec.core.clock_hz) as board:
        unknown = deploy_model(model, BOARD, port=board.port, table=str(table))
        assert unknown.synthetic_cycles is None and unknown.difference is None
        assert unknown.to_dict()["provenance"] == {"latency_ms": "measured"}
        with open_backend(BOARD) as backend, LookupTable.open(table) as opened:
            record = backend.measure_network(model.network)
            assert record is not None
            measured = type(record)(**{**vars_of(record), "provenance": Provenance.MEASURED})
            opened.put_network(unknown.target, measured)
        known = deploy_model(model, BOARD, port=board.port, table=str(table))
    assert known.synthetic_cycles == record.cycles_median


def vars_of(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__dataclass_fields__}


def test_the_board_agrees_with_the_interpreters(tmp_path: Path) -> None:
    x, y = shown_data()
    told: dict[str, int] = {}
    with DeployedModel.open(BOARD, ModelImage.of(trained().trained)) as deployed:
        found = verify(deployed, trained(), x[:80], y[:80], progress=told.__setitem__)
    by = {row.by: row for row in found.computed}
    assert list(by) == ["Keras, floats", "TFLite", "TFLite for Microcontrollers", "board"]
    assert by["TFLite for Microcontrollers"].other_outputs == 0
    assert by["board"].other_outputs == by["board"].other_classes == 0
    assert by["Keras, floats"].other_outputs is None
    accuracies = [row.accuracy for row in found.computed]
    assert all(accuracy is not None and accuracy > 0.6 for accuracy in accuracies)
    assert found.samples == 80 and told["board"] == told["TFLite"] == 80 and not found.missing


def test_another_model_on_the_board_is_found_out() -> None:
    """What verification is for: outputs that are not those of the file."""
    x, y = shown_data()
    other = keras.models.clone_model(trained_keras())
    kept = quantize_keras(other, DType.INT8, lambda shape: x[:100])
    with DeployedModel.open(BOARD, ModelImage.of(kept.trained)) as deployed:
        found = verify(deployed, trained(), x[:20], y[:20])
    micro = next(row for row in found.computed if "Micro" in row.by)
    assert micro.other_outputs is not None and micro.other_outputs > 10


def test_floats_agree_to_their_rounding() -> None:
    x, y = shown_data()
    model = quantize_keras(trained_keras(), DType.FLOAT32)
    with DeployedModel.open(BOARD, ModelImage.of(model.trained)) as deployed:
        found = verify(deployed, model, x[:20], y[:20])
    assert [row.other_classes for row in found.computed] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.zeros((0, SIDE, SIDE, 1)), None, "0 samples"),
        (np.zeros((2, SIDE, SIDE)), None, "do not fit a model that reads"),
        (np.zeros((2, SIDE, SIDE, 1)), np.zeros(3, int), "labels of shape"),
    ],
)
def test_data_that_do_not_fit_are_told(x: np.ndarray, y: np.ndarray | None, words: str) -> None:
    with (
        DeployedModel.open(BOARD, ModelImage.of(trained().trained)) as deployed,
        pytest.raises(DatasetError, match=words),
    ):
        verify(deployed, trained(), x.astype(np.float32), y)


def test_outputs_are_kept_and_not_computed_again(tmp_path: Path) -> None:
    x, _ = shown_data()
    with DeployedModel.open(BOARD, ModelImage.of(trained().trained)) as deployed:
        with KeptOutputs(tmp_path / "kept.db") as kept:
            first = verify(deployed, trained(), x[:5], kept=kept)
        # A board that is gone: all that is asked of it now must be kept.
        deployed.close()
        with KeptOutputs(tmp_path / "kept.db") as kept:
            again = verify(deployed, trained(), x[:5], kept=kept)
    assert again == first


def test_a_file_of_something_else_is_told(tmp_path: Path) -> None:
    (tmp_path / "kept.db").write_text("not a database, but long enough to look like one " * 20)
    with pytest.raises(HwnasError, match="cannot open it"):
        KeptOutputs(tmp_path / "kept.db")


# The commands


def test_deploy(folder: Path) -> None:
    args = ("deploy", "model.keras", "--board", BOARD, "--table", "t.db", "--calibrate", "data.npz")
    shown = hwnas(*args, cwd=folder)
    assert shown.returncode == 0, shown.stderr
    for words in ("simulated", "before training", "difference", "conv2d 3x3/2 14x14x1 -> 6x6x8"):
        assert words in shown.stdout
    plain = json.loads(hwnas(*args, "--json", cwd=folder).stdout)
    assert abs(plain["difference"]) < 0.02 and plain["kernel_set"] == "cmsis_nn"
    by_tflite = hwnas("deploy", "model.tflite", *args[2:6], "--json", cwd=folder)
    assert json.loads(by_tflite.stdout)["cycles"] == plain["cycles"]


def test_random_calibration_says_so(folder: Path) -> None:
    args = ("deploy", "model.h5", "--board", BOARD, "--table", "t.db")
    refused(hwnas(*args, cwd=folder), "needs samples of its input")
    shown = hwnas(*args, "--random-calibration", cwd=folder)
    assert shown.returncode == 0 and "outputs mean nothing" in shown.stderr
    both = hwnas(*args, "--random-calibration", "--calibrate", "data.npz", cwd=folder)
    refused(both, "give one of them")


def test_floats_are_deployed_with_their_kernels(folder: Path) -> None:
    args = ("deploy", "model.keras", "--board", BOARD, "--table", "t.db", "--kernels", "float32")
    shown = hwnas(*args, "--json", cwd=folder)
    assert json.loads(shown.stdout)["kernel_set"] == "float32", shown.stderr


def test_verify(folder: Path) -> None:
    args = (
        "verify", "model.keras", "--board", BOARD, "--data", "data.npz", "--limit", "30",
        "--calibrate", "data.npz",
    )  # fmt: skip
    shown = hwnas(*args, cwd=folder)
    assert shown.returncode == 0, shown.stderr
    assert "30 samples" in shown.stdout and "board, simulated" in shown.stdout
    plain = json.loads(hwnas(*args, "--json", cwd=folder).stdout)
    assert [row["other_outputs"] for row in plain["computed"]][-2:] == [0, 0]
    assert plain["provenance"] == {"board": "simulated"}


def test_an_interrupted_verification_goes_on(folder: Path) -> None:
    """At Ctrl-C what the board computed is kept, and the same command starts behind it."""
    args = ["verify", "model.tflite", "--board", BOARD, "--data", "data.npz"]
    command = [sys.executable, "-m", "hwnas.cli", *args]
    running = subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while kept_outputs(folder) < 10 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert "the same command goes on" in said
    before = kept_outputs(folder)
    assert 10 <= before < 300
    done = hwnas(*args, "--json", cwd=folder)
    assert json.loads(done.stdout)["samples"] == 300
    assert kept_outputs(folder) == 300


def kept_outputs(folder: Path) -> int:
    try:
        with sqlite3.connect(folder / "hwnas-verify.db") as database:
            (count,) = database.execute("SELECT count(*) FROM outputs").fetchone()
            return int(count)
    except sqlite3.Error:
        return 0


def test_export(folder: Path) -> None:
    args = ("export", "model.tflite", "--board", BOARD, "-o", "product", "--json")
    plain = json.loads(hwnas(*args, cwd=folder).stdout)
    assert {"README.md", "CMakeLists.txt", "include/hwnas.h"} < set(plain["files"])
    assert "add_subdirectory(product)" in (folder / "product/README.md").read_text()
    header = (folder / "product/model/hwnas_model.h").read_text()
    assert f"#define HWNAS_INPUT_BYTES {SIDE * SIDE}u" in header
    assert "HWNAS_INPUT_SCALE" in header and "HWNAS_OUTPUT_ZERO_POINT (-128)" in header
    refused(hwnas(*args, cwd=folder), "is there already")


def test_what_is_no_model_is_refused(folder: Path) -> None:
    (folder / "cut.tflite").write_bytes(trained().flat[:1_000])
    for command in (("deploy",), ("verify", "--data", "data.npz"), ("export", "-o", "out")):
        name, *rest = command
        args = ("--board", BOARD, *rest)
        refused(hwnas(name, "cut.tflite", *args, cwd=folder), "is damaged, or cut off")
        refused(hwnas(name, "none.keras", *args, cwd=folder), "there is no such file")
        refused(hwnas(name, "data.npz", *args, cwd=folder), "none of .keras, .h5, .tflite, .json")
    assert not (folder / "out").exists()
