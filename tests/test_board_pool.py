"""A pool of virtual boards with the real firmware: leases, workers, failures, quarantine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hwnas.backend import BoardBackend
from hwnas.device import BoardClient, Transport
from hwnas.device.pool import BoardPool, Retries, Slot, SlotState, check_rack
from hwnas.device.rack import read_rack
from hwnas.errors import (
    BoardError,
    BoardTimeoutError,
    FirmwareBuildError,
    HwnasError,
    PlanError,
)
from hwnas.network import Layer, conv2d, dense, max_pool2d
from hwnas.opening import open_backend, virtual_client
from hwnas.resources import CACHE_VARIABLE
from hwnas.table import LayerRecord

BOARD = "nucleo_l496zg"
LAYERS = [dense((8 * i,), 4) for i in range(1, 13)]
QUICK = Retries(failures=3, attempts=3, backoff_s=0.01)


@dataclass
class Line(Transport):
    """A line to a virtual board that can be cut and mended."""

    inner: Transport
    cut: Callable[[], bool]

    def write(self, data: bytes) -> None:
        self._check()
        self.inner.write(data)

    def read(self, timeout_s: float) -> bytes:
        self._check()
        return self.inner.read(timeout_s)

    def close(self) -> None:
        self.inner.close()

    def _check(self) -> None:
        if self.cut():
            raise BoardError("the line is cut")


def slot(name: str, cut: Callable[[], bool] = lambda: False) -> Slot:
    def make() -> BoardBackend:
        plain = open_backend(BOARD)
        return BoardBackend(
            plain.spec,
            plain.image,
            lambda: BoardClient(Line(virtual_client(plain.spec, plain.image).transport, cut)),
            plain.target,
        )

    return Slot(name, BOARD, f"lease of {name}", make)


def measure(backend: BoardBackend, layer: Layer) -> LayerRecord:
    (record,) = backend.measure_layers([layer])
    return record


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "leases"


@pytest.fixture
def expected(backend: BoardBackend) -> dict[Layer, int]:
    return {r.layer: r.cycles_median for r in backend.measure_layers(LAYERS)}


def states(pool: BoardPool) -> dict[str, SlotState]:
    return {status.name: status.state for status in pool.status()}


def test_all_boards_share_the_work(folder: Path, expected: dict[Layer, int]) -> None:
    with BoardPool([slot("a"), slot("b")], lease_folder=folder) as pool:
        outcomes = list(pool.run(LAYERS, measure))
        assert {o.job: o.result and o.result.cycles_median for o in outcomes} == expected
        assert all(o.error is None for o in outcomes)
        assert {o.slot for o in outcomes} == {"a", "b"}
        assert sum(status.leases for status in pool.status()) == len(LAYERS)
        assert set(states(pool).values()) == {SlotState.FREE}


def test_a_board_that_fails_once_is_given_another_chance(
    folder: Path, expected: dict[Layer, int]
) -> None:
    reads = iter(range(1000))
    flaky = slot("flaky", lambda: next(reads) == 40)
    with BoardPool([flaky], retries=QUICK, lease_folder=folder) as pool:
        outcomes = list(pool.run(LAYERS, measure))
        assert {o.job: o.result and o.result.cycles_median for o in outcomes} == expected
        (status,) = pool.status()
        assert status.leases == len(LAYERS) + 1
        assert status.state is SlotState.FREE and status.reason == ""


def test_a_dead_board_is_quarantined_and_the_others_go_on(
    folder: Path, expected: dict[Layer, int]
) -> None:
    slots = [slot("dead", lambda: True), slot("well")]
    with BoardPool(slots, retries=QUICK, lease_folder=folder) as pool:
        deadline = time.monotonic() + 60
        while states(pool)["dead"] is not SlotState.QUARANTINED:
            outcomes = list(pool.run(LAYERS, measure))
            assert {o.job: o.result and o.result.cycles_median for o in outcomes} == expected
            assert {o.slot for o in outcomes} == {"well"}
            assert time.monotonic() < deadline
        dead = pool.status()[0]
        assert dead.failures == QUICK.failures and "the line is cut" in dead.reason


def test_when_all_are_quarantined_jobs_fail_with_the_reasons(folder: Path) -> None:
    broken = True
    slots = [slot("a", lambda: broken), slot("b", lambda: broken)]
    with BoardPool(slots, retries=QUICK, lease_folder=folder) as pool:
        outcomes = list(pool.run(LAYERS[:3], measure))
        assert len(outcomes) == 3
        for outcome in outcomes:
            assert isinstance(outcome.error, BoardError) and outcome.result is None
            assert "a: the line is cut" in str(outcome.error)
        with pytest.raises(BoardError, match="quarantined"), pool.lease():
            pytest.fail("a quarantined board was leased")
        broken = False
        pool.pardon("a")
        with pool.lease() as backend:
            assert measure(backend, LAYERS[0]).cycles_median > 0
        with pytest.raises(BoardError, match="no board 'z'"):
            pool.pardon("z")


def test_a_job_that_is_at_fault_itself_harms_no_board(folder: Path) -> None:
    too_tall = max_pool2d((40_000, 1, 1), (2, 1))

    def work(backend: BoardBackend, layer: Layer) -> LayerRecord:
        if layer.output_shape == (3,):
            raise ZeroDivisionError("by the work")
        return measure(backend, layer)

    with BoardPool([slot("a")], retries=QUICK, lease_folder=folder) as pool:
        jobs = [too_tall, dense((4,), 3), dense((4,), 2)]
        found = {o.job: o for o in pool.run(jobs, work)}
        assert isinstance(found[too_tall].error, PlanError)
        error = found[jobs[1]].error
        assert isinstance(error, HwnasError) and "ZeroDivisionError: by the work" in str(error)
        assert found[jobs[2]].error is None
        (status,) = pool.status()
        assert (status.failures, status.leases) == (0, 3)


def test_a_lease_is_exclusive_within_and_across_pools(folder: Path) -> None:
    with (
        BoardPool([slot("a")], lease_folder=folder) as pool,
        BoardPool([slot("a")], lease_folder=folder) as other,
    ):
        with pool.lease(BOARD):
            assert states(pool)["a"] is SlotState.LEASED
            for rival in (pool, other):
                with (
                    pytest.raises(BoardTimeoutError, match="became free"),
                    rival.lease(timeout_s=0.2),
                ):
                    pytest.fail("two hold one board")
        with other.lease(timeout_s=5):
            pass


def test_a_failure_while_leased_counts_and_an_interrupt_does_not(folder: Path) -> None:
    with BoardPool([slot("a")], retries=QUICK, lease_folder=folder) as pool:
        with pytest.raises(KeyboardInterrupt), pool.lease():
            raise KeyboardInterrupt
        assert pool.status()[0].failures == 0
        with pytest.raises(BoardError), pool.lease():
            raise BoardError("by the body")
        assert pool.status()[0].failures == 1
        with pool.lease() as backend:
            backend.measure_network  # noqa: B018 - a lease that ends well is what counts
        assert pool.status()[0].failures == 0


def test_leaving_the_outcomes_early_ends_the_workers(folder: Path) -> None:
    with BoardPool([slot("a"), slot("b")], lease_folder=folder) as pool:
        slow = [conv2d((24, 24, 16), 16, 3) for _ in range(50)]
        outcomes = pool.run(slow, measure)
        next(outcomes)
        outcomes.close()
        assert set(states(pool).values()) == {SlotState.FREE}
        assert not [t for t in threading.enumerate() if t.name.startswith("hwnas board")]
        assert sum(status.leases for status in pool.status()) < 50


HOLDER = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_board_pool import BoardPool, slot
pool = BoardPool([slot("a")], lease_folder=Path(sys.argv[2]))
with pool.lease():
    print("leased", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", HOLDER, str(Path(__file__).parent), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "leased\n"
        yield process
        process.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_dies_gives_its_lease_back(
    folder: Path, holder: subprocess.Popen[str], how: signal.Signals
) -> None:
    with BoardPool([slot("a")], lease_folder=folder) as pool:
        with pytest.raises(BoardTimeoutError), pool.lease(timeout_s=0.2):
            pytest.fail("the other process holds it")
        os.kill(holder.pid, how)
        with pool.lease(timeout_s=30) as backend:
            assert measure(backend, LAYERS[0]).cycles_median > 0


def test_closing_ends_the_wait_for_a_lease(folder: Path) -> None:
    pool = BoardPool([slot("a")], lease_folder=folder)
    with pool.lease():
        threading.Timer(0.2, pool.close).start()
        with pytest.raises(BoardError, match="closed"), pool.lease():
            pytest.fail("the pool is closed")


@pytest.mark.parametrize(
    ("slots", "message"),
    [
        ([], "no board in it"),
        ([slot("a"), slot("a")], "each name may stand once"),
        (
            [slot("a"), Slot("b", BOARD, "lease of a", slot("b").open)],
            "each lease_id may stand once",
        ),
    ],
)
def test_a_pool_that_makes_no_sense_is_refused(
    slots: list[Slot], message: str, folder: Path
) -> None:
    with pytest.raises(BoardError, match=message):
        BoardPool(slots, lease_folder=folder)


def test_a_kind_that_is_not_there_is_named(folder: Path) -> None:
    with BoardPool([slot("a")], lease_folder=folder) as pool:
        with pytest.raises(BoardError, match=f"no disco_f469ni in it, but {BOARD}"):
            list(pool.run(LAYERS, measure, board="disco_f469ni"))
        with pytest.raises(BoardError, match="no disco_f469ni"), pool.lease("disco_f469ni"):
            pytest.fail("there is none")


RACK = """
[[boards]]
name = "left"
board = "nucleo_l496zg"

