"""The virtual registers of the STM32F446 and STM32F469."""

from __future__ import annotations

from dataclasses import replace

import pytest
from chip_bus import ChipBus

from hwnas.boards import load_board
from hwnas.errors import BoardError, BoardMismatchError
from hwnas.virtual.chips import ResetCause
from hwnas.virtual.peripherals import PinLevel

BOARDS = ("disco_f469ni", "nucleo_f446re")
RCC, FLASH, PWR, IWDG = 0x4002_3800, 0x4002_3C00, 0x4000_7000, 0x4000_3000
GPIOA, GPIOB, GPIOG = 0x4002_0000, 0x4002_0400, 0x4002_1800
CR, PLLCFGR, CFGR, AHB1ENR, APB1ENR, CSR = (
    RCC + offset for offset in (0x00, 0x04, 0x08, 0x30, 0x40, 0x74)
)
PWR_CSR = PWR + 4
DWT, DEMCR = 0xE000_1000, 0xE000_EDFC
PLL = 8 | 180 << 6 | 0 << 16 | 8 << 24 | 2 << 28
"""HSI / 8 * 180 / 2: 180 MHz."""
ODEN, ODSWEN = 1 << 16, 1 << 17


class Bus(ChipBus):
    """The chip of a board, and the steps that its firmware takes."""

    def __init__(self, board: str) -> None:
        self.spec = load_board(board)
        self.usart = self.spec.serial.base
        super().__init__(self.spec)

    def start_clock(self, *, overdrive: bool = True, pll: int = PLL, acr: int = 0x705) -> None:
        """180 MHz from HSI through the PLL, five wait states, prefetch and both caches."""
        self[APB1ENR] = 1 << 28
        self[PLLCFGR] = pll
        self[CR] = self[CR] | 1 << 24
        if overdrive:
            self[PWR] = self[PWR] | ODEN
            self[PWR] = self[PWR] | ODSWEN
        self[FLASH] = acr
        self[CFGR] = 5 << 10 | 4 << 13
        self[CFGR] = self[CFGR] | 2

    def start_serial(self) -> None:
        """The board's USART at 921,600 baud from APB1's 45 MHz, on its pins."""
        self[AHB1ENR] = self[AHB1ENR] | 0x7FF
        self[APB1ENR] = self[APB1ENR] | 1 << 17 | 1 << 18
        if self.spec.serial.uart == "usart3":
            self[GPIOB] = 2 << 20 | 2 << 22
            self[GPIOB + 0x24] = 7 << 8 | 7 << 12
        else:
            self[GPIOA] = 2 << 4 | 2 << 6
            self[GPIOA + 0x20] = 7 << 8 | 7 << 12
        self[self.usart + 0x08] = 49
        self[self.usart + 0x0C] = 1 << 13 | 1 << 3 | 1 << 2

    def start(self) -> None:
        self.start_clock()
        self.start_serial()


@pytest.fixture(params=BOARDS)
def bus(request: pytest.FixtureRequest) -> Bus:
    return Bus(request.param)


# RCC


def test_the_chip_starts_from_hsi_at_16_mhz(bus: Bus) -> None:
    assert bus[CR] == 0x83 & ~2 | 2
    assert bus[PLLCFGR] == 0x2400_3010
    rcc = bus.chip.rcc
    assert rcc.hclk_hz == rcc.pclk1_hz == rcc.pclk2_hz == 16_000_000


def test_oscillators_get_ready_when_they_are_switched_on(bus: Bus) -> None:
    bus[CR] = bus[CR] | 1 << 24
    assert bus[CR] & 1 << 25
    bus[CR] = bus[CR] & ~(1 << 24)
    assert not bus[CR] & 1 << 25
    # HSE is not modelled, so never ready; ready bits are read-only.
    bus[CR] = 1 | 1 << 16 | 1 << 17
    assert bus[CR] & 1 << 17 == 0


