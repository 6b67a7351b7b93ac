"""The registers of the virtual STM32L496, as its reference manual (RM0351) describes them."""

from __future__ import annotations

import pytest
from chip_bus import (
    AHB2ENR,
    APB1ENR1,
    APB1ENR2,
    CFGR,
    CR,
    FLASH,
    GPIOG,
    LPUART,
    PLLCFGR,
    PWR,
    RCC,
    L496Bus,
)

from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.chips import ResetCause
from hwnas.virtual.peripherals import PinLevel

IWDG = 0x4000_3000
GPIOA, GPIOD = 0x4800_0000, 0x4800_0C00
CCIPR, CSR = RCC + 0x88, RCC + 0x94


@pytest.fixture
def chip() -> L496Bus:
    return L496Bus()


# RCC


def test_the_chip_starts_from_msi_at_4_mhz(chip: L496Bus) -> None:
    assert chip[CR] == 0x63
    assert chip.chip.rcc.hclk_hz == chip.chip.rcc.pclk1_hz == 4_000_000


def test_oscillators_get_ready_when_they_are_switched_on(chip: L496Bus) -> None:
    chip[CR] = chip[CR] | 1 << 8 | 1 << 24
    assert chip[CR] & (1 << 10 | 1 << 25) == 1 << 10 | 1 << 25
    chip[CR] = 1
    assert chip[CR] & (1 << 1 | 1 << 10 | 1 << 25) == 1 << 1
    # The board has no crystal, and ready bits are read-only.
    chip[CR] = 1 | 1 << 16 | 1 << 17
    assert chip[CR] & 1 << 17 == 0


def test_the_core_switches_to_a_clock_only_once_that_runs(chip: L496Bus) -> None:
    chip[CFGR] = 1
    assert chip[CFGR] >> 2 & 3 == 0
    assert chip.chip.rcc.sysclk_hz == 4_000_000
    chip[CR] = chip[CR] | 1 << 8
    assert chip[CFGR] >> 2 & 3 == 1
    assert chip.chip.rcc.sysclk_hz == 16_000_000
    # HSE never runs; SWS is read-only.
    chip[CFGR] = 2 | 3 << 2
    assert chip[CFGR] >> 2 & 3 == 1


def test_the_clock_of_the_core_cannot_be_switched_off(chip: L496Bus) -> None:
    chip[CR] = chip[CR] & ~1
    assert chip[CR] & 3 == 3
    chip[CR] = chip[CR] | 1 << 8
    chip[CFGR] = 1
    chip[CR] = 0
    assert chip[CR] & (1 << 8 | 1) == 1 << 8


@pytest.mark.parametrize(
    ("msi", "hz"),
    [(0, 100_000), (4, 1_000_000), (6, 4_000_000), (7, 8_000_000), (11, 48_000_000)],
)
def test_msi_range_comes_from_cr_or_after_standby_from_csr(
    chip: L496Bus, msi: int, hz: int
) -> None:
    chip[CR] = msi << 4 | 1
    assert chip.chip.rcc.msi_hz == 4_000_000
    chip[CR] = msi << 4 | 1 << 3 | 1
    assert chip.chip.rcc.msi_hz == hz
    chip[CR] = 1
    chip[CSR] = msi << 8
    assert chip.chip.rcc.msi_hz == hz


def test_a_reserved_msi_range_is_refused(chip: L496Bus) -> None:
    chip[CR] = 12 << 4 | 1 << 3 | 1
    with pytest.raises(BoardError, match="MSI range 12 is reserved"):
        _ = chip.chip.rcc.hclk_hz


