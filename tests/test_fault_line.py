"""Client and backend with the real firmware, on the virtual board, over a line with faults.

Whatever happens on the way, there comes the right number or a typed error in time, and no partial
row is stored; afterwards board and backend find each other again. benchmarks/fault_schedules.py
plays thousands of schedules with the same code.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fault_schedules import RIGHT, Stage, Tally, random_schedule, staged
from faults import schedules
from hypothesis import HealthCheck, given, settings

from hwnas.testing import WHOLE, Direction, Fault, FaultKind, FaultSchedule

PASSAGES = (0, 1, 2, 5, 9)
"""Of a session's requests: HELLO, writing the plan, committing it, writing a tensor, running it."""
SEEDS = 25


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as opened:
        yield opened


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("kind", FaultKind)
def test_each_fault_alone(stage: Stage, kind: FaultKind, direction: Direction) -> None:
    if kind is FaultKind.MISANSWER and direction is Direction.TO_BOARD:
        pytest.skip("answers go to the host only")
    tally = Tally()
    for at in PASSAGES:
        counts = (0, 3) if kind is FaultKind.DISCONNECT else (3, WHOLE)
        if kind is FaultKind.FLOOD:
            counts = (3, 1000)
        for count in counts:
            fault = Fault(kind, at, direction, count, seconds=0.05 if count == 3 else 0.4)
            stage.play(FaultSchedule((fault,)), at, tally)
    assert tally.wrong == []
    assert tally.backend[RIGHT] == 2 * len(PASSAGES)
    if kind in (FaultKind.RESET, FaultKind.DISCONNECT):
        assert set(tally.client) <= {RIGHT, "BoardError"}
        assert tally.client["BoardError"] > 0
    elif kind not in (FaultKind.HANG, FaultKind.DELAY):
        # One damaged passage costs a repetition and nothing else.
        assert set(tally.client) == {RIGHT}


@pytest.mark.parametrize("direction", Direction)
def test_a_board_that_hangs_is_noticed_in_time(stage: Stage, direction: Direction) -> None:
    tally = Tally()
    # Much longer than all attempts together, from the sixth passage on.
    hang = Fault(FaultKind.HANG, 5, direction, seconds=2.0)
    stage.play(FaultSchedule((hang,)), 0, tally)
    assert tally.wrong == []
    assert tally.client == {"BoardTimeoutError": 1}
    assert tally.backend[RIGHT] == 1


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(schedules())
def test_any_mixture_of_faults(stage: Stage, schedule: FaultSchedule) -> None:
    tally = Tally()
    stage.play(schedule, 1, tally)
    assert tally.wrong == []
    assert tally.backend[RIGHT] == 1


def test_a_slice_of_the_benchmark(stage: Stage) -> None:
    tally = Tally()
    for seed in range(SEEDS):
        stage.play(random_schedule(seed), seed, tally)
    assert tally.wrong == []
    assert sum(tally.client.values()) == tally.backend[RIGHT] == SEEDS
    assert len(tally.client) > 1, "some of the schedules are too much for one session"
