"""The system control space of a Cortex-M33, as far as it is that of an Armv7-M core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.virtual.peripherals.scs import SystemControl

_CPUID: Final = 0xD00


class CortexM33SystemControl(SystemControl):
    """Without CPUID: its revision is not known, so reading it is an error."""

    RESET_VALUES: ClassVar[Mapping[int, int]] = {
        offset: value for offset, value in SystemControl.RESET_VALUES.items() if offset != _CPUID
    }
