"""A lookup table's way out to a file of JSON lines, and back in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from hwnas._files import replacing
from hwnas.errors import TableError
from hwnas.table import _jsonl, _notes, _rows, _schema
from hwnas.table._database import Database
from hwnas.table._files import DAMAGED, is_compressed, reading, writing
from hwnas.table._records import ImportReport
from hwnas.target import TargetIdentity

BATCH_ROWS: Final = 1000
BATCH_BYTES: Final = 8 << 20
_Line = _jsonl.Parsed | _jsonl.ParsedAccuracy


def export(
    database: Database,
    destination: TextIO | str | Path,
    targets: Iterable[TargetIdentity] | None,
) -> int:
    """As :meth:`hwnas.table.LookupTable.export_jsonl`."""
    if not isinstance(destination, str | Path):
        return _write(database, destination, targets)
    path = Path(destination)
    try:
        with (
            replacing(path) as draft,
            writing(draft, compressed=is_compressed(path)) as stream,
        ):
            return _write(database, stream, targets)
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: the export cannot be written ({error})") from error


def import_file(database: Database, path: Path) -> ImportReport:
    """As :meth:`hwnas.table.LookupTable.import_jsonl`."""
    report = ImportReport(0, 0, [], [])
    try:
        with reading(path) as stream:
            for batch in _batches(_jsonl.read_lines(stream), report.malformed):
                report = _store(database, batch, report)
    except DAMAGED as error:
        raise TableError(f"{path}: the import cannot be read ({error})") from error
    return report


def _write(database: Database, stream: TextIO, targets: Iterable[TargetIdentity] | None) -> int:
    wanted = None if targets is None else {target.digest for target in targets}
    rows = 0
    with database.transaction("exported") as connection:
        for target in _rows.all_targets(connection):
            if wanted is not None and target.digest not in wanted:
                continue
            stream.write(f"{_jsonl.target_line(target)}\n")
            for found in _notes.fetch_accuracies(connection, target):
                stream.write(f"{_jsonl.accuracy_line(target, found)}\n")
            for kind in _schema.KINDS:
                for row in _rows.stream(connection, kind, target.digest):
                    stream.write(f"{_jsonl.row_line(kind, row)}\n")
                    rows += 1
    return rows


def _store(database: Database, batch: Sequence[_Line], report: ImportReport) -> ImportReport:
    parsed = [line for line in batch if isinstance(line, _jsonl.Parsed)]
    merged: list[tuple[int, _rows.Merged]] = []
    with database.transaction("written", writes=True) as connection:
        for kind in _schema.KINDS:
            rows = [row for row in parsed if row.kind is kind]
            entries = _rows.merge(connection, kind, [(row.target, row.record) for row in rows])
            merged += zip((row.line for row in rows), entries, strict=True)
        for line in batch:
            if isinstance(line, _jsonl.ParsedAccuracy):
                _notes.put_accuracy(connection, line.target, line.accuracy)
    conflicts = [entry.conflict(number) for number, entry in merged if entry.conflicts]
    added = sum(entry.is_new for _, entry in merged)
    return ImportReport(
        report.added + added,
        report.unchanged + len(merged) - added - len(conflicts),
        report.conflicts + conflicts,
        report.malformed,
    )


def _batches(
    lines: Iterable[_Line | _jsonl.Malformed], malformed: list[tuple[int, str]]
) -> Iterator[list[_Line]]:
    """Rows in batches of bounded size; lines that are none go to ``malformed``."""
    batch: list[_Line] = []
    size = 0
    for line in lines:
        if isinstance(line, _jsonl.Malformed):
            malformed.append((line.line, line.reason))
            continue
        batch.append(line)
        size += line.size
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
