"""Every rule of the Cortex-M33's timing model, one snippet each, as for the Cortex-M4.

The sources in brackets are those that ``hwnas/virtual/timing/cortex_m33.py`` names.
"""

from __future__ import annotations

import pytest
from networks import residual, separable
from reference_hooks import FOLDER, block_readings
from timing_rules import assembled
from virtual.build import needs_compiler

from hwnas.boards import load_board
from hwnas.network import Network
from hwnas.virtual.code import BlockPrices
from hwnas.virtual.timing import CortexM33, FlashAccelerator, core_model

BASE = 0x0800_0000
SPEC = load_board("nucleo_l552ze_q")
TOLERANCE = 0.001
"""The reference takes the fourth operand of every multiplication for an accumulator, which that of
SMULL and SMLAL is not: they have a factor there. hwnas goes by the rule."""

# Code, its bytes, cycles.
RULES = [
    # [jnk0le] Everything takes one cycle, a load and a branch as well.
    ("adds r0, r1, r2", "8818", 1),
    ("ldr r0, [r1]", "0868", 1),
    ("ldrb r0, [r1, r2]", "885c", 1),
    ("str r0, [r1, r2]", "8850", 1),
    ("mla r0, r1, r2, r3", "01fb0230", 1),
    ("smlad r0, r1, r2, r3", "21fb0230", 1),
    ("cmp r0, r1", "8842", 1),
    ("nop", "00bf", 1),
    ("b .", "fee7", 1),
    ("bl .", "fff7feff", 1),
    ("tbb [r0, r1]", "d0e801f0", 1),
    # [slothy] An IT instruction issues beside its neighbour; one skipped takes a cycle.
    ("it eq; addeq r0, r1", "08bf4018", 1),
    ("itte hs; addhs r0, r1; subhs r0, r1; movlo r0, r1", "26bf4018401a0846", 3),
    # [jnk0le] Two words, two cycles; one cycle a register.
    ("ldrd r0, r1, [r2]", "d2e90001", 2),
    ("strd r0, r1, [r2]", "c2e90001", 2),
    ("ldm r0, {r1, r2, r3}", "90e80e00", 3),
    ("stm r0!, {r1, r2}", "06c0", 2),
    ("ldm r0!, {r1}", "02c8", 1),
    ("push {r4, r5, lr}", "30b5", 3),
    ("pop {r4, r5, pc}", "30bd", 3),
    # [jnk0le] Divisions.
    ("sdiv r0, r1, r2", "91fbf2f0", 6),
    ("udiv r0, r1, r2", "b1fbf2f0", 6),
    # [jnk0le] A loaded value is there a cycle late: for arithmetic,
    ("ldr r0, [r1]; adds r2, r0, r3", "0868c218", 3),
    # ... of every width,
    ("ldrb r0, [r1]; adds r2, r0, r3", "0878c218", 3),
    ("ldrh r0, [r1]; adds r2, r0, r3", "0888c218", 3),
    ("ldrsh.w r0, [r1]; adds r2, r0, r3", "b1f90000c218", 3),
    ("ldrsb.w r0, [r1]; adds r2, r0, r3", "91f90000c218", 3),
    # ... for an address,
    ("ldr r0, [r1]; ldr r2, [r0]", "08680268", 3),
    ("ldr r0, [r1]; str r2, [r3, r0]", "08681a50", 3),
    # ... from a pair,
    ("ldrd r0, r1, [r2]; adds r3, r1, r4", "d2e900010b19", 4),
    # ... over an IT instruction,
    ("ldr r0, [r1]; it eq; addeq r2, r0", "086808bf1218", 3),
    # ... and a written-back address likewise.
    ("ldr r0, [r1], #4; ldr r2, [r1]", "51f8040b0a68", 3),
    # [slothy] Stored data may come late,
    ("ldr r0, [r1]; str r0, [r2]", "08681060", 2),
    ("ldr r0, [r1]; strb r0, [r2]", "08681070", 2),
    ("ldr r0, [r1]; strh r0, [r2]", "08681080", 2),
    # ... and nothing is late for the instruction after the next.
    ("ldr r0, [r1]; nop; adds r2, r0, r3", "086800bfc218", 3),
    ("ldr r0, [r1]; adds r2, r3, r4", "08681a19", 2),
    # [jnk0le, slothy] So are results of multiplications,
    ("mul r0, r1, r2; add r3, r0", "01fb02f00344", 3),
    ("smull r0, r1, r2, r3; add r4, r1", "82fb03010c44", 3),
    ("umull r0, r1, r2, r3; add r4, r1", "a2fb03010c44", 3),
    ("smlal r0, r1, r2, r3; add r4, r0", "c2fb03010444", 3),
    ("umlal r0, r1, r2, r3; add r4, r1", "e2fb03010c44", 3),
    ("smulbb r0, r1, r2; add r4, r0", "11fb02f00444", 3),
    ("smlabb r0, r1, r2, r3; add r4, r0", "11fb02300444", 3),
    ("mls r0, r1, r2, r3; add r4, r0", "01fb12300444", 3),
    ("smmla r0, r1, r2, r3; add r4, r0", "51fb02300444", 3),
    ("mul r0, r1, r2; str r0, [r3]", "01fb02f01860", 3),
    ("mla r0, r1, r2, r3; mla r0, r0, r2, r3", "01fb023000fb0230", 3),
    # ... except for what a multiplication adds to,
    ("smlad r0, r1, r2, r0; smlad r0, r3, r4, r0", "21fb020023fb0400", 2),
    ("mla r0, r1, r2, r3; mls r0, r1, r2, r0", "01fb023001fb1200", 2),
    ("smlal r0, r1, r2, r3; smlal r0, r1, r2, r3", "c2fb0301c2fb0301", 2),
    ("mul r0, r1, r2; mla r4, r1, r2, r0", "01fb02f001fb0204", 2),
    ("mul r0, r1, r2; smmla r4, r1, r2, r0", "01fb02f051fb0204", 2),
    ("mul r0, r1, r2; smlal r0, r4, r1, r2", "01fb02f0c1fb0204", 2),
    ("mul r0, r1, r2; umlal r0, r4, r1, r2", "01fb02f0e1fb0204", 2),
    ("mul r0, r1, r2; smlsld r0, r4, r1, r2", "01fb02f0d1fbc204", 2),
    ("mul r0, r1, r2; umaal r0, r4, r1, r2", "01fb02f0e1fb6204", 2),
    # ... unless it is a factor, too,
    ("mul r0, r1, r2; mla r4, r0, r2, r0", "01fb02f000fb0204", 3),
    ("mul r0, r1, r2; mla r4, r2, r0, r0", "01fb02f002fb0004", 3),
    ("mul r0, r1, r2; smlal r0, r4, r0, r2", "01fb02f0c0fb0204", 3),
    ("mul r0, r1, r2; smlal r3, r4, r1, r0", "01fb02f0c1fb0034", 3),
    # ... which a product without a sum has not,
    ("smull r0, r1, r2, r3; smull r4, r5, r2, r1", "82fb030182fb0145", 3),
    # ... of packing, extending sums, saturation and SIMD,
    ("sxtb16 r0, r1; add r2, r0", "2ffa81f00244", 3),
    ("sxtab r0, r1, r2; add r2, r0", "41fa82f00244", 3),
    ("pkhbt r0, r1, r2, lsl #16; add r3, r0", "c1ea02400344", 3),
    ("pkhbt r0, r1, r2; add r3, r0", "c1ea02000344", 3),
    ("pkhtb r0, r1, r2, asr #16; add r3, r0", "c1ea22400344", 3),
    ("uxtb16 r0, r1; add r2, r0", "3ffa81f00244", 3),
    ("uxtab r0, r1, r2; add r3, r0", "51fa82f00344", 3),
    ("ssat r0, #8, r1; add r2, r0", "01f307000244", 3),
    ("usat r0, #8, r1; str r0, [r2]", "81f308001060", 3),
    ("qadd r0, r1, r2; add r3, r0", "82fa81f00344", 3),
    ("qsub r0, r1, r2; add r3, r0", "82faa1f00344", 3),
    ("sadd16 r0, r1, r2; add r3, r0", "91fa02f00344", 3),
    ("ssub16 r0, r1, r2; add r3, r0", "d1fa02f00344", 3),
    # ... and of arithmetic with a shifted operand;
    ("add r0, r1, r2, lsl #3; adds r3, r0, r4", "01ebc2000319", 3),
    ("orr r0, r1, r2, asr #1; adds r3, r0, r4", "41ea62000319", 3),
    # ... not of plain arithmetic, plain extension and plain shifts.
    ("adds r0, r1, r2; adds r3, r0, r4", "88180319", 2),
    ("sxtb r0, r1; adds r3, r0, r4", "48b20319", 2),
    ("lsls r0, r1, #3; adds r3, r0, r4", "c8000319", 2),
    ("lsl.w r0, r1, #3; adds r3, r0, r4", "4feac1000319", 2),
    ("lsr.w r0, r1, #3; adds r3, r0, r4", "4fead1000319", 2),
    ("ror.w r0, r1, #3; adds r3, r0, r4", "4feaf1000319", 2),
    ("asr.w r0, r1, r2; adds r3, r0, r4", "41fa02f00319", 2),
    # ... not of a store whose index is shifted.
    ("str.w r0, [r1, r2, lsl #2]; adds r3, r0, r4", "41f822000319", 2),
    # [M4] Floating point.
    ("vadd.f32 s0, s1, s2", "30ee810a", 1),
    ("vmla.f32 s0, s1, s2", "00ee810a", 3),
    ("vfma.f32 s0, s1, s2", "a0ee810a", 3),
    ("vdiv.f32 s0, s1, s2", "80ee810a", 14),
    ("vsqrt.f32 s0, s1", "b1eee00a", 14),
    ("vldr s0, [r0]", "90ed000a", 2),
    ("vldr d0, [r0]", "90ed000b", 3),
    ("vldm r0, {s0, s1, s2}", "90ec030a", 4),
    ("vstr s0, [r0]", "80ed000a", 2),
    ("vstm r0!, {s0, s1}", "a0ec020a", 3),
    ("vpush {s16, s17}", "2ded028a", 3),
    ("vpop {s16, s17}", "bdec028a", 3),
    ("vmov s0, s1, r0, r1", "41ec100a", 2),
    ("vmov d0, r0, r1", "41ec100b", 2),
]


