"""The reference implementations' own counters, hooked into a virtual board while it runs.

Both see the same run, so their cycles between two readings of the cycle counter can be compared.
The references lie beside the checkout and are no part of it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import capstone
import numpy as np
import pytest
import unicorn
from unicorn.unicorn_py3.unicorn import uclib

from hwnas.boards import BoardSpec, Flash
from hwnas.device import BoardClient
from hwnas.firmware import find_image, pool_contents
from hwnas.network import Network
from hwnas.plan import PoolLayout, compile_plan
from hwnas.virtual import VirtualBoard
from hwnas.virtual.timing._instructions import root_of

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "timing"
FLASH = 0x0800_0000


def load(name: str, flash: int = FLASH) -> ModuleType:
    """A reference by its file's name, for chips whose flash begins at an address.

    The address is a constant of its file, and of the hooks that are compiled when it is loaded.
    """
    path = FOLDER / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"reference_{name}", path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    source = path.read_text(encoding="utf-8").replace("0x08000000", f"{flash:#010x}")
    exec(compile(source, path, "exec"), module.__dict__)
    return module


def tell_last_operands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has capstone tell what it leaves out: that some instructions read their last operand.

    The reference of the Cortex-M7 believes it; with that mended, it agrees with hwnas.
    """
    known = capstone.CsInsn.regs_access

    def told(instruction: Any) -> tuple[list[int], list[int]]:
        read, written = known(instruction)
        if not root_of(instruction).startswith(("ssat", "usat", "sxta", "uxta", "pkh")):
            return read, written
        return [*read, instruction.operands[-1].reg], written

    monkeypatch.setattr(capstone.CsInsn, "regs_access", told)


class Readings:
    """Cycles between consecutive readings of a board's cycle counter: its own, and a reference's.

    Attributes:
        ours: Of the board.
        theirs: Of the reference.
    """

    def __init__(self, board: VirtualBoard) -> None:
        self.ours: list[int] = []
        self.theirs: list[float] = []
        self._last = 0
        # The counter asks for cycles at each reading; the reference is asked at the same moment.
        dwt: Any = board._chip.dwt
        self._read = dwt._cycles
        dwt._cycles = self._reading

    def since(self) -> float:
        """The reference's cycles since the reading before."""
        raise NotImplementedError

    def _reading(self) -> int:
        cycles = self._read()
        self.ours.append(cycles - self._last)
        self.theirs.append(self.since())
        self._last = cycles
        return int(cycles)


class BlockReadings(Readings):
    """Those of ``cortex_m4.py``, which knows the Cortex-M33, too.

    Args:
        board: The board.
        flash: Its flash.
        name: What the reference calls it.
    """

    def __init__(self, board: VirtualBoard, flash: Flash, name: str) -> None:
        super().__init__(board)
        reference = load("cortex_m4", flash.base)
        engine: Any = board._machine._engine
        machine = self.machine = reference.Machine.__new__(reference.Machine)
        machine.board = reference.BOARDS[name]
        machine.core, machine.uc, machine.static = machine.board["core"], engine, {}
        machine.s = np.zeros(reference.TOTAL, np.int64)
        header = [reference.IN, reference.ISH, reference.DN, reference.DSH]
        machine.s[header] = [*machine.board["icache"], *machine.board["dcache"]]
        machine.s[[reference.FLO, reference.FHI]] = flash.base, flash.base + flash.size_bytes
        machine._hook(unicorn.UC_HOOK_BLOCK, reference._on_block)
        machine._hook(unicorn.UC_HOOK_MEM_READ, reference._on_read)
        machine.reset()
        self._before = 0.0

    def since(self) -> float:
        now = float(self.machine.cycles())
        before, self._before = self._before, now
        return now - before


def block_readings(
    spec: BoardSpec, name: str, networks: Iterable[Network]
) -> Iterator[BlockReadings]:
    """The readings of each network, layer by layer, on a board with the real firmware.

    In exact mode: the board's own hooks on memory undo what hooks do to accesses in IT blocks.
    """
    image = find_image(spec)
    pool = PoolLayout.for_region(image.manifest.parameter_bytes)
    with (
        VirtualBoard(spec, image.elf, pool_contents(image.manifest), exact=True) as board,
        BoardClient(board) as client,
    ):
        readings = BlockReadings(board, spec.flash, name)
        for network in networks:
            plan = compile_plan(network, pool=pool)
            client.load(plan.data)
            del readings.ours[:], readings.theirs[:]
            client.run(warmup=0, per_layer=True, step_count=len(plan.step_nodes))
            yield readings


class EdgeReadings(Readings):
    """Those of ``cortex_m7.py``."""

    def __init__(self, board: VirtualBoard, reference: ModuleType, dtcm_bytes: int) -> None:
        super().__init__(board)
        self.reference = reference
        engine: Any = board._machine._engine
        # The reference's hook looks for instructions in flash by its address in this process.
        code = board._machine.code
        self._flash = np.zeros(reference.FSZ, np.uint8)
        self._flash[: len(code)] = np.frombuffer(code, np.uint8)
        state = self.state = np.zeros(reference.TOTAL, np.int64)
        state[[1, 2, 17, 23]] = -1, 1, 1, 1
        state[24] = self._flash.ctypes.data
        state[25], state[26] = 127, 255
        state[27] = reference.DTCM0 + dtcm_bytes
        memory = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
        for kind, hook in ((unicorn.UC_HOOK_BLOCK, reference.on_block), (memory, reference.on_mem)):
            handle = ctypes.c_size_t()
            assert not uclib.uc_hook_add(
                engine._uch, ctypes.byref(handle), kind,
                ctypes.cast(hook.address, ctypes.c_void_p),
                ctypes.c_void_p(state.ctypes.data), ctypes.c_uint64(1), ctypes.c_uint64(0),
            )  # fmt: skip

    def since(self) -> float:
        total = self.reference.Coster(self.profile(), self.reference.Params).total()
        state, r = self.state, self.reference
        state[6:17] = 0
        state[19:21] = 0
        state[r.O_EC : r.O_EC + 2 * r.EH] = 0
        state[r.O_PS : r.O_PS + 2 * r.MAXB * r.NORD] = 0
        state[r.O_UA : r.O_UA + 2 * r.MAXB] = 0
        return float(total["total"])

    def profile(self) -> Any:
        """What the reference's hooks counted, as its pricing wants it."""
        state, r = self.state, self.reference
        result = r.Profile()
        count = int(state[2])
        result.start = state[r.O_START : r.O_START + count]
        result.size = state[r.O_SIZE : r.O_SIZE + count]
        keys = state[r.O_EK : r.O_EK + r.EH]
        used = np.nonzero(state[r.O_EC : r.O_EC + r.EH])[0]
        pairs = [(int(keys[i]) - 1) for i in used]
        result.edges = [
            (pair >> 15, pair & r.MAXB - 1, int(state[r.O_EC + i]), int(state[r.O_EM + i]))
            for i, pair in zip(used, pairs, strict=True)
        ]
        result.same = state[r.O_PS :][: count * r.NORD].reshape(-1, r.NORD)
        result.tot = state[r.O_PT :][: count * r.NORD].reshape(-1, r.NORD)
        result.c = {"imiss": int(state[6]), "dmiss_flash": int(state[7]),
                    "dmiss_sram": int(state[8]), "ua_ld": int(state[11])}  # fmt: skip
        flash = self._flash.tobytes()
        result.code = {
            block: flash[int(result.start[block]) - FLASH :][: int(result.size[block])]
            for block in range(1, count)
        }
        return result
