"""The firmware on the reference implementation of the timing model, behind the client's seam.

The reference lies beside the checkout and is no part of it. It knows no peripherals: its bus is
plain memory. So reads of the few registers that the firmware waits for are answered here.
"""

from __future__ import annotations

import importlib.util
import struct
from collections import deque
from pathlib import Path
from types import ModuleType
from typing import Any

import unicorn
from unicorn import arm_const

from hwnas.device import Transport

SOURCE = Path(__file__).resolve().parents[2] / "shared" / "timing" / "cortex_m4.py"
BOARD = "nucleo_l496zg"
FLASH = 0x0800_0000
RCC_CR, RCC_CFGR = 0x4002_1000, 0x4002_1008
LPUART_ISR, LPUART_RDR, LPUART_TDR = 0x4000_801C, 0x4000_8024, 0x4000_8028
CYCCNT = 0xE000_1004
GPIO, GPIO_BYTES = 0x4800_0000, 0x4000
IDLE_POLLS = 50
IT_STATE = 0x0600_FC00
"""Bits of CPSR."""


def load_reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_cortex_m4", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ReferenceBoard(Transport):
    """Runs firmware for the NUCLEO-L496ZG; its CYCCNT shows the reference's cycles."""

    def __init__(self, reference: ModuleType, elf: Path, flash: dict[int, bytes]) -> None:
        self.machine = reference.Machine(str(elf), reference.BOARDS[BOARD])
        engine = self.machine.uc
        engine.mem_map(GPIO, GPIO_BYTES)
        for address, data in flash.items():
            engine.mem_write(address, data)
        self._incoming: deque[int] = deque()
        self._outgoing = bytearray()
        self._polls = 0
        for address, answer in (
            (RCC_CR, self._clocks_are_ready),
            (RCC_CFGR, self._clock_is_switched),
            (LPUART_ISR, self._status),
            (LPUART_RDR, self._incoming.popleft),
            (CYCCNT, self._cycles),
        ):
            engine.hook_add(unicorn.UC_HOOK_MEM_READ, self._answer, answer, address, address + 3)
        engine.hook_add(unicorn.UC_HOOK_MEM_WRITE, self._send, None, LPUART_TDR, LPUART_TDR + 3)
        engine.hook_add(unicorn.UC_HOOK_MEM_READ, self._leave_it_block)
        stack, self._pc = struct.unpack("<II", engine.mem_read(FLASH, 8))
        engine.reg_write(arm_const.UC_ARM_REG_SP, stack)

    def write(self, data: bytes) -> None:
        self._incoming.extend(data)
        self._polls = 0

    def read(self, timeout_s: float) -> bytes:
        if self._polls <= IDLE_POLLS:
            self.machine.uc.emu_start(self._pc | 1, 0xFFFF_FFFE)
            self._pc = self.machine.uc.reg_read(arm_const.UC_ARM_REG_PC)
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def close(self) -> None:
        pass

    def _word(self, address: int) -> int:
        return int.from_bytes(self.machine.uc.mem_read(address, 4), "little")

    def _clocks_are_ready(self) -> int:
        return self._word(RCC_CR) | 1 << 10 | 1 << 25

    def _clock_is_switched(self) -> int:
        return self._word(RCC_CFGR) | 3 << 2

    def _status(self) -> int:
        if self._incoming:
            return 1 << 7 | 1 << 6 | 1 << 5
        self._polls += 1
        if self._polls > IDLE_POLLS:
            self.machine.uc.emu_stop()
        return 1 << 7 | 1 << 6

    def _cycles(self) -> int:
        return int(self.machine.cycles()) & 0xFFFF_FFFF

    def _leave_it_block(
        self, engine: Any, kind: int, address: int, size: int, value: int, data: Any
    ) -> bool:
        """Without this, code behind an access in an IT block runs conditionally (Unicorn 2.1.4)."""
        state = engine.reg_read(arm_const.UC_ARM_REG_CPSR)
        if state & IT_STATE:
            engine.reg_write(arm_const.UC_ARM_REG_CPSR, state & ~IT_STATE)
        return True

    def _answer(
        self, engine: Any, kind: int, address: int, size: int, value: int, answer: Any
    ) -> bool:
        engine.mem_write(address, struct.pack("<I", answer()))
        return True

    def _send(self, engine: Any, kind: int, address: int, size: int, value: int, data: Any) -> bool:
        self._outgoing.append(value & 0xFF)
        return True
