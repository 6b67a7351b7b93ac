"""Every rule of the Cortex-M4's timing model, one snippet each, and what its memory adds.

The sources in brackets are those that ``hwnas/virtual/timing/cortex_m4.py`` names. The snippets
stand here as bytes, too, so that the rules are tested where there is no compiler.
"""

from __future__ import annotations

from collections import OrderedDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from timing_rules import assembled
from virtual.build import asm_main, build, needs_compiler

from hwnas.boards import CacheGeometry, load_board
from hwnas.elf import Image
from hwnas.errors import BoardError
from hwnas.virtual import BlockCount, VirtualBoard, _native
from hwnas.virtual.code import BlockPrices, block_prices
from hwnas.virtual.counters import Counters
from hwnas.virtual.timing import CORE_MODELS, CortexM4, FlashAccelerator, core_model

BASE = 0x0800_0000
SPEC = load_board("nucleo_l496zg")

# Code, its bytes, cycles. A snippet starts at a multiple of four.
RULES = [
    # [TRM] Data processing, multiplication, saturation and SIMD take one cycle.
    ("adds r0, r1, r2", "8818", 1),
    ("add.w r0, r1, r2, lsl #3", "01ebc200", 1),
    ("lsls r0, r1, #4", "0801", 1),
    ("muls r0, r1, r0", "4843", 1),
    ("mla r0, r1, r2, r3", "01fb0230", 1),
    ("mls r0, r1, r2, r3", "01fb1230", 1),
    ("teq r0, r1", "90ea010f", 1),
    ("smlad r0, r1, r2, r3", "21fb0230", 1),
    ("smull r0, r1, r2, r3", "82fb0301", 1),
    ("smlal r0, r1, r2, r3", "c2fb0301", 1),
    ("ssat r0, #8, r1", "01f30700", 1),
    ("sxtb16 r0, r1, ror #8", "2ffa91f0", 1),
    ("pkhbt r0, r1, r2, lsl #16", "c1ea0240", 1),
    ("cmp r0, r1", "8842", 1),
    ("nop", "00bf", 1),
    # [TRM] Divisions take 2 to 12: the least.
    ("sdiv r0, r1, r2", "91fbf2f0", 2),
    ("udiv r0, r1, r2", "b1fbf2f0", 2),
    # [TRM] A load takes two cycles in every addressing mode, and of every width.
    ("ldr r0, [r1]", "0868", 2),
    ("ldrb r0, [r1, r2]", "885c", 2),
    ("ldrh r0, [r1]", "0888", 2),
    ("ldrh r0, [r1, #2]!", "31f8020f", 2),
    ("ldrsb r0, [r1], #1", "11f9010b", 2),
    ("ldrsh.w r0, [r1, r2, lsl #1]", "31f91200", 2),
    ("ldr r0, [pc, #4]", "0148", 2),
    # [TRM] Neighbouring loads pipeline: one cycle for each but the first.
    ("ldr r0, [r1]; ldr r2, [r3]; ldrb r4, [r5]", "08681a682c78", 4),
    # ... with an IT instruction (one cycle) between them as well.
    ("ldr r0, [r1]; it eq; ldreq r2, [r3]", "086808bf1a68", 4),
    # ... and not over another instruction.
    ("ldr r0, [r1]; nop; ldr r2, [r3]", "086800bf1a68", 5),
    # [TRM, jnk0le] The write buffer takes a store in one cycle.
    ("str r0, [r1, #4]", "4860", 1),
    ("strb r0, [r1, #1]!", "01f8010f", 1),
    ("strh r0, [r1], #2", "21f8020b", 1),
    # [GCC, jnk0le] Adding up a store's address takes another cycle,
    ("str r0, [r1, r2]", "8850", 2),
    ("strb r0, [r1, r2]", "8854", 2),
    ("strh r0, [r1, r2]", "8852", 2),
    # ... which hides behind a load.
    ("ldr r0, [r1]; str r2, [r3, r4]", "08681a51", 3),
    # [GCC] Pairs.
    ("ldrd r0, r1, [r2]", "d2e90001", 3),
    ("strd r0, r1, [r2]", "c2e90001", 3),
    # [TRM] One and one a register, with and without write-back.
    ("ldm r0, {r1, r2, r3}", "90e80e00", 4),
    ("ldm r0!, {r1, r2, r3}", "0ec8", 4),
    ("ldm r0!, {r1}", "02c8", 2),
    ("stm r0!, {r1, r2}", "06c0", 3),
    ("push {r4, r5, lr}", "30b5", 4),
    ("pop {r4, r5, pc}", "30bd", 4),
    # [TRM, jnk0le] An address that the instruction before computes is a cycle late: base,
    ("adds r1, #4; ldr r0, [r1]", "04310868", 4),
    # ... index,
    ("adds r2, #4; ldr r0, [r1, r2]", "04328858", 4),
    # ... of a store,
    ("adds r1, #4; str r0, [r1]", "04310860", 3),
    # ... of a pair,
    ("adds r2, #4; ldrd r0, r1, [r2]", "0432d2e90001", 5),
    # ... but the stored value is not.
    ("adds r0, #4; str r0, [r1]", "04300860", 2),
    # ... and not where another instruction stands between them.
    ("adds r1, #4; nop; ldr r0, [r1]", "043100bf0868", 4),
    # [jnk0le] A load that waits for a load's result is late, and not pipelined:
    ("ldr r1, [r2]; ldr r0, [r1]", "11680868", 5),
    # ... for its write-back, too,
    ("ldr r0, [r1], #4; ldr r2, [r1]", "51f8040b0a68", 5),
    # ... and a pair.
    ("ldr r2, [r3]; ldrd r0, r1, [r2]", "1a68d2e90001", 6),
    # [jnk0le] A store to a loaded address is late; a store of a loaded value is not.
    ("ldr r1, [r2]; str r0, [r1]", "11680860", 4),
    ("ldr r0, [r2]; str r0, [r1]", "10680860", 3),
    # [jnk0le] A load right after a store waits for it.
    ("str r0, [r1]; ldr r2, [r3]", "08601a68", 4),
    ("str r0, [r1]; nop; ldr r2, [r3]", "086000bf1a68", 4),
    # [2025/523] A third wide instruction in a row that straddles a word costs a cycle,
    (
        "nop; add.w r0, r1, r2; add.w r3, r4, r5; add.w r6, r7, r8",
        "00bf01eb020004eb050307eb0806",
        5,
    ),
    # ... a second one does not,
    ("nop; add.w r0, r1, r2; add.w r3, r4, r5", "00bf01eb020004eb0503", 3),
    # ... nor a sixth, since it is once a run,
    (
        "nop; " + "; ".join(["add.w r0, r1, r2"] * 6),
        "00bf01eb020001eb020001eb020001eb020001eb020001eb0200",
        8,
    ),
    # ... nor a third that is narrow,
    (
        "nop; add.w r0, r1, r2; add.w r3, r4, r5; adds r0, r1, r2",
        "00bf01eb020004eb05038818",
        4,
    ),
    # ... nor a third that does not straddle.
    ("add.w r0, r1, r2; add.w r3, r4, r5; add.w r6, r7, r8", "01eb020004eb050307eb0806", 3),
    # [TRM] Branches, without the refill, and predicated-out instructions: one cycle; IT: one.
    ("b .", "fee7", 1),
    ("beq .", "fed0", 1),
    ("bl .", "fff7feff", 1),
    ("bx lr", "7047", 1),
    ("it eq; addeq r0, r1", "08bf4018", 2),
    ("itte hs; addhs r0, r1; subhs r0, r1; movlo r0, r1", "26bf4018401a0846", 4),
    # ... others what they cost without a condition, whichever it is.
    ("it eq; ldreq r0, [r1]", "08bf0868", 3),
    ("it ne; ldrne r0, [r1]", "18bf0868", 3),
    ("it hs; ldrhs r0, [r1]", "28bf0868", 3),
    ("it lo; ldrlo r0, [r1]", "38bf0868", 3),
    ("it mi; ldrmi r0, [r1]", "48bf0868", 3),
    ("it pl; ldrpl r0, [r1]", "58bf0868", 3),
    ("it vs; ldrvs r0, [r1]", "68bf0868", 3),
    ("it vc; ldrvc r0, [r1]", "78bf0868", 3),
    ("it hi; ldrhi r0, [r1]", "88bf0868", 3),
    ("it ls; ldrls r0, [r1]", "98bf0868", 3),
    ("it ge; ldrge r0, [r1]", "a8bf0868", 3),
    ("it lt; ldrlt r0, [r1]", "b8bf0868", 3),
    ("it gt; ldrgt r0, [r1]", "c8bf0868", 3),
    ("it le; ldrle r0, [r1]", "d8bf0868", 3),
    ("it ls; ldmls r0, {r1, r2}", "98bf90e80600", 4),
    ("it ne; vdivne.f32 s0, s1, s2", "18bf80ee810a", 15),
    # [TRM] Table branches sum to 5 with the refill.
    ("tbb [r0, r1]", "d0e801f0", 3),
    ("tbh [r0, r1, lsl #1]", "d0e811f0", 3),
    # [TRM, LLVM] Floating point.
    ("vadd.f32 s0, s1, s2", "30ee810a", 1),
    ("vmul.f32 s0, s1, s2", "20ee810a", 1),
    ("vmla.f32 s0, s1, s2", "00ee810a", 3),
    ("vmls.f32 s0, s1, s2", "00eec10a", 3),
    ("vnmla.f32 s0, s1, s2", "10eec10a", 3),
    ("vnmls.f32 s0, s1, s2", "10ee810a", 3),
    ("vfma.f32 s0, s1, s2", "a0ee810a", 3),
    ("vfms.f32 s0, s1, s2", "a0eec10a", 3),
    ("vfnma.f32 s0, s1, s2", "90eec10a", 3),
    ("vfnms.f32 s0, s1, s2", "90ee810a", 3),
    ("vdiv.f32 s0, s1, s2", "80ee810a", 14),
    ("vsqrt.f32 s0, s1", "b1eee00a", 14),
    ("vldr s0, [r0]", "90ed000a", 2),
    ("vldr d0, [r0]", "90ed000b", 3),
    ("vstr s0, [r0]", "80ed000a", 2),
    ("vldm r0, {s0, s1, s2}", "90ec030a", 4),
    ("vstm r0!, {s0, s1}", "a0ec020a", 3),
    ("vpush {s16, s17}", "2ded028a", 3),
    ("vpop {s16, s17}", "bdec028a", 3),
    ("vmov s0, r0", "00ee100a", 1),
    ("vmov r0, s0", "10ee100a", 1),
    ("vmov s0, s1, r0, r1", "41ec100a", 2),
    ("vmov d0, r0, r1", "41ec100b", 2),
]


