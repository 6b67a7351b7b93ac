"""Flash controller of the STM32F7 (RM0410, chapter "Embedded Flash memory")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from hwnas.virtual.chips._stm32_flash import ACR, Stm32Flash


class FlashController(Stm32Flash):
    """Latency; programming is not modelled.

    The ART accelerator may be on or off: it stands before the ITCM side of the flash only, and
    images run from the AXI side.
    """

    RESET_VALUES: ClassVar[Mapping[int, int]] = {ACR: 0, 0x0C: 0, 0x10: 0x8000_0000}
