"""Budgets: what a candidate may cost, and by how much it misses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields

from hwnas.errors import BudgetError


@dataclass(frozen=True, slots=True)
class Budget:
    """Upper limits of a network's cost on a board; ``None`` sets no limit.

    Attributes:
        latency_ms: Of one inference.
        energy_mj: Of one inference.
        ram_bytes: Arena with scratch, and the firmware's fixed part.
        flash_bytes: Parameters, plan and code.

    Raises:
        BudgetError: A limit is not a finite number above zero.

    Example:
        >>> Budget(latency_ms=40).violations({"latency_ms": 50.0})
        {'latency_ms': 0.25}
    """

    latency_ms: float | None = None
    energy_mj: float | None = None
    ram_bytes: int | None = None
    flash_bytes: int | None = None

    def __post_init__(self) -> None:
        for name, limit in self._limits().items():
            if not isinstance(limit, int | float) or not 0 < limit < math.inf:
                raise BudgetError(f"budget: {name} is {limit!r}; a limit is a number above 0")

    def within(self, ram_bytes: int, flash_bytes: int) -> Budget:
        """This budget, tightened to what the board has at all."""
        return Budget(
            self.latency_ms,
            self.energy_mj,
            min(self.ram_bytes or ram_bytes, ram_bytes),
            min(self.flash_bytes or flash_bytes, flash_bytes),
        )

    def violations(self, values: Mapping[str, float | None]) -> dict[str, float]:
        """(value - limit) / limit for every limit whose value is known; above 0 is too much."""
        limits = self._limits()
        return {
            name: (value - limits[name]) / limits[name]
            for name, value in values.items()
            if value is not None and name in limits
        }

    def to_dict(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return self._limits()

    def _limits(self) -> dict[str, float]:
        limits = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: limit for name, limit in limits.items() if limit is not None}
