"""Power control of the STM32F7 (RM0410, chapter "Power controller")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hwnas.virtual.chips.stm32f4._pwr import Pwr as Stm32F4Pwr


class Pwr(Stm32F4Pwr):
    """As that of the STM32F4, bit for bit, with more megahertz and two more registers."""

    # As in NuttX's stm32f76xx77xx_pwr.h; code 0 is reserved.
    MOST_MHZ: ClassVar[Mapping[int, tuple[int, int]]] = {
        3: (180, 216),
        2: (168, 180),
        1: (144, 144),
        0: (0, 0),
    }
    RESET_VALUES: ClassVar[Mapping[int, int]] = {**Stm32F4Pwr.RESET_VALUES, 0x08: 0, 0x0C: 0}
