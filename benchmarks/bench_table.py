"""The lookup table: a network's layers among a million rows, warm and cold; 100,000 rows moved.

The rows are made up: this measures the table, not a board.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _report import seconds_each, show

from hwnas.network import Layer, conv2d
from hwnas.table import LayerRecord, LookupTable
from hwnas.target import Provenance, TargetIdentity

ROWS = 1_000_000
MOVED = 100_000
LAYERS = 30
TARGET = TargetIdentity(
    board="made_up",
    core="cortex-m4",
    clock_hz=80_000_000,
    arena_region="ram",
    kernel_set="cmsis_nn",
    kernel_version="4.0.0",
    compiler="gcc",
    compiler_version="12.2.1",
    compiler_flags="-O3",
    measured_code_sha256="0" * 64,
    pool_sha256="1" * 64,
    cache="warm",
    provenance=Provenance.SIMULATED,
    timing_model="made-up/1",
)


def layer(i: int) -> Layer:
    return conv2d((1 + i // 1000, 28, 1 + i % 100), 1 + i // 100 % 10, 3, activation="relu")


def network(start: int) -> list[Layer]:
    return [layer(start + 37 * i) for i in range(LAYERS)]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, export = Path(folder) / "lut.db", Path(folder) / "lut.jsonl"
        figures = [("store 1,000,000 rows, 100,000 in a call", fill(path, ROWS), "s a call", "")]
        with LookupTable.open(path) as table:
            figures += [
                ("30 layers, warm", warm(table), "us", "100 or less"),
                ("30 layers, SQLite of 1,000,000 rows", uncached(table), "us", "2000 or less"),
                ("the same, the table just opened", opened(path), "us", "2000 or less"),
                ("statistics", seconds_each(table.stats, 3), "s", ""),
            ]
        moved = Path(folder) / "moved.db"
        fill(moved, MOVED)
        with LookupTable.open(moved) as table:
            exported = timed(lambda: table.export_jsonl(export))
        figures.append(("export 100,000 rows", [exported], "s", ""))
        with LookupTable.open(Path(folder) / "copy.db") as copy:
            figures += [
                (
                    "import them into an empty table",
                    [imported(copy, export, MOVED)],
                    "s",
                    "10 or less",
                ),
                ("import them again", [imported(copy, export, 0)], "s", ""),
            ]
        sizes = f"{path.stat().st_size / 1e6:.0f} MB, export {export.stat().st_size / 1e6:.0f} MB"
    show(f"lookup table (SQLite file {sizes})", figures)


def fill(path: Path, count: int) -> list[float]:
    times = []
    with LookupTable.open(path) as table:
        for start in range(0, count, MOVED):
            rows = [
                LayerRecord(layer(i), 3, i, i, i, None, TARGET.provenance)
                for i in range(start, start + MOVED)
            ]
            times.append(timed(lambda rows=rows: table.put(TARGET, rows)))
    return times


def warm(table: LookupTable) -> list[float]:
    assert len(table.get(TARGET, network(7))) == LAYERS
    # Equal layers, but not the objects that the table holds: as for another candidate.
    layers = network(7)
    return [s * 1e6 for s in seconds_each(lambda: table.get(TARGET, layers), 1000)]


def uncached(table: LookupTable) -> list[float]:
    times = []
    for start in range(100, 200):
        layers = network(start * 4000)
        table.refresh()
        times.append(timed(lambda layers=layers: table.get(TARGET, layers)) * 1e6)
    return times


def opened(path: Path) -> list[float]:
    times = []
    for start in range(20):
        with LookupTable.open(path) as table:
            layers = network(start * 30000)
            times.append(timed(lambda t=table, layers=layers: t.get(TARGET, layers)) * 1e6)
    return times


def imported(table: LookupTable, export: Path, added: int) -> float:
    start = time.perf_counter()
    report = table.import_jsonl(export)
    taken = time.perf_counter() - start
    assert (report.added, report.unchanged) == (added, MOVED - added)
    assert not report.conflicts and not report.malformed
    return taken


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
