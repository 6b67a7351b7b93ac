"""A process that fills a lookup table is killed at random points and started again.

    python benchmarks/kill_measuring.py [KILLS]

At most the layer in flight is measured again, and no row is lost, partial or wrong. Exits with 1
where that did not hold.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.table import Table

from hwnas.backend import BoardBackend
from hwnas.network import Layer, conv2d, dense, depthwise_conv2d, max_pool2d
from hwnas.opening import open_backend
from hwnas.table import LayerRecord, LookupTable
from hwnas.target import TargetIdentity

BOARD = "nucleo_l496zg"
KILLS = 200
LONGEST_S = 120.0
LAYERS: tuple[Layer, ...] = (
    *(conv2d((10, 10, 4), channels, 3) for channels in range(1, 9)),
    *(depthwise_conv2d((12, 12, channels), 3) for channels in range(1, 9)),
    *(dense((100,), units) for units in range(1, 9)),
    *(max_pool2d((12, 12, channels)) for channels in range(1, 9)),
)


def measure(backend: BoardBackend, table_path: Path, log_path: Path) -> None:
    """Fills the table and logs each layer when its measuring begins and when its row is stored."""
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def logged(layers: Sequence[Layer]) -> Iterator[LayerRecord]:
        for layer in layers:
            os.write(log, b"begun %d\n" % LAYERS.index(layer))
            yield from backend.measure_layers([layer])
            os.write(log, b"stored %d\n" % LAYERS.index(layer))

    with LookupTable.open(table_path) as table:
        table.get_or_measure(backend.target, LAYERS, logged)
    os.write(log, b"ended\n")


def serve() -> None:
    """Forks a process for each line `TABLE<tab>LOG` and answers with its id.

    So a new process is there in milliseconds, with everything imported, but opens board and table
    itself.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    backend = open_backend(BOARD)
    backend.open()
    backend.close()
    print("ready", flush=True)
    for line in sys.stdin:
        table, log = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            try:
                measure(backend, Path(table), Path(log))
            except BaseException:
                traceback.print_exc()
            os._exit(0)
        print(child, flush=True)


