"""What the virtual board gives an image of somebody else's to talk to, and how its runs end."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from guests.guest_images import BOARDS, M4, START, build_asm, build_c
from virtual.build import needs_compiler

from hwnas.boards import load_board
from hwnas.errors import ImageError, ImageRunError
from hwnas.profiling import Profile, StopReason, UnknownAccess, profile_image
from hwnas.virtual.chips import ResetCause, Wiring
from hwnas.virtual.guest._bus import Bus
from hwnas.virtual.guest._chip import tolerant_chip
from hwnas.virtual.guest._control import GuestControl
from hwnas.virtual.peripherals.systick import SysTick
from hwnas.virtual.serial_line import SerialLine
from hwnas.virtual.timing import CortexM4

pytestmark = needs_compiler
REGISTERS = """
typedef unsigned u32;
#define REG(address) (*(volatile u32 *)(address))
#define BYTE(address) (*(volatile unsigned char *)(address))
static int exit_with(u32 code) {
    u32 block[2] = {0x20026, code};
    register u32 r0 __asm("r0") = 0x20;
    register u32 *r1 __asm("r1") = block;
    __asm volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return 0;
}
"""


def exit_code(body: str, board: str = M4, **options: object) -> tuple[int | None, Profile]:
    """What an image ends with whose main is given; ``r`` is its exit code."""
    source = f"{REGISTERS} int main(void) {{ u32 r = 0; {body} return exit_with(r); }}"
    profile = profile_image(build_c(source, board=board), board, **options)  # type: ignore[arg-type]
    assert profile.stop.reason is StopReason.EXIT
    return profile.stop.exit_code, profile


# Registers that nothing is known of


def test_unknown_registers_read_as_zero_or_as_told() -> None:
    seen: list[UnknownAccess] = []
    body = """
        REG(0x40010000) = 5;
        r = REG(0x40010000) + REG(0x40010004) + BYTE(0x4001000A) + (REG(0xE0040000) << 16);
        for (int i = 0; i < 9; i++) r += REG(0x50060C00);
    """
    code, profile = exit_code(
        body, peripherals={0x4001_0004: 7, 0x4001_0008: 0x30_1234}, on_unknown=seen.append
    )
    assert code == 7 + 0x30
    found = {access.address: access for access in profile.unknown_accesses}
    assert list(found) == [0x4001_0000, 0x5006_0C00, 0xE004_0000]
    assert [(a.reads, a.writes) for a in found.values()] == [(1, 1), (9, 0), (1, 0)]
    assert all("main" in access.where and not access.why for access in found.values())
    assert {access.address for access in seen} == set(found)


def test_a_register_outside_of_the_peripherals_is_known_once_it_is_told() -> None:
    body = "r = REG(0x1FFF7590) + REG(0x1FFF7594);"
    assert exit_code(body, peripherals={0x1FFF_7590: 40})[0] == 40
    with pytest.raises(ImageRunError, match="reading 0x2fff7590"):
        exit_code("r = REG(0x2FFF7590);")
    assert exit_code("r = REG(0x2FFF7590);", peripherals={0x2FFF_7590: 3})[0] == 3


@pytest.mark.parametrize("address", [0x0800_0000, 0x2000_0000, 0x2001_FFFC])
def test_memory_is_no_register(address: int) -> None:
    with pytest.raises(ImageError, match=f"{address:#010x} is memory"):
        exit_code("", peripherals={address: 1})


def test_what_a_modelled_peripheral_refuses_is_told() -> None:
    # FLASH_CR
    _, profile = exit_code("REG(0x40022014) = 1;")
    (access,) = profile.unknown_accesses
    assert (access.address, access.writes) == (0x4002_2014, 1)
    assert access.why == "FLASH: programming the flash is not modelled"


def test_told_values_stand_before_what_is_modelled() -> None:
    assert exit_code("r = REG(0xE000ED00);")[0] == 0x410F_C241
    assert exit_code("r = REG(0xE000ED00);", peripherals={0xE000_ED00: 99})[0] == 99


def test_bits_have_words_of_their_own_on_stm32_with_a_cortex_m4() -> None:
    # RCC_CR bit 8, HSION, and its ready flag, bit 10: HAL code for the STM32F4 sets bits like this.
    body = "REG(0x42420020) = 1; r = REG(0x42420028) | (REG(0x40021000) & 0x500) << 1;"
    assert exit_code(body)[0] == 0x500 << 1 | 1
    _, profile = exit_code(body, "nucleo_f767zi")
    addresses = [access.address for access in profile.unknown_accesses]
    assert addresses[-2:] == [0x4242_0020, 0x4242_0028]


def test_parts_of_words_can_be_written() -> None:
    body = """
        REG(0xE000ED18) = 0x11223344;
        BYTE(0xE000ED1A) = 0xAA;
        *(volatile unsigned short *)0xE000ED18 = 0xBBCC;
        r = REG(0xE000ED18);
    """
    assert exit_code(body)[0] == 0x11AA_BBCC


@pytest.mark.parametrize("board", BOARDS)
def test_no_access_to_a_register_leads_to_anything_but_an_answer(board: str) -> None:
    spec = load_board(board)
    for seed in range(20):
        rng = random.Random(seed)
        cycles = itertools.count(0, 17)
        line = SerialLine(lambda: 0, lambda: None)
        line.feed(b"abc")
        wiring = Wiring(
            line=line, cycles=lambda: next(cycles), invalidate=lambda one, other: None,  # noqa: B023
            on_reset=lambda: None, on_pin=lambda pin: None,
        )  # fmt: skip
        chip = tolerant_chip(spec, wiring)
        timer = SysTick(0xE000_E010, wiring.cycles, 8)
        devices = (
            *chip.own_peripherals,
            GuestControl(chip.scs, timer, lambda what: None),
            chip.dwt,
        )
        bus = Bus(devices, {}, lambda: "", lambda register: None, areas=(), has_bit_band=True)
        chip.reset(ResetCause.POWER_ON)
        registers = [
            device.base + offset
            for device in (*chip.own_peripherals, chip.scs, chip.dwt)
            for offset in getattr(device, "registers", {})
        ]
        for _ in range(300):
            size = rng.choice([1, 2, 4])
            address = rng.choice(registers) + rng.randrange(0, 4, size)
            if rng.random() < 0.4:
                assert 0 <= bus.read(address, size) < 1 << 8 * size
            else:
                value = rng.choice([0, 1, rng.getrandbits(32), 1 << rng.randrange(32)])
                bus.write(address, size, value & (1 << 8 * size) - 1)
            chip.check_clock()
            chip.check_serial()


# Counters


COUNTED = (
    START
    + """
    ldr  r0, =0xE000EDFC
    mov  r1, #0x01000000
    str  r1, [r0]
    ldr  r0, =0xE0001FB0
    ldr  r1, =0xC5ACCE55
    str  r1, [r0]
    ldr  r4, =0xE0001004
    movs r1, #1
    str  r1, [r4, #-4]
    movs r7, #5
1:  ldr  r5, [r4]
    bl   work
    ldr  r6, [r4]
    subs r6, r5
    subs r7, #1
    bne  1b
    ldr  r1, =0x20000000
    ldr  r0, =0x20026
    str  r0, [r1]
    str  r6, [r1, #4]
    movs r0, #0x20
    bkpt 0xAB
    .pool
    .balign 32
    .global work
    .type work, %function
    .thumb_func
work:
    ldr  r2, =12345
    movs r3, #20
2:  mla  r0, r2, r0, r3
    eor  r0, r0, r0, lsr #3
    subs r3, #1
    bne  2b
    bx   lr
    .pool
"""
)
"""Reads CYCCNT before and after a call five times, and ends with the last difference."""


@pytest.mark.parametrize("exact", [False, True], ids=["fast", "exact"])
@pytest.mark.parametrize("board", BOARDS)
def test_the_image_reads_of_cyccnt_what_the_profile_says(board: str, exact: bool) -> None:
    elf = build_asm(COUNTED, board=board)
    profile = profile_image(elf, board, exact=exact, functions=["work"], blocks=99)
    (work,) = profile.calls
    # Between the readings lie work, and the block behind its call, which holds the second one.
    (behind,) = [block for block in profile.blocks if block.instructions[0].text == "ldr r6, [r4]"]
    between = work.median_cycles + sum(i.cycles for i in behind.instructions)
    if board != "nucleo_f767zi":
        between += CortexM4.taken_cycles
    # A reading drops the fraction of a cycle.
    assert profile.stop.exit_code == math.floor(between)
    assert work.calls == 5 and work.max_cycles >= work.median_cycles == work.min_cycles


class Clock:
    """A core's cycles, and SysTick counting them down from 99."""

    def __init__(self) -> None:
        self.now = 1000
        self.timer = SysTick(0, lambda: self.now, 8)
        self.timer.write(4, 99)
        self.timer.write(8, 12345)

    def after(self, cycles: int) -> int:
        """The counter, so many cycles later."""
        self.now += cycles
        return self.timer.read(8)


def test_systick_counts_down_by_cycles() -> None:
    clock = Clock()
    timer = clock.timer
    assert (timer.read(8), timer.read(0), timer.read(4), timer.read(12)) == (0, 0, 99, 1 << 31)
    timer.write(0, 5)
    # From zero, the first tick loads the reload value.
    values = [clock.after(0), *(clock.after(1) for _ in range(103))]
    assert values == [0, *range(99, -1, -1), 99, 98, 97]
    # COUNTFLAG is set once it came to zero, and cleared by a reading.
    assert (timer.read(0), timer.read(0)) == (5 | 1 << 16, 5)
    assert clock.after(97 + 100 * 50) == 0
    assert timer.read(0) == 5 | 1 << 16


def test_a_new_reload_value_of_systick_counts_from_the_next_zero_on() -> None:
    clock = Clock()
    clock.timer.write(0, 5)
    assert clock.after(30) == 70
    clock.timer.write(4, 9)
    assert [clock.after(69), clock.after(1), clock.after(1), clock.after(10)] == [1, 0, 9, 9]
    clock.timer.write(4, 0)
    assert [clock.after(9), clock.after(1), clock.after(800)] == [0, 0, 0]


def test_systick_stands_still_while_it_is_off_and_has_a_slower_clock() -> None:
    clock = Clock()
    clock.timer.write(0, 5)
    assert clock.after(30) == 70
    clock.timer.write(0, 4)
    assert clock.after(500) == 70
    clock.timer.write(0, 5)
    assert clock.after(3) == 67
    clock.now += -clock.now % 8
    before = clock.after(0)
    clock.timer.write(0, 1)
    assert [clock.after(8 * 4), clock.after(7), clock.after(1)] == [
        before - 4, before - 4, before - 5
    ]  # fmt: skip
    clock.timer.write(8, 0)
    assert [clock.after(0), clock.after(8)] == [0, 99]


def test_systick_of_an_image() -> None:
    body = """
        REG(0xE000E014) = 999;
        REG(0xE000E018) = 0;
        REG(0xE000E010) = 5;
        for (volatile int i = 0; i < 20; i++) {}
        r = 1000 - REG(0xE000E018);
    """
    code, profile = exit_code(body)
    (loop,) = [block for block in profile.blocks if block.executions == 20]
    assert code is not None
    # The loop, and the blocks around it.
    assert loop.cycles < code < loop.cycles + 30
    end, _ = exit_code(body + "while (!(REG(0xE000E010) & 1 << 16)) {} r = REG(0xE000E018);")
    assert end is not None and 900 < end <= 999


# Interrupts


def test_an_interrupt_that_is_switched_on_can_be_ignored() -> None:
    body = "REG(0xE000E010) = 7; REG(0xE000E100) = 1 << 5; REG(0xE000ED04) = 1 << 28; r = 3;"
    code, profile = exit_code(body, ignore_interrupts=True)
    assert code == 3
    assert "these never came: SysTick's interrupt, interrupt 5, PendSV" in profile.notes


# The serial line

SERIAL = {
    # What a driver does on each board at least: clock, pins, UART, and its send and receive.
    M4: """
        REG(0x4002105C) = 1;
        REG(0x4000800C) = 0x300; REG(0x40008000) = 0xD;
        #define SEND(c) while (!(REG(0x4000801C) & 1 << 7)) {} REG(0x40008028) = (c);
        #define RECEIVE(c) while (!(REG(0x4000801C) & 1 << 5)) {} c = REG(0x40008024);
    """,
    "nucleo_f767zi": """
        REG(0x40023840) = 1 << 18;
        REG(0x4000480C) = 0x8B; REG(0x40004800) = 0xD;
        #define SEND(c) while (!(REG(0x4000481C) & 1 << 7)) {} REG(0x40004828) = (c);
        #define RECEIVE(c) while (!(REG(0x4000481C) & 1 << 5)) {} c = REG(0x40004824);
    """,
    "nucleo_l552ze_q": """
        REG(0x4002105C) = 1;
        REG(0x4000800C) = 0x300; REG(0x40008000) = 0xD;
        #define SEND(c) while (!(REG(0x4000801C) & 1 << 7)) {} REG(0x40008028) = (c);
        #define RECEIVE(c) while (!(REG(0x4000801C) & 1 << 5)) {} c = REG(0x40008024);
    """,
}


@pytest.mark.parametrize("board", BOARDS)
def test_the_serial_line_speaks_at_any_baud_rate(board: str) -> None:
    body = SERIAL[board] + """
        for (const char *p = "hello\\n"; *p; p++) { SEND(*p) }
        for (;;) { u32 c; RECEIVE(c) SEND(c + 1) }
    """  # fmt: skip
    source = f"{REGISTERS} int main(void) {{ {body} }}"
    live: list[tuple[str, bytes]] = []
    profile = profile_image(
        build_c(source, board=board), board, serial_input=b"HAL",
        on_output=lambda where, data: live.append((where, data)),
    )  # fmt: skip
    assert profile.output["serial"] == b"hello\nIBM"
    assert {where for where, _ in live} == {"serial"}
    assert b"".join(data for _, data in live) == b"hello\nIBM"
    assert profile.stop.reason is StopReason.SERIAL_INPUT
    assert profile.stop.symbol.startswith("main+")


def test_output_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwnas.profiling._image.MOST_OUTPUT", 100)
    body = SERIAL[M4] + "for (int i = 0; i < 1000; i++) { SEND('x') }"
    assert exit_code(body)[1].output["serial"] == b"x" * 100


# Ends

ENDS = {
    "bkpt 0": (StopReason.BREAKPOINT, "start+0x2"),
    "b .": (StopReason.SELF_BRANCH, "start+0x2"),
    "b.w .": (StopReason.SELF_BRANCH, "start+0x2"),
    "wfi; b .": (StopReason.SLEEP, "start+0x4"),
    "wfe; b .": (StopReason.SLEEP, "start+0x4"),
    "sev; wfe; nop; bkpt 9": (StopReason.BREAKPOINT, "start+0x8"),
    "sev; wfe; wfe; bkpt 9": (StopReason.SLEEP, "start+0x8"),
    "yield; yield; bkpt 9": (StopReason.BREAKPOINT, "start+0x6"),
    "ldr r0, =0xE000ED0C; ldr r1, =0x05FA0004; str r1, [r0]; b .":
        (StopReason.RESET, "start+0x8"),
    "movs r0, #0x18; ldr r1, =0x20026; bkpt 0xAB": (StopReason.EXIT, "start+0x6"),
}  # fmt: skip


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("code", ENDS)
def test_a_run_ends(code: str, board: str) -> None:
    reason, symbol = ENDS[code]
    elf = build_asm(START + "nop\n" + code.replace("; ", "\n"), board=board)
    profile = profile_image(elf, board)
    assert (profile.stop.reason, profile.stop.symbol) == (reason, symbol)
    assert profile.stop.exit_code == (0 if reason is StopReason.EXIT else None)
    # A branch to itself is not counted, however long it would go on.
    assert profile.instructions <= 5


def test_a_run_ends_before_a_symbol_or_an_address() -> None:
    code = START + "nop\n bl work\n adds r0, #1\n .global there\nthere: adds r0, #2\n b .\n" + """
        .global work
        .type work, %function
        .thumb_func
        work: bx lr
    """  # fmt: skip
    elf = build_asm(code)
    at_work = profile_image(elf, M4, until="work")
    assert at_work.stop.reason is StopReason.UNTIL and at_work.stop.symbol == "work+0x0"
    assert (at_work.instructions, [entry.name for entry in at_work.functions]) == (2, ["start"])
    # In the middle of straight code as well.
    at_label = profile_image(elf, M4, until="there")
    assert (at_label.instructions, at_label.stop.address) == (4, 0x0800_0028)
    assert profile_image(elf, M4, until="0x08000028") == at_label
    at_once = profile_image(elf, M4, until="start")
    assert (at_once.stop.reason, at_once.instructions) == (StopReason.UNTIL, 0)
    assert at_once.functions == () and at_once.cycles == 0
    with pytest.raises(ImageError, match="no symbol 'wrok': did you mean work"):
        profile_image(elf, M4, until="wrok")
    with pytest.raises(ImageError, match="'0xyz' is no address"):
        profile_image(elf, M4, until="0xyz")


def test_a_limit_of_cycles_is_kept_within_a_block_or_so() -> None:
    elf = build_asm(START + "1: adds r0, #1\n cmp r0, #7\n bne 1b\n movs r0, #0\n b 1b")
    for limit in (1, 100, 12_345, 1_000_000):
        profile = profile_image(elf, M4, max_cycles=limit)
        assert profile.stop.reason is StopReason.MAX_CYCLES
        assert limit <= profile.cycles < limit + 20
        assert profile == profile_image(elf, M4, max_cycles=limit)


def test_a_limit_of_time_is_an_end_where_it_was_asked_for() -> None:
    elf = build_asm(START + "1: adds r0, #1\n b 2f\n2: b 1b")
    profile = profile_image(elf, M4, max_seconds=0.1)
    assert profile.stop.reason is StopReason.MAX_SECONDS
    assert profile.functions[0].inclusive_cycles == profile.cycles > 1000


@pytest.mark.parametrize("options", [{"max_cycles": 0}, {"max_seconds": 0.0}, {"max_seconds": -1}])
def test_limits_must_be_positive(options: dict[str, int]) -> None:
    with pytest.raises(ImageError, match="must be more than 0"):
        profile_image(build_asm(START), M4, **options)  # type: ignore[arg-type]
