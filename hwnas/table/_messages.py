"""What a lookup table says when rows are missing or contradict each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hwnas.network import Layer
from hwnas.table._records import Conflict
from hwnas.target import TargetIdentity

LISTED: Final = 10
"""How many culprits a message names."""

Nearest = tuple[TargetIdentity, dict[str, tuple[Any, Any]]]
"""A target of the table, and in which fields another one differs from it."""


def conflict_message(label: str, conflicts: Sequence[Conflict]) -> str:
    """Which rows the table holds with another cost, and what to do; all of one target."""
    listed = "; ".join(str(conflict) for conflict in conflicts[:LISTED])
    return (
        f"{label}: rows in conflict on {conflicts[0].target.describe()}: "
        f"{listed}{_rest(conflicts)}. Replace them, or find what changed: the identity should "
        "tell the two apart"
    )


def missing_message(
    label: str, target: TargetIdentity, layers: Sequence[Layer], nearest: Nearest | None
) -> str:
    """Which layers have no row (any, if none is named), why, and what to do."""
    named = name_layers(layers) or "any layer"
    lack = f"{label}: no row of {named} on {target.describe()}."
    if nearest is None:
        return f"{lack} The table is empty: import an export, or measure the layers"
    other, differences = nearest
    if not differences:
        return f"{lack} The table has other rows of this target: measure the missing layers"
    listed = ", ".join(
        f"{name} (wanted {wanted}, there {there})" for name, (wanted, there) in differences.items()
    )
    return (
        f"{lack} The table lacks this target; the nearest, {other.describe()}, differs in {listed}"
    )


def name_layers(layers: Sequence[Layer]) -> str:
    """The first few layers, and how many more there are."""
    return ", ".join(layer.describe() for layer in layers[:LISTED]) + _rest(layers)


def _rest(items: Sequence[object]) -> str:
    return f" and {len(items) - LISTED} more" if len(items) > LISTED else ""
