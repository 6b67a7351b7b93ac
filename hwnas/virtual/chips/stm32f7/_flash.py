"""Flash controller of the STM32F7 (RM0410, chapter "Embedded Flash memory")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from hwnas.errors import BoardError
from hwnas.virtual.peripherals import RegisterFile

ACR: Final = 0x00


class FlashController(RegisterFile):
    """Latency; programming is not modelled.

    The ART accelerator may be on or off: it stands before the ITCM side of the flash only, and
    images run from the AXI side.
    """

    RESET_VALUES: ClassVar[Mapping[int, int]] = {ACR: 0, 0x0C: 0, 0x10: 0x8000_0000}

    @property
    def wait_states(self) -> int:
        """Wait states of a read."""
        return self.registers[ACR] & 0xF

    def store(self, offset: int, value: int) -> None:
        """Takes the access control register; others cannot be written."""
        if offset != ACR:
            raise BoardError("FLASH: programming the flash is not modelled")
        super().store(offset, value)
