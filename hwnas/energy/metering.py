"""Energy of plans on one board: runs them under its meter."""

from __future__ import annotations

import math
import time
from typing import Final

from hwnas.device import BoardClient
from hwnas.energy.meters import Meter
from hwnas.energy.segment import Segments, segment

LEAST_INFERENCES: Final = 3
LEAST_S: Final = 0.2
"""Shortest time over which an energy is averaged, in seconds."""
MOST_IN_A_ROW: Final = 64
"""So that the plan stays small beside the arena."""
SHORTEST_STEP_S: Final = 1e-3
"""Steps that are timed apart take so long at least: 64 samples of a RocketLogger, whose edges are
off by one at most."""


def in_a_row(layer_s: float) -> int:
    """How often a layer must run in a row to be long enough for its energy.

    Example:
        >>> in_a_row(50e-6)
        20
    """
    return min(max(math.ceil(SHORTEST_STEP_S / layer_s), 1), MOST_IN_A_ROW)


def record_energy(meter: Meter, client: BoardClient, *, steps: int, inference_s: float) -> Segments:
    """Run the loaded plan as often as its energy needs, and tell each run's energy.

    Args:
        meter: Open, and on the client's board.
        client: Of the board, with the plan loaded and its caches warm.
        steps: Steps of the plan.
        inference_s: What it takes by the board's clock, in seconds.

    Raises:
        BoardError: The board failed.
        MeterError: The meter failed, or disconnected; what it recorded stays where it is.
        TraceError: The recording does not show what ran.
    """
    repeats = max(LEAST_INFERENCES, math.ceil(LEAST_S / inference_s))
    meter.start()
    try:
        time.sleep(meter.settle_s)
        client.run(warmup=0, repeats=repeats, per_layer=False, step_count=steps)
        time.sleep(meter.settle_s)
    finally:
        meter.stop()
    return segment(meter.read(), None, inference_s=inference_s)
