"""What the virtual board makes of images, of data beside them and of boards that it cannot be."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from virtual.build import asm_main, build, needs_compiler

from hwnas.boards import BoardSpec, load_board
from hwnas.device import BoardClient
from hwnas.elf import Image
from hwnas.errors import BoardError
from hwnas.firmware import find_image
from hwnas.virtual import VirtualBoard

SPEC = load_board("nucleo_l496zg")
FLASH = SPEC.flash.base


@needs_compiler
def test_a_cut_off_image_is_refused_wherever_it_ends() -> None:
    elf = build(asm_main("nop"))
    for size in {*range(0, len(elf), 97), *range(200), len(elf) - 1}:
        with pytest.raises(BoardError, match="not an ELF file, or is damaged"):
            Image.read(elf[:size])


@needs_compiler
@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0x12, 0x3E, "is for EM_X86_64"),
        (0x05, 2, "not an ELF file, or is damaged|big-endian"),
        (0x04, 2, "not an ELF file, or is damaged|64 bits"),
        (0x00, 0, "not an ELF file, or is damaged"),
    ],
)
def test_an_image_for_another_machine_is_refused(at: int, value: int, message: str) -> None:
    elf = bytearray(build(asm_main("nop")))
    elf[at] = value
    with pytest.raises(BoardError, match=message):
        VirtualBoard(SPEC, bytes(elf))


def test_big_and_64_bit_arm_are_told_apart() -> None:
    # Headers alone: machine 40 is Arm; no segments, no sections.
    big = b"\x7fELF\x01\x02\x01" + bytes(9) + struct.pack(">HHI", 2, 40, 1) + bytes(28)
    wide = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 2, 40, 1) + bytes(40)
    little = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack("<HHI", 2, 40, 1) + bytes(28)
    for header, message in [
        (big, "EM_ARM, 32 bits, big-endian"),
        (wide, "EM_ARM, 64 bits, little-endian"),
        (little, "holds no code"),
    ]:
        with pytest.raises(BoardError, match=message):
            Image.read(header)


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(BoardError, match=r"none\.elf cannot be read"):
        VirtualBoard(SPEC, tmp_path / "none.elf")


@needs_compiler
@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({FLASH + SPEC.flash.size_bytes - 1: b"ab"}, "outside the flash, 0x08000000 to 0x08100000"),
        ({SPEC.ram.base: b"a"}, "outside the flash"),
        ({FLASH + 0x104: b"a"}, "the bytes at 0x08000000 and at 0x08000104 overlap"),
        ({FLASH + 0x8000: bytes(9), FLASH + 0x8008: b"a"}, "at 0x08008000 and at 0x08008008 overl"),
    ],
)
def test_data_that_does_not_fit_beside_the_image_is_refused(
    data: dict[int, bytes], message: str
) -> None:
    with pytest.raises(BoardError, match=message):
        VirtualBoard(SPEC, build(asm_main("nop")), data)


@needs_compiler
def test_memory_shows_image_data_and_erased_flash() -> None:
    end = FLASH + SPEC.flash.size_bytes
    elf = build(asm_main("nop"))
    with VirtualBoard(SPEC, elf, {FLASH + 0x8000: b"data", end - 2: b"zz"}) as board:
        assert board.memory(FLASH, 4) == struct.pack("<I", SPEC.ram.base + SPEC.ram.size_bytes)
        assert board.memory(FLASH + 0x7FFE, 8) == b"\xff\xffdata\xff\xff"
        assert board.memory(end - 2, 2) == b"zz"
        assert board.memory(SPEC.ram.base, 4) == bytes(4)
        with pytest.raises(BoardError, match="no memory at 0x080fffff, 2 bytes"):
            board.memory(end - 1, 2)


@needs_compiler
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda spec: replace(spec, chip=replace(spec.chip, family="stm32z9")),
            "chips of the family 'stm32z9' are not modelled",
        ),
        (
            lambda spec: replace(spec, core=replace(spec.core, name="cortex-m0")),
            "the core 'cortex-m0' cannot be emulated yet",
        ),
        (
            lambda spec: replace(spec, timing=replace(spec.timing, core_model="cortex-m99")),
            "'cortex-m99' is unknown, there are: cortex-m33, cortex-m4, cortex-m7",
        ),
        (
            lambda spec: replace(spec, flash=replace(spec.flash, base=0x1000_0000)),
            "outside the flash",
        ),
        (
            lambda spec: replace(spec, serial=replace(spec.serial, uart="usart3")),
            "serial.uart 'usart3' is not modelled, lpuart1 is",
        ),
        (
            lambda spec: replace(spec, serial=replace(spec.serial, base=0x4002_1000)),
            "LPUART1 cannot be at 0x40021000",
        ),
        (
            lambda spec: replace(
                spec, serial=replace(spec.serial, tx=replace(spec.serial.tx, port="K"))
            ),
            "the chip has no pin PK7",
        ),
        (
            lambda spec: replace(
                spec, serial=replace(spec.serial, rx=replace(spec.serial.rx, number=16))
            ),
            "the chip has no pin PG16",
        ),
    ],
)
def test_a_board_that_cannot_be_emulated_is_refused(
    change: Callable[[BoardSpec], BoardSpec], message: str
) -> None:
    with pytest.raises(BoardError, match=message):
        VirtualBoard(change(SPEC), build(asm_main("nop")))


@needs_compiler
def test_a_reset_vector_that_is_no_thumb_code_is_refused() -> None:
    elf = bytearray(build(asm_main("nop")))
    vectors = elf.index(struct.pack("<I", SPEC.ram.base + SPEC.ram.size_bytes))
    elf[vectors + 4] &= 0xFE
    with pytest.raises(BoardError, match="reset vector 0x08000100 is not Thumb code"):
        VirtualBoard(SPEC, bytes(elf))


@needs_compiler
def test_without_a_cycle_model_the_counter_stands_still() -> None:
    with VirtualBoard(replace(SPEC, timing=None), find_image(SPEC).elf) as board:
        info = BoardClient(board).hello()
        assert not info.counts_cycles
        assert board.cycles == board.instructions == 0
