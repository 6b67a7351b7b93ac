"""What each instruction asks of the Cortex-M7's pipeline: a row for every rule.

The sources in brackets are those that ``hwnas/virtual/timing/cortex_m7`` names. A row tells the
unit; operands, with the stage when each is read (0 early, 1 late, later ones for sums; ``*`` for a
factor); results, with their latency (``w`` for a loaded word); and what else there is: ``flags``
that are set, cycles, ``alone``, use of the shifter, who may execute it early, the place in memory,
and how many words are accessed. Behind it stand instructions of which all of that is true.
"""

from __future__ import annotations

from typing import Any

import pytest
from timing_rules import assembled
from virtual.build import needs_compiler

from hwnas.virtual.code import Code
from hwnas.virtual.timing.cortex_m7 import operation
from hwnas.virtual.timing.cortex_m7._operands import FLAGS, Early, Shift

BASE = 0x0800_0000
OPTIONS = ["-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard"]

RULES = [
    # [jnk0le] Addresses are read early. A word is there for late operands in the next cycle,
    ("load r1@0 -> r0+2w r1[1] 1 access", "ldr.w r0, [r1, #4]; ldrex r0, [r1, #4]"),
    # ... part of one a cycle later,
    (
        "load r1@0 -> r0+3 r1[1] 1 access",
        "ldrb.w r0, [r1, #4]; ldrh.w r0, [r1, #4]; ldrsb.w r0, [r1, #4]; ldrsh.w r0, [r1, #4]",
    ),
    # ... an incremented base right away.
    ("load r1@0 -> r0+2w r1+1 r1[0] 1 access", "ldr.w r0, [r1], #4"),
    ("load r1@0 -> r0+2w r1+1 r1[1] 1 access", "ldr.w r0, [r1, #4]!"),
    ("load r1@0 -> r0+3 r1+1 r1[0] 1 access", "ldrb.w r0, [r1], #4"),
    # Only a register and a constant name a place.
    ("load r1@0 r2@0 -> r0+2w 1 access", "ldr.w r0, [r1, r2]; ldr.w r0, [r1, r2, lsl #2]"),
    ("load -> r0+2w 1 access", "ldr.w r0, [pc, #8]"),
    # [jnk0le] A preload waits for its address as loads do.
    ("load r1@0 -> r1[1] 1 access", "pld [r1, #4]"),
    ("branch r1@0 -> r1[1] 1 access", "ldr.w pc, [r1, #4]"),
    # [jnk0le] Stored data never wait.
    (
        "store r1@0 -> r1[1] 1 access",
        "str.w r0, [r1, #4]; strb.w r0, [r1, #4]; strh.w r0, [r1, #4]",
    ),
    ("store r1@0 -> r1+1 r1[0] 1 access", "str.w r0, [r1], #4"),
    ("store r1@0 r2@0 -> 1 access", "str.w r0, [r1, r2]"),
    ("store r1@0 -> r2+1 r1[1] 1 access", "strex r2, r0, [r1, #4]"),
    # [jnk0le] Several registers: two a cycle, alone.
    ("many r1@0 -> r0+2w r2+2w alone 2 accesses", "ldrd r0, r2, [r1]"),
    ("many r1@0 -> r0+2w r2+2w r1+1 alone 2 accesses", "ldrd r0, r2, [r1], #8"),
    ("many -> r0+2w r2+2w alone 2 accesses", "ldrd r0, r2, [pc, #8]"),
    ("many r1@0 -> alone 2 accesses", "strd r0, r2, [r1]"),
    ("many r1@0 -> r0+2w r2+2w r3+2w 2 cycles alone 3 accesses", "ldm.w r1, {r0, r2, r3}"),
    ("many r1@0 -> r0+2w r2+2w r3+2w r1+1 2 cycles alone 3 accesses", "ldm.w r1!, {r0, r2, r3}"),
    ("many r1@0 -> r1+1 2 cycles alone 3 accesses", "stm.w r1!, {r0, r2, r3}"),
    ("many r1@0 -> 2 cycles alone 3 accesses", "stmdb r1, {r0, r2, r3}; vstm r1, {s0, s1, s2}"),
    ("many r1@0 -> 2 cycles alone 4 accesses", "vstm r1, {d0, d1}"),
    ("many r1@0 -> r0+2w r1+1 alone 1 access", "ldm r1!, {r0}"),
    ("many r1@0 -> r1+2w r2+2w alone 2 accesses", "ldm.w r1, {r1, r2}"),
    ("many r1@0 -> s0+2w s1+2w s2+2w 2 cycles alone 3 accesses", "vldm r1, {s0, s1, s2}"),
    ("many r1@0 -> d0+2w d1+2w r1+1 2 cycles alone 4 accesses", "vldm r1!, {d0, d1}"),
    ("many sp@0 -> sp+1 2 cycles alone 3 accesses", "push {r0, r2, r3}; vpush {s0, s1, s2}"),
    ("many sp@0 -> r0+2w sp+1 alone 2 accesses", "pop {r0, pc}"),
    ("many sp@0 -> sp+1 alone 1 access", "push {r0}"),
    ("many sp@0 -> r0+2w r2+2w r3+2w sp+1 2 cycles alone 3 accesses", "pop {r0, r2, r3}"),
    ("many sp@0 -> s0+2w s1+2w s2+2w sp+1 2 cycles alone 3 accesses", "vpop {s0, s1, s2}"),
    # A branch never waits for flags: it is predicted.
    ("branch ->", "b.w .; beq.w ."),
    ("branch r1@1 ->", "bx r1; cbz r1, .+4; cbnz r1, .+4"),
    ("branch -> lr+2", "bl ."),
    ("branch r1@1 -> lr+2", "blx r1"),
    ("branch r1@1 -> early=first_slot", "mov pc, r1; add pc, r1"),
    # [jnk0le] Table branches: two cycles, alone.
    (
        "table_branch r1@0 r2@0 -> 2 cycles alone 1 access",
        "tbb [r1, r2]; tbh [r1, r2, lsl #1]",
    ),
    # [LLVM] Seven cycles, alone.
    ("divider r1@1 r2@1 -> r0+2 7 cycles alone", "sdiv r0, r1, r2; udiv r0, r1, r2"),
    # [jnk0le] Factors are read late; products take three cycles,
    (
        "multiplier r1@1* r2@1* -> r0+3",
        "mul r0, r1, r2; smulbb r0, r1, r2; smulwt r0, r1, r2; smmul r0, r1, r2;"
        "smuad r0, r1, r2; smusd r0, r1, r2",
    ),
    ("multiplier r0@1* r1@1* -> r0+3 flags", "muls r0, r1"),
    ("multiplier r1@1* r2@1* -> r0+3 r3+3", "smull r0, r3, r1, r2; umull r0, r3, r1, r2"),
    # ... and what is added to is read a cycle later.
    (
        "multiplier r1@1* r2@1* r3@2 -> r0+3",
        "mla r0, r1, r2, r3; mls r0, r1, r2, r3; smlabb r0, r1, r2, r3; smlawt r0, r1, r2, r3;"
        "smlad r0, r1, r2, r3; smlsd r0, r1, r2, r3; smmla r0, r1, r2, r3; smmls r0, r1, r2, r3",
    ),
    (
        "multiplier r1@1* r2@1* r0@2 r3@2 -> r0+3 r3+3",
        "smlal r0, r3, r1, r2; umlal r0, r3, r1, r2; smlalbb r0, r3, r1, r2;"
        "smlald r0, r3, r1, r2; smlsld r0, r3, r1, r2; umaal r0, r3, r1, r2",
    ),
    ("multiplier r1@1* r2@1* -> r1+3", "mla r1, r1, r2, r1"),
    # [jnk0le] DSP and bit fields: late, after two cycles;
    (
        "field r1@1 -> r0+2",
        "sxtb.w r0, r1; sxth.w r0, r1; uxtb.w r0, r1; uxth.w r0, r1; sxtb16 r0, r1;"
        "uxtb16 r0, r1; clz r0, r1",
    ),
    (
        "field r1@1 r2@1 -> r0+2",
        "sadd8 r0, r1, r2; sadd16 r0, r1, r2; ssub8 r0, r1, r2; usub16 r0, r1, r2; sel r0, r1, r2",
    ),
    ("field r1@1 r2@1 -> r0+2 flags", "uadd8 r0, r1, r2"),
    # ... some of them with the shifter,
    (
        "field r1@1 -> r0+2 shift=field",
        "sxtb.w r0, r1, ror #8; sxth.w r0, r1, ror #8; uxtb.w r0, r1, ror #8;"
        "uxth.w r0, r1, ror #8; sxtb16 r0, r1, ror #8; uxtb16 r0, r1, ror #8",
    ),
    (
        "field r1@1 r2@1 -> r0+2 shift=field",
        "shadd8 r0, r1, r2; uhadd8 r0, r1, r2; shsub8 r0, r1, r2; uhsub8 r0, r1, r2;"
        "sasx r0, r1, r2; uasx r0, r1, r2; ssax r0, r1, r2; usax r0, r1, r2; qasx r0, r1, r2;"
        "qsax r0, r1, r2",
    ),
    # ... reading early what is extracted, inserted or reversed,
    ("field r1@0 -> r0+2 shift=field", "sbfx r0, r1, #1, #4; ubfx r0, r1, #1, #4"),
    ("field r0@1 r1@0 -> r0+2 shift=field", "bfi r0, r1, #4, #4"),
    ("field r0@1 -> r0+2 shift=field", "bfc r0, #4, #4"),
    (
        "field r1@1 r2@0 -> r0+2 shift=field",
        "sxtab r0, r1, r2; sxtah r0, r1, r2; uxtab r0, r1, r2; uxtah r0, r1, r2;"
        "sxtab16 r0, r1, r2; uxtab16 r0, r1, r2; pkhbt r0, r1, r2; pkhbt r0, r1, r2, lsl #16",
    ),
    ("field r1@0 r2@0 -> r0+2 shift=field", "pkhtb r0, r1, r2, asr #16"),
    # ... of which reversals are there after one cycle,
    (
        "field r1@0 -> r0+1 shift=field",
        "rev.w r0, r1; rev16.w r0, r1; revsh.w r0, r1; rbit r0, r1",
    ),
    # ... and what saturates after three.
    (
        "field r1@0 -> r0+3 shift=field",
        "ssat r0, #8, r1; usat r0, #8, r1; ssat16 r0, #8, r1; usat16 r0, #8, r1",
    ),
    (
        "field r1@1 r2@1 -> r0+3",
        "qadd r0, r1, r2; qadd8 r0, r1, r2; qsub r0, r1, r2; qsub16 r0, r1, r2;"
        "uqadd8 r0, r1, r2; uqsub8 r0, r1, r2",
    ),
    ("field r1@0 r2@0 -> r0+3 shift=field", "qdadd r0, r1, r2; qdsub r0, r1, r2"),
    ("field r1@1 r2@1 -> r0+3 shift=field", "usad8 r0, r1, r2"),
    ("field r1@1 r2@1 r3@1 -> r0+3 shift=field", "usada8 r0, r1, r2, r3"),
    # [jnk0le] Arithmetic is executed late,
    (
        "alu r1@1 r2@1 -> r0+2",
        "and.w r0, r1, r2; orr.w r0, r1, r2; orn r0, r1, r2; eor.w r0, r1, r2; bic.w r0, r1, r2;"
        "rsb.w r0, r1, r2",
    ),
    (
        "alu r1@1 r2@1 -> r0+2 flags",
        "ands.w r0, r1, r2; orrs.w r0, r1, r2; eors.w r0, r1, r2; bics.w r0, r1, r2;"
        "rsbs.w r0, r1, r2",
    ),
    ("alu r1@1 -> r0+2", "mvn r0, r1"),
    ("alu r1@1 -> r0+2 flags", "mvns r0, r1"),
    ("alu r1@1 r2@1 -> flags", "cmp.w r1, r2; cmn.w r1, r2; tst.w r1, r2; teq r1, r2"),
    # ... or, sums and moves in the first slot, early,
    ("alu r1@1 r2@1 -> r0+2 early=first_slot", "add.w r0, r1, r2; sub.w r0, r1, r2"),
    ("alu r1@1 r2@1 -> r0+2 flags early=first_slot", "adds.w r0, r1, r2; subs.w r0, r1, r2"),
    (
        "alu r1@1 -> r0+2 early=first_slot",
        "mov.w r0, r1; addw r0, r1, #0x123; subw r0, r1, #0x123; addw r0, r1, #0x1F0",
    ),
    ("alu r1@1 -> r0+2 flags early=first_slot", "movs r0, r1"),
    ("alu -> r0+2 early=first_slot", "movw r0, #0x1F0; adr.w r0, .; adr r0, .+8"),
    ("alu sp@1 -> r0+2 early=first_slot", "add r0, sp, #512"),
    ("alu r0@1 -> r0+2 early=first_slot", "movt r0, #0x1F0"),
    # ... shifts in both.
    (
        "alu r1@1 -> r0+2 shift=plain early=both_slots",
        "lsl.w r0, r1, #3; lsr.w r0, r1, #3; asr.w r0, r1, #3; ror.w r0, r1, #3",
    ),
    (
        "alu r1@1 -> r0+2 flags shift=plain early=both_slots",
        "lsls.w r0, r1, #3; lsrs.w r0, r1, #3; asrs.w r0, r1, #3; rors.w r0, r1, #3",
    ),
    (
        "alu r1@1 r2@1 -> r0+2 shift=plain early=both_slots",
        "lsl.w r0, r1, r2; lsr.w r0, r1, r2; asr.w r0, r1, r2; ror.w r0, r1, r2",
    ),
    # [jnk0le] A shifted operand is read early, and nothing is executed early then,
    (
        "alu r1@1 r2@0 -> r0+2 shift=inline",
        "add.w r0, r1, r2, lsl #2; sub.w r0, r1, r2, asr #2; orr.w r0, r1, r2, ror #2",
    ),
    ("alu r1@1 r2@0 -> r0+2 shift=inline", "add.w r0, r1, r2, rrx"),
    ("alu r1@1 r2@0 -> flags shift=inline", "cmp.w r1, r2, lsl #2"),
    # ... nor with a constant that is a shifted byte,
    ("alu r1@1 -> r0+2 shift=inline", "add.w r0, r1, #0x1F00; add.w r0, r1, #0x100"),
    ("alu -> r0+2 shift=inline", "mov.w r0, #0x1F00"),
    ("alu r1@1 -> flags shift=inline", "cmp.w r1, #0x1F00"),
    # ... which bytes and patterns of bytes are not.
    (
        "alu r1@1 -> r0+2 early=first_slot",
        "add.w r0, r1, #0xF; add.w r0, r1, #0xFF; add.w r0, r1, #0x00FF00FF;"
        "add.w r0, r1, #0xFF00FF00; add.w r0, r1, #0xABABABAB",
    ),
    # [jnk0le] A carry is read late.
    ("alu r1@1 r2@1 flags@1 -> r0+2 flags", "adcs.w r0, r1, r2; sbcs.w r0, r1, r2"),
    ("alu r1@1 flags@1 -> r0+2", "rrx r0, r1"),
    ("alu r1@1 flags@1 -> r0+2 flags", "rrxs r0, r1"),
    # [jnk0le] Under a condition flags are read late, and by arithmetic its old target;
    ("alu r1@1 r2@1 flags@1 r0@1 -> r0+2 early=first_slot", "it eq: addeq.w r0, r1, r2"),
    ("field r1@1 flags@1 -> r0+2", "it eq: sxtbeq.w r0, r1"),
    ("load r1@0 flags@1 -> r0+2w r1[1] 1 access", "it eq: ldreq.w r0, [r1, #4]"),
    ("branch r1@1 ->", "it eq: bxeq r1"),
    # ... NOP takes a slot and nothing else.
    ("none ->", "nop.w"),
    # [jnk0le] Single precision: sums after four cycles,
    (
        "float s1@1 s2@1 -> s0+4",
        "vadd.f32 s0, s1, s2; vsub.f32 s0, s1, s2; vmul.f32 s0, s1, s2",
    ),
    # ... fused ones after six, others after seven, read as late as they are added to;
    (
        "float s0@3 s1@1 s2@1 -> s0+6",
        "vfma.f32 s0, s1, s2; vfms.f32 s0, s1, s2; vfnma.f32 s0, s1, s2; vfnms.f32 s0, s1, s2",
    ),
    (
        "float s0@4 s1@1 s2@1 -> s0+7",
        "vmla.f32 s0, s1, s2; vmls.f32 s0, s1, s2; vnmla.f32 s0, s1, s2; vnmls.f32 s0, s1, s2",
    ),
    ("float s1@1 s2@1 -> s0+2 16 cycles", "vdiv.f32 s0, s1, s2"),
    ("float s1@1 -> s0+2 14 cycles", "vsqrt.f32 s0, s1"),
    ("float_move r1@1 -> s0+3", "vmov s0, r1"),
    ("float_move s1@1 -> r0+3", "vmov r0, s1"),
    ("float_move s1@1 -> s0+3", "vmov.f32 s0, s1"),
    ("float_move r0@1 r1@1 -> s0+3 s1+3 alone", "vmov s0, s1, r0, r1"),
    ("float_move r1@1 r2@1 -> d0+3 alone", "vmov d0, r1, r2"),
    ("float_move fpscr@1 -> r0+2 flags alone", "vmrs r0, fpscr"),
    ("float s1@1 s2@1 -> fpscr_nzcv+4", "vcmp.f32 s1, s2"),
    ("float_move fpscr_nzcv@1 -> flags alone", "vmrs APSR_nzcv, fpscr"),
    ("load r1@0 -> s0+2w r1[1] 1 access", "vldr s0, [r1, #4]"),
    ("store r1@0 -> 1 access", "vstr s0, [r1, #4]"),
    # [LLVM] Double precision, coarse.
    ("float d1@1 d2@1 -> d0+4 2 cycles", "vadd.f64 d0, d1, d2; vsub.f64 d0, d1, d2"),
    ("float d1@1 d2@1 -> d0+4 5 cycles", "vmul.f64 d0, d1, d2"),
    ("float d0@3 d1@1 d2@1 -> d0+6 7 cycles", "vfma.f64 d0, d1, d2; vfms.f64 d0, d1, d2"),
    ("float d0@4 d1@1 d2@1 -> d0+7 7 cycles", "vmla.f64 d0, d1, d2"),
    ("float d1@1 d2@1 -> d0+2 30 cycles", "vdiv.f64 d0, d1, d2"),
    ("float d1@1 -> d0+2 30 cycles", "vsqrt.f64 d0, d1"),
    ("load r1@0 -> d0+2w alone r1[2] 1 access", "vldr d0, [r1, #8]"),
    ("store r1@0 -> alone 1 access", "vstr d0, [r1, #8]"),
]


