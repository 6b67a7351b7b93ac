"""What a chip has of its core: system control, the cycle counter; and the line to the host."""

from __future__ import annotations

import pytest
from chip_bus import (
    AHB2ENR,
    GPIOG,
    RCC,
    L496Bus,
)

from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.chips import ResetCause
from hwnas.virtual.serial_line import SerialLine

DWT, SCS = 0xE000_1000, 0xE000_E000
DEMCR, AIRCR, CYCCNT = SCS + 0xDFC, SCS + 0xD0C, DWT + 4


@pytest.fixture
def chip() -> L496Bus:
    return L496Bus()


# The line


def test_the_firmware_waits_when_it_polls_again_having_done_nothing(chip: L496Bus) -> None:
    line = chip.line
    assert not line.poll()
    chip.blocks += SerialLine.WAITING_BLOCKS
    assert not line.poll()
    assert chip.idle == 1
    chip.blocks += SerialLine.WAITING_BLOCKS + 1
    line.poll()
    assert chip.idle == 1
    line.poll()
    assert chip.idle == 2


@pytest.mark.parametrize("what", ["send", "take", "feed"])
def test_the_firmware_does_not_wait_when_something_moved(chip: L496Bus, what: str) -> None:
    line = chip.line
    line.poll()
    if what == "send":
        line.send(1)
    elif what == "take":
        line.take()
    else:
        line.feed(b"")
    line.poll()
    assert chip.idle == 0
    line.feed(b"a")
    for _ in range(3):
        assert line.poll()
    assert chip.idle == 0


# SCS and DWT


def test_identification_is_read_only(chip: L496Bus) -> None:
    chip[SCS + 0xD00] = 0
    assert chip[SCS + 0xD00] == 0x410F_C241


def test_a_system_reset_needs_its_key(chip: L496Bus) -> None:
    for value in (4, 0x05FB_0004, 0x05FA_0000):
        chip[AIRCR] = value
    assert chip.resets == 0
    chip[AIRCR] = 0x05FA_0004
    assert chip.resets == 1
    assert chip[AIRCR] == 0xFA05_0000


def test_interrupts_can_be_cleared_but_not_set(chip: L496Bus) -> None:
    for offset in (0x180, 0x19C, 0x280, 0x29C):
        chip[SCS + offset] = 0xFFFF_FFFF
    for offset in (0x100, 0x11C, 0x200, 0x21C):
        chip[SCS + offset] = 0
        with pytest.raises(BoardError, match="not modelled"):
            chip[SCS + offset] = 1 << 31
    chip[SCS + 0xD04] = 1 << 27 | 1 << 25
    for bit in (26, 28, 31):
        with pytest.raises(BoardError, match="makes one pending"):
            chip[SCS + 0xD04] = 1 << bit
    assert chip[SCS + 0x100] == chip[SCS + 0x200] == chip[SCS + 0xD04] == 0


def test_systick_may_be_set_up_but_not_started(chip: L496Bus) -> None:
    chip[SCS + 0x14], chip[SCS + 0x10] = 1000, 4
    assert (chip[SCS + 0x14], chip[SCS + 0x10]) == (1000, 4)
    with pytest.raises(BoardError, match="SysTick"):
        chip[SCS + 0x10] = 5


@pytest.mark.parametrize("order", [(DEMCR, DWT), (DWT, DEMCR)])
def test_cyccnt_counts_while_both_enables_are_set(chip: L496Bus, order: tuple[int, int]) -> None:
    chip.start_as_the_board_says()
    values = {DEMCR: 1 << 24, DWT: 1}
    chip.cycles = 100
    chip[order[0]] = values[order[0]]
    chip.cycles = 200
    assert chip[CYCCNT] == 0
    chip[order[1]] = values[order[1]]
    chip.cycles = 250
    assert chip[CYCCNT] == 50
    chip[order[0]] = 0
    chip.cycles = 1000
    assert chip[CYCCNT] == 50
    chip[order[0]] = values[order[0]]
    chip.cycles = 1001
    assert chip[CYCCNT] == 51


def test_cyccnt_can_be_set_and_wraps(chip: L496Bus) -> None:
    chip.start_as_the_board_says()
    chip[CYCCNT] = 7
    assert chip[CYCCNT] == 7
    chip[DEMCR], chip[DWT] = 1 << 24, 1
    chip.cycles = 10
    chip[CYCCNT] = 0xFFFF_FFF0
    chip.cycles = 10 + 0x20
    assert chip[CYCCNT] == 0x10
    # Writing the enable again changes nothing; the number of comparators is read-only.
    chip[DWT] = 1
    assert (chip[CYCCNT], chip[DWT]) == (0x10, 0x4000_0001)


def test_the_debug_units_survive_a_reset_and_notice_its_clock(chip: L496Bus) -> None:
    chip.start_as_the_board_says()
    chip[DEMCR], chip[DWT] = 1 << 24, 1
    chip.cycles = 500
    chip.chip.reset(ResetCause.SOFTWARE)
    assert (chip[DEMCR], chip[DWT]) == (1 << 24, 0x4000_0001)
    # The chip runs from MSI again, so cycles do not mean what the board file says.
    with pytest.raises(BoardMismatchError, match="runs at 4000000 Hz"):
        _ = chip[CYCCNT]
    chip.start_as_the_board_says()
    assert chip[CYCCNT] == 500


def test_cycles_at_another_clock_are_refused_from_the_start(chip: L496Bus) -> None:
    chip[DEMCR] = 1 << 24
    with pytest.raises(BoardMismatchError, match="the core runs at 4000000 Hz"):
        chip[DWT] = 1


@pytest.mark.parametrize("address", [RCC + 0x98, GPIOG + 0x30, SCS + 0xD94, DWT + 0x20])
def test_registers_that_are_not_modelled_are_named(chip: L496Bus, address: int) -> None:
    chip[AHB2ENR] = 1 << 6
    for use in (lambda: chip[address], lambda: chip.__setitem__(address, 0)):
        with pytest.raises(BoardError, match=f"the register at {address:#010x} is not modelled"):
            use()
