"""What the STM32L4+ has beyond the STM32L4: the boost mode, and a PLL with a larger divider."""

from __future__ import annotations

import pytest
from chip_bus import ChipBus

from hwnas.boards import load_board
from hwnas.errors import BoardError, BoardMismatchError

RCC, FLASH, PWR, LPUART = 0x4002_1000, 0x4002_2000, 0x4000_7000, 0x4000_8000
CR, CFGR, PLLCFGR, AHB2ENR, APB1ENR1, APB1ENR2 = (
    RCC + offset for offset in (0x00, 0x08, 0x0C, 0x4C, 0x58, 0x5C)
)
GPIOG, CR5 = 0x4800_1800, PWR + 0x80
PLL = 2 | 1 << 4 | 30 << 8 | 1 << 24
"""HSI16 / 2 * 30 / 2: 120 MHz."""
NORMAL_MODE = 1 << 8


class Bus(ChipBus):
    """The chip of a board with an STM32L4, and the steps that its firmware takes."""

    def start(self, *, boost: bool = True, acr: int = 0x605) -> None:
        """120 MHz from HSI16 through the PLL, five wait states, LPUART1 on PG7 and PG8."""
        self[APB1ENR1] = 1 << 28
        if boost:
            self[CR5] = 0
        self[FLASH] = acr
        self[CR] = self[CR] | 1 << 8
        self[PLLCFGR] = PLL
        self[CR] = self[CR] | 1 << 24
        self[CFGR] = 8 << 4
        self[CFGR] = self[CFGR] | 3
        self[CFGR] = 3
        self[AHB2ENR] = 1 << 6
        self[APB1ENR2] = 1
        self[PWR + 4] = 1 << 9
        self[GPIOG] = 2 << 14 | 2 << 16
        self[GPIOG + 0x20], self[GPIOG + 0x24] = 8 << 28, 8
        self[LPUART + 0x0C] = 33333
        self[LPUART] = 0b1101


@pytest.fixture
def bus() -> Bus:
    return Bus(load_board("nucleo_l4r5zi"))


def test_the_setup_of_the_firmware_is_that_of_the_board_file(bus: Bus) -> None:
    bus.start()
    bus.chip.check_clock()
    assert bus.chip.rcc.hclk_hz == 120_000_000
    bus[LPUART + 0x28] = ord("x")
    assert bus.line.drain() == b"x"


def test_more_than_80_mhz_needs_the_boost_mode(bus: Bus) -> None:
    bus[APB1ENR1] = 1 << 28
    assert bus[CR5] == NORMAL_MODE
    bus.start(boost=False)
    with pytest.raises(BoardMismatchError, match="120000000 Hz, more than the 80000000 Hz"):
        bus.chip.check_clock()
    bus[CR5] = 0
    bus.chip.check_clock()
    bus[PWR] = 0x400
    with pytest.raises(BoardMismatchError, match="120000000 Hz, more than the 26000000 Hz"):
        bus.chip.check_clock()


@pytest.mark.parametrize(("acr", "found"), [(0x604, 4), (0x60D, 13)])
def test_other_wait_states_are_a_mismatch(bus: Bus, acr: int, found: int) -> None:
    bus.start(acr=acr)
    with pytest.raises(BoardMismatchError, match=f"flash wait states are {found}, the board file"):
        bus.chip.check_clock()


@pytest.mark.parametrize(("m", "message"), [(3, None), (4, "cannot run at 96 MHz from 3.2 MHz")])
def test_the_pll_divides_its_source_as_on_any_l4(bus: Bus, m: int, message: str | None) -> None:
    bus[CR] = bus[CR] | 1 << 8
    bus[PLLCFGR] = 2 | m << 4 | 30 << 8 | 1 << 24
    bus[CR] = bus[CR] | 1 << 24
    bus[CFGR] = 3
    if message is None:
        assert bus.chip.rcc.hclk_hz == 60_000_000
    else:
        with pytest.raises(BoardError, match=message):
            _ = bus.chip.rcc.hclk_hz


def test_only_the_l4_plus_divides_the_pll_source_by_more_than_8(bus: Bus) -> None:
    plain = Bus(load_board("nucleo_l496zg"))
    for chip in (bus, plain):
        chip[CR] = 11 << 4 | 1 << 3 | 1
        chip[PLLCFGR] = 1 | 11 << 4 | 30 << 8 | 1 << 24
        chip[CR] = chip[CR] | 1 << 24
        chip[CFGR] = 3
    # MSI's 48 MHz by 12; the L4 has no fourth bit there, and divides by 4.
    assert bus.chip.rcc.hclk_hz == 60_000_000
    with pytest.raises(BoardError, match="cannot run at 360 MHz from 12 MHz"):
        _ = plain.chip.rcc.hclk_hz


def test_the_l4_has_no_boost_mode() -> None:
    plain = Bus(load_board("nucleo_l496zg"))
    plain[APB1ENR1] = 1 << 28
    with pytest.raises(BoardError, match="the register at 0x40007080 is not modelled"):
        plain[CR5] = 0


def test_a_prescaler_of_the_lpuart_is_refused(bus: Bus) -> None:
    bus.start()
    bus[LPUART + 0x2C] = 1
    with pytest.raises(BoardError, match="the prescaler of the L4\\+ is not modelled"):
        bus[LPUART + 0x28] = 0
