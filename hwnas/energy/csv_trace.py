"""Recordings that other programs exported as comma-separated values."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hwnas.energy.trace import ArrayTrace
from hwnas.errors import TraceError
from hwnas.target import Provenance

MAX_BYTES: Final = 4 << 30
_LARGEST_JUMP: Final = 0.5
"""Of one sample's time against the mean step, in steps."""


@dataclass(frozen=True, slots=True)
class CsvColumns:
    """Which column holds what, by the names in the file's first line.

    Attributes:
        current: Current, in amperes times ``1 / current_scale``.
        inference: Level of the inference pin: 0, or anything above one half.
        layer: Level of the layer pin.
        time: Time, in seconds times ``1 / time_scale``; or else ``sample_rate_hz`` is given.
        voltage: Voltage in volts; or else ``supply_v`` is given.
        current_scale: 1e-6 for microamperes.
        time_scale: 1e-3 for milliseconds.
        sample_rate_hz: Samples a second, where there is no column of times.
        supply_v: The supply's voltage, where there is no column of voltages.

    Example:
        >>> ppk2 = CsvColumns("Current(uA)", "D0", "D1", time="Timestamp(ms)",
        ...                   current_scale=1e-6, time_scale=1e-3, supply_v=3.0)
    """

    current: str
    inference: str
    layer: str
    time: str | None = None
    voltage: str | None = None
    current_scale: float = 1.0
    time_scale: float = 1.0
    sample_rate_hz: float | None = None
    supply_v: float | None = None


def read_csv(
    path: Path | str, columns: CsvColumns, *, provenance: Provenance = Provenance.MEASURED
) -> ArrayTrace:
    """Read a recording.

    Args:
        path: The file: a line of names, then a line a sample.
        columns: Which column holds what.
        provenance: How it was obtained.

    Raises:
        TraceError: The file is missing, empty or too large, a column is missing, a value is no
            number, or time does not go on evenly; the message names the line.

    Example:
        >>> read_csv("ppk2.csv", ppk2).duration_s  # doctest: +SKIP
        12.5
    """
    file = Path(path)
    _check(file, columns)
    try:
        with file.open(encoding="utf-8", newline="") as opened:
            names = next(csv.reader([opened.readline()]), [])
            wanted = _wanted(columns)
            places = [_place(file, names, name) for name in wanted]
            values = np.loadtxt(opened, delimiter=",", usecols=places, ndmin=2, quotechar='"')
    except (OSError, ValueError, UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"recording {file}: {error}") from error
    if not len(values):
        raise TraceError(f"recording {file}: holds no sample")
    by_name = dict(zip(wanted, values.T, strict=True))
    rate = columns.sample_rate_hz
    if columns.time is not None:
        rate = _rate(file, by_name[columns.time] * columns.time_scale)
    assert rate is not None
    voltage = (
        np.full(len(values), columns.supply_v, np.float64)
        if columns.voltage is None
        else by_name[columns.voltage]
    )
    return ArrayTrace(
        voltage,
        by_name[columns.current] * columns.current_scale,
        by_name[columns.inference] > 0.5,
        by_name[columns.layer] > 0.5,
        rate,
        provenance,
        str(path),
    )


def _check(file: Path, columns: CsvColumns) -> None:
    if (columns.time is None) == (columns.sample_rate_hz is None):
        raise TraceError(f"recording {file}: name a column of times, or the sample rate")
    if (columns.voltage is None) == (columns.supply_v is None):
        raise TraceError(f"recording {file}: name a column of voltages, or the supply's voltage")
    if not os.path.isfile(file):
        raise TraceError(f"recording {file}: there is no such file")
    if file.stat().st_size > MAX_BYTES:
        raise TraceError(f"recording {file}: is too large; at most {MAX_BYTES} bytes are read")


def _wanted(columns: CsvColumns) -> list[str]:
    names = (columns.current, columns.inference, columns.layer, columns.time, columns.voltage)
    return list(dict.fromkeys(name for name in names if name is not None))


def _place(file: Path, names: list[str], name: str) -> int:
    stripped = [each.strip() for each in names]
    if name not in stripped:
        raise TraceError(
            f"recording {file}: has no column {name!r}; it has {', '.join(stripped) or 'none'}"
        )
    return stripped.index(name)


def _rate(file: Path, time_s: NDArray[np.float64]) -> float:
    """Samples a second, from times that go on evenly."""
    if len(time_s) < 2 or not np.isfinite(time_s).all() or time_s[-1] <= time_s[0]:
        raise TraceError(f"recording {file}: its times do not go on")
    step = float(time_s[-1] - time_s[0]) / (len(time_s) - 1)
    uneven = np.flatnonzero(np.abs(np.diff(time_s) - step) > _LARGEST_JUMP * step)
    if uneven.size:
        at = int(uneven[0]) + 1
        raise TraceError(
            f"recording {file}: its clock jumps at sample {at}, from {time_s[at - 1]:.9g} s to "
            f"{time_s[at]:.9g} s, where {step:.3g} s should pass"
        )
    return 1 / step
