"""What the virtual board refuses, and how it says so: what is not modelled, and other set-ups."""

from __future__ import annotations

import pytest
from virtual.build import needs_compiler, start

from hwnas.errors import BoardError, BoardMismatchError

# What the virtual board does not model, or no chip would do.

FAILURES = {
    "no memory to read": ("ldr r0, =0x30000000\n ldr r1, [r0]", "reading 0x30000000, 4 bytes"),
    "no memory to write": ("ldr r0, =0x30000000\n strh r0, [r0]", "writing 0x30000000, 2 bytes"),
    "beyond the flash": ("ldr r0, =0x08100000\n ldr r1, [r0]", "reading 0x08100000, 4 bytes"),
    "flash": ("ldr r0, =0x08000000\n str r0, [r0]", "writing protected 0x08000000, 4 bytes"),
    "no register": ("ldr r0, =0x40021098\n ldr r1, [r0]", "RCC: the register at 0x40021098 is"),
    "no register, then no memory": (
        "ldr r0, =0x40021098\n ldr r1, [r0]\n ldr r2, [r1]",
        "RCC: the register at 0x40021098 is",
    ),
    "no peripheral": ("ldr r0, =0x40013800\n ldr r1, [r0]", "reading 0x40013800, 4 bytes"),
    "sleep": ("wfi", "the core went to sleep, and nothing can wake it"),
    "supervisor call": ("svc #0", "UC_ERR_EXCEPTION"),
    "breakpoint": ("bkpt #0", "UC_ERR_EXCEPTION"),
    "undefined": ("udf #0", "UC_ERR_INSN_INVALID"),
    "double precision": (".inst 0xee300b00", "UC_ERR_INSN_INVALID"),
    "interrupt": ("ldr r0, =0xE000E100\n movs r1, #1\n str r1, [r0]", "an interrupt or SysTick"),
    "systick": ("ldr r0, =0xE000E010\n movs r1, #3\n str r1, [r0]", "an interrupt or SysTick"),
    "pending": ("ldr r0, =0xE000ED04\n ldr r1, =0x10000000\n str r1, [r0]", "makes one pending"),
    "part of a register": ("ldr r0, =0x48000C01\n strb r0, [r0]", "GPIOD: writing 1 bytes at off"),
    "low byte of a register": ("ldr r0, =0x48000C00\n strb r0, [r0]", "GPIOD: writing 1 bytes"),
}


@needs_compiler
@pytest.mark.parametrize("name", FAILURES)
def test_what_is_not_modelled_is_an_error_with_its_place(name: str) -> None:
    body, message = FAILURES[name]
    with start(body) as board:
        with pytest.raises(BoardError) as failed:
            board.read(10)
        assert message in str(failed.value)
        assert " at pc 0x0800" in str(failed.value)
        assert "(main+0x" in str(failed.value)
        # It stays failed, and says so.
        for use in (lambda: board.read(1), lambda: board.write(b"x")):
            with pytest.raises(BoardError, match=r"has failed before.*main") as again:
                use()
            assert message in str(again.value)


@needs_compiler
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_refused_read_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with start(FAILURES["no register"][0]) as board, pytest.raises(BoardError):
        board.read(10)
    assert capfd.readouterr() == ("", "")


@needs_compiler
@pytest.mark.parametrize("address", [0x3000_0000, 0x2000_0000, 0x0808_0000])
def test_a_jump_to_where_no_code_is_names_no_function(address: int) -> None:
    with (
        start(f"ldr r0, ={address + 1:#x}\n bx r0") as board,
        pytest.raises(BoardError, match="fetching code from") as failed,
    ):
        board.read(10)
    assert f"at pc {address:#010x}, last block 0x08" in str(failed.value)


@needs_compiler
def test_more_different_blocks_than_can_be_counted_is_an_error() -> None:
    with start("b 1f\n1:\n" * 1200) as board, pytest.raises(BoardError, match="different blocks"):
        board.read(10)


# Set-ups other than the board file's, on which the cycles would mean nothing.


@needs_compiler
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"PLLCFGR": 0x0100_1401}, "the core runs at 40000000 Hz, the board file says 80000000"),
        ({"FLASH_ACR": 0x703}, "flash wait states are 3, the board file says 4"),
        ({"FLASH_ACR": 0x304}, "the flash caches are off"),
        ({"FLASH_ACR": 0x504}, "the flash caches are off"),
    ],
)
def test_another_clock_is_a_mismatch(settings: dict[str, int], message: str) -> None:
    with start("nop", **settings) as board, pytest.raises(BoardMismatchError, match=message):
        board.read(10)


@needs_compiler
def test_a_clock_changed_while_it_counts_is_a_mismatch() -> None:
    body = """
        ldr r0, =0x40021008     @ RCC_CFGR: the core at half the speed
        movs r1, #0x83
        str r1, [r0]
        ldr r0, =0xE0001004
        ldr r0, [r0]
    """
    with start(body) as board, pytest.raises(BoardMismatchError, match="runs at 40000000 Hz"):
        board.read(10)


@needs_compiler
@pytest.mark.parametrize(
    ("settings", "body", "message"),
    [
        ({"BRR": 23000}, "nop", "the UART runs at 890435 baud, the board file says 921600"),
        ({"MODER_G": 0xFFFF_FFFF}, "nop", "the UART's pin PG7 is not switched to alternate fun"),
        ({"MODER_G": 0xFFFF_BFFF}, "nop", "the UART's pin PG8 is not switched to alternate fun"),
        ({}, "ldr r0, =0x48001820\n movs r1, #0\n str r1, [r0]", "PG7 is not switched to altern"),
        ({}, "ldr r0, =0x40007004\n movs r1, #0\n str r1, [r0]", "PG7 has no supply"),
        ({}, "ldr r0, =0x40008000\n ldr r1, =0x40D\n str r1, [r0]", "8 data bits, no parity"),
        ({}, "ldr r0, =0x40008004\n ldr r1, =0x2000\n str r1, [r0]", "8 data bits, no parity"),
    ],
)
def test_a_serial_line_that_the_host_cannot_read_is_a_mismatch(
    settings: dict[str, int], body: str, message: str
) -> None:
    with start(body, **settings) as board:
        assert board.read(10) == b""
        board.write(b"x")
        with pytest.raises(BoardMismatchError, match=message):
            board.read(10)


@needs_compiler
def test_a_divider_next_to_the_right_one_is_good_enough() -> None:
    with start("nop", BRR=22400) as board:
        board.write(b"x")
        assert board.read(10) == b"y"
