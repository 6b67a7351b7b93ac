"""Two targets compared over the layers that both have."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from hwnas.errors import TableError
from hwnas.network import Layer
from hwnas.table._store import LookupTable
from hwnas.target import TargetIdentity


@dataclass(frozen=True, slots=True)
class Ratio:
    """One layer on two targets.

    Attributes:
        layer: The layer.
        first: Median cycles on the first target.
        second: On the second.
    """

    layer: Layer
    first: int
    second: int

    @property
    def value(self) -> float:
        """Second over first: above 1 the second target is slower."""
        return self.second / self.first if self.first else float("inf")


@dataclass(frozen=True, slots=True)
class OperatorRatios:
    """The layers of one operator.

    Attributes:
        operator: Its name.
        count: How many layers both targets have.
        least: Smallest ratio.
        median: Median of the ratios.
        most: Largest.
    """

    operator: str
    count: int
    least: float
    median: float
    most: float


@dataclass(frozen=True, slots=True)
class TableDiff:
    """Two targets of a table.

    Attributes:
        first: A target.
        second: Another.
        ratios: Every common layer, those first whose ratio is farthest from the median of its
            operator.
        operators: By name.
    """

    first: TargetIdentity
    second: TargetIdentity
    ratios: tuple[Ratio, ...]
    operators: tuple[OperatorRatios, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "first": self.first.to_dict(),
            "second": self.second.to_dict(),
            "differences": {
                name: list(pair) for name, pair in self.first.differences(self.second).items()
            },
            "operators": [
                {
                    "operator": row.operator,
                    "layers": row.count,
                    "least": row.least,
                    "median": row.median,
                    "most": row.most,
                }
                for row in self.operators
            ],
            "layers": [
                {
                    "layer": ratio.layer.to_dict(),
                    "first": ratio.first,
                    "second": ratio.second,
                    "ratio": ratio.value,
                }
                for ratio in self.ratios
            ],
        }


def diff_targets(table: LookupTable, first: TargetIdentity, second: TargetIdentity) -> TableDiff:
    """Compare two targets over their common layers.

    Raises:
        TableError: They have no layer in common, or the table cannot be read.
    """
    known = {record.layer: record.cycles_median for record in table.records(first)}
    ratios = [
        Ratio(record.layer, known[record.layer], record.cycles_median)
        for record in table.records(second)
        if known.get(record.layer)
    ]
    if not ratios:
        raise TableError(
            f"{first.describe()} and {second.describe()} have no layer in common: sweep the same "
            "layers on both"
        )
    by_operator: dict[str, list[float]] = {}
    for ratio in ratios:
        by_operator.setdefault(str(ratio.layer.operator), []).append(ratio.value)
    medians = {name: statistics.median(values) for name, values in by_operator.items()}

    def oddity(ratio: Ratio) -> float:
        return abs(ratio.value / medians[str(ratio.layer.operator)] - 1)

    return TableDiff(
        first,
        second,
        tuple(sorted(ratios, key=lambda r: (-oddity(r), r.layer.canonical()))),
        tuple(
            OperatorRatios(name, len(values), min(values), medians[name], max(values))
            for name, values in sorted(by_operator.items())
        ),
    )
