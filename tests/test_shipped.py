"""The tables that ship: for their very target, and no other."""

from __future__ import annotations

import gzip
import random
from dataclasses import replace
from pathlib import Path

import pytest
from table_samples import SILICON, SLOW, TARGET, layer, network, network_record, record

from hwnas import Evaluator
from hwnas.errors import TableError
from hwnas.opening import open_backend
from hwnas.resources import data_dir
from hwnas.shipped import WHOLE_SPACES, warm_up
from hwnas.snapping import snap
from hwnas.spaces import list_spaces, load_space, random_networks
from hwnas.table import Accuracy, LookupTable

SHIPPED = sorted(path.name.split(".")[0] for path in data_dir("lut").glob("*.jsonl.gz"))


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


def test_the_papers_boards_have_tables() -> None:
    assert SHIPPED == ["disco_f469ni", "nucleo_f767zi", "nucleo_l496zg"]


@pytest.mark.parametrize("board", SHIPPED)
def test_what_ships_is_what_the_virtual_board_tells(board: str) -> None:
    """A failure here calls for ``make tables``."""
    with LookupTable.open("sqlite://") as table, open_backend(board) as backend:
        report = table.import_jsonl(data_dir("lut") / f"{board}.jsonl.gz")
        assert report.added > 3000 and not report.conflicts and not report.malformed
        (target,) = table.targets()
        differences = target.differences(backend.target)
        if any(part.startswith("compiler") for part in differences):
            pytest.skip(f"made with another compiler: {', '.join(differences)}")
        assert not differences
        chosen = random.Random(board).sample(table.records(target), 20)
        again = {row.layer: row for row in backend.measure_layers(row.layer for row in chosen)}
        assert [again[row.layer].cycles_median for row in chosen] == [
            row.cycles_median for row in chosen
        ]
        assert {accuracy.space for accuracy in table.accuracies(target)} == set(WHOLE_SPACES)


def test_a_first_search_finds_nearly_all_layers() -> None:
    with Evaluator.for_board("nucleo_l496zg", table="sqlite://") as evaluator:
        target = evaluator.backend.target
        if not evaluator.table.targets():
            pytest.skip("made with another compiler")
        for name in WHOLE_SPACES:
            drawn = random_networks(load_space(name), seed=1234)
            layers = [
                layer for _ in range(50) for layer in snap(next(drawn)).layers if not layer.is_free
            ]
            known = evaluator.table.get(target, layers)
            assert sum(layer in known for layer in layers) >= 0.98 * len(layers)


def test_the_known_networks_of_all_spaces_are_told_without_a_run() -> None:
    """A failure here calls for ``make tables``."""
    with Evaluator.for_board("nucleo_l496zg", table="sqlite://") as evaluator:
        target = evaluator.backend.target
        if not evaluator.table.targets():
            pytest.skip("made with another compiler")
        for name in list_spaces():
            space = load_space(name)
            for reference in space.references:
                layers = snap(space.reference(reference)).layers
                wanted = {layer for layer in layers if not layer.is_free}
                assert evaluator.table.get(target, wanted).keys() == wanted, (name, reference)
