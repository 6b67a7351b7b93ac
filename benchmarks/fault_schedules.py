"""Random faults on the line to a board: the right number, or a typed error in time.

    python benchmarks/fault_schedules.py [SCHEDULES]

Each schedule is played twice against the real firmware on the virtual board: once against a client
that runs a kernel and measures it, once against a backend that fills a lookup table and is asked
again until it has all rows. Exits with 1 where anything was wrong, untyped or late.
"""

from __future__ import annotations

import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from hwnas.backend import BoardBackend
from hwnas.device import BoardClient, RunResult, Transport
from hwnas.errors import BoardError, HwnasError
from hwnas.kernel_cases import KERNEL_CASES, kernel_plan, run_kernel
from hwnas.network import Layer, conv2d, dense
from hwnas.opening import open_backend
from hwnas.table import LookupTable
from hwnas.testing import FaultSchedule, FaultyTransport

BOARD = "nucleo_l496zg"
SCHEDULES = 2000
TIMEOUT_S = 0.1
RETRIES = 2
DEADLINE_S = TIMEOUT_S * (RETRIES + 1)
OVERRUN_S = 30.0
"""How much longer a request may take before it is called a hang. The virtual board looks at the
clock every tenth of a second; a busy machine stalls for seconds. The longest
time is printed beside the deadline."""
MOST_ATTEMPTS = 400
CASE = KERNEL_CASES[0]
LAYERS = (conv2d((6, 6, 4), 4, 3), dense((16,), 8))
RIGHT = "right"


class Outlet(Transport):
    """A way to a line that outlives it, as a port outlives the programs that open it.

    Attributes:
        slowest_s: The longest time that one request took, with its repetitions; see :meth:`settle`.
    """

    def __init__(self, line: Transport) -> None:
        self.slowest_s = 0.0
        self._line = line
        self._request = b""
        self._started = time.monotonic()
        self._closed = False

    def settle(self) -> None:
        """Counts the time of the last request: it has been answered or given up."""
        self.slowest_s = max(self.slowest_s, time.monotonic() - self._started)

    def write(self, data: bytes) -> None:
        self._check()
        if data != self._request:
            if self._request:
                self.settle()
            self._request, self._started = data, time.monotonic()
        self._line.write(data)

    def read(self, timeout_s: float) -> bytes:
        self._check()
        return self._line.read(timeout_s)

    def close(self) -> None:
        self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise BoardError("the outlet is closed")


class ImpatientClient(BoardClient):
    """A client for runs that take milliseconds."""

    def run(self, **arguments: Any) -> RunResult:
        return super().run(**{"timeout_s": TIMEOUT_S, **arguments})


@dataclass
class Tally:
    """What was found so far.

    Attributes:
        client: Outcomes of sessions of the client: right, or the type of the error.
        backend: Outcomes of attempts of the backend.
        wrong: Wrong numbers, partial rows, untyped errors, late calls: what must not be.
        longest_s: The longest that a request took until it was answered or given up.
    """

    client: Counter[str] = field(default_factory=Counter)
    backend: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    longest_s: float = 0.0

    def attempt(self, name: str, act: Callable[[], None], outlets: Sequence[Outlet]) -> str:
        """Does something that may fail; RIGHT, or the type of its error."""
        try:
            act()
            outcome = RIGHT
        except HwnasError as error:
            outcome = type(error).__name__
        for outlet in outlets:
            outlet.settle()
            self.longest_s = max(self.longest_s, outlet.slowest_s)
            if outlet.slowest_s > DEADLINE_S + OVERRUN_S:
                self.wrong.append(f"{name}: a request took {outlet.slowest_s:.2f} s")
        return outcome


