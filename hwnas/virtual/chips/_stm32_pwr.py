"""Power control, as far as it is the same in the families of STM32 chips."""

from __future__ import annotations

from abc import abstractmethod

from hwnas.virtual.peripherals import RegisterFile


class Stm32Pwr(RegisterFile):
    """Voltages, on which the core's fastest clock depends; see :class:`RegisterFile`."""

    @property
    @abstractmethod
    def most_hz(self) -> int:
        """Most that the core bears as voltages are set, in hertz; 0 for a reserved setting."""