@pytest.mark.parametrize(
    ("source", "m", "n", "r", "hz"),
    [
        (1, 1, 40, 0, 80_000_000),
        (2, 2, 20, 0, 80_000_000),
        (2, 4, 32, 1, 32_000_000),
        (2, 1, 8, 3, 16_000_000),
    ],
)
def test_pll_output_is_source_by_m_times_n_by_r(
    chip: L496Bus, source: int, m: int, n: int, r: int, hz: int
) -> None:
    # RCC_PLLCFGR: PLLM is one less, PLLR codes 2, 4, 6, 8.
    chip[PLLCFGR] = source | (m - 1) << 4 | n << 8 | 1 << 24 | r << 25
    chip[CR] = chip[CR] | 1 << 24
    chip[CFGR] = 3
    assert chip.chip.rcc.hclk_hz == hz


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1 | 40 << 8, "output R is off"),
        (40 << 8 | 1 << 24, "source 0 does not run"),
        (3 | 40 << 8 | 1 << 24, "source 3 does not run"),
        (1 | 1 << 4 | 40 << 8 | 1 << 24, "cannot run at 80 MHz from 2 MHz"),
        (1 | 8 << 8 | 1 << 24, "cannot run at 32 MHz from 4 MHz"),
        (2 | 40 << 8 | 1 << 24, "cannot run at 640 MHz from 16 MHz"),
    ],
)
def test_a_pll_that_cannot_run_is_refused(chip: L496Bus, value: int, message: str) -> None:
    chip[PLLCFGR] = value
    chip[CR] = chip[CR] | 1 << 24
    chip[CFGR] = 3
    with pytest.raises(BoardError, match=message):
        _ = chip.chip.rcc.hclk_hz


def test_a_running_pll_only_lets_its_outputs_be_switched(chip: L496Bus) -> None:
    chip[PLLCFGR] = 1 | 40 << 8
    chip[CR] = chip[CR] | 1 << 24
    chip[PLLCFGR] = 2 | 20 << 8 | 1 << 24
    assert chip[PLLCFGR] == 1 | 40 << 8 | 1 << 24
    chip[CR] = chip[CR] & ~(1 << 24)
    chip[PLLCFGR] = 2 | 20 << 8
    assert chip[PLLCFGR] == 2 | 20 << 8


@pytest.mark.parametrize(
    ("code", "divider"), [(0, 1), (7, 1), (8, 2), (11, 16), (12, 64), (15, 512)]
)
def test_the_core_prescaler(chip: L496Bus, code: int, divider: int) -> None:
    chip[CFGR] = code << 4
    assert chip.chip.rcc.hclk_hz == 4_000_000 // divider
    assert chip.chip.rcc.sysclk_hz == 4_000_000


@pytest.mark.parametrize(("code", "divider"), [(0, 1), (3, 1), (4, 2), (5, 4), (7, 16)])
def test_the_bus_prescaler(chip: L496Bus, code: int, divider: int) -> None:
    chip[CFGR] = code << 8 | 8 << 4
    assert chip.chip.rcc.pclk1_hz == 2_000_000 // divider


def test_lpuart1_runs_from_bus_core_or_hsi16(chip: L496Bus) -> None:
    chip[CFGR] = 8 << 4 | 4 << 8
    for select, hz in enumerate((1_000_000, 4_000_000, 16_000_000)):
        chip[CCIPR] = select << 10
        assert chip.chip.rcc.lpuart1_hz == hz
    chip[CCIPR] = 3 << 10
    with pytest.raises(BoardError, match="LSE, which is not modelled"):
        _ = chip.chip.rcc.lpuart1_hz


def test_reset_flags_stay_until_they_are_removed(chip: L496Bus) -> None:
    assert chip[CSR] >> 24 == 0x0C
    chip[CSR] = 0
    assert chip[CSR] >> 24 == 0x0C
    chip.chip.reset(ResetCause.SOFTWARE)
    assert chip[CSR] >> 24 == 0x1C
    chip[CSR] = chip[CSR] | 1 << 23
    assert chip[CSR] >> 24 == 0
    chip.chip.reset(ResetCause.SOFTWARE)
    assert chip[CSR] >> 24 == 0x14


def test_lsi_is_ready_at_once(chip: L496Bus) -> None:
    chip[CSR] = 2
    assert chip[CSR] & 3 == 0
    chip[CSR] = 1
    assert chip[CSR] & 3 == 3


# FLASH


def test_the_flash_starts_without_wait_states_and_with_caches(chip: L496Bus) -> None:
    assert (chip.chip.flash.wait_states, chip.chip.flash.caches_on) == (0, True)
    chip[FLASH] = 1 << 10 | 4
    assert (chip.chip.flash.wait_states, chip.chip.flash.caches_on) == (4, False)
    assert chip[FLASH] == 1 << 10 | 4