[[boards]]
name = "right"
board = "nucleo_l496zg"
"""


def test_a_rack_is_read_from_a_file(tmp_path: Path, expected: dict[Layer, int]) -> None:
    path = tmp_path / "rack.toml"
    path.write_text(RACK)
    with BoardPool.from_file(path) as pool:
        outcomes = list(pool.run(LAYERS[:4], measure, board=BOARD))
        assert {o.slot for o in outcomes} <= {"left", "right"}
        assert all(o.result and o.result.cycles_median == expected[o.job] for o in outcomes)


def test_checking_a_rack_tells_why_a_board_could_not_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rack.toml"
    path.write_text(RACK)
    assert [(s.name, s.state, s.reason) for s in check_rack(path)] == [
        ("left", SlotState.FREE, ""),
        ("right", SlotState.FREE, ""),
    ]
    with BoardPool.from_file(path) as pool, pool.lease(BOARD):
        left, right = check_rack(path)
    assert "became free" in left.reason and right.reason == ""

    def cannot_build(*_: object, **__: object) -> BoardBackend:
        raise FirmwareBuildError("cmake is missing")

    monkeypatch.setattr("hwnas.device.pool.open_backend", cannot_build)
    assert [status.reason for status in check_rack(path)] == ["cmake is missing"] * 2


def test_leases_need_a_folder_that_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BoardError, match="folder of its leases cannot be made"):
        BoardPool([slot("a")], lease_folder=tmp_path / "file" / "leases")


def test_a_lease_that_cannot_be_had_names_the_folder(tmp_path: Path) -> None:
    with BoardPool([slot("a")], lease_folder=tmp_path / "leases") as pool:
        (tmp_path / "leases").rmdir()
        (tmp_path / "leases").write_text("")
        with (
            pytest.raises(BoardError, match=rf"lease of a .*leases.*{CACHE_VARIABLE}"),
            pool.lease(timeout_s=0),
        ):
            pytest.fail("there is none")


def test_a_probe_without_a_port_is_refused() -> None:
    with pytest.raises(BoardError, match="--port"):
        open_backend(BOARD, probe="0669FF303234")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("boards = []", "boards: List should have at least 1 item"),
        ("", "boards: Field required"),
        ("[[boards]]\nname = 'a'", "boards.0.board: Field required"),
        ("[[boards]]\nname = ''\nboard = 'b'", "boards.0.name"),
        ("[[boards]]\nname = 'a'\nboard = 'b'\nprot = 'c'", "boards.0.prot"),
        ("[[boards]]\nname = 1\nboard = 'b'", "boards.0.name"),
        ("[[boards", "is not TOML"),
    ],
)
def test_a_wrong_rack_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rack.toml"
    path.write_text(text)
    with pytest.raises(BoardError, match=message):
        read_rack(path)
    with pytest.raises(BoardError, match="there is no such file"):
        read_rack(tmp_path / "none.toml")
