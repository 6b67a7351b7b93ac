"""What shapes tell of RAM and flash, against image, symbols and what the firmware accepts."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from flat_models import random_model
from networks import WHOLE
from oracle import read_model

from hwnas.boards import load_board
from hwnas.cost import RuntimeFootprint, StaticCost, static_cost
from hwnas.device import BoardClient
from hwnas.errors import PlanError
from hwnas.firmware import FirmwareImage, find_image
from hwnas.network import Network
from hwnas.opening import open_backend
from hwnas.plan import ExecutionPlan, PoolLayout, compile_plan
from hwnas.virtual import VirtualBoard

BOARD = load_board("nucleo_l496zg")
ARENA_BYTES_AT, PARAMETER_BYTES_AT = 16, 32
"""Fields of a plan's header, which its CRC does not cover."""
ALIGNMENT = 16


@pytest.fixture(scope="module")
def image() -> FirmwareImage:
    return find_image(BOARD)


@pytest.fixture(scope="module")
def elf(image: FirmwareImage) -> Iterator[Any]:
    with image.elf.open("rb") as stream:
        yield ELFFile(stream)


@pytest.fixture(scope="module")
def footprint() -> RuntimeFootprint:
    with open_backend(BOARD.name) as backend:
        return backend.footprint


def deployed(
    name: str, footprint: RuntimeFootprint | None = None
) -> tuple[StaticCost, ExecutionPlan]:
    """A network with parameters of its own, in flash, and what was told of it before."""
    model = read_model(random_model(WHOLE[name](), 0))
    plan = compile_plan(model.network, parameters=model.parameters)
    return static_cost(model.network, footprint), plan


def test_flash_is_what_is_programmed(elf: Any, footprint: RuntimeFootprint) -> None:
    """The image's loaded bytes, without the kernel sets that run nothing; parameters; the plan."""
    loaded = sum(segment["p_filesz"] for segment in elf.iter_segments("PT_LOAD"))
    others = sum(
        elf.get_section_by_name(f".{name}")["sh_size"] for name in ("reference", "float32")
    )
    assert footprint.flash_bytes == loaded - others
    for name in WHOLE:
        cost, plan = deployed(name, footprint)
        assert cost.flash_bytes == loaded - others + len(plan.parameter_data) + len(plan.data)


def test_ram_is_stack_variables_and_arena(elf: Any, footprint: RuntimeFootprint) -> None:
    symbols = {s.name: s["st_value"] for s in elf.get_section_by_name(".symtab").iter_symbols()}
    stack = symbols["stack_end"] - BOARD.ram.base
    variables = symbols["bss_end"] - symbols["bss_start"]
    aligned = -(-(stack + variables) // 32) * 32  # where the arena starts
    assert footprint.ram_bytes == aligned == symbols["workspace_start"] - BOARD.ram.base
    for name in WHOLE:
        cost, plan = deployed(name, footprint)
        assert cost.ram_bytes == aligned + plan.arena_bytes


def test_the_arena_lies_behind_the_firmwares_own_ram(
    image: FirmwareImage, footprint: RuntimeFootprint
) -> None:
    with BoardClient(VirtualBoard(BOARD, image.elf)) as client:
        info = client.hello()
    assert info.workspace_base == BOARD.ram.base + footprint.ram_bytes
    assert info.workspace_bytes == BOARD.ram.size_bytes - footprint.ram_bytes


def less(plan: bytes, at: int, by: int) -> bytes:
    (value,) = struct.unpack_from("<I", plan, at)
    return plan[:at] + struct.pack("<I", value - by) + plan[at + 4 :]


@pytest.mark.parametrize("name", WHOLE)
def test_the_firmware_uses_all_of_arena_and_parameters(image: FirmwareImage, name: str) -> None:
    """It accepts a plan with what the cost says, and refuses it with less of either."""
    cost, plan = deployed(name)
    header = struct.unpack_from("<I", plan.data, ARENA_BYTES_AT)
    header += struct.unpack_from("<I", plan.data, PARAMETER_BYTES_AT)
    assert header == (cost.arena_bytes, cost.parameter_bytes)
    flash = {image.manifest.parameter_base: plan.parameter_data}
    board = VirtualBoard(replace(BOARD, timing=None), image.elf, flash)
    with BoardClient(board) as client:
        client.load(plan.data)
        for at, step in ((ARENA_BYTES_AT, 1), (ARENA_BYTES_AT, ALIGNMENT)):
            with pytest.raises(PlanError):
                client.load(less(plan.data, at, step))
        # What the last parameter leaves of its alignment is padding, which nothing reads.
        with pytest.raises(PlanError):
            client.load(less(plan.data, PARAMETER_BYTES_AT, 32))


@pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE)
def test_a_plan_that_measures_lies_in_ram(
    image: FirmwareImage, make: Callable[[], Network]
) -> None:
    """With the arena, in one workspace; the parameters are the pool's."""
    network = make()
    pool = PoolLayout.for_region(image.manifest.parameter_bytes)
    plan = compile_plan(network, pool=pool)
    assert len(plan.data) == static_cost(network).plan_bytes
    with BoardClient(VirtualBoard(replace(BOARD, timing=None), image.elf)) as client:
        info = client.hello()
        room = (info.workspace_bytes - len(plan.data)) // ALIGNMENT * ALIGNMENT
        client.load(less(plan.data, ARENA_BYTES_AT, plan.arena_bytes - room))
        with pytest.raises(PlanError):
            client.load(less(plan.data, ARENA_BYTES_AT, plan.arena_bytes - room - ALIGNMENT))
