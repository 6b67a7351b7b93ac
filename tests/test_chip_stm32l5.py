"""The STM32L552: virtual registers, its core in the emulator, and a counter that stands still."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from chip_bus import ChipBus
from small_plan import convolution
from virtual.build import asm_main, build, needs_compiler

from hwnas.boards import BoardSpec, Pin, load_board
from hwnas.device import BoardClient
from hwnas.device.protocol import ResetCause as Told
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.firmware import find_image
from hwnas.resources import CACHE_VARIABLE
from hwnas.virtual import VirtualBoard
from hwnas.virtual.chips import ResetCause

SPEC = load_board("nucleo_l552ze_q")
PWR, LPUART, RCC, FLASH, ICACHE = 0x4000_7000, 0x4000_8000, 0x4002_1000, 0x4002_2000, 0x4003_0400
GPIOA, GPIOD, GPIOG, GPIOH = 0x4202_0000, 0x4202_0C00, 0x4202_1800, 0x4202_1C00
CR, CFGR, PLLCFGR, AHB2ENR, APB1ENR1, APB1ENR2, CCIPR1, CSR = (
    RCC + offset for offset in (0x00, 0x08, 0x0C, 0x4C, 0x58, 0x5C, 0x88, 0x94)
)
DWT, SCS = 0xE000_1000, 0xE000_E000
DEMCR = SCS + 0xDFC
PLL = 2 | 3 << 4 | 55 << 8 | 1 << 24
"""HSI16 / 4 * 55 / 2: 110 MHz."""


class Bus(ChipBus):
    """The chip, and the steps that its firmware takes."""

    def __init__(self, spec: BoardSpec = SPEC) -> None:
        super().__init__(spec)

    def start(self, pll: int = PLL) -> None:
        """110 MHz in range 0 with five wait states and ICACHE; LPUART1 on PG7 and PG8."""
        self[APB1ENR1] = 1 << 28
        self[PWR] = 0
        self[FLASH] = 5
        self[ICACHE] = self[ICACHE] | 1
        self[CR] = self[CR] | 1 << 8
        self[PLLCFGR] = pll
        self[CR] = self[CR] | 1 << 24
        self[CFGR] = 3
        self[AHB2ENR] = 1 << 6 | 1 << 3
        self[APB1ENR2] = 1
        self[PWR + 4] = 1 << 9
        self[GPIOG] = 2 << 14 | 2 << 16
        self[GPIOG + 0x20], self[GPIOG + 0x24] = 8 << 28, 8
        self[LPUART + 0x0C] = 30556
        self[LPUART] = 0b1101


@pytest.fixture
def bus() -> Bus:
    return Bus()


# Clock, voltage, flash


def test_the_chip_starts_from_msi_at_4_mhz_in_range_2(bus: Bus) -> None:
    assert (bus[CR], bus[PLLCFGR], bus[APB1ENR1]) == (0x63, 0x1000, 0)
    assert bus.chip.rcc.hclk_hz == 4_000_000
    bus[APB1ENR1] = 1 << 28
    assert (bus[PWR], bus.chip.pwr.voltage_range) == (0x400, 2)


def test_the_boards_set_up_gives_110_mhz(bus: Bus) -> None:
    bus.start()
    assert bus.chip.rcc.hclk_hz == bus.chip.rcc.lpuart1_hz == 110_000_000
    bus.chip.check_clock()


@pytest.mark.parametrize(("m", "n", "hz"), [(4, 55, 110_000_000), (1, 8, 64_000_000)])
def test_pll_output_is_source_by_m_times_n_by_r(bus: Bus, m: int, n: int, hz: int) -> None:
    bus[CR] = bus[CR] | 1 << 8
    bus[PLLCFGR] = 2 | (m - 1) << 4 | n << 8 | 1 << 24
    bus[CR] = bus[CR] | 1 << 24
    bus[CFGR] = 3
    assert bus.chip.rcc.hclk_hz == hz


def test_all_four_bits_of_the_divider_count(bus: Bus) -> None:
    bus[CR] = bus[CR] | 1 << 8
    bus[PLLCFGR] = 2 | 8 << 4 | 55 << 8 | 1 << 24
    bus[CR] = bus[CR] | 1 << 24
    bus[CFGR] = 3
    with pytest.raises(BoardError, match=r"cannot run at 97\.7777 MHz from 1\.77778 MHz"):
        _ = bus.chip.rcc.hclk_hz


@pytest.mark.parametrize(("voltage", "most"), [(1, 80_000_000), (2, 26_000_000), (3, 0)])
def test_a_slower_voltage_range_does_not_bear_110_mhz(bus: Bus, voltage: int, most: int) -> None:
    bus.start()
    bus[PWR] = voltage << 9
    with pytest.raises(BoardMismatchError, match=f"110000000 Hz, more than the {most} Hz that it"):
        bus.chip.check_clock()


def test_no_voltage_range_bears_120_mhz_even_if_the_board_file_says_so() -> None:
    bus = Bus(replace(SPEC, core=replace(SPEC.core, clock_hz=120_000_000)))
    bus.start(pll=PLL + (5 << 8))
    assert bus.chip.rcc.hclk_hz == 120_000_000
    with pytest.raises(BoardMismatchError, match="120000000 Hz, more than the 110000000 Hz"):
        bus.chip.check_clock()


def test_a_voltage_range_bears_what_it_is_made_for() -> None:
    slower = ChipBus(replace(SPEC, core=replace(SPEC.core, clock_hz=4_000_000)))
    slower[APB1ENR1] = 1 << 28
    slower[FLASH], slower[ICACHE] = 5, 5
    for voltage in (2, 1, 0):
        slower[PWR] = voltage << 9
        slower.chip.check_clock()


@pytest.mark.parametrize(
    ("address", "value", "message"),
    [
        (CFGR, 8 << 4 | 3, "the core runs at 55000000 Hz, the board file says 110000000 Hz"),
        (FLASH, 4, "flash wait states are 4, the board file says 5"),
        (FLASH, 15, "flash wait states are 15, the board file says 5"),
        (ICACHE, 4, "the instruction cache is off or has one way, the board file says on"),
    ],
)
def test_another_clock_is_a_mismatch(bus: Bus, address: int, value: int, message: str) -> None:
    bus.start()
    bus[address] = value
    bus[DEMCR] = 1 << 24
    with pytest.raises(BoardMismatchError, match=message):
        bus[DWT] = 1


def test_the_cache_must_have_both_ways(bus: Bus) -> None:
    bus.start()
    bus[ICACHE] = 1
    assert bus[ICACHE] == 5, "its ways cannot be chosen while it is on"
    bus[ICACHE] = 0
    bus[ICACHE] = 1
    with pytest.raises(BoardMismatchError, match="has one way"):
        bus.chip.check_clock()


def test_the_cache_is_emptied_at_once(bus: Bus) -> None:
    assert (bus[ICACHE], bus[ICACHE + 4]) == (4, 0)
    bus[ICACHE] = 6
    assert (bus[ICACHE], bus[ICACHE + 4], bus.invalidated) == (4, 2, [(True, True)])
    bus[ICACHE + 4] = 0
    assert bus[ICACHE + 4] == 2
    bus[ICACHE + 0xC] = 2
    assert bus[ICACHE + 4] == 0


def test_programming_the_flash_is_refused(bus: Bus) -> None:
    assert bus[FLASH + 0x28] == 0xC000_0000
    with pytest.raises(BoardError, match="programming the flash is not modelled"):
        bus[FLASH + 0x28] = 0


def test_power_control_is_dead_without_its_clock(bus: Bus) -> None:
    bus[PWR] = 0
    assert bus[PWR] == 0
    bus[APB1ENR1] = 1 << 28
    assert bus[PWR] == 0x400


# LPUART1 and its pins


def test_the_uart_reaches_the_rate_of_the_board_file(bus: Bus) -> None:
    bus.start()
    assert round(256 * 110e6 / 30556) == 921_587
    bus[LPUART + 0x28] = ord("x")
    assert bus.line.drain() == b"x"


@pytest.mark.parametrize(
    ("address", "value", "message"),
    [
        (LPUART + 0x0C, 31500, "the UART runs at 893968 baud, the board file says 921600 baud"),
        (LPUART, 0b1101 | 1 << 10, "8 data bits, no parity and one stop bit"),
        (GPIOG + 0x20, 0, "the UART's pin PG7 is not switched to alternate function 8"),
        (GPIOG, 2 << 14, "the UART's pin PG8 is not switched to alternate function 8"),
        (PWR + 4, 0, r"the UART's pin PG7 has no supply: PWR_CR2\.IOSV is 0"),
    ],
)
def test_a_serial_line_that_the_host_cannot_read_is_a_mismatch(
    bus: Bus, address: int, value: int, message: str
) -> None:
    bus.start()
    bus[address] = value
    with pytest.raises(BoardMismatchError, match=message):
        bus[LPUART + 0x28] = 0


def test_other_ports_need_no_supply_of_their_own() -> None:
    tx, rx = Pin("C", 1, 8), Pin("C", 0, 8)
    other = ChipBus(replace(SPEC, serial=replace(SPEC.serial, tx=tx, rx=rx)))
    other[AHB2ENR] = 1 << 2
    other[GPIOA + 0x800], other[GPIOA + 0x820] = 2 | 2 << 2, 8 | 8 << 4
    other.chip.check_uart_pins()


def test_a_prescaler_or_a_divider_out_of_range_is_refused(bus: Bus) -> None:
    bus.start()
    bus[LPUART + 0x2C] = 1
    with pytest.raises(BoardError, match="a prescaler is not modelled"):
        bus[LPUART + 0x28] = 0
    bus[LPUART + 0x0C] = 0x2FF
    with pytest.raises(BoardError, match="BRR 0x2ff is outside 0x300 to 0xFFFFF"):
        bus[LPUART + 0x28] = 0


def test_markers_are_where_the_firmware_looks_for_them(bus: Bus) -> None:
    bus[AHB2ENR] = 1 << 3
    bus[GPIOD] = 1 << 18
    bus[GPIOD + 0x18] = 1 << 9
    assert [pin.name for pin in bus.pins] == ["PD9"]


# Resets


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (1 << 26, Told.POWER_OR_PIN),
        (1 << 27 | 1 << 26, Told.POWER_OR_PIN),
        (1 << 28 | 1 << 26, Told.SOFTWARE),
        (1 << 29 | 1 << 26, Told.WATCHDOG),
        (1 << 31, Told(0)),
    ],
)
def test_the_firmware_tells_the_cause_and_clears_it(flags: int, told: Told) -> None:
    with VirtualBoard(SPEC, find_image(SPEC).elf) as board, BoardClient(board) as client:
        rcc: Any = board._chip.rcc  # type: ignore[attr-defined]
        rcc.registers[0x94] = flags
        assert client.hello().reset_cause == told
        assert rcc.registers[0x94] >> 24 == 0


def test_reset_flags_stay_until_they_are_removed(bus: Bus) -> None:
    assert bus[CSR] >> 24 == 0x0C
    bus.chip.reset(ResetCause.SOFTWARE)
    assert bus[CSR] >> 24 == 0x1C


# The core, and its counter


def test_a_run_counts_cycles_by_the_model_of_the_core() -> None:
    case, expected = convolution()
    with VirtualBoard(SPEC, find_image(SPEC).elf) as board, BoardClient(board) as client:
        assert client.hello().counts_cycles
        assert case.run(client) == [expected]
        result = client.run(step_count=case.step_count)
        assert result.counts_cycles
        assert 0 < result.total_cycles[0] < board.cycles


def test_the_cores_revision_is_not_known(bus: Bus) -> None:
    with pytest.raises(BoardError, match="0xe000ed00 is not modelled"):
        _ = bus[SCS + 0xD00]
    bus[SCS + 0xD0C] = 0x05FA_0004
    assert bus.resets == 1


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")
def test_the_image_of_the_other_compiler_computes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwnas.firmware._compiler.GCC", "no-such-gcc")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    case, expected = convolution()
    with BoardClient(VirtualBoard(SPEC, find_image(SPEC).elf)) as client:
        assert case.run(client) == [expected]


CORES = {
    # What the emulator must run on each core: (Cortex-M4, Cortex-M33).
    "SMLAD r0, r1, r2, r3": (0xFB21_3002, True, True),
    "VFMA.F32 s0, s1, s2": (0xEEA0_0A81, True, True),
    "VSELGE.F32 s0, s1, s2": (0xFE20_0A81, False, True),
    "LDA r0, [r4]": (0xE8D4_0FAF, False, True),
    "VADD.F64 d0, d1, d2": (0xEE31_0B02, False, False),
}


@needs_compiler
@pytest.mark.parametrize("instruction", CORES)
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m33"])
def test_the_emulator_runs_what_the_core_has_and_nothing_else(core: str, instruction: str) -> None:
    """Armv8-M with DSP and single-precision FPv5 for the M33: some by mode, not by model alone."""
    code, on_m4, on_m33 = CORES[instruction]
    l496 = load_board("nucleo_l496zg")
    spec = replace(l496, core=replace(l496.core, name=core), timing=None)
    body = f"ldr r4, =0x20000100\n .inst.w {code:#x}\n movs r0, #55\n str r0, [r4]"
    with VirtualBoard(spec, build(asm_main(body))) as board:
        if on_m33 if core == "cortex-m33" else on_m4:
            board.read(10)
            assert board.memory(0x2000_0100, 1) == b"\x37"
        else:
            with pytest.raises(BoardError, match="UC_ERR_INSN_INVALID"):
                board.read(10)


# What is not there


@pytest.mark.parametrize("address", [RCC + 0xB8, PWR + 0x78, ICACHE + 0x20, GPIOH + 0x30])
def test_registers_that_are_not_modelled_are_named(bus: Bus, address: int) -> None:
    bus[AHB2ENR], bus[APB1ENR1] = 0xFF, 1 << 28
    for use in (lambda: bus[address], lambda: bus.__setitem__(address, 0)):
        with pytest.raises(BoardError, match=f"the register at {address:#010x} is not modelled"):
            use()


def test_a_uart_or_pin_that_the_chip_has_not_is_refused() -> None:
    with pytest.raises(BoardError, match="'usart3' is not modelled, lpuart1 is"):
        ChipBus(replace(SPEC, serial=replace(SPEC.serial, uart="usart3")))
    with pytest.raises(BoardError, match="the chip has no pin PI0"):
        ChipBus(replace(SPEC, serial=replace(SPEC.serial, tx=Pin("I", 0, 8))))
