"""A Joulescope JS110 or JS220, through Jetperch's driver. Not yet run on a Joulescope."""

from __future__ import annotations

import threading
from typing import Any, Final

import numpy as np

from hwnas.energy.meters._base import Meter, MeterSettings
from hwnas.energy.trace import ArrayTrace, Trace
from hwnas.errors import HwnasError, MeterError
from hwnas.target import Provenance

_SIGNALS: Final = {"v": "s/v/!data", "i": "s/i/!data", "0": "s/gpi/0/!data", "1": "s/gpi/1/!data"}
"""Topics of the JS220's streams; ``0`` is the inference pin's input, ``1`` the layer pin's."""
_RATES: Final = (1_000, 10_000, 50_000, 100_000, 500_000, 1_000_000)


class Joulescope(Meter):
    """A Joulescope on USB, its general inputs 0 and 1 at the inference and layer pins.

    Args:
        serial: End of its serial number; may be left out where there is one.
    """

    def __init__(self, serial: str = "") -> None:
        super().__init__()
        self._serial = serial
        self._driver: Any = None
        self._device = ""
        self._parts: dict[str, list[Any]] = {}
        self._lock = threading.Lock()

    def _open(self) -> None:
        try:
            from pyjoulescope_driver import Driver
        except ImportError as error:
            raise HwnasError(
                f"a Joulescope needs its driver ({error}): pip install 'hwnas[joulescope]'"
            ) from error
        self._driver = Driver()
        found = [path for path in self._driver.device_paths() if path.endswith(self._serial)]
        if len(found) != 1:
            there = ", ".join(self._driver.device_paths()) or "none"
            self._driver.finalize()
            raise MeterError(f"joulescope://{self._serial} names {len(found)} of: {there}")
        self._device = found[0]
        self._driver.open(self._device, mode="restore")

    def _configure(self, settings: MeterSettings) -> None:
        if settings.sample_rate_hz not in _RATES:
            raise MeterError(
                f"a Joulescope samples at {', '.join(map(str, _RATES))} Hz, not at "
                f"{settings.sample_rate_hz}"
            )

    def _start(self) -> None:
        self._parts = {name: [] for name in _SIGNALS}
        self._driver.publish(f"{self._device}/h/fs", self.settings.sample_rate_hz)
        for name, topic in _SIGNALS.items():
            self._driver.subscribe(f"{self._device}/{topic}", "pub", self._keeper(name))
            self._driver.publish(f"{self._device}/{topic.replace('!data', 'ctrl')}", "on")

    def _stop(self) -> None:
        for topic in _SIGNALS.values():
            self._driver.publish(f"{self._device}/{topic.replace('!data', 'ctrl')}", "off")

    def _read(self) -> Trace:
        with self._lock:
            streams = {name: np.concatenate(parts or [[]]) for name, parts in self._parts.items()}
        count = min(map(len, streams.values()))
        return ArrayTrace(
            streams["v"][:count],
            streams["i"][:count],
            streams["0"][:count] > 0,
            streams["1"][:count] > 0,
            self.settings.sample_rate_hz,
            Provenance.MEASURED,
            self._device,
        )

    def _close(self) -> None:
        self._driver.close(self._device)
        self._driver.finalize()

    def _keeper(self, name: str) -> Any:
        def keep(topic: str, value: Any) -> None:
            data = np.array(value["data"])
            # Digital inputs come eight samples a byte, the first one in the lowest bit.
            if value.get("element_size_bits") == 1:
                data = np.unpackbits(data.view(np.uint8), bitorder="little")
            with self._lock:
                self._parts[name].append(data)

        return keep
