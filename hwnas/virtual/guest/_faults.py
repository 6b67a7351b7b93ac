"""What it means that the emulator stopped: a fault of the image, told so that it helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from unicorn import unicorn_const

from hwnas.errors import ImageFault

BREAKPOINT: Final = 7
"""The emulator's number of the exception that BKPT makes."""
_SUPERVISOR_CALL, _FETCH, _RETURN = 2, 3, 8
_EXCEPTION_RETURNS: Final = 0xFFFF_FF00
"""Armv7-M manual, B1.5.8: a branch to one of these ends an exception."""
_HALFWORD: Final = 2
_NO_HANDLERS: Final = "needs exceptions, and handlers are not modelled"
_FETCH_ERRORS: Final = frozenset(
    [unicorn_const.UC_ERR_FETCH_UNMAPPED, unicorn_const.UC_ERR_FETCH_PROT]
)
ACCESS_ERRORS: Final = frozenset(
    [
        unicorn_const.UC_ERR_READ_UNMAPPED, unicorn_const.UC_ERR_WRITE_UNMAPPED,
        unicorn_const.UC_ERR_READ_PROT, unicorn_const.UC_ERR_WRITE_PROT,
    ]
)  # fmt: skip
"""Those of the emulator's errors that an access to memory makes."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What an image did.

    Attributes:
        kind: Its kind.
        what: For people.
        address: Of the instruction; ``None`` where only the block is known from which the core went
            astray.
    """

    kind: ImageFault
    what: str
    address: int | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the emulator stopped.

    Attributes:
        pc: The program counter.
        is_thumb: Whether the core is in the only state that it has.
        in_ram: Whether the program counter is in RAM.
        core: The core's name.
        access: The last access to memory that could not be.
    """

    pc: int
    is_thumb: bool
    in_ram: bool
    core: str
    access: str

    def after_exception(self, number: int) -> Fault:
        """The fault behind an exception, by the emulator's number of it."""
        if number == _SUPERVISOR_CALL:
            return Fault(ImageFault.EXCEPTION, f"SVC {_NO_HANDLERS}", self.pc - _HALFWORD)
        if number == _RETURN or self.pc >= _EXCEPTION_RETURNS:
            what = f"a return from an exception ({self.pc | 1:#010x}) {_NO_HANDLERS}"
            return Fault(ImageFault.EXCEPTION, what)
        return self._jump() if number == _FETCH else self._core_fault()

    def after_error(self, error: int) -> Fault:
        """The fault behind an error of the emulator."""
        if error in _FETCH_ERRORS:
            return self._jump()
        if error in ACCESS_ERRORS:
            what = f"{self.access}, where there is nothing that allows it"
            return Fault(ImageFault.MEMORY, what, self.pc)
        if error != unicorn_const.UC_ERR_INSN_INVALID:
            return self._core_fault()
        if not self.is_thumb:
            return even_branch(self.pc)
        what = f"the instruction is undefined on a {self.core}"
        return Fault(ImageFault.INSTRUCTION, what, self.pc)

    def _core_fault(self) -> Fault:
        return Fault(ImageFault.EXCEPTION, f"a fault of the core {_NO_HANDLERS}", self.pc)

    def _jump(self) -> Fault:
        why = "where the image has no code"
        if self.in_ram:
            why = "in RAM: code there is not modelled, cycles are known in flash"
        return Fault(ImageFault.JUMP, f"a branch to {self.pc:#010x}, {why}")


def even_branch(address: int) -> Fault:
    """A branch to what would be Arm code."""
    return Fault(
        ImageFault.JUMP,
        f"a branch to {address:#010x}, which is even: the core has only Thumb code, which branches "
        "go to at odd addresses",
    )
