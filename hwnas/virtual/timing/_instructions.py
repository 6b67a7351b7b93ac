"""What the core models ask of a decoded instruction."""

from __future__ import annotations

from typing import Any, Final

from capstone import arm

LOADS: Final = frozenset({"ldr", "ldrb", "ldrh", "ldrsb", "ldrsh"})
STORES: Final = frozenset({"str", "strb", "strh"})
PAIRS: Final = frozenset({"ldrd", "strd"})
_CONDITIONS: Final = frozenset(
    ["eq", "ne", "hs", "lo", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le"]
)
_FLOAT_MACS: Final = frozenset({"vmla", "vmls", "vfma", "vfms", "vnmla", "vnmls", "vfnma", "vfnms"})
_FLOAT_CYCLES: Final = {"vdiv": 14, "vsqrt": 14} | dict.fromkeys(_FLOAT_MACS, 3)


def root_of(instruction: Any) -> str:
    """The mnemonic without width and condition."""
    root: str = instruction.mnemonic.split(".")[0]
    return root[:-2] if is_conditional(instruction) and root[-2:] in _CONDITIONS else root


def is_conditional(instruction: Any) -> bool:
    """Whether it is executed under a condition only."""
    return instruction.cc not in (arm.ARM_CC_AL, arm.ARM_CC_INVALID)


def memory_of(instruction: Any) -> Any:
    """The memory operand, or ``None``."""
    return next((x.mem for x in instruction.operands if x.type == arm.ARM_OP_MEM), None)


def registers_of(instruction: Any) -> list[int]:
    """Register operands, the base of a load of many included."""
    return [x.reg for x in instruction.operands if x.type == arm.ARM_OP_REG]


def float_cycles(root: str, instruction: Any) -> int:
    """Cycles of single-precision instructions on a Cortex-M4, 1 for all others; not validated.

    From Arm's Cortex-M4 manual, the table of FPU instructions, and LLVM's ARMScheduleM4.td.
    """
    if root in ("vldr", "vstr"):
        return 3 if instruction.op_str.startswith("d") else 2
    if root.startswith(("vldm", "vstm")):
        return len(registers_of(instruction))
    if root in ("vpush", "vpop"):
        return 1 + len(registers_of(instruction))
    if root == "vmov" and len(registers_of(instruction)) >= 3:
        return 2
    return _FLOAT_CYCLES.get(root, 1)
