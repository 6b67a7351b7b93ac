"""Energy from latency: E = P t + E0, as the paper finds it (its section 4.2, Figures 6 and 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from hwnas.boards import BoardSpec
from hwnas.errors import EnergyError
from hwnas.target import Provenance

CONFIDENCE: Final = 0.95
"""Of the intervals."""
_LEAST_ROWS: Final = 3


@dataclass(frozen=True, slots=True)
class EnergyRow:
    """One measurement.

    Attributes:
        name: What ran.
        latency_s: For how long, in seconds.
        energy_j: At which energy, in joules.
        provenance: How the energy was obtained.
    """

    name: str
    latency_s: float
    energy_j: float
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class EnergyModel:
    """Energy linear in latency: ``energy_j = power_w * latency_s + offset_j``.

    Attributes:
        power_w: Power, in watts.
        offset_j: Energy of a run of no length, in joules.
        source: Where the figures come from.

    Example:
        >>> round(EnergyModel(0.04465, 0.0, "board file").energy_j(0.0311), 6)
        0.001389
    """

    power_w: float
    offset_j: float
    source: str

    def energy_j(self, latency_s: float) -> float:
        """Energy of a run, in joules."""
        return self.power_w * latency_s + self.offset_j


@dataclass(frozen=True)
class EnergyFit:
    """A model that was fitted to rows.

    Attributes:
        model: The line.
        power_interval_w: Where the power lies with a confidence of :data:`CONFIDENCE`.
        offset_interval_j: Where the offset lies, likewise.
        r: Pearson's correlation of latency and energy.
        residuals_j: What the line leaves of each row, in joules.
        rows: What it was fitted to.
    """

    model: EnergyModel
    power_interval_w: tuple[float, float]
    offset_interval_j: tuple[float, float]
    r: float
    residuals_j: tuple[float, ...]
    rows: tuple[EnergyRow, ...]

    @property
    def mape(self) -> float:
        """Mean of the residuals' absolute values through the energies."""
        pairs = zip(self.residuals_j, self.rows, strict=True)
        return float(np.mean([abs(residual) / row.energy_j for residual, row in pairs]))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = asdict(self) | {"mape": self.mape}
        for row in plain["rows"]:
            row["provenance"] = str(row["provenance"])
        return plain


def fit_energy(rows: Sequence[EnergyRow], source: str) -> EnergyFit:
    """Fit a line to measured energies, by ordinary least squares.

    Args:
        rows: Three or more, of two lengths at least, all obtained in one way.
        source: Of the rows, for the model.

    Raises:
        EnergyError: There are too few rows, or some were obtained otherwise than others.

    Example:
        >>> rows = [EnergyRow(str(t), t, 0.04 * t, Provenance.MEASURED) for t in (0.1, 0.2, 0.4)]
        >>> round(fit_energy(rows, "an example").model.power_w, 6)
        0.04
    """
    ways = {row.provenance for row in rows}
    if len(ways) > 1:
        names = ", ".join(sorted(map(str, ways)))
        raise EnergyError(f"{source}: rows are {names}; a fit is of one kind: choose")
    if len(rows) < _LEAST_ROWS or len({row.latency_s for row in rows}) < 2:
        raise EnergyError(
            f"{source}: {len(rows)} rows with an energy are too few for a line; "
            f"{_LEAST_ROWS} of different lengths are wanted: measure more with --meter"
        )
    from scipy import stats  # slow to import

    latency = np.array([row.latency_s for row in rows])
    energy = np.array([row.energy_j for row in rows])
    line = stats.linregress(latency, energy)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(rows) - 2))
    slope, offset = float(line.slope), float(line.intercept)
    slope_error, offset_error = float(line.stderr) * reach, float(line.intercept_stderr) * reach
    return EnergyFit(
        model=EnergyModel(slope, offset, source),
        power_interval_w=(slope - slope_error, slope + slope_error),
        offset_interval_j=(offset - offset_error, offset + offset_error),
        r=float(line.rvalue),
        residuals_j=tuple((energy - slope * latency - offset).tolist()),
        rows=tuple(rows),
    )


def board_model(spec: BoardSpec, *, supply_v: float | None = None) -> EnergyModel:
    """The model of a board's own figures: its power at its operating point.

    On a board whose core is behind a linear regulator the current is what stays the same, so that
    the energy at another supply is that of its current. Its file then says so (``constant``).

    Args:
        spec: The board.
        supply_v: Supply, in volts, where it is another than the file's.

    Raises:
        EnergyError: A figure is missing; the message names it.
    """
    power = spec.power
    if power is None:
        raise EnergyError(
            f"the power of {spec.name} is not known: its board file has no [power] active_mw; "
            "measure it with a meter, or give the file a figure with its source"
        )
    if supply_v is None or supply_v == power.supply_v:
        return EnergyModel(power.active_mw / 1e3, 0.0, power.source)
    if power.supply_v is None:
        raise EnergyError(
            f"the supply at which {spec.name}'s power was measured is not known: its board file "
            "has no [power] supply_v, so its power at another one cannot be told"
        )
    if power.constant != "current":
        raise EnergyError(
            f"what {spec.name} draws at another supply than {power.supply_v:g} V is not known: its "
            'board file does not say that the current stays the same ([power] constant = "current")'
        )
    if not (math.isfinite(supply_v) and supply_v > 0):
        raise EnergyError(f"supply_v {supply_v} must be above 0")
    scaled = power.active_mw / 1e3 * supply_v / power.supply_v
    return EnergyModel(scaled, 0.0, f"{power.source}; its current at {supply_v:g} V")
