"""The STM32F767: virtual registers, and what its Cortex-M7 has beyond a Cortex-M4."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chip_bus import ChipBus

from hwnas.boards import BoardSpec, load_board
from hwnas.device import BoardClient
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.firmware import find_image
from hwnas.virtual import VirtualBoard
from hwnas.virtual.chips import ResetCause, Stm32F7
from hwnas.virtual.peripherals import PinLevel

SPEC = load_board("nucleo_f767zi")
RCC, FLASH, PWR, IWDG, USART = 0x4002_3800, 0x4002_3C00, 0x4000_7000, 0x4000_3000, 0x4000_4800
GPIOA, GPIOD, GPIOG = 0x4002_0000, 0x4002_0C00, 0x4002_1800
CR, PLLCFGR, CFGR, AHB1ENR, APB1ENR, CSR, DCKCFGR2 = (
    RCC + offset for offset in (0x00, 0x04, 0x08, 0x30, 0x40, 0x74, 0x90)
)
DWT, LAR, LSR, SCS = 0xE000_1000, 0xE000_1FB0, 0xE000_1FB4, 0xE000_E000
DEMCR, CCR, CCSIDR, CSSELR = SCS + 0xDFC, SCS + 0xD14, SCS + 0xD80, SCS + 0xD84
ICIALLU, DCISW = SCS + 0xF50, SCS + 0xF60
HSEON, HSERDY, HSEBYP, PLLON = 1 << 16, 1 << 17, 1 << 18, 1 << 24
PLL = 4 | 216 << 6 | 0 << 16 | 1 << 22 | 9 << 24 | 2 << 28
"""HSE / 4 * 216 / 2: 216 MHz."""
ODEN, ODSWEN = 1 << 16, 1 << 17
DC, IC = 1 << 16, 1 << 17
KEY = 0xC5AC_CE55


class Bus(ChipBus):
    """The chip of the board, and the steps that its firmware takes."""

    def __init__(self, spec: BoardSpec = SPEC) -> None:
        super().__init__(spec)

    def start_clock(self, *, overdrive: bool = True, pll: int = PLL, acr: int = 7) -> None:
        """216 MHz from HSE, bypassed, through the PLL, and seven wait states."""
        self[CR] = self[CR] | HSEBYP
        self[CR] = self[CR] | HSEON
        self[APB1ENR] = 1 << 28
        self[PLLCFGR] = pll
        self[CR] = self[CR] | PLLON
        if overdrive:
            self[PWR] = self[PWR] | ODEN
            self[PWR] = self[PWR] | ODSWEN
        self[FLASH] = acr
        self[CFGR] = 5 << 10 | 4 << 13
        self[CFGR] = self[CFGR] | 2

    def invalidate(self, sets: int = 128, ways: int = 4) -> None:
        """All of the instruction cache, and lines of the data cache."""
        self[ICIALLU] = 0
        for number in range(sets):
            for way in range(ways):
                self[DCISW] = way << 30 | number << 5

    def start_caches(self) -> None:
        self.invalidate()
        self[CCR] = self[CCR] | IC | DC

    def start_serial(self) -> None:
        """USART3 at 921,600 baud from APB1's 54 MHz, on PD8 and PD9."""
        self[AHB1ENR] = 1 << 3
        self[APB1ENR] = self[APB1ENR] | 1 << 18
        self[GPIOD] = 2 << 16 | 2 << 18
        self[GPIOD + 0x24] = 7 | 7 << 4
        self[USART + 0x0C] = 59
        self[USART] = 0b1101

    def start_counter(self) -> None:
        self[DEMCR] = 1 << 24
        self[LAR] = KEY
        self[DWT] = 1

    def start(self) -> None:
        self.start_clock()
        self.start_caches()
        self.start_serial()


@pytest.fixture
def bus() -> Bus:
    return Bus()


# RCC


def test_the_chip_starts_from_hsi_at_16_mhz(bus: Bus) -> None:
    assert (bus[CR], bus[PLLCFGR]) == (0x83, 0x2400_3010)
    rcc = bus.chip.rcc
    assert rcc.hclk_hz == rcc.pclk1_hz == rcc.pclk2_hz == rcc.sysclk_hz == 16_000_000


def test_hse_gets_ready_only_where_the_board_feeds_it(bus: Bus) -> None:
    bus[CR] = bus[CR] | HSEON | HSERDY
    assert not bus[CR] & HSERDY
    # The bypass is chosen while HSE is off.
    bus[CR] = bus[CR] | HSEBYP
    assert not bus[CR] & (HSERDY | HSEBYP)
    bus[CR] = bus[CR] & ~HSEON
    bus[CR] = bus[CR] | HSEBYP
    bus[CR] = bus[CR] | HSEON
    assert bus[CR] & (HSERDY | HSEBYP) == HSERDY | HSEBYP
    alone = Bus(replace(SPEC, core=replace(SPEC.core, external_clock_hz=None)))
    alone[CR] = alone[CR] | HSEBYP | HSEON
    assert not alone[CR] & HSERDY
    alone.start_clock()
    with pytest.raises(BoardError, match="from HSE, which does not run"):
        _ = alone.chip.rcc.hclk_hz


