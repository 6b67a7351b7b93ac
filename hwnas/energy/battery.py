"""What a battery gives: average power at a duty cycle, inferences and days on a charge."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from hwnas.errors import EnergyError

_SECONDS_AN_HOUR: Final = 3_600
_SECONDS_A_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class DutyCycle:
    """An inference every so often, and sleep in between.

    Attributes:
        energy_j: Of an inference, in joules.
        latency_s: Of an inference, in seconds.
        period_s: From one inference to the next, in seconds.
        sleep_w: Power while asleep, in watts: the sleep current times the supply.

    Raises:
        EnergyError: A figure is negative, or an inference takes longer than the period.

    Example:
        >>> cycle = DutyCycle(energy_j=1.4e-3, latency_s=0.031, period_s=1.0, sleep_w=3.3e-6)
        >>> round(cycle.average_power_w * 1e3, 3)
        1.403
        >>> round(cycle.days(capacity_mah=220, supply_v=3.0))
        20
    """

    energy_j: float
    latency_s: float
    period_s: float
    sleep_w: float

    def __post_init__(self) -> None:
        for name in ("energy_j", "latency_s", "period_s", "sleep_w"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise EnergyError(f"{name} {value} must be 0 or more")
        if self.period_s < self.latency_s or not self.period_s:
            raise EnergyError(
                f"an inference of {self.latency_s:g} s does not fit a period of {self.period_s:g} s"
            )

    @property
    def average_power_w(self) -> float:
        """(inference energy + sleep power x the rest of the period) / period, in watts."""
        asleep_j = self.sleep_w * (self.period_s - self.latency_s)
        return (self.energy_j + asleep_j) / self.period_s

    def inferences(self, *, capacity_mah: float, supply_v: float) -> float:
        """On one charge: capacity x supply / energy of a period.

        Args:
            capacity_mah: What the battery gives, in milliampere-hours.
            supply_v: Its mean voltage.

        Raises:
            EnergyError: A figure is not above 0, or nothing is consumed.
        """
        if not (capacity_mah > 0 and supply_v > 0):
            raise EnergyError(f"a battery of {capacity_mah} mAh at {supply_v} V gives nothing")
        per_period_j = self.average_power_w * self.period_s
        if not per_period_j:
            raise EnergyError("neither inference nor sleep takes energy: the battery never ends")
        return capacity_mah / 1e3 * _SECONDS_AN_HOUR * supply_v / per_period_j

    def days(self, *, capacity_mah: float, supply_v: float) -> float:
        """How long a charge lasts, in days; arguments as for :meth:`inferences`."""
        count = self.inferences(capacity_mah=capacity_mah, supply_v=supply_v)
        return count * self.period_s / _SECONDS_A_DAY