def told(instruction: Any) -> str:
    """An operation in the words of the table."""
    made = operation(instruction)

    def name(register: int) -> str:
        return "flags" if register == FLAGS else str(instruction.reg_name(register))

    words = [made.unit.name.lower()]
    words += [f"{name(x.register)}@{x.stage}{'*' * x.is_factor}" for x in made.reads]
    words.append("->")
    words += [f"{name(x.register)}+{x.latency}{'w' * x.is_loaded_word}" for x in made.writes]
    words += ["flags"] * made.sets_flags
    words += [f"{made.cycles} cycles"] * (made.cycles != 1)
    words += ["alone"] * made.alone
    words += [f"shift={made.shift.name.lower()}"] * (made.shift is not Shift.NONE)
    words += [f"early={made.early.name.lower()}"] * (made.early is not Early.NEVER)
    if made.place is not None:
        words.append(f"{name(made.place.base)}[{made.place.word}]")
    if made.accesses:
        words.append(f"{made.accesses} access" + "es" * (made.accesses > 1))
    return " ".join(words)


@pytest.fixture(scope="module")
def instructions() -> dict[str, Any]:
    codes = [code.strip() for _, row in RULES for code in row.split(";")]
    made = assembled([code.replace(":", ";") for code in codes], *OPTIONS, alignment=8)
    return {
        code: Code(BASE, data).decode(BASE, len(data))[-1]
        for code, data in zip(codes, made, strict=True)
    }


@needs_compiler
@pytest.mark.parametrize(("rule", "codes"), RULES, ids=[codes for _, codes in RULES])
def test_rule(rule: str, codes: str, instructions: dict[str, Any]) -> None:
    for code in codes.split(";"):
        assert told(instructions[code.strip()]) == rule, code


def test_it_takes_a_slot_and_nothing_else() -> None:
    for code in ("08bf", "04bf", "06bf"):  # it eq, itt eq, itte eq
        (instruction,) = Code(BASE, bytes.fromhex(code)).decode(BASE, 2)
        assert told(instruction) == "none ->"