def test_what_the_core_runs_from_cannot_be_switched_off(bus: Bus) -> None:
    bus.start_clock()
    assert bus[CFGR] & 0xF == 2 | 2 << 2
    bus[CR] = 0
    assert bus[CR] & (PLLON | HSEON | HSERDY) == PLLON | HSEON | HSERDY
    assert bus.chip.rcc.hclk_hz == 216_000_000


@pytest.mark.parametrize(
    ("m", "n", "p", "source", "hz"),
    [
        (4, 216, 0, 1, 216_000_000),
        (8, 432, 0, 1, 216_000_000),
        (8, 216, 0, 0, 216_000_000),
        (4, 100, 0, 1, 100_000_000),
        (8, 100, 3, 1, 12_500_000),
    ],
)
def test_pll_output_is_source_by_m_times_n_by_p(
    bus: Bus, m: int, n: int, p: int, source: int, hz: int
) -> None:
    bus.start_clock(pll=m | n << 6 | p << 16 | source << 22)
    assert bus.chip.rcc.hclk_hz == hz
    assert bus.chip.rcc.pclk1_hz == hz // 4
    assert bus.chip.rcc.pclk2_hz == hz // 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1 | 216 << 6 | 1 << 22, "M 1 and N 216 are outside"),
        (4 | 49 << 6 | 1 << 22, "M 4 and N 49 are outside"),
        (3 | 150 << 6 | 1 << 22, "from 2.66667 MHz"),
        (9 | 432 << 6 | 1 << 22, "from 0.888889 MHz"),
        (8 | 99 << 6 | 1 << 22, "cannot run at 99 MHz"),
        (4 | 217 << 6 | 1 << 22, "cannot run at 434 MHz"),
    ],
)
def test_a_pll_that_cannot_run_is_refused(bus: Bus, value: int, message: str) -> None:
    bus.start_clock(pll=value)
    with pytest.raises(BoardError, match=message):
        _ = bus.chip.rcc.hclk_hz


def test_the_core_on_hse_itself_is_refused(bus: Bus) -> None:
    with pytest.raises(BoardError, match="HSE itself, which is not modelled"):
        bus[CFGR] = 1


def test_usart3_runs_from_bus_core_or_hsi(bus: Bus) -> None:
    bus.start_clock()
    for select, hz in enumerate((54_000_000, 216_000_000, 16_000_000)):
        bus[DCKCFGR2] = select << 4
        assert bus.chip.rcc.usart3_hz == hz
    bus[DCKCFGR2] = 3 << 4
    with pytest.raises(BoardError, match="LSE, which is not modelled"):
        _ = bus.chip.rcc.usart3_hz


def test_reset_flags_stay_until_they_are_removed(bus: Bus) -> None:
    assert bus[CSR] >> 24 == 0x0E
    bus.chip.reset(ResetCause.SOFTWARE)
    assert bus[CSR] >> 24 == 0x1E
    bus[CSR] = bus[CSR] | 1 << 24
    bus.chip.reset(ResetCause.SOFTWARE)
    assert bus[CSR] >> 24 == 0x14


# FLASH and PWR


def test_the_flash_starts_without_wait_states(bus: Bus) -> None:
    assert bus.chip.flash.wait_states == 0
    # ART and prefetch, which serve the other side of the flash, may be set.
    bus[FLASH] = 0x307
    assert (bus.chip.flash.wait_states, bus[FLASH]) == (7, 0x307)
    with pytest.raises(BoardError, match="programming the flash is not modelled"):
        bus[FLASH + 0x10] = 0


@pytest.mark.parametrize(
    ("scale", "without", "with_overdrive"),
    [(3, 180, 216), (2, 168, 180), (1, 144, 144), (0, 0, 0)],
)
def test_what_the_core_bears(bus: Bus, scale: int, without: int, with_overdrive: int) -> None:
    assert bus.chip.pwr.most_hz == 180_000_000
    bus[APB1ENR] = 1 << 28
    bus[PWR] = scale << 14
    assert bus.chip.pwr.most_hz == without * 1_000_000
    bus[PWR] = scale << 14 | ODEN
    bus[PWR] = scale << 14 | ODEN | ODSWEN
    assert bus.chip.pwr.most_hz == with_overdrive * 1_000_000


