"""The tables that ship: for their very target, and no other."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest
from table_samples import SILICON, SLOW, TARGET, layer, network, network_record, record

from hwnas.errors import TableError
from hwnas.shipped import warm_up
from hwnas.table import Accuracy, LookupTable


@pytest.fixture
def lut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "lut"
    folder.mkdir()
    monkeypatch.setattr("hwnas.shipped.data_dir", lambda kind: folder)
    with LookupTable.open("sqlite://") as table:
        table.put(TARGET, [record(layer(1)), record(layer(2))])
        table.put_network(TARGET, network_record(network(), 500, TARGET))
        table.put_accuracy(TARGET, Accuracy("lenet", 50, 0.001, -0.001, 0.01, 1.0))
        table.export_jsonl(folder / f"{TARGET.board}.jsonl.gz")
        table.export_jsonl(folder / "again.gz")
    assert (folder / "again.gz").read_bytes() == next(folder.glob("*.jsonl.gz")).read_bytes()
    return folder


def test_a_table_that_lacks_the_target_is_filled_once(lut: Path) -> None:
    with LookupTable.open("sqlite://") as table:
        assert warm_up(table, TARGET) == 3
        assert set(table.get(TARGET, [layer(1), layer(2)])) == {layer(1), layer(2)}
        assert table.accuracies(TARGET)[0].worst == 0.01
        assert warm_up(table, TARGET) == 0


def test_another_target_gets_nothing(lut: Path) -> None:
    with LookupTable.open("sqlite://") as table:
        for target in (SLOW, SILICON, replace(TARGET, board="other")):
            assert warm_up(table, target) == 0
        assert table.targets() == []


def test_a_damaged_file_is_told_and_keeps_what_is_good(lut: Path) -> None:
    path = lut / f"{TARGET.board}.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines()
    path.write_bytes(gzip.compress(b"\n".join([*lines, b"{}"])))
    with LookupTable.open("sqlite://") as table, pytest.raises(TableError, match="reinstall"):
        warm_up(table, TARGET)
    path.write_bytes(path.read_bytes()[:-40])
    with LookupTable.open("sqlite://") as table, pytest.raises(TableError, match="cannot be read"):
        warm_up(table, TARGET)
    path.write_bytes(b"no gzip")
    with LookupTable.open("sqlite://") as table, pytest.raises(TableError, match="cannot be read"):
        warm_up(table, TARGET)