def price(code: bytes) -> tuple[int, float]:
    cost = BlockPrices(BASE, code, CortexM4()).of(BASE, len(code))
    return cost.instructions, cost.cycles


@pytest.mark.parametrize(("code", "data", "cycles"), RULES, ids=[rule[0] for rule in RULES])
def test_rule(code: str, data: str, cycles: int) -> None:
    assert price(bytes.fromhex(data)) == (code.count(";") + 1, cycles)


def test_what_stands_before_a_block_costs_nothing_in_it() -> None:
    # add.w r0, r1, r2; twice, from the middle of a word on.
    code = bytes.fromhex("00bf 01eb0200 01eb0200")
    assert BlockPrices(BASE, code, CortexM4()).of(BASE + 2, 8).cycles == 2


@needs_compiler
def test_the_bytes_are_what_the_assembler_makes_of_the_code() -> None:
    options = ["-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]
    found = [code.hex() for code in assembled([code for code, _, _ in RULES], *options)]
    assert found == [data for _, data, _ in RULES]


def test_bytes_that_are_no_instructions_are_refused() -> None:
    with pytest.raises(BoardError, match="4 bytes of code at 0x08000000 ran, but cannot be deco"):
        price(bytes.fromhex("ffffffff"))


def test_a_price_is_worked_out_once() -> None:
    prices = block_prices(BASE, bytes.fromhex("08685068"), CortexM4)
    assert prices.of(BASE, 4) is prices.of(BASE, 4)
    assert block_prices(BASE, bytes.fromhex("08685068"), CortexM4) is prices


def test_what_events_cost_on_the_board() -> None:
    memory = FlashAccelerator.of(SPEC)
    # [TRM] A refill takes 1 to 3 cycles, an unaligned read is two accesses.
    assert (CortexM4.taken_cycles, CortexM4.unaligned_cycles) == (2, 1)
    # Fitted on a NUCLEO-F446RE, and the wait states at 80 MHz: both from the board's file.
    assert memory.flash_read_cycles == 2.75
    assert memory.instruction_line_cycles == memory.data_line_cycles == SPEC.flash.wait_states == 4
    assert memory.instruction_cache == CacheGeometry(lines=32, line_bytes=32)
    assert memory.data_cache == CacheGeometry(lines=8, line_bytes=32)


def test_the_board_file_chooses_the_model() -> None:
    assert isinstance(core_model(SPEC), CortexM4)
    assert core_model(SPEC).identity == f"cortex-m4/{CortexM4.version}"
    assert set(CORE_MODELS) == {"cortex-m4", "cortex-m7", "cortex-m33"}
    for model in (core_model, FlashAccelerator.of):
        with pytest.raises(BoardError, match="mps2_an386 is functional only"):
            model(load_board("mps2_an386"))


def run(body: str, *, modes_agree: bool = True) -> list[BlockCount]:
    """Counts of the blocks of a main around a body, which starts a block of its own.

    Counted when they happen or told at the entry of blocks, they are the same, unless a block
    empties a cache in its midst.
    """
    elf = build(asm_main(f"b body\n.balign 32\nbody:\n{body}\n b leave\nleave:"))
    with VirtualBoard(SPEC, elf) as fast, VirtualBoard(SPEC, elf, exact=True) as exact:
        fast.read(10)
        exact.read(10)
        counts = exact.block_counts
        assert not modes_agree or fast.block_counts == counts
    (main,) = (address for address, name in Image.read(elf).functions if name == "main")
    body_at, *_ = (block for block in counts if block.address == main & ~31 | 32)
    return [block for block in counts if block.address >= body_at.address]


@needs_compiler
def test_taken_counts_entries_that_are_not_fallen_into() -> None:
    blocks = run(
        """
        movs r0, #10
    1:  subs r0, #1
        bne 1b              @ taken nine times
        bl 2f               @ taken once
        cmp r0, #0
        bne 3f              @ not taken
    3:  b 4f                @ taken once
    2:  bx lr               @ taken once
    4:  nop
        """
    )
    loop = [block for block in blocks if block.executions == 9]
    # The first pass falls into the loop, in one block with what stands before it.
    assert [(block.executions, block.taken) for block in loop] == [(9, 9)]
    # And the body's own start. A branch to the instruction that comes next anyway ends a block,
    # but nothing tells it from falling through.
    assert sum(block.taken for block in blocks) == 9 + 1 + 1 + 1 + 1


@needs_compiler
def test_unaligned_counts_reads_of_data_that_straddle() -> None:
    (block, *_) = run(
        """
        movw r1, #0x0101
        movt r1, #0x2000
        ldr r0, [r1]        @ unaligned
        ldrh r0, [r1]       @ unaligned
        ldrsh r0, [r1, #2]  @ unaligned
        ldrb r0, [r1]
        ldr r0, [r1, #3]
        ldrh r0, [r1, #1]
        str r0, [r1]        @ a store: the write buffer hides it
        """
    )
    assert (block.unaligned, block.flash_reads) == (3, 0)


@needs_compiler
def test_flash_reads_count_words_from_flash_alone() -> None:
    (block, *_) = run(
        """
        adr r1, table
        movw r2, #0x0100
        movt r2, #0x2000
        ldr r0, table       @ 1
        ldrb r0, [r1, #5]   @ 1
        ldrd r4, r5, [r1]   @ 2
        ldm r1, {r4-r6}     @ 3
        ldr r0, [r2]
        ldm r2, {r4-r6}
        b 1f
        .balign 32
    table:
        .word 1, 2, 3
    1:
        """
    )
    assert (block.flash_reads, block.data_lines) == (7, 1)


INVALIDATE = """
    movw r6, #0x2000
    movt r6, #0x4002        @ FLASH_ACR
    movw r7, #{value:#x}
    str r7, [r6]
"""
RESET_DATA, RESET_INSTRUCTIONS, CACHES_ON = 0x1704, 0xF04, 0x704


def read_lines(*lines: int) -> str:
    return "\n".join(f"ldr r0, [r1, #{32 * line}]" for line in lines)


@needs_compiler
@pytest.mark.parametrize(
    ("reads", "misses"),
    [
        (read_lines(0, 0, 0), 1),
        (read_lines(*range(8), *range(8)), 8),
        # The ninth line takes the place of line 0, which was used least recently.
        (read_lines(*range(9), *range(1, 9)), 9),
        (read_lines(*range(9), 0), 10),
        # Line 0 was used again, so it is line 1 that has to go.
        (read_lines(*range(8), 0, 8, 0), 9),
        (read_lines(*range(8), 0, 8, 1), 10),
        (read_lines(*range(8)) + INVALIDATE.format(value=RESET_DATA) + read_lines(*range(8)), 16),
        (read_lines(0) + INVALIDATE.format(value=RESET_INSTRUCTIONS) + read_lines(0), 1),
        (read_lines(0) + INVALIDATE.format(value=CACHES_ON) + read_lines(0), 1),
    ],
)
def test_data_lines_follow_least_recent_use(reads: str, misses: int) -> None:
    prologue = INVALIDATE.format(value=RESET_DATA) + "movw r1, #0x8000\nmovt r1, #0x0800"
    (block, *_) = run(f"{prologue}\n{reads}", modes_agree="str" not in reads)
    assert block.data_lines == misses


@needs_compiler
@pytest.mark.parametrize(("lines", "passes", "misses"), [(32, 5, 32), (33, 5, 5 * 33)])
def test_instruction_lines_that_fit_are_fetched_once(lines: int, passes: int, misses: int) -> None:
    # A loop of one line more than there are throws each line out right before its next use.
    blocks = run(
        f"""{INVALIDATE.format(value=RESET_INSTRUCTIONS)}
        movs r0, #{passes}
        b loop
        .balign 32
    loop:
        .rept {16 * (lines - 1)}
        nop
        .endr
        subs r0, #1
        bne.w loop
        """
    )
    loop = [block for block in blocks if block.executions == passes]
    assert sum(block.size_bytes for block in loop) > 32 * (lines - 1)
    assert sum(block.instruction_lines for block in loop) == misses


@needs_compiler
def test_an_invalidated_instruction_cache_is_fetched_again() -> None:
    cold = INVALIDATE.format(value=RESET_INSTRUCTIONS)
    loop = "movs r0, #3\n b 1f\n .balign 32\n1: {}\n subs r0, #1\n bne 1b"
    warm = sum(block.instruction_lines for block in run(loop.format("")))
    assert sum(block.instruction_lines for block in run(loop.format(cold))) >= warm + 2


@settings(max_examples=50, deadline=None)
@given(
    lines=st.sampled_from([1, 2, 8]),
    used=st.lists(st.integers(0, 15) | st.none(), max_size=120),
)
def test_the_compiled_cache_is_a_least_recently_used_one(
    lines: int, used: list[int | None]
) -> None:
    counters = Counters(BASE, bytes(64), BASE, 16 * 32, None, CacheGeometry(lines, 32))
    model: OrderedDict[int, None] = OrderedDict()
    for line in used:
        if line is None:
            counters.invalidate(data=True)
            model.clear()
            continue
        missed = _native.touch(counters._state, _native.DATA_CACHE, (BASE >> 5) + line)
        assert missed == (line not in model)
        model[line] = None
        model.move_to_end(line)
        if len(model) > lines:
            model.popitem(last=False)
