"""Exports and imports of a lookup table, also of files that nobody should have written."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table_samples import (
    SILICON,
    SLOW,
    TARGET,
    layer,
    layer_records,
    network,
    network_record,
    record,
)

from hwnas.errors import TableError
from hwnas.table import LayerRecord, LookupTable

ONE_EXAMPLE_A_FOLDER = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)


def exported(table: LookupTable) -> str:
    stream = io.StringIO()
    table.export_jsonl(stream)
    return stream.getvalue()


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """A target, three layers, a network: five lines."""
    with LookupTable.open(":memory:") as table:
        table.put(TARGET, [record(layer(i), i, energy_uj=0.5 * i) for i in range(3)])
        table.put_network(TARGET, network_record(network()))
        return exported(table).splitlines()


def test_an_import_of_an_export_is_the_same_table(tmp_path: Path) -> None:
    path = tmp_path / "lut.jsonl"
    with LookupTable.open(":memory:") as source, LookupTable.open(":memory:") as copy:
        for target in (TARGET, SLOW, SILICON):
            source.put(target, [record(layer(i), i, target) for i in range(5)])
        source.put_network(SLOW, network_record(network(name="stem"), 9, SLOW))
        assert source.export_jsonl(path) == 16
        report = copy.import_jsonl(path)
        assert (report.added, report.unchanged) == (16, 0)
        assert report.conflicts == [] and report.malformed == []
        assert exported(copy) == exported(source) == path.read_text()
        again = copy.import_jsonl(path)
        assert again.to_dict() == {
            "added": 0, "unchanged": 16, "conflicts": [], "malformed": [],
        }  # fmt: skip
        assert copy.export_jsonl(path, [SLOW]) == 6
    assert len(path.read_text().splitlines()) == 7


@ONE_EXAMPLE_A_FOLDER
@given(rows=st.lists(layer_records(), unique_by=lambda row: row.layer, max_size=8))
def test_any_rows_survive_the_round_trip(rows: list[LayerRecord], tmp_path: Path) -> None:
    path = tmp_path / "lut.jsonl"
    with LookupTable.open(":memory:") as source, LookupTable.open(":memory:") as copy:
        source.put(TARGET, rows)
        assert source.export_jsonl(path) == len(rows)
        assert copy.import_jsonl(path).added == len(rows)
        assert copy.get(TARGET, [row.layer for row in rows]) == {r.layer: r for r in rows}
        assert exported(copy) == exported(source)


def test_the_lines_are_what_the_documentation_says(lines: list[str]) -> None:
    target, *rows = map(json.loads, lines)
    assert target == {
        "kind": "target", "version": 1, "digest": TARGET.digest, "identity": TARGET.to_dict(),
    }  # fmt: skip
    by_energy = {row["energy_uj"]: row for row in rows}
    assert by_energy[1.0] == {
        "kind": "layer",
        "target": TARGET.digest,
        "layer": {"operator": "dense", "input_shapes": [[1]], "output_shape": [3],
                  "use_bias": True},
        "n": 3,
        "cycles_min": 2,
        "cycles_median": 3,
        "cycles_max": 4,
        "energy_uj": 1.0,
        "provenance": "simulated",
        "created_at": "2026-03-04T05:06:07.000089+00:00",
    }  # fmt: skip
    assert by_energy[12.25]["kind"] == "network"
    assert by_energy[12.25]["network"] == network().to_dict()


def test_conflicts_are_listed_and_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "lut.jsonl"
    with LookupTable.open(":memory:") as source, LookupTable.open(":memory:") as table:
        source.put(TARGET, [record(layer(i), i) for i in range(3)])
        source.put_network(TARGET, network_record(network(), 4))
        source.export_jsonl(path)
        table.put(TARGET, [record(layer(1), 999)])
        table.put_network(TARGET, network_record(network(), 888))
        kept = table.get_network(TARGET, network().digest)
        report = table.import_jsonl(path)
        assert (report.added, report.unchanged, report.malformed) == (2, 0, [])
        first, second = report.conflicts
        assert (first.stored, first.offered) == (record(layer(1), 999), record(layer(1), 1))
        assert first.target == TARGET
        assert second.stored == kept and str(second).startswith("line 5: network ")
        assert first.line is not None and f"line {first.line}: dense 1 -> 2" in str(first)
        assert "999/1000/1001 cycles" in str(first) and "not 1/2/3" in str(first)
        table.refresh()
        assert table.get(TARGET, [layer(1)])[layer(1)].cycles_min == 999
        assert table.get_network(TARGET, network().digest) == kept


def test_a_file_that_contradicts_itself(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "lut.jsonl"
    other = json.dumps({**json.loads(lines[1]), "energy_uj": 77})
    path.write_text("\n".join([*lines[:2], lines[1], other]))
    with LookupTable.open(":memory:") as table:
        report = table.import_jsonl(path)
    assert (report.added, report.unchanged, len(report.conflicts)) == (1, 1, 1)
    assert report.conflicts[0].line == 4


def test_concatenated_exports_and_empty_lines(lines: list[str], tmp_path: Path) -> None:
    path = tmp_path / "lut.jsonl"
    path.write_bytes("\r\n".join([*lines, "", "  ", *lines]).encode())
    with LookupTable.open(":memory:") as table:
        report = table.import_jsonl(path)
    assert (report.added, report.unchanged, report.malformed) == (4, 4, [])


def changed(line: str, **changes: Any) -> str:
    return json.dumps({**json.loads(line), **changes})


def hostile(lines: list[str]) -> list[tuple[str | bytes, str]]:
    row = lines[1]
    data = json.loads(row)
    whole = json.loads(lines[4])["network"]
    escape = {**whole["nodes"][0], "inputs": [5], "name": "\x1b[2J"}
    bad_layer = {"operator": "dense", "input_shapes": [[1]], "output_shape": [0]}
    return [
        (row[:-7], "column"),
        (row + row, "Extra data"),
        (row.replace('"n":3', '"n":NaN'), "NaN"),
        (row.replace('"n":3', '"n":3,"n":4'), "twice"),
        (row.replace('"n":3', '"n":3.0'), "whole"),
        (row.replace('"n":3', '"n":' + "9" * 5000), "digits"),
        (changed(row, n=10**30), "n must"),
        (changed(row, n=True), "whole"),
        (changed(row, n="3"), "whole"),
        (changed(row, cycles_min=-1), "cycles_min"),
        (changed(row, cycles_max=0), "cycles_min"),
        (changed(row, cycles_max=2**63), "cycles_min"),
        (row.replace(f'"energy_uj":{data["energy_uj"]}', '"energy_uj":Infinity'), "Infinity"),
        (row.replace(f'"energy_uj":{data["energy_uj"]}', '"energy_uj":1e999'), "energy"),
        (changed(row, energy_uj=[1]), "energy"),
        (changed(row, provenance="measured"), "measured"),
        (changed(row, provenance={}), "provenance"),
        (changed(row, created_at="yesterday"), "isoformat"),
        (changed(row, created_at="2026-01-01T00:00:00"), "time zone"),
        (changed(row, created_at=0), "created_at"),
        (changed(row, target="f" * 64), "no line above"),
        (changed(row, target=[]), "no line above"),
        (changed(row, kind="layers"), "kind"),
        (changed(row, kind=["layer"]), "kind"),
        (changed(row, layer=bad_layer), "dense"),
        (changed(row, layer={"operator": "reshape", "input_shapes": [[4]],
                             "output_shape": [2, 2]}), "reshape"),
        (changed(row, layer=None), "layer"),
        (changed(row, colour="red"), "colour"),
        (json.dumps({k: v for k, v in data.items() if k != "energy_uj"}), "energy_uj"),
        (changed(row, layer={**data["layer"], "operator": "\ud800" * 9}), "operator"),
        ("[" * 100_000, "recursion"),
        ("[]", "not an object"),
        ("null", "not an object"),
        (b"\xff\xfe\x00", "utf-8"),
        (b'{"kind":"\x00"}', "control character"),
        (b" " * 3_000_000 + b"{}", "longer than"),
        (changed(lines[0], version=2), "version 2"),
        (changed(lines[0], digest="0" * 64), "digest"),
        (changed(lines[0], identity={**TARGET.to_dict(), "clock_hz": "fast"}), "clock_hz"),
        (changed(lines[4], network={"version": 1}), "nodes"),
        (changed(lines[4], network={**whole, "colour": "red"}), "colour"),
        (changed(lines[4], network={**whole, "nodes": [escape]}), "not made before"),
    ]  # fmt: skip


def test_malformed_lines_are_listed_and_the_others_kept(lines: list[str], tmp_path: Path) -> None:
    cases = hostile(lines)
    path = tmp_path / "lut.jsonl"
    with path.open("wb") as stream:
        stream.write(lines[0].encode() + b"\n")
        for text, _ in cases:
            stream.write((text.encode() if isinstance(text, str) else text) + b"\n")
        stream.write("\n".join(lines[1:]).encode())
    with LookupTable.open(":memory:") as table:
        report = table.import_jsonl(path)
        assert (report.added, report.unchanged, report.conflicts) == (4, 0, [])
        assert table.stats().layer_rows == 3
    assert [number for number, _ in report.malformed] == list(range(2, len(cases) + 2))
    for (text, reason), (_, said) in zip(cases, report.malformed, strict=True):
        assert any(part in said for part in reason.split("|")), (text[:200], said)
        assert len(said) <= 300 and said.isprintable()
    json.dumps(report.to_dict(), allow_nan=False)


@ONE_EXAMPLE_A_FOLDER
@given(
    line=st.integers(0, 4),
    at=st.floats(0, 1),
    cut=st.integers(0, 40),
    put=st.binary(max_size=20),
)
def test_mutated_exports_never_fail_nor_store_nonsense(
    lines: list[str], tmp_path: Path, line: int, at: float, cut: int, put: bytes
) -> None:
    raw = [text.encode() for text in lines]
    start = int(at * len(raw[line]))
    raw[line] = raw[line][:start] + put + raw[line][start + cut :]
    path = tmp_path / "lut.jsonl"
    path.write_bytes(b"\n".join(raw))
    with LookupTable.open(":memory:") as table:
        report = table.import_jsonl(path)
        if line:
            assert report.added >= 3, "the untouched rows are kept"
        for _, said in report.malformed:
            assert said
        # Whatever was taken is a table that can be exported and read again without complaint.
        table.export_jsonl(path)
        with LookupTable.open(":memory:") as copy:
            again = copy.import_jsonl(path)
            assert (again.added, again.malformed) == (report.added, [])


@given(content=st.binary(max_size=300))
@ONE_EXAMPLE_A_FOLDER
def test_any_file_gives_a_report(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "any"
    path.write_bytes(content)
    with LookupTable.open(":memory:") as table:
        assert table.import_jsonl(path).added == 0
        assert table.stats().rows == ()


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with LookupTable.open(":memory:") as table:
        table.put(TARGET, [record(layer(1))])
        for place in (tmp_path / "none.jsonl", tmp_path):
            with pytest.raises(TableError, match="cannot be read"):
                table.import_jsonl(place)
        for place in (tmp_path / "none" / "lut.jsonl", tmp_path, "", ".", "/"):
            with pytest.raises(TableError, match="cannot be written"):
                table.export_jsonl(place)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_fails_leaves_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "lut.jsonl"
    with LookupTable.open(":memory:") as table:
        table.put(TARGET, [record(layer(1))])
        table.export_jsonl(path)
        before = path.read_text()
        table.close()
        with pytest.raises(TableError, match="closed"):
            table.export_jsonl(path)
    assert path.read_text() == before
    assert [p.name for p in tmp_path.iterdir()] == ["lut.jsonl"]


def test_more_rows_than_a_batch(tmp_path: Path) -> None:
    path = tmp_path / "lut.jsonl"
    with LookupTable.open(":memory:") as source, LookupTable.open(":memory:") as copy:
        source.put(TARGET, [record(layer(i), i) for i in range(2300)])
        source.export_jsonl(path)
        with path.open("a") as stream:
            stream.write('{"half')
        copy.put(TARGET, [record(layer(i), i if i % 2 else 7_000_000) for i in range(0, 2300, 23)])
        report = copy.import_jsonl(path)
        assert (report.added, report.unchanged, len(report.conflicts)) == (2200, 50, 50)
        assert [number for number, _ in report.malformed] == [2302]
        numbers = [conflict.line for conflict in report.conflicts]
        assert len(set(numbers)) == 50 and replace(report.conflicts[0], line=None).line is None
