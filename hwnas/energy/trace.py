"""A recording of power and of the board's markers, block by block."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hwnas.errors import TraceError
from hwnas.target import Provenance

_BLOCK: Final = 1 << 16
"""Samples that an array is handed out by: a second at 64 kS/s."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples.

    Attributes:
        power_w: Power in watts, float64, shape (n,).
        inference: The inference pin, bool, shape (n,).
        layer: The layer pin, bool, shape (n,).
    """

    power_w: NDArray[np.float64]
    inference: NDArray[np.bool_]
    layer: NDArray[np.bool_]


class Trace(ABC):
    """What a meter recorded. An hour need not fit into memory: blocks are read as they are needed.

    Attributes:
        sample_rate_hz: Samples a second, by the meter's clock.
        samples: How many there are.
        provenance: ``measured`` by a meter on silicon, or ``simulated``.
        source: Where it comes from, for messages.
    """

    def __init__(
        self, sample_rate_hz: float, samples: int, provenance: Provenance, source: str
    ) -> None:
        if not (np.isfinite(sample_rate_hz) and sample_rate_hz > 0):
            raise TraceError(f"{source}: sample rate {sample_rate_hz} Hz must be above 0")
        if samples < 1:
            raise TraceError(f"{source}: holds no sample")
        self.sample_rate_hz = float(sample_rate_hz)
        self.samples = samples
        self.provenance = provenance
        self.source = source

    @property
    def duration_s(self) -> float:
        """By the meter's clock, in seconds."""
        return self.samples / self.sample_rate_hz

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """The samples in their order.

        Raises:
            TraceError: The recording is damaged, or a range was exceeded; the message names the
                sample.
        """


class ArrayTrace(Trace):
    """A recording in arrays, which may be memory-mapped.

    Args:
        voltage_v: Volts, shape (n,).
        current_a: Amperes, shape (n,).
        inference: The inference pin, shape (n,); true for high.
        layer: The layer pin, shape (n,).
        sample_rate_hz: Samples a second.
        provenance: How it was obtained.
        source: Where it comes from, for messages.

    Raises:
        TraceError: The arrays differ in length or are empty, or the rate is not above 0.

    Example:
        >>> trace = ArrayTrace(volts, amperes, inference, layer, 64_000)  # doctest: +SKIP
    """

    def __init__(
        self,
        voltage_v: NDArray[np.floating],
        current_a: NDArray[np.floating],
        inference: NDArray[np.bool_],
        layer: NDArray[np.bool_],
        sample_rate_hz: float,
        provenance: Provenance = Provenance.MEASURED,
        source: str = "trace",
    ) -> None:
        arrays = (voltage_v, current_a, inference, layer)
        if len({array.shape for array in arrays}) > 1 or voltage_v.ndim != 1:
            shapes = ", ".join(str(array.shape) for array in arrays)
            raise TraceError(f"{source}: voltage, current and pins have shapes {shapes}")
        super().__init__(sample_rate_hz, len(voltage_v), provenance, source)
        self._arrays = arrays

    def blocks(self) -> Iterator[Block]:
        """See :class:`Trace`."""
        voltage, current, inference, layer = self._arrays
        for start in range(0, self.samples, _BLOCK):
            part = slice(start, start + _BLOCK)
            power = np.asarray(voltage[part], np.float64) * np.asarray(current[part], np.float64)
            if not np.isfinite(power).all():
                at = start + int(np.flatnonzero(~np.isfinite(power))[0])
                raise TraceError(f"{self.source}: sample {at} is no finite number")
            yield Block(power, np.asarray(inference[part], bool), np.asarray(layer[part], bool))
