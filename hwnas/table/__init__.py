"""The lookup table: what layers and whole networks cost on targets, kept and shared.

:class:`LookupTable` stores rows in SQLite or PostgreSQL and exchanges them as JSON lines.
"""

from __future__ import annotations

from hwnas.table._diff import OperatorRatios, Ratio, TableDiff, diff_targets
from hwnas.table._jsonl import states_target
from hwnas.table._records import (
    Accuracy,
    Conflict,
    ImportReport,
    LayerRecord,
    NetworkRecord,
    TableStats,
    TargetStats,
    same_cost,
)
from hwnas.table._select import select_target
from hwnas.table._store import LookupTable

__all__ = [
    "Accuracy",
    "Conflict",
    "ImportReport",
    "LayerRecord",
    "LookupTable",
    "NetworkRecord",
    "OperatorRatios",
    "Ratio",
    "TableDiff",
    "TableStats",
    "TargetStats",
    "diff_targets",
    "same_cost",
    "select_target",
    "states_target",
]
