"""What a lookup table holds and what its operations report."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Final

from hwnas.errors import TableError
from hwnas.network import Layer, Network
from hwnas.target import Provenance, TargetIdentity

MAX_COUNT: Final = (1 << 63) - 1
"""Largest count that every supported database can hold."""
MAX_SPACE: Final = 128
"""Longest name of a space."""
WHOLE_NETWORK: Final = "network"
"""What stands for the operator in the statistics of whole networks."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """What one layer, run alone, cost on a target.

    Attributes:
        layer: The layer.
        n: How many runs the cycles come from.
        cycles_min: Cycles of the fastest run.
        cycles_median: Median of the runs' cycles, rounded to a whole number.
        cycles_max: Cycles of the slowest run.
        energy_uj: Energy of one run in microjoules; None where no meter was there.
        provenance: How the cycles were obtained; that of the target.
        created_at: When, with a time zone; kept in UTC.
        energy_spread: Standard deviation of the runs' energies through their mean; None where no
            meter was there.

    Raises:
        TableError: A value is out of range, or the layer is free and therefore has no row.

    Example:
        >>> from hwnas.network import dense
        >>> record = LayerRecord(
        ...     dense((84,), 10), 3, 5210, 5210, 5211, None, Provenance.SIMULATED
        ... )
        >>> record.cycles_median
        5210
    """

    layer: Layer
    n: int
    cycles_min: int
    cycles_median: int
    cycles_max: int
    energy_uj: float | None
    provenance: Provenance
    created_at: datetime = field(default_factory=_now)
    energy_spread: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.layer, Layer):
            raise TableError(f"row: {self.layer!r} is no layer")
        if self.layer.is_free:
            raise TableError(f"row: a {self.layer.operator} costs nothing and has no row")
        _check(self)

    @property
    def subject(self) -> Layer:
        """What the record is about."""
        return self.layer

    @property
    def key(self) -> Layer:
        """What the record is looked up by, next to the target."""
        return self.layer


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """What one inference of a whole network, end to end, cost on a target.

    Attributes:
        network: The network; its nodes' names take no part in the key.
        n: How many runs the cycles come from.
        cycles_min: Cycles of the fastest run.
        cycles_median: Median of the runs' cycles, rounded to a whole number.
        cycles_max: Cycles of the slowest run.
        energy_uj: Energy of one inference in microjoules; None where no meter was there.
        provenance: How the cycles were obtained; that of the target.
        created_at: When, with a time zone; kept in UTC.
        energy_spread: Standard deviation of the inferences' energies through their mean; None
            where no meter was there.

    Raises:
        TableError: A value is out of range.
    """

    network: Network
    n: int
    cycles_min: int
    cycles_median: int
    cycles_max: int
    energy_uj: float | None
    provenance: Provenance
    created_at: datetime = field(default_factory=_now)
    energy_spread: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.network, Network):
            raise TableError(f"row: {self.network!r} is no network")
        _check(self)

    @property
    def subject(self) -> Network:
        """What the record is about."""
        return self.network

    @property
    def key(self) -> str:
        """What the record is looked up by, next to the target."""
        return self.network.digest


Record = LayerRecord | NetworkRecord


def _check(record: Record) -> None:
    counts = (record.n, record.cycles_min, record.cycles_median, record.cycles_max)
    if any(not isinstance(c, int) or isinstance(c, bool) for c in counts):
        raise TableError(f"row: n and the cycles must be whole numbers, not {counts}")
    if not 1 <= record.n <= MAX_COUNT:
        raise TableError("row: n must be 1 or more, and fit 63 bits")
    if not 0 <= record.cycles_min <= record.cycles_median <= record.cycles_max <= MAX_COUNT:
        raise TableError("row: 0 <= cycles_min <= cycles_median <= cycles_max < 2**63 must hold")
    for name in ("energy_uj", "energy_spread"):
        object.__setattr__(record, name, _amount(name, getattr(record, name)))
    if record.energy_uj is None and record.energy_spread is not None:
        raise TableError("row: energy_spread is of an energy, and there is none")
    if not isinstance(record.provenance, Provenance):
        raise TableError(f"row: provenance {record.provenance!r} is no Provenance")
    created = record.created_at
    if not isinstance(created, datetime) or created.utcoffset() is None:
        raise TableError(f"row: created_at {created!r} must be a time with a time zone")
    try:
        object.__setattr__(record, "created_at", created.astimezone(UTC))
    except OverflowError as error:
        raise TableError(f"row: created_at {created!r} is outside the calendar") from error


def _amount(name: str, value: object) -> float | None:
    if value is None:
        return None
    # The bound comes before float(): a huge int has none, and NaN fails every comparison.
    if (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value <= sys.float_info.max
    ):
        return float(value)
    raise TableError(f"row: {name} {value!r} must be a finite number of 0 or more, or None")


MEASURED_SPREAD: Final = 0.002
"""Two measurements of one layer agree if their medians differ by no more, or by no more than the
spread of either: silicon jitters by the refresh of its caches."""
MEASURED_ENERGY_SPREAD: Final = 0.05
"""As far as two meters' calibrations are apart."""


