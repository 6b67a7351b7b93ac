"""Looks at each block of code before it runs for the first time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from capstone import arm

from hwnas.boards import BoardSpec
from hwnas.virtual.code import decoder
from hwnas.virtual.guest._instruction_set import InstructionSet

_STORES: Final = ("str", "stm", "push", "vst", "vpush")


class Admission:
    """Decodes blocks, and tells what keeps one from running on the board's core.

    Args:
        spec: The board.
        code: All of the code.
        fpu_on: Tells whether the image has switched the FPU on.
    """

    def __init__(self, spec: BoardSpec, code: bytes, fpu_on: Callable[[], bool]) -> None:
        self._base = spec.flash.base
        self._code = code
        self._decoder = decoder()
        self._set = InstructionSet.of(spec.core)
        self._fpu_on = fpu_on

    def decode(self, address: int, size: int) -> list[Any]:
        """The instructions of a block, up to where the bytes are none.

        Args:
            address: Of the block.
            size: Of the block, in bytes.
        """
        start = address - self._base
        return list(self._decoder.disasm(self._code[start : start + size], address))

    def refusal(
        self, instructions: Sequence[Any], address: int, size: int
    ) -> tuple[int, str] | None:
        """The first instruction of a block that the core would not execute, and why.

        Args:
            instructions: Of the block, up to where its bytes are none.
            address: Of the block.
            size: Of the block, in bytes.
        """
        stores = False
        for instruction in instructions:
            if not self._set.has(instruction):
                return instruction.address, (
                    f"{_text(instruction)} is no instruction that a {self._set.core} has"
                )
            # One that was switched on by the block itself is not known to be on yet.
            if self._set.is_float(instruction) and not stores and not self._fpu_on():
                return instruction.address, (
                    f"{_text(instruction)} uses the FPU, which the image has not switched on in "
                    "CPACR: the core would take a fault"
                )
            stores |= instruction.mnemonic.startswith(_STORES)
        end = address + sum(instruction.size for instruction in instructions)
        if end < address + size:
            return end, f"the bytes there are no instruction that a {self._set.core} has"
        return None

    @staticmethod
    def is_endless(instructions: Sequence[Any]) -> bool:
        """Whether a block does nothing but branch to itself."""
        first = instructions[0]
        return (
            len(instructions) == 1
            and first.insn_name() == "b"
            and first.cc in (arm.ARM_CC_AL, arm.ARM_CC_INVALID)
            and first.operands[0].imm == first.address
        )


def _text(instruction: Any) -> str:
    return f"{instruction.mnemonic} {instruction.op_str}".strip()
