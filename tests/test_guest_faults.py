"""What images do that their chip would not bear, or that is not modelled: a typed error each."""

from __future__ import annotations

import pytest
from guests.guest_images import BOARDS, M4, START, build_asm, build_c, stripped
from virtual.build import needs_compiler

from hwnas.errors import ImageFault, ImageRunError
from hwnas.profiling import profile_image

pytestmark = needs_compiler
FUNCTION = """
    bl   broken
    b    .
    .global broken
    .type broken, %function
    .thumb_func
broken:
    nop
"""

FAULTS = {
    # Code, kind, message, offset in the function "broken", or None where pc itself went astray.
    "ldr r0, =0x20000101; bx r0": (ImageFault.JUMP, "in RAM: code there is not modelled", 0),
    "ldr r0, =0x08070001; bx r0": (ImageFault.JUMP, "0x08070000, where the image has no code", 0),
    "ldr r0, =0x60000001; bx r0": (ImageFault.JUMP, "0x60000000, where the image has no code", 0),
    "ldr r0, =0x40000001; bx r0": (ImageFault.JUMP, "0x40000000, where the image has no code", 0),
    "movs r0, #0; bx r0": (ImageFault.JUMP, "0x00000000, where the image has no code", 0),
    "ldr r0, =broken; bic r0, #1; bx r0": (ImageFault.JUMP, "which is even", None),
    "movs r0, #0; ldr r1, [r0]": (ImageFault.MEMORY, "reading 0x00000000, 4 bytes", 4),
    "ldr r0, =0x20020000; strb r1, [r0, #-1]; ldr r1, =0x20050000; strb r1, [r1]":
        (ImageFault.MEMORY, "writing 0x20050000, 1 bytes", None),
    "ldr r0, =0x08000000; str r0, [r0]":
        (ImageFault.MEMORY, "writing protected 0x08000000", 6),
    "udf #7": (ImageFault.INSTRUCTION, "udf #7 is no instruction that a cortex-m4 has", 2),
    ".short 0xDE11": (ImageFault.INSTRUCTION, "udf #0x11 is no instruction", 2),
    ".inst.w 0xee017f10": (ImageFault.INSTRUCTION, "mcr p15", 2),
    ".short 0xB650": (ImageFault.INSTRUCTION, "no instruction that a cortex-m4 has", 2),
    # What the emulator's Cortex-M4 runs, and a Cortex-M4 does not: vld1, strexd, MSPLIM, pldw.
    ".inst.w 0xf920070f": (ImageFault.INSTRUCTION, "vld1", 2),
    ".inst.w 0xe8c37012": (ImageFault.INSTRUCTION, "no instruction that a cortex-m4 has", 2),
    ".inst.w 0xf380880a": (ImageFault.INSTRUCTION, "msr msplim, r0", 2),
    ".inst.w 0xf8b0f000": (ImageFault.INSTRUCTION, "pldw", 2),
    # Load-acquire is v8-M's; vadd.f64 a double-precision FPU's; vmaxnm an FPv5's.
    ".inst.w 0xe8d10faf": (ImageFault.INSTRUCTION, "lda r0, \\[r1\\]", 2),
    ".inst.w 0xee310b02": (ImageFault.INSTRUCTION, "vadd.f64 d0, d1, d2", 2),
    ".inst.w 0xfe800a81": (ImageFault.INSTRUCTION, "vmaxnm.f32", 2),
    "vadd.f32 s0, s1, s2": (ImageFault.INSTRUCTION, "has not switched on in CPACR", 2),
    "svc 3": (ImageFault.EXCEPTION, "SVC needs exceptions", 2),
    "mvn r0, #6; bx r0": (ImageFault.EXCEPTION, "return from an exception", None),
    "ldr r0, =0xE000ED04; ldr r1, =0x10000000; str r1, [r0]; nop; b .":
        (ImageFault.EXCEPTION, "switches on PendSV: it needs exceptions", 0),
    "ldr r0, =0xE000E010; movs r1, #7; str r1, [r0]; nop; b .":
        (ImageFault.EXCEPTION, "switches on SysTick's interrupt: it needs exceptions", 0),
    "ldr r0, =0xE000E104; movs r1, #2; str r1, [r0]; nop; b .":
        (ImageFault.EXCEPTION, "switches on interrupt 33", 0),
    "movs r0, #0x77; bkpt 0xAB": (ImageFault.SEMIHOSTING, "call 0x77 is not known", 4),
    "movs r0, #4; movs r1, #0; bkpt 0xAB": (ImageFault.SEMIHOSTING, "no memory at 0x00000000", 6),
}  # fmt: skip