def same_cost(a: Record, b: Record) -> bool:
    """Whether two records state the same cost; runs and time may differ.

    Simulation repeats to the cycle; measurements agree within their spread.
    """
    if a.provenance is not Provenance.MEASURED or b.provenance is not Provenance.MEASURED:
        return (a.cycles_min, a.cycles_median, a.cycles_max, a.energy_uj) == (
            b.cycles_min,
            b.cycles_median,
            b.cycles_max,
            b.energy_uj,
        )
    spread = max(
        a.cycles_max - a.cycles_min,
        b.cycles_max - b.cycles_min,
        round(MEASURED_SPREAD * max(a.cycles_median, b.cycles_median)),
    )
    return abs(a.cycles_median - b.cycles_median) <= spread and _same_energy(a, b)


def _same_energy(a: Record, b: Record) -> bool:
    if a.energy_uj is None or b.energy_uj is None:
        return a.energy_uj == b.energy_uj
    most = MEASURED_ENERGY_SPREAD * max(a.energy_uj, b.energy_uj)
    return abs(a.energy_uj - b.energy_uj) <= most


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How well sums over layers of a target tell whole networks of a space.

    Errors are (sum - whole) / whole.

    Attributes:
        space: Name of the space whose networks were compared.
        networks: How many.
        mape: Mean of the errors' magnitudes.
        bias: Mean of the errors.
        worst: Largest magnitude.
        rank_correlation: Spearman's, of sums and wholes.
        created_at: When, with a time zone.
    """

    space: str
    networks: int
    mape: float
    bias: float
    worst: float
    rank_correlation: float
    created_at: datetime = field(default_factory=_now)

    def __post_init__(self) -> None:
        if not isinstance(self.space, str) or not 1 <= len(self.space) <= MAX_SPACE:
            raise TableError(f"accuracy: space {self.space!r} is no name")
        networks = self.networks
        if not isinstance(networks, int) or isinstance(networks, bool) or networks < 1:
            raise TableError(f"accuracy: networks {networks!r} must be 1 or more")
        for name in ("mape", "bias", "worst", "rank_correlation"):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not math.isfinite(value):
                raise TableError(f"accuracy: {name} {value!r} is no finite number")
        if not isinstance(self.created_at, datetime) or self.created_at.utcoffset() is None:
            raise TableError(f"accuracy: created_at {self.created_at!r} must have a time zone")

    def to_columns(self) -> dict[str, Any]:
        """By name of column."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**self.to_columns(), "created_at": self.created_at.isoformat()}


@dataclass(frozen=True, slots=True)
class Conflict:
    """A row that a table already holds with another cost; the table's row stays.

    Attributes:
        target: The target of both.
        stored: What the table holds.
        offered: What was to be stored.
        line: Line of the imported file, from 1; None outside imports.
    """

    target: TargetIdentity
    stored: Record
    offered: Record
    line: int | None = None

    def __str__(self) -> str:
        """One line for people."""
        place = "" if self.line is None else f"line {self.line}: "
        subject = self.offered.subject
        name = subject.describe() if isinstance(subject, Layer) else f"network {subject.digest:.12}"
        return f"{place}{name}: the table holds {_cost(self.stored)}, not {_cost(self.offered)}"


def _cost(record: Record) -> str:
    energy = "" if record.energy_uj is None else f" and {record.energy_uj:g} uJ"
    cycles = f"{record.cycles_min}/{record.cycles_median}/{record.cycles_max}"
    return f"{cycles} cycles (min/median/max){energy}"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        added: Rows that are new in the table.
        unchanged: Rows that the table already held with the same cost.
        conflicts: Rows that the table holds with another cost; the table's rows stayed.
        malformed: Line number, from 1, and reason of every line that could not be read.
    """

    added: int
    unchanged: int
    conflicts: list[Conflict]
    malformed: list[tuple[int, str]]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "added": self.added,
            "unchanged": self.unchanged,
            "conflicts": [
                {"line": conflict.line, "reason": str(conflict)} for conflict in self.conflicts
            ],
            "malformed": [{"line": line, "reason": reason} for line, reason in self.malformed],
        }


@dataclass(frozen=True, slots=True)
class TargetStats:
    """How many rows a table has for one operator on one target.

    Attributes:
        target: The target.
        operator: The operator, or ``network`` for whole networks.
        count: Rows.
    """

    target: TargetIdentity
    operator: str
    count: int

    @property
    def provenance(self) -> Provenance:
        """How the rows were obtained."""
        return self.target.provenance


@dataclass(frozen=True, slots=True)
class TableStats:
    """What a table holds.

    Attributes:
        rows: One entry a target and operator: by the target's digest, operators by name,
            whole networks last.
    """

    rows: tuple[TargetStats, ...]

    @property
    def layer_rows(self) -> int:
        """Rows of single layers."""
        return sum(row.count for row in self.rows) - self.network_rows

    @property
    def network_rows(self) -> int:
        """Rows of whole networks."""
        return sum(row.count for row in self.rows if row.operator == WHOLE_NETWORK)

    @property
    def provenances(self) -> dict[str, int]:
        """Rows of layers and networks by how they were obtained."""
        totals: dict[str, int] = {}
        for row in self.rows:
            totals[row.provenance] = totals.get(row.provenance, 0) + row.count
        return {str(name): totals[name] for name in sorted(totals)}

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "layer_rows": self.layer_rows,
            "network_rows": self.network_rows,
            "provenances": self.provenances,
            "rows": [
                {
                    "target": row.target.to_dict(),
                    "provenance": str(row.provenance),
                    "operator": row.operator,
                    "count": row.count,
                }
                for row in self.rows
            ],
        }