@pytest.mark.parametrize(("code", "data", "cycles"), RULES, ids=[rule[0] for rule in RULES])
def test_rule(code: str, data: str, cycles: int) -> None:
    block = bytes.fromhex(data)
    cost = BlockPrices(BASE, block, CortexM33()).of(BASE, len(block))
    assert (cost.instructions, cost.cycles) == (code.count(";") + 1, cycles)


@needs_compiler
def test_the_bytes_are_what_the_assembler_makes_of_the_code() -> None:
    found = assembled([code for code, _, _ in RULES], "-mcpu=cortex-m33", "-mfloat-abi=hard")
    assert [code.hex() for code in found] == [data for _, data, _ in RULES]


def test_what_events_cost_on_the_board() -> None:
    assert isinstance(core_model(SPEC), CortexM33)
    assert core_model(SPEC).identity == f"cortex-m33/{CortexM33.version}"
    assert (CortexM33.taken_cycles, CortexM33.unaligned_cycles) == (2, 1)
    memory = FlashAccelerator.of(SPEC)
    # Fitted at 80 MHz on a NUCLEO-L552ZE.
    assert (memory.flash_read_cycles, memory.instruction_line_cycles) == (3.7, 0)
    assert memory.instruction_cache is None and memory.data_cache is None


@pytest.mark.skipif(not FOLDER.exists(), reason="the reference does not lie beside the checkout")
def test_the_firmware_takes_the_cycles_of_the_reference(lenet: Network) -> None:
    for readings in block_readings(SPEC, "nucleo_l552ze", (lenet, separable(), residual())):
        assert sum(readings.ours) > 200_000
        total = sum(readings.theirs)
        assert sum(readings.ours) == pytest.approx(total, rel=TOLERANCE)
        for ours, theirs in zip(readings.ours, readings.theirs, strict=True):
            assert ours == pytest.approx(theirs, abs=TOLERANCE * total)
