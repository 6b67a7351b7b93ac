"""What a RocketLogger would have recorded of a virtual board.

Power is the board file's figure while an inference runs, and a figure of the caller's outside. The
recording has a RocketLogger's channels, rate and steps, noise with a fixed seed, and goes through
the same file; all that follows from it is simulated.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hwnas.boards import BoardSpec
from hwnas.device.transport import Transport
from hwnas.energy.meters._base import Meter
from hwnas.energy.rld import RldTrace, write_rld
from hwnas.energy.trace import Trace
from hwnas.errors import EnergyError, MeterError
from hwnas.target import Provenance
from hwnas.virtual import VirtualBoard

MARKER_CAPACITY: Final = 1 << 20
_QUIET_S: Final = 1.0
"""Idle time that is recorded before and after, so that the whole run lies in whole blocks."""


@dataclass(frozen=True, slots=True)
class VirtualSupply:
    """What the virtual meter adds to the board file's power.

    Attributes:
        idle_mw: Power outside inferences; by default that of an inference, since the firmware
            waits for its line in a loop.
        supply_v: Voltage.
        noise: Standard deviation of a sample's current, through the current.
        seed: Of the noise.
    """

    idle_mw: float | None = None
    supply_v: float = 3.3
    noise: float = 0.01
    seed: int = 1


class VirtualMeter(Meter):
    """A meter on a virtual board.

    Args:
        spec: The board.
        supply: What its file does not say.

    Raises:
        EnergyError: The board's power is not known.

    Example:
        >>> meter = VirtualMeter(load_board("nucleo_l496zg"))  # doctest: +SKIP
    """

    def __init__(self, spec: BoardSpec, supply: VirtualSupply | None = None) -> None:
        super().__init__()
        if spec.power is None:
            raise EnergyError(
                f"the power of {spec.name} is not known: its board file has no [power] active_mw"
            )
        if spec.markers is None:
            raise EnergyError(f"{spec.name} has no marker pins: its board file has no [markers]")
        self._spec = spec
        self._active_w = spec.power.active_mw / 1e3
        self._pins = {str(spec.markers.inference): "inference", str(spec.markers.layer): "layer"}
        self._supply = supply or VirtualSupply()
        self._random = np.random.default_rng(self._supply.seed)
        self._board: VirtualBoard | None = None
        self._place: tempfile.TemporaryDirectory[str] | None = None
        self._started = 0

    def watch(self, board: Transport) -> None:
        """Record this board; it must be a virtual one that keeps its marker events."""
        if not isinstance(board, VirtualBoard):
            raise MeterError("virtual:// meters virtual boards; name the meter that is on this one")
        self._board = board

    def _open(self) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="hwnas-virtual-meter-")

    def _start(self) -> None:
        if self._board is None:
            raise MeterError("virtual:// has no board to watch")
        self._started = self._board.cycles

    def _stop(self) -> None:
        assert self._board is not None and self._place is not None
        rate = self.settings.sample_rate_hz
        levels = self._levels(self._board, rate)
        channels = self.settings.channels
        current = self._current(levels["inference"])
        write_rld(
            self._file,
            np.full(len(current), self._supply.supply_v),
            current,
            {channels.inference: levels["inference"], channels.layer: levels["layer"]},
            rate,
            comment=f"virtual {self._spec.name}",
        )

    def _read(self) -> Trace:
        return RldTrace(self._file, self.settings.channels, provenance=Provenance.SIMULATED)

    def _close(self) -> None:
        if self._place is not None:
            self._place.cleanup()

    @property
    def _file(self) -> Path:
        assert self._place is not None
        return Path(self._place.name, "recording.rld")

    def _levels(self, board: VirtualBoard, rate: int) -> dict[str, NDArray[np.bool_]]:
        """Each pin at each sample."""
        clock_hz = self._spec.core.clock_hz
        seconds = (board.cycles - self._started) / clock_hz + 2 * _QUIET_S
        count = int(np.ceil(seconds)) * rate
        changes: dict[str, list[int]] = {name: [] for name in self._pins.values()}
        events = board.marker_events
        if len(events) >= MARKER_CAPACITY:
            raise MeterError(
                f"more than {MARKER_CAPACITY} marker events came since the board was switched on"
            )
        for event in events:
            if event.cycle >= self._started and event.pin in self._pins:
                at = ((event.cycle - self._started) / clock_hz + _QUIET_S) * rate
                changes[self._pins[event.pin]].append(int(np.ceil(at)))
        return {name: _toggled(found, count) for name, found in changes.items()}

    def _current(self, active: NDArray[np.bool_]) -> NDArray[np.float64]:
        supply = self._supply
        idle_w = self._active_w if supply.idle_mw is None else supply.idle_mw / 1e3
        power = np.where(active, self._active_w, idle_w)
        noise = self._random.normal(1.0, supply.noise, len(power))
        current: NDArray[np.float64] = power / supply.supply_v * noise
        return current


def _toggled(changes: list[int], count: int) -> NDArray[np.bool_]:
    """Low at first, then another level from each of these samples on."""
    steps = np.zeros(count, np.int64)
    np.add.at(steps, [at for at in changes if at < count], 1)
    levels: NDArray[np.bool_] = (np.cumsum(steps) % 2).astype(bool)
    return levels
