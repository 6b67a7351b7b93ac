"""Energy meters, opened by a URL."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Final
from urllib.parse import urlsplit

from hwnas.boards import BoardSpec
from hwnas.energy.meters._base import Meter, MeterSettings
from hwnas.energy.meters._virtual import MARKER_CAPACITY, VirtualMeter, VirtualSupply
from hwnas.errors import MeterError

__all__ = [
    "MARKER_CAPACITY",
    "Meter",
    "MeterSettings",
    "VirtualMeter",
    "VirtualSupply",
    "open_meter",
]

ENTRY_POINTS: Final = "hwnas.meters"
"""Group of the entry points that other packages add meters by."""
_OWN: Final = ("rocketlogger", "joulescope", "virtual")


def open_meter(url: str, spec: BoardSpec) -> Meter:
    """The meter that a URL names; it is not reached before :meth:`Meter.open`.

    Args:
        url: ``rocketlogger://HOST``, ``joulescope://`` with the end of a serial number or nothing,
            ``virtual://`` for virtual boards, or another package's.
        spec: The board that it is on.

    Raises:
        MeterError: There is no such kind of meter.
        EnergyError: ``virtual://`` of a board whose power is not known.

    Example:
        >>> open_meter("virtual://", load_board("nucleo_l496zg"))  # doctest: +SKIP
    """
    parts = urlsplit(url)
    if parts.scheme == "virtual":
        return VirtualMeter(spec)
    if parts.scheme == "rocketlogger":
        from hwnas.energy.meters._rocketlogger import RocketLogger

        return RocketLogger(parts.netloc)
    if parts.scheme == "joulescope":
        from hwnas.energy.meters._joulescope import Joulescope

        return Joulescope(parts.netloc)
    found = entry_points(group=ENTRY_POINTS, name=parts.scheme) if parts.scheme else ()
    for point in found:
        made = point.load()(url)
        if isinstance(made, Meter):
            return made
        raise MeterError(f"meter {url}: {point.value} gave no Meter")
    others = [point.name for point in entry_points(group=ENTRY_POINTS)]
    known = ", ".join(f"{name}://" for name in (*_OWN, *others))
    raise MeterError(f"meter {url}: there is no such kind; there are {known}")
