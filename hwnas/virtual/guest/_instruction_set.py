"""Which instructions a core has: the emulator runs some that it lacks."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from capstone import arm

from hwnas.boards import Core

_SINGLE: Final = frozenset({"f32", "s32", "u32", "s16", "u16", "32", "w", "n"})
_DOUBLE: Final = frozenset({"f64"})
_HALF: Final = frozenset({"vcvtb", "vcvtt"})
"""What converts from and to half precision: no other instruction knows it."""
_MOVES: Final = frozenset(
    ["vldmia", "vldmdb", "vstmia", "vstmdb", "vldr", "vstr", "vpush", "vpop", "vmov", "fmdhr"]
)
"""What may name a double register without double precision: it moves 64 bits."""
_SPECIAL_MOVES: Final = frozenset({"mrs", "msr"})
_V8M_SPECIAL: Final = ("msplim", "psplim", "_ns")
_DOUBLES: Final = frozenset(range(arm.ARM_REG_D0, arm.ARM_REG_D15 + 1))
_VECTORS: Final = frozenset(
    [
        *range(arm.ARM_REG_D16, arm.ARM_REG_D31 + 1),
        *range(arm.ARM_REG_Q0, arm.ARM_REG_Q15 + 1),
    ]
)
"""Registers that only a vector extension has, which no core here has."""
_INTEGER: Final = {
    "cortex-m4": ("v7m", "dsp"),
    "cortex-m7": ("v7m", "dsp"),
    "cortex-m33": ("v7m", "dsp", "v8m"),
}
_FLOAT: Final = {
    "cortex-m4": ("fpv4",),
    "cortex-m7": ("fpv4", "fpv5"),
    "cortex-m33": ("fpv4", "fpv5"),
}


@dataclass(frozen=True)
class InstructionSet:
    """What a core can execute.

    Attributes:
        core: The core's name.
        names: Its instructions, without the FPU's.
        float_names: The FPU's instructions, none where it has no FPU.
        float_types: Data types that those may have.
    """

    core: str
    names: frozenset[str]
    float_names: frozenset[str]
    float_types: frozenset[str]

    @classmethod
    def of(cls, core: Core) -> Self:
        """The instructions of a board's core, one of those that have a cycle model."""
        floats = _names(*_FLOAT[core.name]) if core.fpu != "none" else frozenset()
        types = _SINGLE | _DOUBLE if core.fpu == "double" else _SINGLE
        return cls(core.name, _names(*_INTEGER[core.name]), floats, types)

    def has(self, instruction: Any) -> bool:
        """Whether the core has an instruction, decoded by capstone with details."""
        name = instruction.insn_name()
        if name in self.names:
            special = instruction.op_str if name in _SPECIAL_MOVES else ""
            return self.names >= _names("v8m") or not any(part in special for part in _V8M_SPECIAL)
        return name in self.float_names and self._has_types(name, instruction)

    def is_float(self, instruction: Any) -> bool:
        """Whether an instruction needs the FPU to be on."""
        return instruction.insn_name() in self.float_names

    def _has_types(self, name: str, instruction: Any) -> bool:
        types = set(instruction.mnemonic.split(".")[1:])
        allowed = self.float_types | {"f16"} if name in _HALF else self.float_types
        if not types <= allowed:
            return False
        registers = {x.reg for x in instruction.operands if x.type == arm.ARM_OP_REG}
        if types & _DOUBLE or (name in _MOVES and types <= {"32"}):
            registers -= _DOUBLES
        return not registers & (_DOUBLES | _VECTORS)


def instruction_names() -> frozenset[str]:
    """All names in the lists."""
    return _names(*_lists())


def _names(*groups: str) -> frozenset[str]:
    return frozenset(name for group in groups for name in _lists()[group]["names"].split())


@cache
def _lists() -> dict[str, dict[str, str]]:
    path = Path(__file__).with_name("instructions.toml")
    lists: dict[str, dict[str, str]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return lists
