"""A published row beside what the virtual board says, and many of them summed up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from hwnas._statistics import ErrorSummary, summarize
from hwnas.target import TargetIdentity
from hwnas.validation._published import PublishedRow
from hwnas.validation._subjects import Unit, cycles_of

_QUANTITIES: Final[Mapping[Unit, str]] = MappingProxyType(
    {"cycles": "latency", "ms": "latency", "ratio": "ratio", "ns/op": "time of an operation"}
)
"""What a unit is of: values of different quantities are not summed up together."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A published row and what the virtual board says.

    Attributes:
        row: What was measured, by whom, and where it stands.
        simulated: The virtual board's value, in the row's unit.
        target: What it was obtained on.
    """

    row: PublishedRow
    simulated: float
    target: TargetIdentity

    @property
    def error(self) -> float:
        """Simulated through measured, less 1."""
        return self.simulated / self.row.measured - 1

    @property
    def quantity(self) -> str:
        """``latency``, ``ratio`` or ``time of an operation``."""
        return _QUANTITIES[self.row.unit]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            **self.row.to_dict(),
            "simulated": self.simulated,
            "error": self.error,
            "simulated_clock_hz": self.target.clock_hz,
            "provenance": str(self.target.provenance),
        }


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A published row that could not be run.

    Attributes:
        row: The row.
        reason: Why.
    """

    row: PublishedRow
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return self.row.to_dict() | {"reason": self.reason}


@dataclass(frozen=True)
class Validation:
    """Published measurements against the virtual boards.

    Attributes:
        comparisons: The rows that ran.
        skipped: Those that could not.
    """

    comparisons: tuple[Comparison, ...]
    skipped: tuple[SkippedRow, ...]

    @property
    def targets(self) -> tuple[TargetIdentity, ...]:
        """What the simulated values were obtained on."""
        return tuple(dict.fromkeys(comparison.target for comparison in self.comparisons))

    @cached_property
    def summaries(self) -> Mapping[str, ErrorSummary]:
        """Errors by quantity, and of each by split and by setup where there are several.

        The rank correlation of latencies is one of cycles, so that boards compare.
        """
        found: dict[str, ErrorSummary] = {}
        for quantity, rows in _grouped(self.comparisons, lambda c: c.quantity).items():
            found[quantity] = _summary(rows)
            for key in (lambda c: str(c.row.split), lambda c: c.row.setup_name):
                parts = _grouped(rows, key)
                if len(parts) > 1:
                    found |= {f"{quantity}, {name}": _summary(p) for name, p in parts.items()}
        return MappingProxyType(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "rows": [comparison.to_dict() for comparison in self.comparisons],
            "skipped": [row.to_dict() for row in self.skipped],
            "summaries": {name: asdict(summary) for name, summary in self.summaries.items()},
            "targets": [target.to_dict() for target in self.targets],
        }


def _grouped(
    comparisons: Iterable[Comparison], key: Callable[[Comparison], str]
) -> dict[str, list[Comparison]]:
    groups: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        groups.setdefault(key(comparison), []).append(comparison)
    return groups


def _summary(comparisons: list[Comparison]) -> ErrorSummary:
    def cycles(value: float, row: PublishedRow) -> float:
        return cycles_of(value, row.unit, row.clock_hz)

    return summarize(
        [cycles(c.row.measured, c.row) for c in comparisons],
        [cycles(c.simulated, c.row) for c in comparisons],
    )