def test_overdrive_in_the_wrong_order_is_refused(bus: Bus) -> None:
    bus[APB1ENR] = 1 << 28
    with pytest.raises(BoardError, match="switches to over-drive before that is ready"):
        bus[PWR] = 0xC000 | ODEN | ODSWEN
    bus.start_clock(overdrive=False)
    with pytest.raises(BoardError, match="only while the core runs from HSI"):
        bus[PWR] = 0xC000 | ODEN


# The core's caches


def test_the_core_is_a_cortex_m7(bus: Bus) -> None:
    bus[SCS + 0xD00] = 0
    assert bus[SCS + 0xD00] == 0x411F_C270


def test_cache_sizes_are_those_of_the_board_file(bus: Bus) -> None:
    assert bus[CCSIDR] == 0xF00F_E019
    bus[CSSELR] = 1
    bus[CCSIDR] = 0
    assert bus[CCSIDR] == 0xF01F_E009
    assert bus[ICIALLU] == bus[DCISW] == 0


def test_a_cache_is_switched_on_only_once_all_of_it_is_invalidated(bus: Bus) -> None:
    for switch, name in ((IC, "instruction"), (DC, "data")):
        with pytest.raises(BoardError, match=f"switches the {name} cache on before all of it"):
            bus[CCR] = bus[CCR] | switch
    bus.invalidate(sets=127)
    bus[CCR] = bus[CCR] | IC
    with pytest.raises(BoardError, match="switches the data cache on before"):
        bus[CCR] = bus[CCR] | DC
    for way in range(4):
        bus[DCISW] = way << 30 | 127 << 5
    bus[CCR] = bus[CCR] | DC
    assert bus[CCR] == 0x200 | IC | DC
    scs = bus.chip.scs
    assert (scs.instruction_cache_on, scs.data_cache_on) == (True, True)
    bus.chip.reset(ResetCause.SOFTWARE)
    assert (scs.instruction_cache_on, scs.data_cache_on) == (False, False)
    with pytest.raises(BoardError, match="switches the instruction cache on before"):
        bus[CCR] = bus[CCR] | IC


@pytest.mark.parametrize("value", [128 << 5, 1 << 4, 1 << 29])
def test_a_line_that_there_is_not_is_refused(bus: Bus, value: int) -> None:
    with pytest.raises(BoardError, match="the data cache has no line"):
        bus[DCISW] = value


def test_caches_that_there_are_not_are_refused() -> None:
    bus = Bus(replace(SPEC, core=replace(SPEC.core, instruction_cache=None, data_cache=None)))
    assert bus[CCSIDR] == 0
    for switch, name in ((IC, "instruction"), (DC, "data")):
        with pytest.raises(BoardError, match=f"an? {name} cache that there is not"):
            bus[CCR] = bus[CCR] | switch
    with pytest.raises(BoardError, match="invalidates a data cache that there is not"):
        bus[DCISW] = 0


# The cycle counter behind its lock


def test_the_counter_takes_no_setting_until_it_is_unlocked(bus: Bus) -> None:
    bus.start()
    bus[DEMCR] = 1 << 24
    bus[DWT], bus[DWT + 4] = 1, 7
    assert (bus[DWT], bus[DWT + 4], bus[LSR]) == (0x4000_0000, 0, 3)
    bus[LAR] = 1
    assert (bus[LSR], bus[LAR]) == (3, 0)
    bus[LAR] = KEY
    assert bus[LSR] == 1
    bus[LSR] = 3
    bus[DWT] = 1
    bus.cycles = 70
    assert bus[DWT + 4] == 70
    # Only a power-on resets the debug units.
    bus.chip.reset(ResetCause.SOFTWARE)
    assert (bus[DWT], bus[LSR]) == (0x4000_0001, 1)


# The clock as the board file says


def test_the_clock_of_the_firmware_is_that_of_the_board_file(bus: Bus) -> None:
    bus.start_clock()
    bus.start_caches()
    bus.chip.check_clock()
    bus.start_counter()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pll": 4 | 180 << 6 | 1 << 22}, "the core runs at 180000000 Hz, the board file says 216"),
        ({"overdrive": False}, "the core runs at 216000000 Hz, more than the 180000000 Hz"),
        ({"acr": 6}, "flash wait states are 6, the board file says 7"),
    ],
)
def test_another_setup_is_a_mismatch(bus: Bus, settings: dict[str, int], message: str) -> None:
    bus.start_caches()
    bus.start_clock(**settings)
    with pytest.raises(BoardMismatchError, match=message):
        bus.start_counter()


@pytest.mark.parametrize(("left", "name"), [(IC, "data"), (DC, "instruction")])
def test_a_cache_that_is_off_is_a_mismatch(bus: Bus, left: int, name: str) -> None:
    bus.start_clock()
    bus.start_caches()
    bus[CCR] = left
    with pytest.raises(
        BoardMismatchError, match=f"the {name} cache is off, the board file says on"
    ):
        bus.start_counter()


