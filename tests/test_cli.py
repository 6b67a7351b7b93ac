"""The command line as a user calls it: in a process of its own, on real files."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import hwnas, refused

from hwnas.network import Network

TRAINER = """
def train(model, trial):
    return 1 - 1 / model.count_params()

def broken(model, trial):
    raise RuntimeError("no")
"""


@pytest.fixture
def model(tmp_path: Path, lenet: Network) -> Path:
    path = tmp_path / "lenet.json"
    path.write_text(lenet.to_json())
    return path


def test_boards(tmp_path: Path) -> None:
    shown = hwnas("boards", cwd=tmp_path)
    assert shown.returncode == 0 and "nucleo_l496zg" in shown.stdout
    assert "simulated" in shown.stdout and "none" in shown.stdout
    plain = json.loads(hwnas("boards", "--json", cwd=tmp_path).stdout)
    assert {"name": "nucleo_l496zg", "latency": "simulated"}.items() <= next(
        board for board in plain if board["name"] == "nucleo_l496zg"
    ).items()


def test_measure_and_the_table_that_it_fills(tmp_path: Path, model: Path) -> None:
    args = ("measure", str(model), "--board", "nucleo_l496zg", "--table", "sqlite:///t.db")
    shown = hwnas(*args, cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    for word in ("simulated", "estimated", "conv2d 3x3/1 32x32x1 -> 30x30x6", "latency_ms"):
        assert word in shown.stdout
    plain = json.loads(hwnas(*args, "--json", cwd=tmp_path).stdout)
    assert plain["macs"] == 274_656 and plain["provenance"]["latency_ms"] == "simulated"
    assert plain["latency_ms"] == pytest.approx(plain["cycles"] / 80e3)
    assert sum(layer["share"] for layer in plain["layers"]) == pytest.approx(1)

    counted = json.loads(hwnas("lut", "stats", "--table", "sqlite:///t.db", "--json", cwd=tmp_path)
                         .stdout)  # fmt: skip
    assert counted["layer_rows"] == 8 and counted["network_rows"] == 1
    out = hwnas("lut", "export", "rows.jsonl", "--table", "sqlite:///t.db", cwd=tmp_path)
    assert out.returncode == 0
    for expected in ("added", "already"):
        done = hwnas("lut", "import", "rows.jsonl", "--table", "sqlite:///new.db", cwd=tmp_path)
        assert done.returncode == 0 and expected in done.stdout
    with (tmp_path / "rows.jsonl").open("a") as rows:
        rows.write('{"half a line\n')
    refused(
        hwnas("lut", "import", "rows.jsonl", "--table", "sqlite:///new.db", cwd=tmp_path),
        "TableError",
        "1 malformed",
    )


def test_measure_a_keras_model(tmp_path: Path, lenet: Network) -> None:
    from hwnas.keras_io import to_keras

    to_keras(lenet).save(tmp_path / "lenet.keras")
    done = hwnas("measure", "lenet.keras", "-b", "nucleo_l496zg", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["macs"] == 274_656


def test_search_resumes(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TRAINER)
    args = (
        "search", "--space", "lenet", "--board", "nucleo_l496zg", "--train", "mine:train",
        "--max-latency-ms", "30", "--max-ram-kib", "64", "--max-flash-kib", "200",
        "--storage", "sqlite:///s.db", "--table", "sqlite:///t.db",
    )  # fmt: skip
    first = hwnas(*args, "--trials", "4", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "Pareto front" in first.stdout and "simulated" in first.stdout
    second = hwnas(*args, "--trials", "9", "--json", cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    plain = json.loads(second.stdout)
    assert sum(plain["stopped"].values()) + plain["failed"] == 9
    assert plain["latency"] == "simulated"
    for entry in plain["front"]:
        assert entry["latency_ms"] <= 30 and entry["ram_bytes"] <= 64 * 1024
    if plain["front"]:
        assert (tmp_path / plain["plot"]).read_bytes().startswith(b"\x89PNG")
    refused(
        hwnas(
            *args[:-4],
            "--storage",
            "sqlite:///s.db",
            "--trials",
            "9",
            "--max-energy-mj",
            "1",
            cwd=tmp_path,
        ),
        "StudyError",
        "budget",
    )


def test_search_goes_on_after_a_failed_training(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TRAINER)
    done = hwnas(
        "search", "--space", "lenet", "-b", "nucleo_l496zg", "--train", "mine:broken",
        "--trials", "2", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    plain = json.loads(done.stdout)
    assert plain["front"] == [] and plain["failed"] >= 1


def test_bad_input_is_one_paragraph_and_exit_code_2(tmp_path: Path, model: Path) -> None:
    board = ("--board", "nucleo_l496zg")
    refused(hwnas("measure", str(model), "-b", "nucleo_l469zg", cwd=tmp_path),
            "BoardError", "nucleo_l496zg")  # fmt: skip
    refused(hwnas("measure", "nowhere.keras", *board, cwd=tmp_path), "nowhere.keras")
    (tmp_path / "bad.keras").write_bytes(b"no zip")
    refused(hwnas("measure", "bad.keras", *board, cwd=tmp_path), "bad.keras")
    (tmp_path / "bad.json").write_text('{"version": 99}')
    refused(hwnas("measure", "bad.json", *board, cwd=tmp_path), "NetworkError", "99")
    (tmp_path / "space.yaml").write_text("version: 1\nname: x\nlayres: []\n")
    refused(
        hwnas("search", "--space", "space.yaml", *board, "--trials", "1", cwd=tmp_path),
        "SpaceError", "space.yaml", "layres",
    )  # fmt: skip
    with sqlite3.connect(tmp_path / "foreign.db") as foreign:
        foreign.execute("create table people (name text)")
    refused(
        hwnas("measure", str(model), *board, "--table", "sqlite:///foreign.db", cwd=tmp_path),
        "TableError", "foreign.db",
    )  # fmt: skip
    refused(hwnas("lut", "stats", "--table", "sqlite:///none.db", cwd=tmp_path), "none.db")
    assert not (tmp_path / "none.db").exists()


def test_an_unsupported_keras_layer_is_named(tmp_path: Path) -> None:
    import keras

    keras.Sequential(
        [keras.Input((8, 8, 2)), keras.layers.Conv2DTranspose(4, 3, name="upscale")]
    ).save(tmp_path / "up.keras")
    refused(hwnas("measure", "up.keras", "-b", "nucleo_l496zg", cwd=tmp_path),
            "UnsupportedLayerError", "upscale")  # fmt: skip


def test_a_model_too_large_for_the_board(tmp_path: Path) -> None:
    from hwnas.network import NetworkBuilder

    b = NetworkBuilder((224, 224, 3))
    b.conv2d(b.input, 32, 3)
    (tmp_path / "big.json").write_text(b.build().to_json())
    refused(hwnas("measure", "big.json", "-b", "nucleo_l496zg", cwd=tmp_path),
            "BudgetError", "bytes of RAM")  # fmt: skip


def test_without_the_data_set_the_search_says_where_it_looked(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = subprocess.run(
        [
            sys.executable, "-c",
            "import sys, hwnas.datasets as d; d.SEARCH_PATHS = (); d.load_fashion_mnist()",
        ],
        env={**os.environ, "HWNAS_DATA_DIR": str(empty), "HOME": str(empty)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "DatasetError" in done.stderr and "dataset-fashion-mnist" in done.stderr


def test_a_space_that_the_built_in_trainer_cannot_train_is_refused_at_once(tmp_path: Path) -> None:
    done = hwnas("search", "--space", "ds_cnn", "--board", "nucleo_l496zg", "--trials", "2",
                 cwd=tmp_path)  # fmt: skip
    refused(done, "DatasetError", "bring a training function of your own")