def test_cache_reset_bits_empty_their_own_cache(chip: L496Bus) -> None:
    chip[FLASH] = 4
    assert chip.invalidated == []
    for value in (1 << 11, 1 << 12, 1 << 11 | 1 << 12):
        chip[FLASH] = value | 4
    assert chip.invalidated == [(True, False), (False, True), (True, True)]


def test_programming_the_flash_is_refused(chip: L496Bus) -> None:
    assert chip[FLASH + 0x14] >> 31 == 1
    with pytest.raises(BoardError, match="programming the flash is not modelled"):
        chip[FLASH + 0x14] = 0
    with pytest.raises(BoardError, match="the register at 0x40022008 is not modelled"):
        chip[FLASH + 8] = 0x4567_0123


# PWR


def test_power_control_is_dead_without_its_clock(chip: L496Bus) -> None:
    chip[PWR + 4] = 1 << 9
    assert chip[PWR] == chip[PWR + 4] == 0
    chip[APB1ENR1] = 1 << 28
    assert (chip[PWR], chip[PWR + 4]) == (0x200, 0)
    chip[PWR + 4] = 1 << 9
    assert chip.chip.pwr.port_g_is_supplied
    chip[PWR + 0x18] = 0xFFFF
    assert chip[PWR + 0x18] == 0


def test_the_slow_voltage_range_does_not_bear_80_mhz(chip: L496Bus) -> None:
    chip.start_as_the_board_says()
    chip.chip.check_clock()
    chip[PWR] = 0x400
    with pytest.raises(BoardMismatchError, match="80000000 Hz, more than the 26000000 Hz"):
        chip.chip.check_clock()


# GPIO


def test_a_port_is_dead_without_its_clock(chip: L496Bus) -> None:
    chip[GPIOD] = 0
    assert chip[GPIOD] == 0
    chip[AHB2ENR] = 1 << 3
    assert chip[GPIOD] == 0xFFFF_FFFF


def test_set_reset_and_data_registers_drive_outputs(chip: L496Bus) -> None:
    chip[AHB2ENR] = 1 << 3
    chip[GPIOD] = 1 << 18 | 1 << 16
    chip[GPIOD + 0x18] = 1 << 9
    assert (chip[GPIOD + 0x14], chip[GPIOD + 0x18]) == (1 << 9, 0)
    # Where a bit is both set and reset, set wins.
    chip[GPIOD + 0x18] = 1 << 25 | 1 << 24 | 1 << 9 | 1 << 8
    chip[GPIOD + 0x18] = 1 << 25
    chip[GPIOD + 0x28] = 1 << 8
    chip[GPIOD + 0x14] = 1 << 9
    chip[GPIOD + 0x14] = 1 << 9
    assert [(pin.port, pin.number, pin.level) for pin in chip.pins] == [
        ("D", 9, True), ("D", 8, True), ("D", 9, False), ("D", 8, False), ("D", 9, True),
    ]  # fmt: skip


def test_a_pin_shows_its_level_once_it_is_an_output(chip: L496Bus) -> None:
    chip[AHB2ENR] = 1 << 3
    chip[GPIOD + 0x14] = 0xFFFF
    assert (chip[GPIOD + 0x10], chip.pins) == (0, [])
    chip[GPIOD] = 0b01 << 4
    assert chip[GPIOD + 0x10] == 1 << 2
    chip[GPIOD + 0x10] = 0
    assert chip[GPIOD + 0x10] == 1 << 2
    chip[GPIOD] = 0b11 << 4
    assert chip.pins == [PinLevel("D", 2, True), PinLevel("D", 2, False)]


def test_a_pin_serves_the_function_it_is_switched_to(chip: L496Bus) -> None:
    port = chip.chip.gpio["G"]
    chip[AHB2ENR] = 1 << 6
    chip[GPIOG + 0x24] = 8
    assert not port.serves(8, 8)
    chip[GPIOG] = 2 << 16
    assert port.serves(8, 8)
    assert not port.serves(8, 7)
    assert not port.serves(0, 8)


# IWDG