def test_the_core_switches_to_a_clock_only_once_that_runs(bus: Bus) -> None:
    for wanted in (1, 2, 3):
        bus[CFGR] = wanted
        assert bus[CFGR] & 0xF == wanted
    bus[CFGR] = 2
    assert not bus.chip.rcc.core_on_pll
    bus[PLLCFGR] = PLL
    bus[CR] = bus[CR] | 1 << 24
    assert bus[CFGR] & 0xF == 2 | 2 << 2
    assert bus.chip.rcc.hclk_hz == 180_000_000
    # Neither the PLL nor the oscillator under it can be switched off now.
    bus[CR] = 0
    assert bus[CR] & (1 << 24 | 1) == 1 << 24 | 1


@pytest.mark.parametrize(
    ("m", "n", "p", "hz"),
    [(8, 180, 0, 180_000_000), (16, 360, 0, 180_000_000), (16, 336, 1, 84_000_000),
     (10, 240, 3, 48_000_000)],
)  # fmt: skip
def test_pll_output_is_hsi_by_m_times_n_by_p(bus: Bus, m: int, n: int, p: int, hz: int) -> None:
    bus.start_clock(pll=m | n << 6 | p << 16)
    assert bus.chip.rcc.hclk_hz == hz
    assert bus.chip.rcc.pclk1_hz == hz // 4
    assert bus.chip.rcc.pclk2_hz == hz // 2


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (PLL | 1 << 22, "from HSE, which is not modelled"),
        (1 | 180 << 6, "M 1 and N 180 are outside"),
        (8 | 49 << 6, "M 8 and N 49 are outside"),
        (8 | 433 << 6, "M 8 and N 433 are outside"),
        (7 | 180 << 6, "from 2.28571 MHz"),
        (17 | 360 << 6, "from 0.941176 MHz"),
        (16 | 191 << 6, "cannot run at 191 MHz"),
        (8 | 217 << 6, "cannot run at 434 MHz"),
    ],
)
def test_a_pll_that_cannot_run_is_refused(bus: Bus, value: int, message: str) -> None:
    bus.start_clock(pll=value)
    with pytest.raises(BoardError, match=message):
        _ = bus.chip.rcc.hclk_hz


def test_a_running_pll_keeps_its_settings(bus: Bus) -> None:
    bus.start_clock()
    bus[PLLCFGR] = 0x2400_3010
    assert bus[PLLCFGR] == PLL


@pytest.mark.parametrize(
    ("code", "divider"), [(0, 1), (7, 1), (8, 2), (11, 16), (12, 64), (15, 512)]
)
def test_the_core_prescaler(bus: Bus, code: int, divider: int) -> None:
    bus[CFGR] = code << 4
    assert bus.chip.rcc.hclk_hz == 16_000_000 // divider


