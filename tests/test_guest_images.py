"""Images that are damaged, for something else, or made to do harm: a typed error, and no hang."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from guests.guest_images import BOARDS, M4, START, build_asm, build_c
from hypothesis import example, given, settings
from hypothesis import strategies as st
from virtual.build import COMPILER, needs_compiler

from hwnas.boards import list_boards, load_board
from hwnas.elf import MOST_FILE_BYTES, MOST_HEADERS, MOST_LOADED_BYTES, Image
from hwnas.errors import BoardError, HwnasError, ImageError
from hwnas.profiling import StopReason, profile_image
from hwnas.symbols import LONGEST_NAME
from hwnas.virtual.timing import timing_identity

pytestmark = needs_compiler
FLASH, RAM = 0x0800_0000, 0x2000_0000
HEADER = struct.Struct("<16sHHIIIIIHHHHHH")
SEGMENT = struct.Struct("<8I")
IDENT = b"\x7fELF\x01\x01\x01" + bytes(9)
SELF_BRANCH = bytes.fromhex("fee7")
VECTORS = struct.pack("<II", RAM + 0x1000, FLASH + 8 + 1)


def elf(
    *segments: tuple[int, bytes, int], machine: int = 40, count: int | None = None, size: int = 32
) -> bytes:
    """An ELF file with segments alone: address, content and flags."""
    start = HEADER.size + SEGMENT.size * len(segments)
    heads, contents = b"", b""
    for address, content, flags in segments:
        at = start + len(contents)
        heads += SEGMENT.pack(1, at, address, address, len(content), len(content), flags, 4)
        contents += content
    number = len(segments) if count is None else count
    header = HEADER.pack(
        IDENT, 2, machine, 1, 0, HEADER.size, 0, 0, HEADER.size, size, number, 0, 0, 0
    )
    return header + heads + contents


def test_a_smallest_image_runs() -> None:
    profile = profile_image(elf((FLASH, VECTORS + b"\x00\xbf" + SELF_BRANCH, 5)), M4)
    assert [entry.name for entry in profile.functions] == ["0x08000008"]
    assert profile.instructions == 2


WRONG = [
    (b"", "not an ELF file, or is damaged"),
    (b"hello, world", "not an ELF file, or is damaged"),
    (Path("/bin/true"), "/bin/true is for EM_X86_64, 64 bits, little-endian"),
    (elf((FLASH, VECTORS, 5), machine=183), "is for EM_AARCH64"),
    (elf((FLASH, VECTORS, 4)), "holds no code"),
    (elf(), "holds no code"),
    (Path("/"), "/ is not a file"),
    (Path("/none.elf"), "/none.elf cannot be read"),
    (elf((0x6000_0000, VECTORS, 5)), "8 bytes are to be loaded to 0x60000000, where"),
    (elf((FLASH - 4, VECTORS, 5)), "8 bytes are to be loaded to 0x07fffffc, where"),
    (elf((0xFFFF_FFFC, VECTORS, 5)), "8 bytes are to be loaded to 0xfffffffc, where"),
    (elf((RAM, VECTORS, 5)), "no code in flash"),
    (elf((FLASH, bytes(64), 5)), "0x00000000 is no stack pointer into the RAM"),
    (elf((FLASH, b"\xff" * 64, 5)), "0xffffffff is no stack pointer into the RAM"),
    (elf((FLASH, struct.pack("<II", RAM + 6, FLASH + 9), 5)), "no stack pointer into the RAM"),
    (elf((FLASH, struct.pack("<II", RAM, FLASH + 9), 5)), "no stack pointer into the RAM"),
    (elf((FLASH, VECTORS[:4], 5)), "no vector table at 0x08000000 .*: the image has nothing"),
    (elf((FLASH, VECTORS, 5)), "the reset vector 0x08000009, is not Thumb code"),
    (
        elf((FLASH, struct.pack("<II", RAM + 64, FLASH + 8) + SELF_BRANCH, 5)),
        "the reset vector 0x08000008, is not Thumb code",
    ),
    (
        elf((FLASH, struct.pack("<II", RAM + 64, RAM + 9) + SELF_BRANCH, 5)),
        "the reset vector 0x20000009, is not Thumb code",
    ),
    (elf((FLASH, VECTORS, 5), (FLASH + 4, VECTORS, 5)), "overlap in flash"),
    (elf((FLASH, VECTORS, 5), count=2), "is damaged"),
    (elf((FLASH, VECTORS, 5), count=65_534), "65534 headers of 32 bytes cannot be"),
    (elf((FLASH, VECTORS, 5), size=31), "1 headers of 31 bytes cannot be"),
    (elf((FLASH, VECTORS, 5), size=0), "1 headers of 0 bytes cannot be"),
]


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize(("data", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_is_no_image_for_the_board_is_refused(
    data: bytes | Path, message: str, board: str
) -> None:
    with pytest.raises(BoardError, match=message):
        profile_image(data, board)


def test_big_endian_code_is_refused(tmp_path: Path) -> None:
    assert COMPILER is not None
    big = bytearray(elf((FLASH, VECTORS, 5)))
    big[5] = 2
    big[16:] = b"\x00\x02\x00\x28\x00\x00\x00\x01" + bytes(len(big) - 24)
    with pytest.raises(ImageError, match="EM_ARM, 32 bits, big-endian"):
        profile_image(bytes(big), M4)


def test_sizes_are_bounded(tmp_path: Path) -> None:
    large = tmp_path / "large.elf"
    with large.open("wb") as file:
        file.truncate(MOST_FILE_BYTES + 1)
    with pytest.raises(ImageError, match=f"has {MOST_FILE_BYTES + 1} bytes, an image may have"):
        Image.read(large)
    # The same content again and again, which a file need not hold more than once.
    content = bytes(1 << 20)
    many = bytearray(elf(*[(FLASH, b"", 5)] * 65 + [(FLASH, content, 5)]))
    for i in range(65):
        SEGMENT.pack_into(many, HEADER.size + 32 * i, 1, 4096, FLASH, FLASH, 1 << 20, 0, 5, 4)
    with pytest.raises(ImageError, match=f"bytes are to be loaded, {MOST_LOADED_BYTES} may be"):
        Image.read(bytes(many))
    heads = elf(*[(FLASH, b"", 5)] * (MOST_HEADERS + 1))
    with pytest.raises(ImageError, match=f"{MOST_HEADERS + 1} headers"):
        Image.read(heads)


def test_a_symbols_name_is_bounded() -> None:
    name = "long" * 1000
    data = build_asm(START + f".global {name}\n{name}: b .")
    names = {symbol.name for symbol in Image.read(data).symbols}
    assert {name[:LONGEST_NAME], "start"} <= names


def test_an_image_behind_a_boot_loader_starts_from_its_own_table() -> None:
    at = FLASH + 0x4000
    table = struct.pack("<II", RAM + 0x1000, at + 9)
    image = elf((at, table + b"\x00\xbf" + SELF_BRANCH, 5))
    assert profile_image(image, M4).functions[0].address == at + 8
    # A boot loader's, and the image's.
    both = elf((FLASH, VECTORS + SELF_BRANCH, 5), (at, table + b"\x00\xbf" + SELF_BRANCH, 5))
    assert profile_image(both, M4).functions == ()
    assert profile_image(both, M4, vectors=at).functions[0].address == at + 8
    with pytest.raises(ImageError, match=r"no vector table at 0x08002000 .*: the image"):
        profile_image(both, M4, vectors=FLASH + 0x2000)


def test_what_is_loaded_to_ram_is_there() -> None:
    # ldr r0, [pc, #8]; ldr r1, [r0]; cmp r1, #7; bne .; bkpt 0
    code = bytes.fromhex("0248 0168 0729 fed1 00be 0000") + struct.pack("<I", RAM + 0x100)
    image = elf((FLASH, VECTORS + code, 5), (RAM + 0x100, b"\x07\0\0\0", 6))
    assert profile_image(image, M4).stop.reason == "breakpoint"


def test_more_bytes_for_the_flash() -> None:
    code = bytes.fromhex("0248 0168 0729 fed1 00be 0000") + struct.pack("<I", FLASH + 0x8000)
    image = elf((FLASH, VECTORS + code, 5))
    found = profile_image(image, M4, flash_data={FLASH + 0x8000: b"\x07\0\0\0"})
    assert found.stop.reason == "breakpoint"
    with pytest.raises(BoardError, match="overlap in flash"):
        profile_image(image, M4, flash_data={FLASH + 8: b"\0"})


SIMULATED = [name for name in list_boards() if load_board(name).timing is not None]
IDENTIFIERS = {
    # Where each family has its identity, in the manuals that hwnas/virtual/guest/_bus.py names.
    "nrf52": 0x1000_0060, "stm32f4": 0x1FFF_7A10, "stm32f7": 0x1FF0_F420, "stm32l4": 0x1FFF_7590,
    "stm32l5": 0x0BFA_0590,
}  # fmt: skip


@pytest.mark.parametrize("board", SIMULATED)
def test_every_board_with_a_cycle_model_runs_an_image(board: str) -> None:
    spec = load_board(board)
    base = spec.flash.base
    # ldr r0, [pc, #4]; ldr r1, [r0]; bkpt 0; nop; and the address that is read.
    identifier = IDENTIFIERS[spec.chip.family]
    code = bytes.fromhex("0148 0168 00be 00bf") + struct.pack("<I", identifier)
    vectors = struct.pack("<II", spec.ram.base + spec.ram.size_bytes, base + 9)
    image = elf((base, vectors + code, 5))
    profile = profile_image(image, board)
    assert (profile.stop.reason, profile.instructions) == (StopReason.BREAKPOINT, 3)
    assert [access.address for access in profile.unknown_accesses] == [identifier]
    assert profile.timing_model == timing_identity(spec)
    assert profile_image(image, board, peripherals={identifier: 5}).unknown_accesses == ()


@cache
def targets() -> list[bytes]:
    """Images to be damaged: one with much in it, and small ones where each byte matters."""
    loop = START + "movs r0, #9\n1: bl work\n subs r0, #1\n bne 1b\n b .\n work: bx lr"
    return [
        build_asm(loop),
        build_c("int f(int n) { return n ? n * f(n - 1) : 1; } int main(void) { return f(9); }"),
        elf((FLASH, VECTORS + b"\x00\xbf" * 8 + SELF_BRANCH, 5)),
    ]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(targets())))
    sections = struct.unpack_from("<I", data, 32)[0] or 52
    places = [st.integers(0, len(data) - 1), st.integers(0, 200), st.integers(0x10000, 0x10100),
              st.integers(sections, len(data) - 1)]  # fmt: skip
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.one_of(places)) % len(data)
        width = draw(st.sampled_from([1, 2, 4]))
        value = draw(
            st.sampled_from([0, 1, 0x7F, 0xFF, 0xFFFF, 0xFFFF_FFFF, 0x8000_0000])
            | st.integers(0, 2**32 - 1)
        )
        data[at : at + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
    cut = draw(st.none() | st.integers(0, len(data)))
    return bytes(data[:cut])


@settings(max_examples=150, deadline=None)
@given(data=damaged(), board=st.sampled_from(BOARDS), exact=st.booleans())
def test_damaged_images_end_in_a_result_or_a_typed_error(
    data: bytes, board: str, exact: bool
) -> None:
    try:
        profile = profile_image(data, board, exact=exact, max_cycles=20_000, max_seconds=2)
    except HwnasError as error:
        assert str(error)
        return
    assert sum(entry.cycles for entry in profile.functions) == pytest.approx(profile.cycles)


@settings(max_examples=60, deadline=None)
@given(code=st.binary(min_size=2, max_size=300), board=st.sampled_from(BOARDS))
@example(code=bytes.fromhex("08bf") * 20, board=M4)
def test_any_bytes_as_code_end_in_a_result_or_a_typed_error(code: bytes, board: str) -> None:
    try:
        profile_image(elf((FLASH, VECTORS + code, 5)), board, max_cycles=5_000, max_seconds=2)
    except HwnasError as error:
        assert str(error)


def test_random_code_of_valid_instructions_ends_in_a_result_or_a_typed_error() -> None:
    rng = np.random.default_rng(5)
    # Halfwords of 16-bit instructions, which mostly run: arithmetic, loads, stores, branches.
    for board in BOARDS:
        for _ in range(20):
            code = rng.integers(0, 0xE800, 200, dtype=np.uint16).astype("<u2").tobytes()
            try:
                profile_image(
                    elf((FLASH, VECTORS + code, 5)), board, max_cycles=5_000, max_seconds=2
                )
            except HwnasError as error:
                assert str(error)
