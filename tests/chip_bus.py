"""A virtual chip on a bus, with a core whose cycles and blocks the test sets."""

from __future__ import annotations

from hwnas.boards import BoardSpec, load_board
from hwnas.virtual.chips import ResetCause, Wiring, make_chip
from hwnas.virtual.peripherals import Peripheral, PinLevel
from hwnas.virtual.serial_line import SerialLine


class ChipBus:
    """Reads and writes registers by address; keeps what the chip told its surroundings."""

    def __init__(self, spec: BoardSpec) -> None:
        self.cycles = 0
        self.blocks = 0
        self.idle = 0
        self.resets = 0
        self.pins: list[PinLevel] = []
        self.invalidated: list[tuple[bool, bool]] = []
        self.line = SerialLine(lambda: self.blocks, self._become_idle)
        wiring = Wiring(
            line=self.line,
            cycles=lambda: self.cycles,
            invalidate=lambda *which: self.invalidated.append(which),
            on_reset=self._reset,
            on_pin=self.pins.append,
        )
        self.chip = make_chip(spec, wiring)
        self.chip.reset(ResetCause.POWER_ON)

    def __getitem__(self, address: int) -> int:
        peripheral = self._find(address)
        return peripheral.read(address - peripheral.base)

    def __setitem__(self, address: int, value: int) -> None:
        peripheral = self._find(address)
        peripheral.write(address - peripheral.base, value)

    def _find(self, address: int) -> Peripheral:
        (found,) = (
            peripheral
            for peripheral in self.chip.peripherals
            if peripheral.base <= address < peripheral.base + peripheral.size_bytes
        )
        return found

    def _become_idle(self) -> None:
        self.idle += 1

    def _reset(self) -> None:
        self.resets += 1


RCC, FLASH, PWR, LPUART, GPIOG = 0x4002_1000, 0x4002_2000, 0x4000_7000, 0x4000_8000, 0x4800_1800
CR, CFGR, PLLCFGR, AHB2ENR, APB1ENR1, APB1ENR2 = (
    RCC + offset for offset in (0x00, 0x08, 0x0C, 0x4C, 0x58, 0x5C)
)
"""Of the STM32L4 (RM0351, section "Memory map and register boundary addresses")."""


class L496Bus(ChipBus):
    """The chip of the NUCLEO-L496ZG, and the steps that its firmware takes."""

    def __init__(self) -> None:
        super().__init__(load_board("nucleo_l496zg"))

    def start_as_the_board_says(self) -> None:
        """80 MHz from HSI16 through the PLL, four wait states, LPUART1 on PG7 and PG8."""
        self[FLASH] = 0x604
        self[CR] = self[CR] | 1 << 8
        self[PLLCFGR] = 2 | 1 << 4 | 20 << 8 | 1 << 24
        self[CR] = self[CR] | 1 << 24
        self[CFGR] = 3
        self[AHB2ENR] = 1 << 6 | 1 << 3
        self[APB1ENR1] = 1 << 28
        self[APB1ENR2] = 1
        self[PWR + 4] = 1 << 9
        self[GPIOG] = 2 << 14 | 2 << 16
        self[GPIOG + 0x20], self[GPIOG + 0x24] = 8 << 28, 8
        self[LPUART + 0x0C] = 22222
        self[LPUART] = 0b1101