@pytest.mark.parametrize(("code", "divider"), [(0, 1), (3, 1), (4, 2), (5, 4), (7, 16)])
def test_the_bus_prescalers(bus: Bus, code: int, divider: int) -> None:
    bus[CFGR] = code << 10
    assert (bus.chip.rcc.pclk1_hz, bus.chip.rcc.pclk2_hz) == (16_000_000 // divider, 16_000_000)
    bus[CFGR] = code << 13
    assert (bus.chip.rcc.pclk1_hz, bus.chip.rcc.pclk2_hz) == (16_000_000, 16_000_000 // divider)


def test_reset_flags_stay_until_they_are_removed(bus: Bus) -> None:
    assert bus[CSR] >> 24 == 0x0E
    bus[CSR] = 0
    assert bus[CSR] >> 24 == 0x0E
    bus.chip.reset(ResetCause.SOFTWARE)
    assert bus[CSR] >> 24 == 0x1E
    bus[CSR] = bus[CSR] | 1 << 24
    assert bus[CSR] >> 24 == 0
    bus.chip.reset(ResetCause.SOFTWARE)
    assert bus[CSR] >> 24 == 0x14


def test_lsi_is_ready_at_once(bus: Bus) -> None:
    bus[CSR] = 2
    assert bus[CSR] & 3 == 0
    bus[CSR] = 1
    assert bus[CSR] & 3 == 3


# FLASH


def test_the_flash_starts_without_wait_states_caches_and_prefetch(bus: Bus) -> None:
    flash = bus.chip.flash
    assert (flash.wait_states, flash.caches_on, flash.prefetch_on) == (0, False, False)
    bus[FLASH] = 0x705
    assert (flash.wait_states, flash.caches_on, flash.prefetch_on) == (5, True, True)
    assert bus[FLASH] == 0x705


def test_cache_reset_bits_empty_their_own_cache_while_it_is_off(bus: Bus) -> None:
    bus[FLASH] = 5
    assert bus.invalidated == []
    for value in (1 << 11, 1 << 12, 1 << 11 | 1 << 12):
        bus[FLASH] = value | 5
    assert bus.invalidated == [(True, False), (False, True), (True, True)]
    for on, reset in ((1 << 9, 1 << 11), (1 << 10, 1 << 12)):
        bus[FLASH] = on
        with pytest.raises(BoardError, match="only while it is off"):
            bus[FLASH] = on | reset


def test_programming_the_flash_is_refused(bus: Bus) -> None:
    assert bus[FLASH + 0x10] >> 31 == 1
    with pytest.raises(BoardError, match="programming the flash is not modelled"):
        bus[FLASH + 0x10] = 0
    with pytest.raises(BoardError, match="the register at 0x40023c04 is not modelled"):
        bus[FLASH + 4] = 0x4567_0123


# PWR


def test_power_control_is_dead_without_its_clock(bus: Bus) -> None:
    bus[PWR] = ODEN
    assert bus[PWR] == bus[PWR_CSR] == 0
    bus[APB1ENR] = 1 << 28
    assert (bus[PWR], bus[PWR_CSR]) == (0xC000, 0)


def test_ready_bits_follow_pll_and_overdrive(bus: Bus) -> None:
    bus[APB1ENR] = 1 << 28
    bus[CR] = bus[CR] | 1 << 24
    assert bus[PWR_CSR] == 1 << 14
    bus[PWR] = bus[PWR] | ODEN
    assert bus[PWR_CSR] == 1 << 14 | ODEN
    assert not bus.chip.pwr.overdrive
    bus[PWR] = bus[PWR] | ODSWEN
    assert bus[PWR_CSR] == 1 << 14 | ODEN | ODSWEN
    assert bus.chip.pwr.overdrive
    bus[PWR_CSR] = 0
    assert bus[PWR_CSR] == 1 << 14 | ODEN | ODSWEN


def test_overdrive_in_the_wrong_order_is_refused(bus: Bus) -> None:
    bus[APB1ENR] = 1 << 28
    with pytest.raises(BoardError, match="switches to over-drive before that is ready"):
        bus[PWR] = 0xC000 | ODEN | ODSWEN
    bus.start_clock(overdrive=False)
    with pytest.raises(BoardError, match="only while the core runs from HSI"):
        bus[PWR] = 0xC000 | ODEN
    with pytest.raises(BoardError, match="voltage scale can be changed only while the PLL is off"):
        bus[PWR] = 0x8000


@pytest.mark.parametrize(
    ("scale", "without", "with_overdrive"), [(3, 168, 180), (2, 144, 168), (1, 120, 120)]
)
def test_what_the_core_bears(bus: Bus, scale: int, without: int, with_overdrive: int) -> None:
    bus[APB1ENR] = 1 << 28
    bus[PWR] = scale << 14
    assert bus.chip.pwr.most_hz == without * 1_000_000
    bus[PWR] = scale << 14 | ODEN
    bus[PWR] = scale << 14 | ODEN | ODSWEN
    assert bus.chip.pwr.most_hz == with_overdrive * 1_000_000


# The clock as the board file says


def test_the_clock_of_the_firmware_is_that_of_the_board_file(bus: Bus) -> None:
    bus.start_clock()
    bus.chip.check_clock()
    bus[DEMCR], bus[DWT] = 1 << 24, 1
    bus.cycles = 70
    assert bus[DWT + 4] == 70


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pll": 16 | 336 << 6}, "the core runs at 168000000 Hz, the board file says 180000000 Hz"),
        ({"overdrive": False}, "the core runs at 180000000 Hz, more than the 168000000 Hz"),
        ({"acr": 0x704}, "flash wait states are 4, the board file says 5"),
        ({"acr": 0x505}, "the flash caches are off"),
        ({"acr": 0x305}, "the flash caches are off"),
        ({"acr": 0x605}, "the flash prefetch is off"),
    ],
)
def test_another_setup_is_a_mismatch(bus: Bus, settings: dict[str, int], message: str) -> None:
    bus.start_clock(**settings)
    with pytest.raises(BoardMismatchError, match=message):
        bus.chip.check_clock()
    bus[DEMCR] = 1 << 24
    with pytest.raises(BoardMismatchError, match=message):
        bus[DWT] = 1