class Stage:
    """The virtual board, and what is right on an undisturbed line."""

    def __init__(self) -> None:
        self._backend = open_backend(BOARD)
        self._board = self._backend.open().transport
        self.rows = {
            record.layer: record.cycles_median for record in self._backend.measure_layers(LAYERS)
        }
        self.cycles = self._cycles(ImpatientClient(Outlet(self._board)))

    def close(self) -> None:
        self._backend.close()

    def play(self, schedule: FaultSchedule, seed: int, tally: Tally) -> None:
        """Plays a schedule and notes what came of it."""
        name = f"seed {seed}, {schedule}"
        for act in (self._play_client, self._play_backend):
            self._board.write(b"\0")
            while self._board.read(1.0):
                pass
            line = FaultyTransport(Outlet(self._board), schedule, seed)
            try:
                act(line, name, tally)
            except Exception as error:
                tally.wrong.append(f"{name}: untyped {error!r}")

    def _play_client(self, line: Transport, name: str, tally: Tally) -> None:
        def session() -> None:
            computed = zlib.crc32(run_kernel(client, CASE.layer))
            if computed != CASE.crc32:
                tally.wrong.append(f"{name}: an output with CRC {computed:#x}")
            cycles = self._cycles(client)
            if cycles != self.cycles:
                tally.wrong.append(f"{name}: {cycles} cycles instead of {self.cycles}")
            client.reset()

        outlet = Outlet(line)
        client = ImpatientClient(outlet, timeout_s=TIMEOUT_S, retries=RETRIES)
        tally.client[tally.attempt(name, session, [outlet])] += 1

    def _play_backend(self, line: Transport, name: str, tally: Tally) -> None:
        outlets: list[Outlet] = []

        def connect() -> BoardClient:
            outlets.append(Outlet(line))
            return ImpatientClient(outlets[-1], timeout_s=TIMEOUT_S, retries=RETRIES)

        def fill() -> None:
            table.get_or_measure(target, LAYERS, backend.measure_layers)

        whole = self._backend
        target = whole.target
        with LookupTable.open("sqlite://") as table:
            backend = BoardBackend(whole.spec, whole.image, connect, target)
            for _ in range(MOST_ATTEMPTS):
                outlets.clear()
                outcome = tally.attempt(name, fill, outlets)
                tally.backend[outcome] += 1
                self._check_rows(table, name, tally, whole=outcome == RIGHT)
                if outcome == RIGHT:
                    return
        tally.wrong.append(f"{name}: the backend did not recover in {MOST_ATTEMPTS} attempts")

    def _check_rows(self, table: LookupTable, name: str, tally: Tally, *, whole: bool) -> None:
        """What is stored is right and complete; read anew, not from the table's memory."""
        table.refresh()
        found = table.get(self._backend.target, LAYERS)
        cycles: dict[Layer, int] = {}
        for layer, row in found.items():
            if (row.cycles_min, row.cycles_median) != (row.cycles_max, row.cycles_max):
                tally.wrong.append(f"{name}: the row {row} has a spread")
            cycles[layer] = row.cycles_median
        if not cycles.items() <= self.rows.items() or (whole and len(cycles) != len(LAYERS)):
            tally.wrong.append(f"{name}: the table holds {cycles} instead of {self.rows}")

    def _cycles(self, client: BoardClient) -> list[int]:
        plan, _ = kernel_plan(CASE.layer)
        client.load(plan.data)
        result = client.run(repeats=2, step_count=len(plan.step_nodes))
        return [int(cycles) for cycles in result.layer_cycles.ravel()]


def random_schedule(seed: int) -> FaultSchedule:
    """Many faults for few passages, some of them longer than the client's patience."""
    return FaultSchedule.random(seed, most=10, passages=20, longest_s=1.5 * DEADLINE_S)


@contextmanager
def staged() -> Iterator[Stage]:
    """A stage, closed afterwards."""
    stage = Stage()
    try:
        yield stage
    finally:
        stage.close()


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else SCHEDULES
    tally, start = Tally(), time.monotonic()
    faults: Counter[str] = Counter()
    with staged() as stage:
        for seed in range(count):
            schedule = random_schedule(seed)
            faults.update(fault.kind.value for fault in schedule.faults)
            stage.play(schedule, seed, tally)
    report = Table("outcome", "client's sessions", "backend's attempts", title_justify="left")
    report.title = f"{count} random schedules in {time.monotonic() - start:.0f} s (simulated board)"
    for outcome in sorted({*tally.client, *tally.backend}, key=lambda name: (name != RIGHT, name)):
        report.add_row(outcome, str(tally.client[outcome]), str(tally.backend[outcome]))
    report.add_row("wrong (aim: 0)", str(len(tally.wrong)), "")
    console = Console(width=120)
    console.print(report)
    console.print(f"faults: {', '.join(f'{n} {kind}' for kind, n in sorted(faults.items()))}")
    console.print(
        f"longest request: {tally.longest_s:.2f} s; deadline: {DEADLINE_S:.2f} s, and up to "
        f"{OVERRUN_S:.2f} s for a busy machine"
    )
    for text in tally.wrong[:20]:
        console.print(f"WRONG: {text}")
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
