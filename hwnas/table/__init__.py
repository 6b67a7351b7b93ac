"""The lookup table: what layers and whole networks cost on targets, kept and shared.

:class:`LookupTable` stores rows in SQLite or PostgreSQL and exchanges them as JSON lines.
"""

from __future__ import annotations

from hwnas.table._records import (
    Accuracy,
    Conflict,
    ImportReport,
    LayerRecord,
    NetworkRecord,
    TableStats,
    TargetStats,
)
from hwnas.table._store import LookupTable

__all__ = [
    "Accuracy",
    "Conflict",
    "ImportReport",
    "LayerRecord",
    "LookupTable",
    "NetworkRecord",
    "TableStats",
    "TargetStats",
]
