"""Runs of 2^32 cycles and more, which are more than the cycle counter can hold.

The firmware carries the counter's 32 bits further at each reading. What lies between two readings
must be less than a turn of it, or else be noticed by the time that it took.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
from small_plan import every_operator
from wire import WiredBoard

from hwnas.boards import load_board
from hwnas.device import BoardClient, Transport
from hwnas.device.clock import CLOCK_TOLERANCE, COUNTER_TURN, check_turns
from hwnas.errors import BoardError
from hwnas.firmware import find_image, pool_contents
from hwnas.network import Network, NetworkBuilder
from hwnas.opening import open_backend
from hwnas.virtual import VirtualBoard
from hwnas.virtual.peripherals import PinLevel

SPEC = load_board("nucleo_f767zi")
HZ = SPEC.core.clock_hz
IMAGE = find_image(SPEC)
LAYER_PIN = str(SPEC.markers.layer)


class Slow(VirtualBoard):
    """Every other layer takes so many cycles more, in one stretch; the rest is as ever."""

    def __init__(self, stretch: int) -> None:
        super().__init__(SPEC, IMAGE.elf, pool_contents(IMAGE.manifest), marker_capacity=1)
        self.stretch = stretch

    def _record(self, pin: PinLevel) -> None:
        # The marker rises with the first layer, falls with the second, and so on.
        if pin.name == LAYER_PIN and pin.level:
            self._meter._total += self.stretch  # type: ignore[union-attr]
        super()._record(pin)


def run(stretch: int, *, per_layer: bool) -> tuple[list[int], list[int]]:
    """Cycles of each layer, and in all, with a stretch in every other layer."""
    case = every_operator()
    with BoardClient(Slow(stretch)) as client:
        client.load(case.plan)
        result = client.run(per_layer=per_layer, step_count=case.step_count)
    return result.layer_cycles[0].tolist(), result.total_cycles.tolist()


def test_layers_of_less_than_a_turn_add_up_to_more() -> None:
    stretch = COUNTER_TURN - (1 << 24)
    layers, (total,) = run(stretch, per_layer=True)
    plain, _ = run(0, per_layer=True)
    added = [slow - quick for slow, quick in zip(layers, plain, strict=True)]
    assert added == [stretch if i % 2 == 0 else 0 for i in range(len(plain))]
    assert total > sum(added) > COUNTER_TURN


@pytest.mark.parametrize(
    ("stretch", "per_layer"),
    [
        # A layer of more than a turn; three of them,
        (COUNTER_TURN + 1000, True),
        (3 * COUNTER_TURN, True),
        # ... and layers of less than one, but between two readings all together.
        (COUNTER_TURN // 2, False),
    ],
)
def test_a_turn_between_two_readings_is_an_error(stretch: int, per_layer: bool) -> None:
    with pytest.raises(BoardError, match=r"turns over every 19\.9 s, unseen within a layer"):
        run(stretch, per_layer=per_layer)


# Silicon: the time is this machine's.


def slow_network() -> Network:
    b = NetworkBuilder((4, 4, 4))
    b.relu(b.input)
    return b.build()


@pytest.mark.parametrize("stretch", [COUNTER_TURN - (1 << 24), COUNTER_TURN + (1 << 24)])
def test_a_turn_on_a_physical_board_shows_by_this_machines_clock(
    stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(stretch)
    # Nobody waits for 20 s here: this machine's clock jumps on by what the run would have taken.
    monkeypatch.setattr(Transport, "now_s", lambda _: time.monotonic() + slow.cycles / HZ)
    with (
        WiredBoard(slow, HZ) as wired,
        open_backend(SPEC.name, port=wired.port) as physical,
    ):
        if stretch < COUNTER_TURN:
            record = physical.measure_network(slow_network())
            assert record is not None
            assert stretch < record.cycles_median < COUNTER_TURN
        else:
            with pytest.raises(BoardError, match=r"a run took 79\.\d s, but its cycles say 0"):
                physical.measure_network(slow_network())


@pytest.mark.parametrize(
    ("cycles", "untold", "elapsed_s", "is_error"),
    [
        ([10 * HZ] * 3, 1, 40, False),
        # The clock may be off, and requests may be repeated, but not for a turn.
        ([10 * HZ] * 3, 1, 40 + 18, False),
        ([10 * HZ] * 3, 1, 40 / (1 - CLOCK_TOLERANCE), False),
        ([10 * HZ] * 3, 1, 40 + 20, True),
        # One repetition of them lost a turn.
        ([10 * HZ, 10 * HZ, 30 * HZ - COUNTER_TURN], 0, 50, True),
        ([10 * HZ], 0, 0, False),
    ],
)
def test_what_is_a_turn(cycles: list[int], untold: int, elapsed_s: float, is_error: bool) -> None:
    if is_error:
        with pytest.raises(BoardError, match="cycle counter turns over"):
            check_turns(np.array(cycles), untold, elapsed_s, HZ)
    else:
        check_turns(np.array(cycles), untold, elapsed_s, HZ)