@pytest.mark.parametrize(
    ("prescalers", "message"),
    [(4 << 10 | 4 << 13, "bus APB1 runs at 90000000 Hz"), (5 << 10, "bus APB2 runs at 180000000")],
)
def test_a_bus_that_is_too_fast_is_a_mismatch(bus: Bus, prescalers: int, message: str) -> None:
    bus.start_clock()
    bus[CFGR] = prescalers | 2
    with pytest.raises(BoardMismatchError, match=message):
        bus.chip.check_clock()


def test_a_reset_takes_the_clock_back_and_the_counter_notices(bus: Bus) -> None:
    bus.start_clock()
    bus[DEMCR], bus[DWT] = 1 << 24, 1
    bus.chip.reset(ResetCause.SOFTWARE)
    with pytest.raises(BoardMismatchError, match="runs at 16000000 Hz"):
        _ = bus[DWT + 4]


# GPIO and IWDG


def test_ports_start_as_inputs_but_for_the_debug_pins(bus: Bus) -> None:
    bus[AHB1ENR] = 0x7FF
    assert [bus[GPIOA + 0x400 * port] for port in range(11)] == [0xA800_0000, 0x280, *[0] * 9]
    assert (bus[GPIOA + 0xC], bus[GPIOB + 8], bus[GPIOB + 0xC]) == (0x6400_0000, 0xC0, 0x100)


def test_a_port_is_dead_without_its_clock_and_drives_its_outputs(bus: Bus) -> None:
    bus[GPIOG] = 1 << 18
    assert bus[GPIOG] == 0
    bus[AHB1ENR] = 1 << 6
    bus[GPIOG] = 1 << 18
    bus[GPIOG + 0x18] = 1 << 9
    bus[GPIOG + 0x18] = 1 << 25
    assert bus.pins == [PinLevel("G", 9, True), PinLevel("G", 9, False)]
    with pytest.raises(BoardError, match="0x40021828 is not modelled"):
        bus[GPIOG + 0x28] = 1


def test_the_watchdog_is_where_the_firmware_looks_for_it(bus: Bus) -> None:
    bus[IWDG] = 0xCCCC
    assert bus.chip.iwdg.started


# USART


def test_the_usart_is_dead_without_its_clock(bus: Bus) -> None:
    bus.start()
    bus[APB1ENR] = 1 << 28
    bus.line.feed(b"a")
    bus[bus.usart + 4] = ord("x")
    assert (bus[bus.usart], bus[bus.usart + 4], bus.line.drain()) == (0, 0, b"")


