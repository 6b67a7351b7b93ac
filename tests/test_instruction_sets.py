"""Which instructions a core has, against LLVM's tables of the same.

Each sample is encoded by an assembler that knows it for some core, decoded, and held against what
LLVM's assembler (in ziglang) takes for each core here.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from timing_rules import assembled
from virtual.build import COMPILER, needs_compiler

from hwnas.boards import load_board
from hwnas.virtual.code import decoder
from hwnas.virtual.guest._instruction_set import InstructionSet, instruction_names

pytestmark = needs_compiler
needs_zig = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed"
)
CORES = {
    "nucleo_l496zg": "cortex_m4+vfp4d16sp",
    "nucleo_f767zi": "cortex_m7+fp_armv8d16",
    "nucleo_l552ze_q": "cortex_m33+dsp+fp_armv8d16sp",
}
ANY = [
    ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16"),
    ("-mcpu=cortex-m7", "-mfpu=fpv5-d16"),
    ("-mcpu=cortex-a15", "-mfpu=neon-vfpv4"),
    ("-mcpu=cortex-a53", "-mfpu=crypto-neon-fp-armv8"),
    ("-march=armv8.1-m.main+mve.fp+fp.dp", "-mfloat-abi=hard"),
]
R3 = "r0, r1, r2"
R4 = "r0, r1, r2, r3"
S2, S3, D2, D3 = "s0, s1", "s0, s1, s2", "d0, d1", "d0, d1, d2"
LIKE = {
    # Operands, and the instructions that take them.
    R3: """adc add and asr bic eor lsl lsr mul orn orr ror sbc sub sdiv udiv pkhbt pkhtb qadd qadd16
        qadd8 qasx qdadd qdsub qsax qsub qsub16 qsub8 sadd16 sadd8 sasx sel shadd16 shadd8 shasx
        shsax shsub16 shsub8 smmul smmulr smuad smuadx smulbb smulbt smultb smultt smulwb smulwt
        smusd smusdx ssax ssub16 ssub8 sxtab sxtab16 sxtah uadd16 uadd8 uasx uhadd16 uhadd8 uhasx
        uhsax uhsub16 uhsub8 uqadd16 uqadd8 uqasx uqsax uqsub16 uqsub8 usad8 usax usub16 usub8 uxtab
        uxtab16 uxtah""",
    R4: """mla mls smlal smull umlal umull umaal smlabb smlabt smlatb smlatt smlad smladx smlalbb
        smlalbt smlaltb smlaltt smlald smlaldx smlawb smlawt smlsd smlsdx smlsld smlsldx smmla
        smmlar smmls smmlsr usada8""",
    "r0, r1": """clz cmn cmp mov movs mvn rbit rev rev16 revsh rrx sxtb sxth teq tst uxtb uxth
        sxtb16 uxtb16 tt ttt""",
    "r0, [r1]": """ldr ldrb ldrbt ldrex ldrexb ldrexh ldrh ldrht ldrsb ldrsbt ldrsh ldrsht ldrt str
        strb strbt strh strht strt lda ldab ldah ldaex ldaexb ldaexh stl stlb stlh""",
    "r0, r1, [r2]": "ldrd strd strex strexb strexh stlex stlexb stlexh",
    "r0, {r1, r2}": "ldm ldmdb stm stmdb",
    "r0, #3, #4": "bfc",
    "r0, r1, #3, #4": "bfi sbfx ubfx",
    "r0, #3, r1": "ssat usat ssat16 usat16",
    "#3": "bkpt svc",
    "": "clrex dmb dsb isb nop sev wfe wfi yield csdb sg",
    "[r0]": "pld pli",
    "{r0, r4}": "pop push",
    "r3": "blx bx",
    ".": "b bl beq",
    "r0, 9f; nop; nop; 9: nop": "cbz cbnz",
}
SAMPLES = [f"{name} {operands}" for operands, names in LIKE.items() for name in names.split()]
SAMPLES += [
    "adr r0, .", "cpsid i", "dbg #1", "it eq; moveq r0, r1", "movt r0, #1", "movw r0, #999",
    "mrs r0, primask", "msr basepri, r0", "mrs r0, msp", "rsb r0, r1, #0", "tbb [r0, r1]",
    "tbh [r0, r1, lsl #1]", "pkhtb r0, r1, r2, asr #1",
]  # fmt: skip
for kind, two, three in (("f32", S2, S3), ("f64", D2, D3)):
    plain = "vadd vdiv vfma vfms vfnma vfnms vmla vmls vmul vnmla vnmls vnmul vsub"
    newer = "vmaxnm vminnm vseleq vselge vselgt vselvs"
    SAMPLES += [f"{name}.{kind} {three}" for name in f"{plain} {newer}".split()]
    unary = "vabs vcmp vcmpe vneg vsqrt vmov"
    rounding = "vrinta vrintm vrintn vrintp vrintr vrintx vrintz"
    SAMPLES += [f"{name}.{kind} {two}" for name in f"{unary} {rounding}".split()]
    SAMPLES += [f"vcvt.s32.{kind} s0, {two[-2:]}", f"vcvt.{kind}.u32 {two[:2]}, s1"]
    SAMPLES += [f"vcvt{how}.s32.{kind} s0, {two[-2:]}" for how in "ramnp"]
    SAMPLES += [f"vcvt.{kind}.s16 {two[:2]}, {two[:2]}, #4", f"vmov.{kind} {two[:2]}, #1.0"]
    SAMPLES += [f"vcmp.{kind} {two[:2]}, #0"]
SAMPLES += [
    "vcvt.f64.f32 d0, s1", "vcvt.f32.f64 s0, d1", "vcvtb.f32.f16 s0, s1", "vcvtt.f16.f32 s0, s1",
    "vcvtb.f64.f16 d0, s0", "vcvtt.f16.f64 s0, d0", "vldr s0, [r0]", "vldr d0, [r0]",
    "vstr s0, [r0]", "vstr d15, [r0]", "vldmia r0, {s0-s3}", "vldmia r0, {d0-d3}",
    "vldmdb r0!, {s0}", "vstmia r0, {s0}", "vstmdb r0!, {d0}", "vpush {d8}", "vpop {s16}",
    "vpop {d8}", "vpush {s16}", "vmov s0, r0", "vmov r0, s0", "vmov r0, r1, d0", "vmov d0, r0, r1",
    "vmov r0, r1, s0, s1", "vmov.32 d0[0], r0", "vmov.32 d0[1], r0", "vmov.32 r0, d0[1]",
    "vmrs r0, fpscr", "vmrs APSR_nzcv, fpscr", "vmsr fpscr, r0",
]  # fmt: skip
# What no core here has: of application cores, of vector extensions, of Armv8.1-M.
SAMPLES += [
    "smc #0", "crc32b r0, r1, r2", "pldw [r0]", "ldrexd r0, r1, [r2]",
    "strexd r0, r1, r2, [r3]", "setend le", "rfeia r0", "srsdb sp!, #16", "bxj r0", "eret",
    "subs pc, lr, #4", "vadd.f32 q0, q1, q2", "vadd.f32 d0, d1, d2", "vadd.i32 d0, d1, d2",
    "vld1.8 {d0}, [r0]", "vdup.32 d0, r0", "vmov.i32 d0, #0", "vmov.8 d0[1], r0", "vldr d16, [r0]",
    "vmov d16, r0, r1", "vadd.f16 s0, s1, s2", "vmovx.f16 s0, s1", "vsub.i8 q0, q1, q2", "le lr, .",
    "vpush {d16}", "vabs.s8 d0, d1",
]  # fmt: skip
DIFFERENT = [
    # What the assembler takes and these cores do not: there are no coprocessors and no hypervisors,
    # no code here is secure, and UDF is there to be undefined.
    "mcr p15, 0, r0, c1, c0, 0", "mrc p15, 0, r0, c1, c0, 0", "cdp p1, 0, c0, c0, c0",
    "ldc p1, c0, [r0]", "mcrr p1, 0, r0, r1, c0", "bxns r0", "blxns r0", "tta r0, r1",
    "ttat r0, r1", "vlldm r0", "vlstm r0", "udf #1", "hvc #0",
]  # fmt: skip


def taken(command: Sequence[str], codes: Sequence[str]) -> list[str]:
    """Those of some snippets that an assembler takes, which tells errors by line."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "all.s")
        head = [".syntax unified", ".thumb"]
        source.write_text("\n".join([*head, *codes]) + "\n")
        done = subprocess.run(
            [*command, "-c", str(source), "-o", str(Path(folder, "all.o"))],
            capture_output=True, text=True,
        )  # fmt: skip
    wrong = {int(line) for line in re.findall(r"all\.s:(\d+):(?:\d+:)? [Ee]rror", done.stderr)}
    return [code for i, code in enumerate(codes, len(head) + 1) if i not in wrong]


