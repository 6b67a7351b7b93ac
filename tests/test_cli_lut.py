"""``hwnas lut``: the commands about targets, on a table of two kernel sets."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from command_line import hwnas, refused

from hwnas.backend import BoardBackend
from hwnas.network import conv2d, dense, max_pool2d
from hwnas.opening import open_backend
from hwnas.table import LookupTable

LAYERS = [dense((16,), 4), dense((32,), 4), conv2d((6, 6, 4), 4, 3), max_pool2d((6, 6, 4))]


@pytest.fixture(scope="module")
def made(backend: BoardBackend, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lut") / "table.db"
    with (
        LookupTable.open(path) as table,
        open_backend(backend.spec.name, kernel_set="reference") as plain,
    ):
        for each in (backend, plain):
            table.put(each.target, each.measure_layers(LAYERS))
    return path


def test_two_targets_side_by_side(made: Path, tmp_path: Path) -> None:
    pair = ("kernel_set=cmsis_nn", "kernel_set=reference")
    table = ("--table", f"sqlite:///{made}")
    plot = tmp_path / "diff.png"
    told = hwnas("lut", "diff", *pair, *table, "--plot", str(plot), cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    assert "they differ in kernel_set, kernel_version, measured_code_sha256" in told.stdout
    assert plot.read_bytes().startswith(b"\x89PNG")
    plain = json.loads(hwnas("lut", "diff", *pair, *table, "--json", cwd=tmp_path).stdout)
    ratios = {row["operator"]: row["median"] for row in plain["operators"]}
    assert set(ratios) == {"dense", "conv2d", "max_pool2d"} and ratios["conv2d"] > 1.3
    refused(hwnas("lut", "diff", "core=cortex", "kernel_set=reference", *table, cwd=tmp_path),
            "means several", "cmsis_nn", "reference")  # fmt: skip


def test_rows_are_shown_the_dearest_first(made: Path, tmp_path: Path) -> None:
    arguments = ("lut", "show", "kernel_set=reference", "--table", f"sqlite:///{made}")
    shown = hwnas(*arguments, "--op", "dense", "--limit", "1", cwd=tmp_path).stdout
    assert "dense 32 -> 4" in shown and "simulated" in shown and "1 more rows" in shown
    rows = json.loads(hwnas(*arguments, "--json", cwd=tmp_path).stdout)["rows"]
    cycles = [row["cycles_median"] for row in rows]
    assert len(rows) == 4 and cycles == sorted(cycles, reverse=True)


def test_check_finds_what_has_drifted(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with LookupTable.open(made) as table:
        table.export_jsonl(tmp_path / "rows.jsonl.gz")
    with LookupTable.open(copy) as table:
        assert table.import_jsonl(tmp_path / "rows.jsonl.gz").added == 8
    arguments = ("lut", "check", "--board", "nucleo_l496zg", "--table", f"sqlite:///{copy}")
    well = hwnas(*arguments, cwd=tmp_path)
    assert well.returncode == 0 and "4 of 4 layers are as stored" in well.stdout, well.stderr
    with sqlite3.connect(copy) as raw:
        raw.execute("update lut_layer_rows set cycles_max = cycles_max + 1")
    drifted = hwnas(*arguments, "--json", cwd=tmp_path)
    assert drifted.returncode == 1 and len(json.loads(drifted.stdout)["drifted"]) == 4


def test_a_target_is_deleted_after_confirmation_only(made: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(made.read_bytes())
    arguments = ("lut", "prune", "kernel_set=reference", "--table", f"sqlite:///{copy}")
    assert hwnas(*arguments, cwd=tmp_path).returncode != 0
    with LookupTable.open(copy) as table:
        assert len(table.targets()) == 2
    assert "4 rows deleted" in hwnas(*arguments, "--yes", cwd=tmp_path).stdout
    with LookupTable.open(copy) as table:
        assert [target.kernel_set for target in table.targets()] == ["cmsis_nn"]


def test_a_validation_is_kept(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/table.db"
    plot = tmp_path / "plots" / "validation.svg"
    told = hwnas(
        "lut", "validate", "--board", "nucleo_l496zg", "--space", "lenet", "--networks", "5",
        "--table", url, "--plot", str(plot), cwd=tmp_path,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "table" in told.stdout and "parameters" in told.stdout and plot.is_file()
    shown = hwnas("lut", "show", "board=nucleo_l496zg", "--table", url, cwd=tmp_path).stdout
    assert "sums of 5 networks of lenet: mean error 0.0" in shown
