"""Sweeps: which layers are wanted, and that every one ends up in the table, whoever dies."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postgres import postgres_server

from hwnas.backend import BoardBackend, Repeats
from hwnas.device.pool import BoardPool
from hwnas.errors import BoardError, NetworkError, TableError
from hwnas.network import Layer, NetworkBuilder, Operator, conv2d, dense, max_pool2d
from hwnas.opening import open_backend
from hwnas.snapping import snap
from hwnas.spaces import all_networks, as_space, load_space, random_networks
from hwnas.spaces._enumeration import EndlessError
from hwnas.sweep import (
    BoardChoice,
    DaskRunner,
    Grid,
    PoolRunner,
    ProcessRunner,
    SweepOutcome,
    grid_layers,
    network_layers,
    parse_numbers,
    plan_sweep,
    run_sweep,
    space_layers,
)
from hwnas.table import LookupTable

BOARD = "nucleo_l496zg"
CHOICE = BoardChoice(BOARD)
LAYERS = tuple(dense((8,), units) for units in range(1, 25))
TOO_LARGE = conv2d((300, 300, 16), 16, 3)
"""Its arena is larger than any board's RAM."""


def small_space(trial):  # type: ignore[no-untyped-def]
    b = NetworkBuilder((8, 8, 2))
    x = b.conv2d(b.input, trial.suggest_int("filters", 2, 6, step=2), 3)
    if trial.suggest_categorical("pool", [False, True]):
        x = b.max_pool2d(x, trial.suggest_categorical("window", [2, 3, 99]), padding="valid")
    b.dense(b.flatten(x), 4)
    return b.build()


# --- which layers ----------------------------------------------------------------------------


def test_a_small_space_is_gone_through() -> None:
    networks = list(all_networks(as_space(small_space)))
    # Three widths, without a pool or with one of two that fit; the third makes no network.
    assert len(networks) == len(set(networks)) == 9
    found = space_layers(as_space(small_space))
    assert found.coverage == 1 and found.networks == 9
    assert set(found.layers) == {
        layer for network in networks for layer in network.layers if not layer.is_free
    }
    counts = [sum(layer in n.layers for n in networks) for layer in found.layers]
    assert counts == sorted(counts, reverse=True)


def test_a_space_of_numbers_that_are_not_whole_is_sampled() -> None:
    def space(trial):  # type: ignore[no-untyped-def]
        b = NetworkBuilder((8,))
        b.dense(b.input, 1 + int(8 * trial.suggest_float("width", 0, 1)))
        return b.build()

    with pytest.raises(EndlessError, match="width"):
        list(all_networks(as_space(space)))
    found = space_layers(as_space(space), coverage=0.99)
    assert {layer.output_shape[0] for layer in found.layers} >= set(range(1, 9))


@pytest.mark.parametrize("coverage", [0.8, 0.95])
def test_the_estimated_coverage_of_a_large_space_is_that_of_new_networks(coverage: float) -> None:
    space = load_space("lenet")
    found = space_layers(space, prepare=snap, coverage=coverage, seed=1)
    assert found.coverage >= coverage
    known, fresh = set(found.layers), random_networks(space, seed=99)
    used = [layer for _ in range(600) for layer in snap(next(fresh)).layers if not layer.is_free]
    share = sum(layer in known for layer in used) / len(used)
    assert share == pytest.approx(found.coverage, abs=0.025)


def test_sampling_ends_at_its_limit_and_repeats() -> None:
    space = load_space("lenet")
    few = space_layers(space, coverage=1, most_samples=30, seed=5)
    assert few.networks == 30 and few.coverage < 1
    assert few == space_layers(space, coverage=1, most_samples=30, seed=5)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), st.integers(1, 9)), min_size=1))
def test_numbers_are_those_of_the_ranges(parts: list[tuple[int, int, int]]) -> None:
    text = ",".join(f"{low}:{low + more}:{step}" for low, more, step in parts)
    expected = [n for low, more, step in parts for n in range(low, low + more + 1, step)]
    assert parse_numbers(text) == tuple(dict.fromkeys(expected))