@pytest.mark.parametrize(
    ("prescalers", "message"),
    [(4 << 10 | 4 << 13, "bus APB1 runs at 108000000 Hz"), (5 << 10, "bus APB2 runs at 216000000")],
)
def test_a_bus_that_is_too_fast_is_a_mismatch(bus: Bus, prescalers: int, message: str) -> None:
    bus.start()
    bus[CFGR] = prescalers | 2
    with pytest.raises(BoardMismatchError, match=message):
        bus.chip.check_clock()


# GPIO, IWDG and USART


def test_a_port_is_dead_without_its_clock_and_drives_its_outputs(bus: Bus) -> None:
    bus[GPIOG] = 1 << 18
    assert bus[GPIOG] == 0
    bus[AHB1ENR] = 1 << 6 | 1
    assert (bus[GPIOG], bus[GPIOA]) == (0, 0xA800_0000)
    bus[GPIOG] = 1 << 18
    bus[GPIOG + 0x18] = 1 << 9
    bus[GPIOG + 0x18] = 1 << 25
    assert bus.pins == [PinLevel("G", 9, True), PinLevel("G", 9, False)]


def test_the_watchdog_is_where_the_firmware_looks_for_it(bus: Bus) -> None:
    bus[IWDG] = 0xCCCC
    assert bus.chip.iwdg.started


def test_the_usart_is_dead_without_its_clock(bus: Bus) -> None:
    bus.start()
    bus[APB1ENR] = 1 << 28
    bus.line.feed(b"a")
    bus[USART + 0x28] = ord("x")
    assert (bus[USART + 0x1C], bus[USART + 0x24], bus.line.drain()) == (0, 0, b"")


@pytest.mark.parametrize(("divider", "good"), [(57, False), (58, True), (59, True), (60, False)])
def test_the_baud_rate_must_be_within_two_percent(bus: Bus, divider: int, good: bool) -> None:
    """54 MHz / 921,600 is 58.6: 58 is 1.02 % off, 59 is 0.69 % off, 57 and 60 more than 2 %."""
    bus.start()
    bus[USART + 0x0C] = divider
    if good:
        bus[USART + 0x28] = ord("x")
        assert bus.line.drain() == b"x"
    else:
        with pytest.raises(BoardMismatchError, match="the UART runs at"):
            bus[USART + 0x28] = 0


@pytest.mark.parametrize("divider", [0, 0xF, 0x1_0000])
def test_a_divider_out_of_range_is_refused(bus: Bus, divider: int) -> None:
    bus.start()
    bus[USART + 0x0C] = divider
    with pytest.raises(BoardError, match=f"BRR {divider:#x} is outside 0x10 to 0xFFFF"):
        bus[USART + 0x28] = 0


@pytest.mark.parametrize(
    ("address", "value", "error", "message"),
    [
        (USART, 0b1101 | 1 << 15, BoardError, "oversampling by 8 is not modelled"),
        (USART, 0b1101 | 1 << 10, BoardMismatchError, "8 data bits, no parity and one stop bit"),
        (USART + 4, 2 << 12, BoardMismatchError, "8 data bits, no parity and one stop bit"),
        (GPIOD, 2 << 16, BoardMismatchError, "pin PD9 is not switched to alternate function 7"),
        (GPIOD + 0x24, 8 | 7 << 4, BoardMismatchError, "pin PD8 is not switched to alternate fun"),
    ],
)
def test_a_serial_line_that_the_host_cannot_read_is_refused(
    bus: Bus, address: int, value: int, error: type[BoardError], message: str
) -> None:
    bus.start()
    bus[address] = value
    if address == GPIOD or address == GPIOD + 0x24:
        bus[USART] = 0b1101  # pins are looked at when the line is set up
    with pytest.raises(error, match=message):
        bus[USART + 0x28] = 0


@pytest.mark.parametrize(("uart", "base"), [("usart2", USART), ("usart3", USART + 0x400)])
def test_another_uart_is_not_modelled(uart: str, base: int) -> None:
    with pytest.raises(BoardError, match=f"serial.uart '{uart}' at {base:#010x} is not modelled"):
        Bus(replace(SPEC, serial=replace(SPEC.serial, uart=uart, base=base)))


# The firmware


def test_the_firmware_starts_caches_and_counter() -> None:
    """A run would tell by an error only."""
    with VirtualBoard(SPEC, find_image(SPEC.name).elf) as board:
        BoardClient(board).hello()
        chip = board._chip
        assert isinstance(chip, Stm32F7)
        assert chip.scs.instruction_cache_on and chip.scs.data_cache_on
        assert chip.dwt.read(0) == 0x4000_0001
        chip.check_clock()