def test_the_usart_receives_and_sends_only_what_is_enabled(bus: Bus) -> None:
    bus.start()
    bus.line.feed(b"ab")
    for control, status in [
        (0, 0xC0),
        (1 << 13 | 1 << 2, 0xE0),
        (1 << 13 | 1 << 3, 0xC0),
        (12, 0xC0),
    ]:
        bus[bus.usart + 0xC] = control
        assert bus[bus.usart] == status
        bus[bus.usart + 4] = 0x141
        assert bus.line.drain() == (b"A" if control == 1 << 13 | 1 << 3 else b"")
        assert bus[bus.usart + 4] == (ord("a") if control == 1 << 13 | 1 << 2 else 0)
    bus[bus.usart + 0xC] = 1 << 13 | 12
    assert bus[bus.usart + 4] == ord("b")
    assert bus[bus.usart] == 0xC0
    bus[bus.usart] = 0
    assert bus[bus.usart] == 0xC0


@pytest.mark.parametrize(
    ("divider", "good"), [(48, False), (49, True), (47, False), (50, False), (0x310, False)]
)
def test_the_baud_rate_must_be_within_two_percent(bus: Bus, divider: int, good: bool) -> None:
    """45 MHz / 921,600 is 48.8: 49 is 0.35 % off, 48 is 1.7 % off, 50 is 2.3 % off."""
    bus.start()
    bus[bus.usart + 8] = divider
    if good or divider == 48:
        bus[bus.usart + 4] = 0
        assert bus.line.drain() == b"\0"
    else:
        with pytest.raises(BoardMismatchError, match="the UART runs at"):
            bus[bus.usart + 4] = 0


@pytest.mark.parametrize("divider", [0, 0xF, 0x1_0000])
def test_a_divider_out_of_range_is_refused(bus: Bus, divider: int) -> None:
    bus.start()
    bus[bus.usart + 8] = divider
    with pytest.raises(BoardError, match=f"BRR {divider:#x} is outside 0x10 to 0xFFFF"):
        bus[bus.usart + 4] = 0


@pytest.mark.parametrize(
    ("offset", "bit"),
    [(0x0C, 10), (0x0C, 12), *[(0x10, bit) for bit in (11, 12, 13, 14)],
     *[(0x14, bit) for bit in (1, 3, 5, 8, 9)]],
)  # fmt: skip
def test_another_format_of_bytes_is_a_mismatch(bus: Bus, offset: int, bit: int) -> None:
    bus.start()
    bus[bus.usart + offset] = bus[bus.usart + offset] | 1 << bit
    with pytest.raises(BoardMismatchError, match="8 data bits, no parity and one stop bit"):
        bus[bus.usart + 4] = 0


def test_oversampling_by_8_is_refused(bus: Bus) -> None:
    bus.start()
    bus[bus.usart + 0xC] = bus[bus.usart + 0xC] | 1 << 15
    with pytest.raises(BoardError, match="oversampling by 8 is not modelled"):
        bus[bus.usart + 4] = 0


def test_pins_that_do_not_serve_the_usart_are_a_mismatch(bus: Bus) -> None:
    bus.start()
    port = GPIOB if bus.spec.serial.uart == "usart3" else GPIOA
    bus[port + 0x24], bus[port + 0x20] = 0, 0
    with pytest.raises(BoardMismatchError, match="is not switched to alternate function 7"):
        bus[bus.usart + 4] = 0


def test_a_uart_that_is_not_modelled_or_elsewhere_is_refused() -> None:
    spec = load_board("nucleo_f446re")
    with pytest.raises(BoardError, match=r"'usart1' is not modelled, these are: usart2, usart3"):
        ChipBus(replace(spec, serial=replace(spec.serial, uart="usart1")))
    with pytest.raises(BoardError, match="usart2 of this family is at 0x40004400"):
        ChipBus(replace(spec, serial=replace(spec.serial, base=0x4000_4800)))