@pytest.mark.parametrize("text", ["", "x", "1:", "3:1", "1:5:0", "-1", "1:99999999", "1,,2", "1.5"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(NetworkError):
        parse_numbers(text)


def test_a_grid_leaves_out_what_is_no_layer() -> None:
    grid = Grid(Operator.MAX_POOL2D, (1, 2), kernels=(2, 9), sizes=(4,), padding="valid")
    assert [layer.kernel_size for layer in grid_layers(grid).layers] == [(2, 2), (2, 2)]
    with pytest.raises(NetworkError, match="no combination"):
        grid_layers(Grid(Operator.MAX_POOL2D, (1,), kernels=(9,), sizes=(4,), padding="valid"))
    with pytest.raises(NetworkError, match="softmax has no grid"):
        grid_layers(Grid(Operator.SOFTMAX, (1,)))


# --- the sweep -------------------------------------------------------------------------------


@pytest.fixture
def table() -> Iterator[LookupTable]:
    with LookupTable.open("sqlite://") as opened:
        yield opened


def swept(
    table: LookupTable, backend: BoardBackend, layers: Sequence[Layer], runner: object
) -> list[SweepOutcome]:
    plan = plan_sweep(table, backend.target, layers)
    return list(run_sweep(table, backend.target, plan, runner))  # type: ignore[arg-type]


def test_processes_give_the_rows_that_one_board_gives(
    table: LookupTable, backend: BoardBackend
) -> None:
    table.put(backend.target, backend.measure_layers(LAYERS[:2]))
    outcomes = swept(
        table, backend, [*LAYERS[:6], TOO_LARGE, *LAYERS[:3]], ProcessRunner(CHOICE, 2)
    )
    assert {outcome.layer for outcome in outcomes} == {*LAYERS[2:6], TOO_LARGE}
    rows = table.get(backend.target, LAYERS[:6])
    direct = {record.layer: record for record in backend.measure_layers(LAYERS[:6])}
    assert {layer: row.cycles_median for layer, row in rows.items()} == {
        layer: record.cycles_median for layer, record in direct.items()
    }
    failed = table.failures(backend.target, [TOO_LARGE])
    assert "PlanError" in failed[TOO_LARGE] or "BoardError" in failed[TOO_LARGE]
    again = plan_sweep(table, backend.target, [*LAYERS[:6], TOO_LARGE])
    assert (again.missing, again.known, again.failed) == ((), 6, 1)
    retried = plan_sweep(table, backend.target, [TOO_LARGE], retry_failed=True)
    assert retried.missing == (TOO_LARGE,)


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def test_a_worker_that_is_killed_is_replaced(table: LookupTable, backend: BoardBackend) -> None:
    plan = plan_sweep(table, backend.target, LAYERS)
    killed = 0
    for _ in run_sweep(table, backend.target, plan, ProcessRunner(CHOICE, 2)):
        workers = [
            pid
            for pid in children(os.getpid())
            if b"multiprocessing.spawn" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        if not killed and workers:
            os.kill(random.Random(killed).choice(workers), signal.SIGKILL)
            killed += 1
    assert killed == 1
    assert set(table.get(backend.target, LAYERS)) == set(LAYERS)


def test_a_layer_that_kills_its_worker_is_found(
    table: LookupTable, backend: BoardBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = ProcessRunner(BoardChoice("test_sweep:deadly"), 2)
    monkeypatch.setattr("hwnas.sweep._processes.run_here", run_or_die)
    outcomes = {o.layer: o for o in runner.run(LAYERS[:12])}
    assert set(outcomes) == set(LAYERS[:12])
    died = [layer for layer, outcome in outcomes.items() if "died" in outcome.reason]
    assert died == [LAYERS[5]]


def run_or_die(choice: BoardChoice, layer: Layer) -> SweepOutcome:
    """In a worker: one layer takes the process with it."""
    if layer == LAYERS[5]:
        os.kill(os.getpid(), signal.SIGKILL)
    return SweepOutcome(layer, None, "was not run")


def test_a_rack_of_boards(table: LookupTable, backend: BoardBackend, tmp_path: Path) -> None:
    rack = tmp_path / "rack.toml"
    rack.write_text(
        "".join(f'[[boards]]\nname = "{name}"\nboard = "{BOARD}"\n' for name in ("left", "right"))
    )
    with BoardPool.from_file(rack) as pool:
        outcomes = swept(table, backend, [*LAYERS[:6], TOO_LARGE], PoolRunner(pool, BOARD))
        assert all(slot.failures == 0 for slot in pool.status())
    assert [o.layer for o in outcomes if o.record is None] == [TOO_LARGE]
    assert set(table.get(backend.target, LAYERS[:6])) == set(LAYERS[:6])


def test_a_cluster_that_loses_a_worker(backend: BoardBackend) -> None:
    """With results in PostgreSQL."""
    distributed = pytest.importorskip("distributed")
    with (
        postgres_server() as url,
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        LookupTable.open(url) as table,
        DaskRunner(CHOICE, cluster.scheduler_address) as runner,
    ):
        plan = plan_sweep(table, backend.target, LAYERS)
        sweep = run_sweep(table, backend.target, plan, runner)
        assert next(sweep).record is not None
        worker = next(iter(cluster.workers.values()))
        os.kill(worker.process.pid, signal.SIGKILL)
        assert all(outcome.record is not None for outcome in sweep)
        direct = {record.layer: record.cycles_median for record in backend.measure_layers(LAYERS)}
        with LookupTable.open(url) as again:
            rows = again.get(backend.target, LAYERS)
        assert {layer: row.cycles_median for layer, row in rows.items()} == direct


def test_a_cluster_that_is_not_there() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(BoardError, match=r"cluster at tcp://127.0.0.1:1 does not answer"):
        DaskRunner(CHOICE, "tcp://127.0.0.1:1", timeout_s=0.5)


def test_what_was_not_asked_for_is_refused(table: LookupTable, backend: BoardBackend) -> None:
    class Confused:
        def run(self, layers: Sequence[Layer]) -> Iterator[SweepOutcome]:
            yield SweepOutcome(dense((1,), 1), None, "no")

    with pytest.raises(TableError, match="was not asked for"):
        swept(table, backend, LAYERS[:1], Confused())
    with pytest.raises(BoardError, match="workers 0"):
        ProcessRunner(CHOICE, 0)


# --- several layers in one plan --------------------------------------------------------------


@pytest.mark.parametrize("board", ["nucleo_l496zg", "nucleo_f767zi"])
def test_layers_in_one_plan_cost_what_they_cost_alone(board: str) -> None:
    """As on silicon, where the round trips of the line would take longer than the layers."""
    layers = [
        conv2d((12, 12, 8), 8, 3), dense((120,), 84), max_pool2d((12, 12, 8)),
        conv2d((10, 10, 16), 8, 1), dense((30,), 10), conv2d((12, 12, 8), 8, 3, strides=2),
    ]  # fmt: skip
    with open_backend(board) as alone:
        expected = {r.layer: r.cycles_median for r in alone.measure_layers(layers)}
        together = BoardBackend(
            alone.spec, alone.image, alone._connect, alone.target, Repeats(2, 4, 0.001, together=4)
        )
        with together:
            records = list(together.measure_layers(layers))
    assert [record.layer for record in records] == layers
    for record in records:
        assert record.n >= 2
        assert record.cycles_median == pytest.approx(expected[record.layer], rel=0.002, abs=40)


def test_a_layer_that_does_not_fit_with_others_is_run_alone(backend: BoardBackend) -> None:
    large = dense((900,), 900)
    together = BoardBackend(
        backend.spec, backend.image, backend._connect, backend.target, Repeats(2, 2, 1, together=3)
    )
    with together:
        records = list(together.measure_layers([large, dense((8,), 4), dense((700,), 700)]))
    (expected,) = backend.measure_layers([large])
    assert records[0].cycles_median == expected.cycles_median
    assert len(records) == 3


# --- the command -----------------------------------------------------------------------------


ENDLESS = [
    "--board", "nucleo_l4r5zi", "--op", "conv2d", "--in-channels", "8:24",
    "--out-channels", "16:47", "--kernel", "3", "--size", "32", "--workers", "2",
]  # fmt: skip
"""More than a minute of work: the sweeps that are stopped here never reach its end. On a board that
no rows ship for, so that all rows are theirs."""
PART = [*ENDLESS, "--in-channels", "24", "--out-channels", "16:46:10"]
"""A part of that which lies all over it."""
IN_FLIGHT = 4
"""Layers that two workers have in hand: as many at work, as many waiting."""
KILLS = int(os.environ.get("HWNAS_SWEEP_KILLS", "8"))


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "hwnas.cli", "sweep", *arguments]


def told(folder: Path, *arguments: str) -> dict[str, Any]:
    """What a sweep that comes to its end says of itself."""
    done = subprocess.run(
        command(*arguments, "--json"), cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def goes_on(folder: Path) -> None:
    """The table that a stopped sweep left knows what it has, and gets the rest."""
    before = told(folder, *PART, "--dry-run")
    after = told(folder, *PART)
    assert (after["known"], after["measured"]) == (before["known"], before["missing"])
    assert after["failed"] == 0 and told(folder, *PART, "--dry-run")["missing"] == 0


def test_an_interrupted_sweep_goes_on(tmp_path: Path) -> None:
    first = subprocess.Popen(
        command(*ENDLESS), cwd=tmp_path, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and rows(tmp_path) < 5:
        time.sleep(0.05)
    os.killpg(first.pid, signal.SIGINT)
    said = first.communicate(timeout=60)[0]
    assert first.returncode == 130, said
    assert 5 <= rows(tmp_path) == told(tmp_path, *ENDLESS, "--dry-run")["known"]
    goes_on(tmp_path)


def test_a_sweep_killed_at_random_points_runs_again_what_was_in_flight(tmp_path: Path) -> None:
    """``HWNAS_SWEEP_KILLS`` tells how often it is killed."""
    source, log = random.Random(0), tmp_path / "log"
    begun = Counter[str]()
    stored = first_row_s = 0.0
    for kill in range(KILLS):
        start, before = time.monotonic(), rows(tmp_path)
        sweep = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("killed_sweep.py")), str(log),
             "sweep", *ENDLESS],
            cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        # The first is killed when rows are there, which tells how long that takes.
        end = start + (source.uniform(0, 2 * first_row_s) if kill else 90)
        while time.monotonic() < end and (kill or rows(tmp_path) < 3):
            time.sleep(0.01)
        first_row_s = first_row_s or time.monotonic() - start
        workers = children(sweep.pid)
        sweep.kill()
        assert sweep.wait() == -signal.SIGKILL
        wait_for_the_end_of(workers)
        stored = rows(tmp_path)
        now = Counter(log.read_text().splitlines())
        again = [name for name in now - begun if name in begun]
        assert len(again) <= IN_FLIGHT and before <= stored >= len(now) - IN_FLIGHT
        begun = now
    assert stored >= 3
    assert max(begun.values()) <= KILLS and begun.total() - len(begun) <= IN_FLIGHT * KILLS
    goes_on(tmp_path)


def wait_for_the_end_of(workers: Sequence[int]) -> None:
    """Workers go with their parent, even where it was killed."""
    deadline = time.monotonic() + 30
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_alive, workers))


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def rows(folder: Path) -> int:
    path = folder / "hwnas-table.db"
    if not path.exists():
        return 0
    try:
        with LookupTable.open(path, create=False) as table:
            return table.stats().layer_rows
    except TableError:
        return 0  # is being made


def test_the_commands_own_errors(tmp_path: Path) -> None:
    for arguments, message in (
        ([], "nothing to sweep"),
        (["--space", "nowhere"], "there is no space 'nowhere'"),
        (["--op", "dense", "--in-channels", "5:1"], "low must not exceed high"),
        (["--model", "none.json"], "there is no such file"),
    ):
        done = subprocess.run(
            command("--board", BOARD, *arguments), cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 2 and message in " ".join(done.stderr.split()), done.stderr


def test_layers_of_models_are_counted_over_them(tmp_path: Path) -> None:
    networks = [load_space("lenet").reference("lenet")] * 2
    assert network_layers(networks).networks == 2
    assert len(network_layers(networks).layers) == 8