def test_watchdog_settings_need_the_unlocking_key(chip: L496Bus) -> None:
    chip[IWDG + 4] = 6
    assert chip[IWDG + 4] == 0
    chip[IWDG] = 0x5555
    chip[IWDG + 4], chip[IWDG + 8] = 6, 0x123
    assert (chip[IWDG + 4], chip[IWDG + 8], chip[IWDG + 0xC]) == (6, 0x123, 0)
    chip[IWDG] = 0xAAAA
    chip[IWDG + 8] = 0xFFF
    assert (chip[IWDG + 8], chip[IWDG]) == (0x123, 0)


def test_the_watchdog_stays_started_until_a_reset(chip: L496Bus) -> None:
    assert not chip.chip.iwdg.started
    for key in (0xCCCC, 0x5555, 0xAAAA):
        chip[IWDG] = key
        assert chip.chip.iwdg.started
    chip.chip.reset(ResetCause.SOFTWARE)
    assert not chip.chip.iwdg.started


# LPUART


def test_the_uart_is_dead_without_its_clock(chip: L496Bus) -> None:
    chip.start_as_the_board_says()
    chip[APB1ENR2] = 0
    chip.line.feed(b"a")
    chip[LPUART + 0x28] = ord("x")
    assert (chip[LPUART + 0x1C], chip[LPUART + 0x24], chip.line.drain()) == (0, 0, b"")


def test_the_uart_receives_and_sends_only_what_is_enabled(chip: L496Bus) -> None:
    chip.start_as_the_board_says()
    chip.line.feed(b"ab")
    for control, status in [(0, 0xC0), (0b0101, 0x4000E0), (0b1001, 0x2000C0), (0b1100, 0xC0)]:
        chip[LPUART] = control
        assert chip[LPUART + 0x1C] == status
        chip[LPUART + 0x28] = 0x141
        assert chip.line.drain() == (b"A" if control == 0b1001 else b"")
        assert chip[LPUART + 0x24] == (ord("a") if control == 0b0101 else 0)
    chip[LPUART] = 0b1101
    assert chip[LPUART + 0x24] == ord("b")
    assert chip[LPUART + 0x1C] == 0x6000C0
    assert chip[LPUART + 0x24] == 0


def test_status_and_received_data_cannot_be_written(chip: L496Bus) -> None:
    chip.start_as_the_board_says()
    for offset in (0x18, 0x1C, 0x20, 0x24):
        chip[LPUART + offset] = 0xFFFF_FFFF
    assert chip[LPUART + 0x1C] == 0x6000C0
    assert chip[LPUART + 0x18] == chip[LPUART + 0x20] == chip[LPUART + 0x24] == 0


def test_the_line_is_checked_before_the_first_byte_of_each_setup(chip: L496Bus) -> None:
    chip.start_as_the_board_says()
    chip[LPUART + 0x28] = ord("a")
    chip[CCIPR] = 2 << 10  # another clock, unnoticed until the UART is set up again
    chip[LPUART + 0x28] = ord("b")
    chip[LPUART + 0x0C] = 22222
    with pytest.raises(BoardMismatchError, match="runs at 184322 baud"):
        chip[LPUART + 0x28] = ord("c")
    assert chip.line.drain() == b"ab"
    chip[LPUART + 0x0C] = 4444
    chip[LPUART + 0x28] = ord("d")
    assert chip.line.drain() == b"d"


@pytest.mark.parametrize("divider", [0, 0x2FF, 0x10_0000])
def test_a_divider_out_of_range_is_refused(chip: L496Bus, divider: int) -> None:
    chip.start_as_the_board_says()
    chip[LPUART + 0x0C] = divider
    with pytest.raises(BoardError, match=f"BRR {divider:#x} is outside 0x300 to 0xFFFFF"):
        chip[LPUART + 0x28] = 0


@pytest.mark.parametrize(
    ("offset", "bit"),
    [(0, 10), (0, 12), (0, 28), (4, 12), (4, 13), (4, 15), (4, 16), (4, 17), (4, 18), (4, 19)],
)
def test_another_format_of_bytes_is_a_mismatch(chip: L496Bus, offset: int, bit: int) -> None:
    chip.start_as_the_board_says()
    chip[LPUART + offset] = chip[LPUART + offset] | 1 << bit
    with pytest.raises(BoardMismatchError, match="8 data bits, no parity and one stop bit"):
        chip[LPUART + 0x28] = 0
