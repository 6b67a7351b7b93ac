"""Every rule of the Cortex-M7's timing model, one snippet each, and what its memory adds.

The sources in brackets are those that ``hwnas/virtual/timing/cortex_m7`` names. A snippet is
repeated, closed to a loop by a branch, and priced in its steady state.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import pytest
from networks import residual, separable
from reference_hooks import FOLDER, EdgeReadings, load, tell_last_operands
from timing_rules import assembled
from virtual.build import needs_compiler

from hwnas.boards import CoreCache, load_board
from hwnas.device import BoardClient
from hwnas.errors import BoardError
from hwnas.firmware import find_image, pool_contents
from hwnas.network import Network
from hwnas.plan import PoolLayout, compile_plan
from hwnas.virtual import VirtualBoard
from hwnas.virtual.code import Code
from hwnas.virtual.edge_counters import EdgeCounters
from hwnas.virtual.timing import CoreCaches, CortexM7, Passage, core_model, memory_model
from hwnas.virtual.timing.cortex_m7 import Scoreboard, operation

BASE = 0x0800_0000
RAM = 0x2000_0000
SPEC = load_board("nucleo_f767zi")
OPTIONS = ["-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard"]
PASSES = 12
TOLERANCE = 0.002
"""[jnk0le] A shift in the second slot behind a shifted operand is executed late; the reference does
otherwise where it sets flags."""
BRANCH = bytes.fromhex("fff7febf")
"""``b.w`` to itself: where it goes does not matter, it is taken as predicted."""
needs_reference = pytest.mark.skipif(
    not FOLDER.exists(), reason="the reference does not lie beside the checkout"
)


def steady(code: bytes) -> float:
    """Cycles of a pass through a loop, once it goes on as it will."""
    operations = [operation(x) for x in Code(BASE, code + BRANCH).decode(BASE, len(code) + 4)]
    board = Scoreboard()
    ends = []
    for _ in range(2 * PASSES):
        word: int | None = None
        for one in operations:
            same_bank = False
            if one.place is not None:
                same_bank = word is not None and (one.place.word ^ word) & 1 == 0
                word = one.place.word
            board.issue(one, same_bank)
        ends.append(board.end)
        board.take_branch()
    return (ends[-1] - ends[-1 - PASSES]) / PASSES


# Code, how often it stands in the loop, its bytes, cycles of a pass. A snippet starts at a multiple
# of eight.
RULES = [
    # [jnk0le, LLVM] Two instructions a cycle; a taken branch costs no cycle of its own.
    ("nop.w", 8, "aff30080", 5),
    ("add.w r0, r1, r2; add.w r3, r4, r5", 4, "01eb020004eb0503", 5),
    # ... but two branches do not pair: the one of the snippet's loop and one that is not taken.
    ("nop.w; beq.w .", 1, "aff300803ff4feaf", 2),
    # [jnk0le] A sum that is executed late has its result a cycle later,
    ("add.w r0, r0, r1", 8, "00eb0100", 8),
    # ... which the next instruction may read late,
    ("add.w r0, r1, r2; eor.w r3, r0, r4", 4, "01eb020080ea0403", 5),
    # ... and so may a late one behind a late one, a cycle later.
    ("eor.w r0, r0, r1", 4, "80ea0100", 4),
    (
        "nop.w; eor.w r0, r1, r2; eor.w r3, r0, r4; eor.w r5, r3, r4",
        4,
        "aff3008081ea020080ea040383ea0405",
        12,
    ),
    # [jnk0le] Shifts are early in both slots,
    ("lsl.w r0, r1, #1; lsl.w r2, r3, #1", 4, "4fea41004fea4302", 5),
    ("lsl.w r0, r0, r1", 4, "00fa01f0", 4),
    # ... except for the second slot behind a shifted operand.
    (
        "add.w r0, r1, r2, lsl #2; lsl.w r3, r4, #1; add.w r5, r6, r3, lsl #1; nop.w",
        4,
        "01eb82004fea440306eb4305aff30080",
        13,
    ),
    (
        "nop.w; lsl.w r3, r4, #1; add.w r5, r6, r3, lsl #1; nop.w",
        4,
        "aff300804fea440306eb4305aff30080",
        9,
    ),
    # [jnk0le] A shifted register is needed early,
    (
        "eor.w r0, r1, r2; nop.w; add.w r3, r4, r0, lsl #2; nop.w",
        4,
        "81ea0200aff3008004eb8003aff30080",
        13,
    ),
    (
        "eor.w r0, r1, r2; nop.w; add.w r3, r0, r4, lsl #2; nop.w",
        4,
        "81ea0200aff3008000eb8403aff30080",
        9,
    ),
    # ... and shifters do not pair: operands,
    ("add.w r0, r1, r2, lsl #2; add.w r3, r4, r5, lsl #2", 4, "01eb820004eb8503", 8),
    # ... behind a shift, but not before one,
    ("lsl.w r0, r1, #2; add.w r3, r4, r5, lsl #2", 4, "4fea810004eb8503", 5),
    ("add.w r3, r4, r5, lsl #2; lsl.w r0, r1, #2", 4, "04eb85034fea8100", 5),
    # ... behind a bit field, but not behind plain SIMD,
    ("ubfx r0, r1, #2, #3; add.w r3, r4, r5, lsl #2", 4, "c1f3820004eb8503", 8),
    ("sadd16 r0, r1, r2; add.w r3, r4, r5, lsl #2", 4, "91fa02f004eb8503", 5),
    # ... and constants that are shifted bytes, not bytes and patterns of bytes.
    ("add.w r0, r1, #0x1F00; add.w r2, r3, #0x1F00", 4, "01f5f85003f5f852", 8),
    ("add.w r0, r1, #0x1F; add.w r2, r3, #0x00FF00FF", 4, "01f11f0003f1ff12", 5),
    ("movw r0, #0x1234; addw r2, r3, #0x123", 4, "41f2342003f22312", 5),
    # [jnk0le] DSP and bit fields go into the first slot only,
    ("sxtb16 r0, r1; sxtb16 r2, r3", 4, "2ffa81f02ffa83f2", 8),
    ("sxtb16 r0, r1; add.w r2, r3, r4", 4, "2ffa81f003eb0402", 5),
    ("add.w r2, r3, r4; sxtb16 r0, r1", 4, "03eb04022ffa81f0", 5),
    # ... have their result after two cycles,
    ("sxtb16 r0, r1; orr.w r2, r3, r0, lsl #16", 4, "2ffa81f043ea0042", 12),
    # ... after one for reversals, after three when they saturate,
    ("rev.w r0, r1; nop.w; rev.w r2, r0; nop.w", 4, "91fa81f0aff3008090fa80f2aff30080", 9),
    ("ssat r0, #8, r1; nop.w; eor.w r2, r0, r3; nop.w", 4, "01f30700aff3008080ea0302aff30080", 13),
    ("qadd r0, r1, r2; nop.w; eor.w r2, r0, r3; nop.w", 4, "82fa81f0aff3008080ea0302aff30080", 13),
    # ... and read some operands early: of extractions,
    (
        "eor.w r0, r1, r2; nop.w; ubfx r3, r0, #1, #4; nop.w",
        4,
        "81ea0200aff30080c0f34303aff30080",
        13,
    ),
    # ... the last one of packing and extending sums,
    ("eor.w r0, r1, r2; nop.w; sxtab r3, r4, r0; nop.w", 4, "81ea0200aff3008044fa80f3aff30080", 13),
    ("eor.w r0, r1, r2; nop.w; sxtab r3, r0, r4; nop.w", 4, "81ea0200aff3008040fa84f3aff30080", 9),
    (
        "eor.w r0, r1, r2; nop.w; pkhbt r3, r4, r0, lsl #16; nop.w",
        4,
        "81ea0200aff30080c4ea0043aff30080",
        13,
    ),
    (
        "eor.w r0, r1, r2; nop.w; pkhbt r3, r0, r4, lsl #16; nop.w",
        4,
        "81ea0200aff30080c0ea0443aff30080",
        9,
    ),
    (
        "eor.w r0, r1, r2; nop.w; pkhtb r3, r0, r4, asr #16; nop.w",
        4,
        "81ea0200aff30080c0ea2443aff30080",
        13,
    ),
    # ... what is inserted.
    (
        "eor.w r0, r1, r2; nop.w; bfi r3, r0, #4, #4; nop.w",
        4,
        "81ea0200aff3008060f30713aff30080",
        13,
    ),
    # [jnk0le] Products take three cycles, accumulations follow each other every cycle,
    ("mul r0, r1, r2; add.w r3, r0, r3", 4, "01fb02f000eb0303", 9),
    ("smlad r0, r1, r2, r0", 8, "21fb0200", 8),
    ("smlal r0, r1, r2, r3", 4, "c2fb0301", 4),
    ("mla r0, r1, r2, r0; nop.w", 4, "01fb0200aff30080", 5),
    ("mla r0, r0, r2, r1; nop.w", 4, "00fb0210aff30080", 8),
    # ... one multiplier,
    ("smlad r0, r1, r2, r0; smlad r3, r1, r2, r3", 4, "21fb020021fb0233", 8),
    ("smlad r0, r1, r2, r0; add.w r3, r4, r5", 4, "21fb020004eb0503", 5),
    # ... not beside a store,
    ("smlad r0, r1, r2, r0; str.w r3, [r6]", 4, "21fb0200c6f80030", 8),
    ("str.w r3, [r6]; smlad r0, r1, r2, r0", 4, "c6f8003021fb0200", 8),
    # ... and a loaded word is a cycle late for a factor.
    (
        "ldr.w r1, [r6]; nop.w; smlad r0, r1, r2, r0; nop.w",
        4,
        "d6f80010aff3008021fb0200aff30080",
        13,
    ),
    # [jnk0le] A loaded word serves late arithmetic in the next cycle, an address after two,
    ("ldr.w r0, [r6]; nop.w; add.w r1, r0, r1; nop.w", 4, "d6f80000aff3008000eb0101aff30080", 9),
    ("ldr.w r6, [r6]", 4, "d6f80060", 8),
    # ... part of a word a cycle later,
    ("ldrb.w r0, [r6]; nop.w; add.w r1, r0, r1; nop.w", 4, "96f80000aff3008000eb0101aff30080", 13),
    ("ldrsh.w r0, [r6]; nop.w; add.w r1, r0, r1; nop.w", 4, "b6f90000aff3008000eb0101aff30080", 13),
    # ... the written-back address in the next cycle.
    ("ldr.w r0, [r6], #4", 4, "56f8040b", 4),
    # [jnk0le] Two loads from different banks pair, from the same bank they do not.
    ("ldr.w r0, [r6]; ldr.w r1, [r6, #4]", 4, "d6f80000d6f80410", 5),
    ("ldr.w r0, [r6]; ldr.w r1, [r6, #8]", 4, "d6f80000d6f80810", 8),
    # [jnk0le] A load and a store pair, two stores do not, and stored data never wait.
    ("ldr.w r0, [r6]; str.w r1, [r7]", 4, "d6f80000c7f80010", 5),
    ("str.w r0, [r6]; str.w r1, [r7]", 4, "c6f80000c7f80010", 8),
    ("ldrb.w r0, [r6]; str.w r0, [r7]", 4, "96f80000c7f80000", 5),
    # [slothy] A load waits for a store to the same word,
    ("str r0, [sp, #8]; ldr r1, [sp, #8]", 2, "02900299", 11),
    ("strb.w r0, [sp, #9]; ldrb.w r1, [sp, #10]", 2, "8df809009df80a10", 11),
    # ... not to another, and not where the base has changed or is not known.
    ("str r0, [sp, #8]; ldr r1, [sp, #16]", 2, "02900499", 3),
    ("str.w r0, [r6]; add.w r6, r6, #4; ldr.w r1, [r6]", 2, "c6f8000006f10406d6f80010", 5),
    ("str.w r0, [r6, r3]; ldr.w r1, [r6, r3]", 2, "46f8030056f80310", 3),
    # [jnk0le] Several registers: two a cycle, alone.
    ("ldrd r0, r1, [r6]", 4, "d6e90001", 5),
    ("strd r0, r1, [r6]; nop.w", 4, "c6e90001aff30080", 8),
    ("ldm.w r6, {r0, r1, r2, r3, r4, r5}", 2, "96e83f00", 7),
    (
        "push {r0, r1, r2, r3, r4, r5, r6, r7}; pop {r0, r1, r2, r3, r4, r5, r6, r7}",
        1,
        "ffb4ffbc",
        9,
    ),
    # ... of which the last one is there like a loaded word.
    ("ldm.w r6, {r0, r1, r2}; eor.w r3, r2, r4, lsl #1", 2, "96e8070082ea4403", 6),
    # [LLVM] A division takes seven cycles, alone.
    ("sdiv r0, r1, r2", 2, "91fbf2f0", 15),
    ("udiv r0, r1, r2; nop.w", 2, "b1fbf2f0aff30080", 16),
    # [jnk0le] Flags are read late by what has a condition, which reads its old target, too.
    ("cmp r0, r1; it lt; movlt r0, r1; nop.w", 4, "8842b8bf0846aff30080", 9),
    ("cmp r0, r1; it lt; addlt r0, r1; nop.w", 4, "8842b8bf4018aff30080", 9),
    ("adcs.w r0, r1, r2", 4, "51eb0200", 4),
    # ... IT takes a slot.
    ("it eq; moveq r0, r1", 4, "08bf0846", 5),
    # [jnk0le] Table branches, as if not taken: two cycles, alone.
    ("tbb [r0, r1]; nop.w", 2, "d0e801f0aff30080", 6),
    # [jnk0le] Single precision: one at a time, sums after 4, fused ones after 6, others after 7.
    ("vadd.f32 s0, s1, s2; vadd.f32 s3, s4, s5", 4, "30ee810a72ee221a", 8),
    ("vadd.f32 s0, s1, s2; nop.w", 4, "30ee810aaff30080", 5),
    ("vadd.f32 s0, s0, s1", 4, "30ee200a", 12),
    ("vfma.f32 s0, s1, s2", 4, "a0ee810a", 12),
    ("vmla.f32 s0, s1, s2", 4, "00ee810a", 12),
    ("vfma.f32 s0, s0, s2", 2, "a0ee010a", 6),
    ("vmov s0, r0; vmov r0, s0", 2, "00ee100a10ee100a", 8),
    ("vmov s0, s1, r0, r1; nop.w", 2, "41ec100aaff30080", 4),
    ("vldr s0, [r6]; nop.w; vadd.f32 s1, s0, s2; nop.w", 2, "96ed000aaff3008070ee010aaff30080", 5),
    ("vstr s0, [r6]; vstr s1, [r6, #4]", 2, "86ed000ac6ed010a", 4),
    ("vcmp.f32 s0, s1; vmrs APSR_nzcv, fpscr", 2, "b4ee600af1ee10fa", 9),
    ("vdiv.f32 s0, s1, s2", 2, "80ee810a", 33),
    ("vsqrt.f32 s0, s1", 2, "b1eee00a", 29),
    ("vpush {s16, s17, s18, s19}; nop.w", 2, "2ded048aaff30080", 6),
    # [LLVM] Double precision, coarse.
    ("vadd.f64 d0, d1, d2", 2, "31ee020b", 5),
    ("vmul.f64 d0, d1, d2", 2, "21ee020b", 11),
    ("vfma.f64 d0, d1, d2", 2, "a1ee020b", 18),
    ("vdiv.f64 d0, d1, d2", 1, "81ee020b", 31),
    ("vldr d0, [r6]; nop.w", 2, "96ed000baff30080", 4),
    ("vldm r6, {d0, d1}; nop.w", 2, "96ec040baff30080", 6),
]


@pytest.mark.parametrize(("code", "times", "data", "cycles"), RULES, ids=[x[0] for x in RULES])
def test_rule(code: str, times: int, data: str, cycles: float) -> None:
    assert steady(bytes.fromhex(data) * times) == cycles


@needs_compiler
def test_the_bytes_are_what_the_assembler_makes_of_the_code() -> None:
    found = assembled([code for code, *_ in RULES], *OPTIONS, alignment=8)
    assert [code.hex() for code in found] == [data for _, _, data, _ in RULES]


@pytest.fixture(scope="module")
def vectors() -> Iterator[ModuleType]:
    sys.path.insert(0, str(FOLDER))
    yield load("cortex_m7_vectors")
    sys.path.remove(str(FOLDER))


@needs_compiler
@needs_reference
def test_the_conformance_vectors_hold(vectors: ModuleType) -> None:
    bodies = [body.rstrip(";") for _, body in vectors.V]
    found = [steady(code) for code in assembled(bodies, *OPTIONS, alignment=8)]
    assert found == [vectors.cyc(body)[0] for _, body in vectors.V]


# Edges


def path(*codes: str, at: int = BASE) -> list[Passage]:
    """Blocks that follow each other in memory, unless ``@`` and an offset come first."""
    passages = []
    for code in codes:
        if "@" in code:
            code, offset = code.split("@")
            at = BASE + int(offset, 0)
        data = bytes.fromhex(code)
        block = CortexM7().block(Code(at, data).decode(at, len(data)))
        passages.append(Passage(block))
        at += len(data)
    return passages


LDR, ADD_LOADED, NOP, B = "d6f80000", "00eb0101", "aff30080", "fff7febf"
CMP, BNE, POP_PC, CBZ, NARROW = "8842", "fed1", "10bd", "00b1", "00bf"


def cycles(*codes: str) -> float:
    return CortexM7().edge_cost(path(*codes)).cycles


def test_a_block_waits_for_what_the_block_before_loads() -> None:
    late = "96f80000"  # ldrb.w r0, [r6]
    assert cycles(late + NOP, ADD_LOADED) > cycles(NOP + NOP, ADD_LOADED)


def test_a_block_fills_the_slot_that_the_block_before_left() -> None:
    assert cycles(NOP, NOP) == 0
    assert cycles(NOP + NOP, NOP) == 1


def test_nothing_pairs_over_a_taken_branch() -> None:
    assert cycles(B, NOP + "@0x100") == 1
    assert cycles(NOP + NOP + B, NOP + NOP + "@0x100") == 1


def test_nothing_pairs_over_an_earlier_taken_branch_either() -> None:
    # What stands behind the branch takes a cycle of its own, with room beside it,
    assert cycles(BNE, NARROW + "@0x100", NARROW) == 0
    # ... or fills the slot beside a branch that is not taken.
    assert cycles(BNE, NARROW, NARROW) == 1


def test_a_block_alone_costs_what_it_issues() -> None:
    assert cycles(NOP + NOP + NOP) == 2


@pytest.mark.parametrize(
    ("code", "same_bank", "issued"),
    [
        # Two loads: the second access is the first that has one before it.
        (2 * LDR, 0b00, 1),
        (2 * LDR, 0b01, 1),
        (2 * LDR, 0b10, 2),
        # A store is an access, but no load; a pair is two accesses.
        ("c7f80010" + LDR, 0b10, 1),
        ("d6e90001" + 2 * LDR, 0b0100, 2),
        ("d6e90001" + 2 * LDR, 0b1000, 3),
        # What is no access has no bank.
        (NOP + LDR + LDR, 0b10, 2),
    ],
)
def test_banks_are_told_by_the_accesses_of_a_block(code: str, same_bank: int, issued: int) -> None:
    (passage,) = path(code)
    assert CortexM7().edge_cost([replace(passage, same_bank=same_bank)]).cycles == issued


def test_what_an_unaligned_read_costs() -> None:
    # [jnk0le] In the first slot.
    assert CortexM7.unaligned_cycles == 3


def test_the_block_before_last_fills_slots_too() -> None:
    # Three instructions before: the last of them leaves a slot open. With two, none is left.
    assert cycles(NOP, NOP + NOP, NOP) == 0
    assert cycles(NOP + NOP, NOP + NOP, NOP) == 1


@pytest.mark.parametrize(
    ("block", "penalty"),
    [
        # [jnk0le] Eight, or six where the flags are there three cycles before,
        (CMP + BNE, 8),
        (CMP + 5 * NOP + BNE, 6),
        # ... or nothing waits for flags.
        (NOP + CBZ, 6),
        (NOP + B, 6),
        # A load of the program counter with others; and no branch at all.
        (NOP + POP_PC, 8),
        (NOP, 8),
    ],
)
def test_what_a_misprediction_costs(block: str, penalty: int) -> None:
    assert CortexM7().edge_cost(path(block, NOP)).misprediction == penalty
    # What the block before set and branched does not matter.
    assert CortexM7().edge_cost(path(CMP + BNE, block, NOP)).misprediction == penalty


# The board


def test_the_board_file_chooses_the_model() -> None:
    assert isinstance(core_model(SPEC), CortexM7)
    memory = memory_model(SPEC)
    assert isinstance(memory, CoreCaches)
    assert memory.instruction_cache == CoreCache(512, 32, 2)
    assert memory.data_cache == CoreCache(512, 32, 4)
    # Estimated, not fitted.
    assert (memory.fill_instruction, memory.fill_flash, memory.fill_ram) == (19, 19, 10)
    assert (memory.coupled_base, memory.coupled_bytes) == (RAM, 128 * 1024)


def test_a_core_without_the_parameters_of_its_memories_is_refused() -> None:
    m4 = load_board("nucleo_l496zg")
    assert m4.timing is not None and SPEC.timing is not None
    with pytest.raises(BoardError, match=r"needs \[timing.caches\]"):
        memory_model(replace(m4, timing=replace(m4.timing, core_model="cortex-m7")))
    with pytest.raises(BoardError, match=r"needs \[timing.memory\]"):
        memory_model(replace(SPEC, timing=replace(SPEC.timing, core_model="cortex-m4")))


@needs_reference
def test_the_firmware_takes_the_cycles_of_the_reference(
    lenet: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_last_operands(monkeypatch)
    # The reference's branch predictor keeps what it learnt while the firmware waits.
    monkeypatch.setattr(EdgeCounters, "forget", lambda counters: None)
    image = find_image(SPEC)
    reference = load("cortex_m7")
    with (
        VirtualBoard(SPEC, image.elf, pool_contents(image.manifest)) as board,
        BoardClient(board) as client,
    ):
        readings = EdgeReadings(board, reference, 128 * 1024)
        for network in (lenet, separable(), residual()):
            pool = PoolLayout.for_region(image.manifest.parameter_bytes)
            plan = compile_plan(network, pool=pool)
            client.load(plan.data)
            for per_layer in (False, True):
                del readings.ours[:], readings.theirs[:]
                client.run(warmup=0, per_layer=per_layer, step_count=len(plan.step_nodes))
                assert sum(readings.ours) > 200_000
                total = sum(readings.theirs)
                assert sum(readings.ours) == pytest.approx(total, rel=TOLERANCE)
                # Where two predecessors are equally frequent, each may take another for context.
                for ours, theirs in zip(readings.ours, readings.theirs, strict=True):
                    assert ours == pytest.approx(theirs, abs=TOLERANCE * total)
