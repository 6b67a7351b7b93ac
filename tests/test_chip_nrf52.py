"""The virtual registers of the nRF52840."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from chip_bus import ChipBus

from hwnas.boards import Pin, load_board
from hwnas.device import BoardClient
from hwnas.device.protocol import ResetCause as Told
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.firmware import find_image
from hwnas.virtual import VirtualBoard
from hwnas.virtual.chips import ResetCause
from hwnas.virtual.chips.nrf52._uart import RATES
from hwnas.virtual.peripherals import PinLevel

SPEC = load_board("nrf52840_dk")
POWER, UART, WDT, NVMC = 0x4000_0000, 0x4000_2000, 0x4001_0000, 0x4001_E000
P0, P1 = 0x5000_0000, 0x5000_0300
HFCLKSTART, HFCLKSTOP, HFCLKSTARTED = POWER, POWER + 4, POWER + 0x100
RESETREAS, HFCLKSTAT, ICACHECNF = POWER + 0x400, POWER + 0x40C, NVMC + 0x540
STARTRX, STOPRX, STARTTX, STOPTX = UART, UART + 4, UART + 8, UART + 0xC
RXDRDY, TXDRDY, ENABLE = UART + 0x108, UART + 0x11C, UART + 0x500
PSEL_TXD, PSEL_RXD, RXD, TXD = UART + 0x50C, UART + 0x514, UART + 0x518, UART + 0x51C
BAUDRATE, CONFIG = UART + 0x524, UART + 0x56C
OUT, OUTSET, OUTCLR, IN, DIR, DIRSET, DIRCLR = range(0x504, 0x520, 4)
PIN_CNF = 0x700
DWT, DEMCR = 0xE000_1000, 0xE000_EDFC


class Bus(ChipBus):
    """The chip, and the steps that its firmware takes."""

    def __init__(self) -> None:
        super().__init__(SPEC)

    def start(self) -> None:
        """The crystal, the cache, and UART0 at 1 Mbaud on P0.06 and P0.08."""
        self[HFCLKSTART] = 1
        self[ICACHECNF] = 1
        self[P0 + DIRSET] = 1 << 6
        self[P0 + PIN_CNF + 4 * 8] = 0
        self[PSEL_TXD], self[PSEL_RXD] = 6, 8
        self[BAUDRATE] = 0x1000_0000
        self[ENABLE] = 4
        self[STARTTX] = self[STARTRX] = 1


@pytest.fixture
def bus() -> Bus:
    return Bus()


# Clock and power


def test_the_core_starts_from_the_rc_oscillator(bus: Bus) -> None:
    assert (bus[HFCLKSTAT], bus[HFCLKSTARTED]) == (1 << 16, 0)
    bus[HFCLKSTART] = 0
    assert bus[HFCLKSTARTED] == 0
    bus[HFCLKSTART] = 1
    assert (bus[HFCLKSTAT], bus[HFCLKSTARTED]) == (1 << 16 | 1, 1)
    bus[HFCLKSTARTED] = 0
    assert bus[HFCLKSTARTED] == 0
    bus[HFCLKSTOP] = 1
    assert bus[HFCLKSTAT] == 1 << 16
    bus[HFCLKSTART] = 1
    bus.chip.reset(ResetCause.SOFTWARE)
    assert bus[HFCLKSTAT] == 1 << 16


def test_cycles_need_the_crystal_and_the_cache(bus: Bus) -> None:
    bus[DEMCR] = 1 << 24
    with pytest.raises(BoardMismatchError, match="the RC oscillator, the board file says the cry"):
        bus[DWT] = 1
    bus[HFCLKSTART] = 1
    with pytest.raises(BoardMismatchError, match="instruction cache is off, the board file says"):
        bus[DWT] = 1
    bus[ICACHECNF] = 1
    bus[DWT] = 1
    bus.cycles = 7
    assert bus[DWT + 4] == 7
    bus[HFCLKSTOP] = 1
    with pytest.raises(BoardMismatchError, match="the RC oscillator"):
        _ = bus[DWT + 4]


def test_a_board_file_with_another_clock_is_a_mismatch() -> None:
    slower = ChipBus(replace(SPEC, core=replace(SPEC.core, clock_hz=32_000_000)))
    with pytest.raises(BoardMismatchError, match="64000000 Hz, the board file says 32000000 Hz"):
        slower.chip.check_clock()


def test_the_cache_is_emptied_when_it_is_switched_off(bus: Bus) -> None:
    bus[ICACHECNF] = 1
    assert bus.invalidated == []
    bus[ICACHECNF] = 0
    assert bus.invalidated == [(True, False)]


def test_programming_the_flash_is_refused(bus: Bus) -> None:
    bus[NVMC + 0x504] = 0
    bus[NVMC + 0x400] = 0
    assert bus[NVMC + 0x400] == 1
    with pytest.raises(BoardError, match="programming the flash is not modelled"):
        bus[NVMC + 0x504] = 1


def test_reset_reasons_add_up_until_they_are_cleared(bus: Bus) -> None:
    assert bus[RESETREAS] == 0
    bus.chip.reset(ResetCause.SOFTWARE)
    bus[RESETREAS] = 0
    assert bus[RESETREAS] == 4
    bus.chip.power.registers[0x400] |= 2
    bus.chip.reset(ResetCause.SOFTWARE)
    assert bus[RESETREAS] == 6
    bus[RESETREAS] = 4
    assert bus[RESETREAS] == 2


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        (0, Told.POWER_OR_PIN),
        (1, Told.POWER_OR_PIN),
        (1 | 2 | 4 | 8, Told.POWER_OR_PIN),
        (2, Told.WATCHDOG),
        (2 | 4, Told.WATCHDOG),
        (4, Told.SOFTWARE),
        (8, Told(0)),
    ],
)
def test_the_firmware_tells_the_cause_and_clears_it(reasons: int, told: Told) -> None:
    with VirtualBoard(SPEC, find_image(SPEC).elf) as board, BoardClient(board) as client:
        power: Any = board._chip.power  # type: ignore[attr-defined]
        power.registers[0x400] = reasons
        assert client.hello().reset_cause == told
        assert power.registers[0x400] == 0


# GPIO


def test_set_and_clear_registers_drive_outputs(bus: Bus) -> None:
    bus[P1 + DIR] = 0b1110
    bus[P1 + OUTSET] = 0b0110
    assert [bus[P1 + at] for at in (OUT, OUTSET, OUTCLR, IN)] == [0b0110] * 4
    bus[P1 + OUTCLR] = 0b0010
    bus[P1 + OUT] = 0b1100
    bus[P1 + IN] = 0
    assert bus.pins == [
        PinLevel("1", 1, True), PinLevel("1", 2, True), PinLevel("1", 1, False),
        PinLevel("1", 3, True),
    ]  # fmt: skip
    assert bus.pins[0].name == "P1.01"
    assert bus[P0 + OUT] == 0


def test_a_direction_is_one_bit_in_two_registers(bus: Bus) -> None:
    assert bus[P0 + PIN_CNF + 4 * 6] == 2
    bus[P0 + DIRSET] = 1 << 6
    assert bus[P0 + PIN_CNF + 4 * 6] == 3
    bus[P0 + PIN_CNF + 4 * 7] = 1
    assert [bus[P0 + at] for at in (DIR, DIRSET, DIRCLR)] == [3 << 6] * 3
    bus[P0 + DIRCLR] = 1 << 6
    assert (bus[P0 + DIR], bus[P0 + PIN_CNF + 4 * 6]) == (1 << 7, 2)


def test_a_pin_shows_its_level_once_it_is_an_output(bus: Bus) -> None:
    bus[P0 + OUT] = 1 << 31
    assert (bus.pins, bus[P0 + IN]) == ([], 0)
    bus[P0 + PIN_CNF + 4 * 31] = 3
    bus[P0 + PIN_CNF + 4 * 31] = 2
    assert bus.pins == [PinLevel("0", 31, True), PinLevel("0", 31, False)]


def test_the_second_port_ends_after_16_pins(bus: Bus) -> None:
    bus[P1 + OUT] = bus[P1 + DIR] = 0xFFFF_FFFF
    assert (bus[P1 + OUT], bus[P1 + DIR], len(bus.pins)) == (0xFFFF, 0xFFFF, 16)
    with pytest.raises(BoardError, match=f"{P1 + PIN_CNF + 64:#010x} is not modelled"):
        _ = bus[P1 + PIN_CNF + 64]


# UART


def test_the_uart_sends_only_when_it_is_enabled_and_started(bus: Bus) -> None:
    bus.start()
    for address, value in [(ENABLE, 0), (ENABLE, 8), (STOPTX, 1)]:
        bus.start()
        bus[address] = value
        bus[TXD] = ord("a")
        assert (bus[TXDRDY], bus.line.drain()) == (0, b"")
    bus.start()
    bus[TXD] = 0x100 | ord("b")
    assert (bus[TXDRDY], bus.line.drain()) == (1, b"b")
    bus[TXDRDY] = 0
    assert bus[TXDRDY] == 0


def test_the_uart_receives_only_when_it_is_enabled_and_started(bus: Bus) -> None:
    bus.start()
    bus.line.feed(b"ab")
    for address, value in [(ENABLE, 0), (STOPRX, 1)]:
        bus.start()
        bus[address] = value
        assert (bus[RXDRDY], bus[RXD]) == (0, 0)
    bus.start()
    for byte in b"ab":
        assert bus[RXDRDY] == 1
        bus[RXDRDY] = 0
        assert bus[RXD] == byte
    assert (bus[RXDRDY], bus[RXD]) == (0, 0)


def test_tasks_do_nothing_while_the_uart_is_off_or_when_zero_is_written(bus: Bus) -> None:
    bus.start()
    bus[STOPTX] = 1
    bus[ENABLE] = 0
    bus[STARTTX] = 1
    bus[ENABLE] = 4
    bus[STARTTX] = 0
    bus[TXD] = 0
    assert bus.line.drain() == b""


def test_clearing_the_event_after_reading_loses_the_next_one(bus: Bus) -> None:
    bus.start()
    bus.line.feed(b"abc")
    assert bus[RXDRDY] == 1
    assert bus[RXD] == ord("a")
    bus[RXDRDY] = 0
    assert bus[RXDRDY] == 0


@pytest.mark.parametrize(
    ("address", "value", "message"),
    [
        (BAUDRATE, 0x0EBE_D000, "the UART runs at 941176 baud, the board file says 1000000 baud"),
        (CONFIG, 0xE, "8 data bits, no parity and no flow control"),
        (CONFIG, 1, "8 data bits, no parity and no flow control"),
        (PSEL_TXD, 0x8000_0006, "the UART's pin P0.06 is not selected"),
        (PSEL_TXD, 7, "the UART's pin P0.06 is not selected"),
        (PSEL_RXD, 8 + 32, "the UART's pin P0.08 is not selected"),
        (P0 + DIRCLR, 1 << 6, "the UART's pin P0.06 is not an output"),
        (P0 + PIN_CNF + 32, 2, "the UART's pin P0.08 is not a connected input"),
        (P0 + PIN_CNF + 32, 1, "the UART's pin P0.08 is not a connected input"),
    ],
)
def test_a_serial_line_that_the_host_cannot_read_is_a_mismatch(
    bus: Bus, address: int, value: int, message: str
) -> None:
    bus.start()
    bus[address] = value
    with pytest.raises(BoardMismatchError, match=message):
        bus[TXD] = 0


def test_the_line_is_checked_once_after_each_setup(bus: Bus) -> None:
    bus.start()
    bus[TXD] = 1
    bus[P0 + DIRCLR] = 1 << 6  # unnoticed until the UART is set up again
    bus[TXD] = 2
    bus[CONFIG] = 0
    with pytest.raises(BoardMismatchError, match="not an output"):
        bus[TXD] = 3
    assert bus.line.drain() == b"\1\2"


def test_a_rate_that_is_not_documented_is_refused(bus: Bus) -> None:
    bus.start()
    bus[BAUDRATE] = 0x0F00_0000
    with pytest.raises(BoardError, match="0x0f000000 is not among the documented ones"):
        bus[TXD] = 0


def test_the_rate_of_the_board_file_is_reached_exactly() -> None:
    assert SPEC.serial.baud == RATES[0x1000_0000]


# WDT


def test_the_watchdog_locks_its_settings_and_survives_a_software_reset(bus: Bus) -> None:
    bus[WDT + 0x504] = 99
    bus[WDT] = 0
    bus[WDT + 0x504] = 32767
    assert not bus.chip.wdt.started
    bus[WDT] = 1
    bus[WDT + 0x504], bus[WDT + 0x508], bus[WDT + 0x50C] = 0, 3, 0
    for _ in range(2):
        assert [bus[WDT + at] for at in (0x400, 0x504, 0x508, 0x50C)] == [1, 32767, 1, 1]
        bus.chip.reset(ResetCause.SOFTWARE)
    bus[WDT + 0x400] = 0
    assert (bus.chip.wdt.started, bus.chip.wdt.seconds) == (True, 1)


def test_the_watchdog_eats_one_value_only(bus: Bus) -> None:
    bus[WDT + 0x600] = 0x6E52_4635
    with pytest.raises(BoardError, match="fed with 0x00000001 in place of 0x6e524635"):
        bus[WDT + 0x600] = 1


def test_the_firmware_starts_it_for_32_seconds() -> None:
    with VirtualBoard(SPEC, find_image(SPEC).elf) as board:
        board.read(10)
        watchdog: Any = board._chip.wdt  # type: ignore[attr-defined]
        assert (watchdog.started, watchdog.seconds) == (True, 32)


# What is not there


@pytest.mark.parametrize("address", [HFCLKSTART, STARTTX, TXD, WDT, WDT + 0x600])
def test_registers_to_write_are_not_to_read(bus: Bus, address: int) -> None:
    with pytest.raises(BoardError, match=rf"is read, at {address:#010x}"):
        _ = bus[address]


@pytest.mark.parametrize("address", [POWER + 0x578, UART + 0x200, WDT + 0x100, P0 + 0x520])
def test_registers_that_are_not_modelled_are_named(bus: Bus, address: int) -> None:
    for use in (lambda: bus[address], lambda: bus.__setitem__(address, 0)):
        with pytest.raises(BoardError, match=f"the register at {address:#010x} is not modelled"):
            use()


@pytest.mark.parametrize(
    ("pin", "name"), [(Pin("1", 16), "P1.16"), (Pin("2", 0), "P2.00"), (Pin("A", 6), "PA6")]
)
def test_pins_that_the_chip_has_not_are_refused(pin: Pin, name: str) -> None:
    with pytest.raises(BoardError, match=f"the chip has no pin {name}"):
        ChipBus(replace(SPEC, serial=replace(SPEC.serial, tx=pin)))


def test_another_uart_is_refused() -> None:
    with pytest.raises(BoardError, match="'uarte1' is not modelled, uart0 is"):
        ChipBus(replace(SPEC, serial=replace(SPEC.serial, uart="uarte1")))