@lru_cache
def decoded() -> dict[str, list[Any]]:
    """The instructions of each sample; none where the decoder knows it for no microcontroller."""
    assert COMPILER is not None
    found: dict[str, list[Any]] = {}
    for options in ANY:
        left = [code for code in (*SAMPLES, *DIFFERENT) if code not in found]
        known = taken([COMPILER, *options], left)
        for code, data in zip(known, assembled(known, *options), strict=True):
            instructions = list(decoder().disasm(data, 0))
            complete = sum(instruction.size for instruction in instructions) == len(data)
            found[code] = instructions if complete else []
    assert set(found) == {*SAMPLES, *DIFFERENT}
    return found


@needs_zig
@pytest.mark.parametrize("board", CORES)
def test_a_core_has_what_llvm_takes_for_it(board: str) -> None:
    instructions = InstructionSet.of(load_board(board).core)
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", "thumb-freestanding-eabihf"]
    ours = [
        code for code in SAMPLES if decoded()[code] and all(map(instructions.has, decoded()[code]))
    ]
    assert ours == taken([*zig, f"-mcpu={CORES[board]}", "-ferror-limit=0"], SAMPLES)
    assert len(ours) > 240


@pytest.mark.parametrize("board", CORES)
def test_what_faults_all_the_same(board: str) -> None:
    instructions = InstructionSet.of(load_board(board).core)
    assert not [code for code in DIFFERENT if all(map(instructions.has, decoded()[code]))]