@pytest.mark.parametrize("code", FAULTS)
@pytest.mark.parametrize("exact", [False, True], ids=["fast", "exact"])
def test_a_fault_is_told_with_its_place(code: str, exact: bool) -> None:
    kind, message, offset = FAULTS[code]
    elf = build_asm(START + FUNCTION + code.replace("; ", "\n"))
    with pytest.raises(ImageRunError, match=message) as caught:
        profile_image(elf, M4, exact=exact)
    error = caught.value
    assert error.fault is kind
    if offset is not None:
        assert error.symbol == f"broken+{offset:#x}"
    assert f"{error.address:#010x}" in str(error)
    assert error.last_blocks[0].endswith("(start+0x0)")


def test_without_symbols_addresses_are_told() -> None:
    elf = stripped(build_asm(START + FUNCTION + "movs r0, #0\n str r0, [r0]"))
    with pytest.raises(ImageRunError, match="writing 0x00000000") as caught:
        profile_image(elf, M4)
    assert caught.value.symbol == ""
    assert caught.value.last_blocks == ("0x08000020", "0x08000026")


def test_the_last_blocks_are_the_last_and_without_repetitions() -> None:
    code = START + "movs r0, #30\n1: subs r0, #1\n bne 1b\n" + "\n".join(
        f"b step{i}\n .global step{i}\n step{i}: nop" for i in range(20)
    )  # fmt: skip
    with pytest.raises(ImageRunError) as caught:
        profile_image(build_asm(code + "\n udf #0"), M4)
    names = [text.split("(")[1] for text in caught.value.last_blocks]
    assert names == [f"step{i}+0x0)" for i in range(4, 20)]
    few = START + "movs r0, #30\n1: subs r0, #1\n bne 1b\n b after\n .global after\nafter: udf #0"
    with pytest.raises(ImageRunError) as caught:
        profile_image(build_asm(few), M4)
    assert [block.split("(")[1] for block in caught.value.last_blocks] == [
        "start+0x0)", "start+0x2)", "start+0x6)", "after+0x0)"
    ]  # fmt: skip


@pytest.mark.parametrize("board", BOARDS)
def test_double_precision_is_a_cortex_m7s(board: str) -> None:
    code = START + """
        ldr r0, =0xE000ED88
        movs r1, #0xF
        lsls r1, r1, #20
        str r1, [r0]
        isb
        .inst.w 0xee310b02
        b .
    """  # fmt: skip
    elf = build_asm(code, board=board)
    if board == "nucleo_f767zi":
        assert profile_image(elf, board).instructions == 7
        return
    with pytest.raises(ImageRunError, match=r"vadd\.f64 d0, d1, d2 is no instruction"):
        profile_image(elf, board)


def test_load_acquire_is_a_cortex_m33s() -> None:
    board = "nucleo_l552ze_q"
    code = START + "ldr r1, =0x20000000\n lda r0, [r1]\n stl r0, [r1]\n msr msplim, r1\n b ."
    assert profile_image(build_asm(code, board=board), board).instructions == 4


def test_an_image_that_does_not_end_is_told_what_it_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hwnas.profiling._image.PATIENCE_S", 0.3)
    source = """
    int main(void) {
        while (!(*(volatile unsigned *)0x40012300 & 2)) {}
        return 0;
    }
    """
    elf = build_c(source)
    with pytest.raises(ImageRunError, match=r"did not end by itself within 0\.3 s") as caught:
        profile_image(elf, M4)
    assert caught.value.fault is ImageFault.ENDLESS
    assert "registers that nothing is known of: 0x40012300 (" in str(caught.value)
    assert caught.value.symbol.startswith("main+")
    assert any("main" in block for block in caught.value.last_blocks)
    assert profile_image(elf, M4, peripherals={0x40012300: 2}).function("main").calls == 1
