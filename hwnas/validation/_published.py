"""Rows of published measurements, and the loader of the files that hold them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from hwnas._toml import read_toml
from hwnas.errors import MeasurementError
from hwnas.firmware import Optimization, Variant
from hwnas.validation._subjects import (
    CONFIG,
    LatencyRatio,
    SingleConvolution,
    Subject,
    SweepMean,
    Unit,
    WholeNetwork,
)

PUBLISHED: Final = Path(__file__).with_name("published.toml")
"""The rows that come with hwnas."""

Text = Annotated[str, Field(min_length=1)]
Hertz = Annotated[int, Field(gt=0, lt=1 << 40, strict=True)]
Positive = Annotated[float, Field(gt=0)]


class Split(StrEnum):
    """What a row has to do with the parameters of the virtual board."""

    FITTED = "fitted on"
    UNSEEN = "never seen"
    UNKNOWN = "not known"


@dataclass(frozen=True, config=CONFIG)
class Setup:
    """Who measured, and with what.

    Attributes:
        citation: Where it was published.
        measured_with: Runtime, kernels and compiler, as far as they are known.
    """

    citation: Text
    measured_with: Text


@plain_dataclass(frozen=True)
class PublishedRow:
    """One measurement that somebody published.

    Attributes:
        subject: What was measured.
        board: On which board.
        clock_hz: At which clock.
        kernel_set: The kernel set of hwnas that comes closest to what ran.
        variant: Likewise, how the firmware is compiled.
        unit: Of :attr:`measured`.
        measured: The published value.
        setup_name: Short name of the setup.
        setup: Who measured, and with what.
        place: Where in the publication it stands.
        split: Whether parameters of the virtual board were fitted on it.
    """

    subject: Subject
    board: str
    clock_hz: int
    kernel_set: str
    variant: Variant
    unit: Unit
    measured: float
    setup_name: str
    setup: Setup
    place: str
    split: Split

    @property
    def source(self) -> str:
        """Publication and place."""
        return f"{self.setup.citation}; {self.place}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "subject": self.subject.title,
            "board": self.board,
            "clock_hz": self.clock_hz,
            "kernel_set": self.kernel_set,
            "variant": self.variant.describe(),
            "unit": self.unit,
            "measured": self.measured,
            "split": str(self.split),
            "source": self.source,
            "measured_with": self.setup.measured_with,
        }


@dataclass(frozen=True, config=CONFIG)
class _Result:
    of: WholeNetwork | LatencyRatio | SingleConvolution | SweepMean
    measured: Positive
    gain: Positive = 1.0
    """By how much what ran was faster than what was measured."""


@dataclass(frozen=True, config=CONFIG)
class _Series:
    """Measurements of one setup on one board."""

    setup: Text
    place: Text
    board: Text
    clock_hz: Hertz
    kernel_set: Text
    unit: Unit
    split: Split
    rows: Annotated[tuple[_Result, ...], Field(min_length=1)]
    optimization: Optimization = Optimization.SPEED
    fpu: bool = True

    @model_validator(mode="after")
    def _check(self) -> _Series:
        for row in self.rows:
            if self.unit not in row.of.units:
                raise ValueError(f"{row.of.title} cannot be told in {self.unit}")
        return self


@dataclass(frozen=True, config=CONFIG)
class _File:
    setups: Mapping[Text, Setup]
    series: tuple[_Series, ...]

    @model_validator(mode="after")
    def _check(self) -> _File:
        for series in self.series:
            if series.setup not in self.setups:
                raise ValueError(f"setup {series.setup!r} is not described under [setups]")
        return self


_ADAPTER: Final = TypeAdapter(_File)


def load_rows(path: str | Path = PUBLISHED) -> tuple[PublishedRow, ...]:
    """The rows of a file; by default those that come with hwnas.

    Args:
        path: A TOML file like ``hwnas/validation/published.toml``.

    Raises:
        MeasurementError: The file cannot be read or is wrong; the message names file and key.

    Example:
        >>> rows = load_rows()
        >>> rows[0].subject.title, rows[0].measured, rows[0].unit, rows[0].place
        ('LeNet', 36.4, 'ms', 'Table 2')
    """
    file = read_toml(Path(path), "measurements", _ADAPTER, error=MeasurementError)
    return tuple(_row(file, series, row) for series in file.series for row in series.rows)


def _row(file: _File, series: _Series, row: _Result) -> PublishedRow:
    return PublishedRow(
        row.of, series.board, series.clock_hz, series.kernel_set,
        Variant(series.optimization, series.fpu), series.unit,
        row.measured / row.gain, series.setup, file.setups[series.setup], series.place,
        series.split,
    )  # fmt: skip