@pytest.mark.parametrize("board", CORES)
@pytest.mark.parametrize("code", ["mrs r0, msplim", "msr psplim, r0", "msr msp_ns, r0"])
def test_stack_limits_are_v8m(board: str, code: str) -> None:
    (data,) = assembled([code], "-mcpu=cortex-m33")
    (instruction,) = decoder().disasm(data, 0)
    has = InstructionSet.of(load_board(board).core).has(instruction)
    assert has == (board == "nucleo_l552ze_q")


def test_every_name_in_the_lists_is_among_the_samples() -> None:
    sampled = {one.insn_name() for code in SAMPLES for one in decoded()[code]}
    # Another name of an encoding that is sampled: movs of two low registers.
    assert instruction_names() - sampled <= {"movs", "adr", "vldmdb", "vstmdb"}


def test_what_needs_the_fpu_is_told() -> None:
    instructions = InstructionSet.of(load_board("nucleo_l496zg").core)
    for code in ("vadd.f32 s0, s1, s2", "vldr s0, [r0]", "vmrs r0, fpscr", "vpush {d8}"):
        assert instructions.is_float(decoded()[code][0])
    for code in ("add r0, r1, r2", "ldr r0, [r1]", "smlad r0, r1, r2, r3"):
        assert not instructions.is_float(decoded()[code][0])