class Starter:
    """Starts processes that measure."""

    def __init__(self) -> None:
        # What this process can import, that one must, too.
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
        self._server = subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self._server.stdout is not None and self._server.stdout.readline() == "ready\n"

    def start(self, table: Path, log: Path) -> int:
        """The id of a process that fills a table from now on."""
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(f"{table}\t{log}\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def __enter__(self) -> Starter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.communicate(timeout=LONGEST_S)


@dataclass
class Findings:
    """What was found so far.

    Attributes:
        kills: Processes that were killed while they ran.
        tables: Tables that were filled to the end.
        in_flight: Kills by the number of layers that were begun and not stored.
        lost: Layers measured again, over all.
        faults: What must not be.
    """

    kills: int = 0
    tables: int = 0
    in_flight: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    faults: list[str] = field(default_factory=list)


def reference(backend: BoardBackend) -> dict[Layer, int]:
    """What every layer takes, measured without interruption."""
    return {record.layer: record.cycles_median for record in backend.measure_layers(LAYERS)}


def kill_while_measuring(kills: int, seed: int, folder: Path) -> Findings:
    """Fills tables one after the other, and kills who fills them, until that happened so often."""
    source, findings = random.Random(seed), Findings()
    with open_backend(BOARD) as backend:
        right, target = reference(backend), backend.target
    with Starter() as starter:
        usual_s = _fill(starter, folder / "undisturbed", None)
        while findings.kills < kills:
            place = folder / str(findings.tables)
            while not _ended(place):
                before = _log(place)
                # A table sees a few kills: while its board boots, at any layer, at the end.
                _fill(starter, place, source.uniform(0, usual_s / 2))
                _check_begun(before, _log(place)[len(before) :], findings)
                if not _ended(place):
                    findings.kills += 1
                    _check_rows(place, right, target, findings, whole=False)
            _check_rows(place, right, target, findings, whole=True)
            findings.tables += 1
    return findings


def _fill(starter: Starter, place: Path, kill_after_s: float | None) -> float:
    """Lets a process run, to its end or until it is killed; how long it ran."""
    place.mkdir(exist_ok=True)
    process = starter.start(place / "table.db", place / "log")
    start = time.monotonic()
    end = start + (LONGEST_S if kill_after_s is None else kill_after_s)
    while time.monotonic() < end and _is_alive(process):
        time.sleep(0.0005)
    seconds = time.monotonic() - start
    if _is_alive(process):
        os.kill(process, signal.SIGKILL)
    elif not _ended(place):
        raise RuntimeError("a process failed by itself; its traceback stands above")
    while _is_alive(process):
        time.sleep(0.0005)
    return seconds


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def _log(place: Path) -> list[list[str]]:
    log = place / "log"
    return [line.split() for line in log.read_text().splitlines()] if log.is_file() else []


def _ended(place: Path) -> bool:
    return ["ended"] in _log(place)


def _numbers(log: Iterable[list[str]], event: str) -> set[int]:
    return {int(line[1]) for line in log if line[0] == event}


def _check_begun(before: list[list[str]], after: list[list[str]], findings: Findings) -> None:
    """Of what an earlier process had begun, at most one layer is measured again."""
    again = _numbers(before, "begun") & _numbers(after, "begun")
    findings.lost += len(again)
    if len(again) > 1 or again & _numbers(before, "stored"):
        findings.faults.append(f"layers {sorted(again)} were measured again")


def _check_rows(
    place: Path, right: dict[Layer, int], target: TargetIdentity, findings: Findings, *, whole: bool
) -> None:
    """What was stored is there, and what is there is right."""
    path = place / "table.db"
    if not path.exists():
        return
    with LookupTable.open(path) as table:
        rows = table.get(target, LAYERS)
    found = {LAYERS.index(layer) for layer in rows}
    stored, begun = _numbers(_log(place), "stored"), _numbers(_log(place), "begun")
    if not whole:
        findings.in_flight[len(begun - found)] += 1
    if not stored <= found or len(begun - found) > 1 or (whole and len(found) != len(LAYERS)):
        findings.faults.append(f"stored {stored}, begun {begun}, found {found}")
    for layer, row in rows.items():
        if {row.cycles_min, row.cycles_median, row.cycles_max} != {right[layer]}:
            findings.faults.append(f"{row} instead of {right[layer]} cycles")
    raw = sqlite3.connect(path)
    problems = [*raw.execute("pragma integrity_check"), *raw.execute("pragma foreign_key_check")]
    raw.close()
    if problems != [("ok",)]:
        findings.faults.append(f"{path}: {problems}")


def main() -> int:
    if sys.argv[1:] == ["--serve"]:
        serve()
        return 0
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        findings = kill_while_measuring(kills, 1, Path(folder))
    table = Table("what", "count", "aim")
    table.title = f"SIGKILL while {len(LAYERS)} layers are measured (simulated board)"
    table.title_justify = "left"
    table.add_row("kills", str(findings.kills), str(kills))
    table.add_row("tables filled to the end", str(findings.tables), "")
    for layers, count in sorted(findings.in_flight.items()):
        table.add_row(f"kills with {layers} layers in flight", str(count), "0 or 1 layers")
    table.add_row("layers measured again", str(findings.lost), "at most one a kill")
    table.add_row("rows lost, partial or wrong", str(len(findings.faults)), "0")
    console = Console(width=100)
    console.print(table)
    console.print(f"{time.monotonic() - start:.0f} s")
    for fault in findings.faults[:20]:
        console.print(f"FAULT: {fault}", markup=False)
    return int(bool(findings.faults))


if __name__ == "__main__":
    sys.exit(main())
