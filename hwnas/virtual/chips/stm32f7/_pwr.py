"""Power control of the STM32F7 (RM0410, chapter "Power controller")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.virtual.chips.stm32f4._pwr import CR
from hwnas.virtual.chips.stm32f4._pwr import Pwr as Stm32F4Pwr

_MOST_MHZ: Final = {3: (180, 216), 2: (168, 180), 1: (144, 144), 0: (0, 0)}
"""Most that the core bears at a voltage scale, without and with over-drive; code 3 is scale 1, and
0 is reserved. As in NuttX's stm32f76xx77xx_pwr.h."""


class Pwr(Stm32F4Pwr):
    """As that of the STM32F4, bit for bit, with more megahertz and two more registers."""

    RESET_VALUES: ClassVar[Mapping[int, int]] = {**Stm32F4Pwr.RESET_VALUES, 0x08: 0, 0x0C: 0}

    @property
    def most_hz(self) -> int:
        """Most that the core bears as things are, in hertz."""
        return _MOST_MHZ[self.registers[CR] >> 14 & 3][self.overdrive] * 1_000_000
