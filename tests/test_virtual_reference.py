"""The virtual board against the reference implementation of its timing model.

The reference counts by hooks of its own and prices by code of its own. What the two do otherwise
than each other is rounding: a reading of the virtual board drops the fraction of a cycle since
the reading before, one of the reference the fraction of all cycles so far.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from networks import residual, separable
from reference_board import BOARD, SOURCE, ReferenceBoard, load_reference
from virtual.build import RESULTS, build, needs_compiler

from hwnas.backend import BoardBackend
from hwnas.boards import load_board
from hwnas.device import BoardClient, RunResult
from hwnas.elf import Image
from hwnas.network import Network
from hwnas.plan import DEFAULT_SEED, ExecutionPlan, ParameterPool, PoolLayout, compile_plan
from hwnas.virtual import BlockCount, VirtualBoard
from hwnas.virtual.code import decoder
from hwnas.virtual.timing import CortexM4

pytestmark = pytest.mark.skipif(
    not SOURCE.exists(), reason="the reference implementation does not lie beside the checkout"
)
TOLERANCE = 0.001
ROUNDING = 1
"""Cycles by which two readings' difference may be off."""


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    return load_reference()


@pytest.fixture(scope="module")
def flash(backend: BoardBackend) -> dict[int, bytes]:
    """What stands in flash beside the firmware."""
    manifest = backend.image.manifest
    pool = ParameterPool(DEFAULT_SEED, manifest.parameter_bytes)
    return {manifest.parameter_base - len(pool.header()): pool.header() + pool.data}


@pytest.fixture(scope="module")
def peer(
    reference: ModuleType, backend: BoardBackend, flash: dict[int, bytes]
) -> Iterator[BoardClient]:
    with BoardClient(ReferenceBoard(reference, backend.image.elf, flash)) as client:
        yield client


def compiled(network: Network, backend: BoardBackend) -> ExecutionPlan:
    pool = PoolLayout.for_region(backend.image.manifest.parameter_bytes)
    return compile_plan(network, pool=pool)


def measured(client: BoardClient, plan: ExecutionPlan, *, per_layer: bool) -> RunResult:
    client.load(plan.data)
    return client.run(warmup=1, repeats=1, per_layer=per_layer, step_count=len(plan.step_nodes))


@pytest.fixture(params=["lenet", "separable", "residual"])
def network(request: pytest.FixtureRequest, lenet: Network) -> Network:
    return {"lenet": lenet, "separable": separable(), "residual": residual()}[request.param]


def test_the_firmware_measures_the_same_cycles_in_both(
    network: Network, backend: BoardBackend, peer: BoardClient
) -> None:
    plan = compiled(network, backend)
    ours = measured(backend.open(), plan, per_layer=True)
    theirs = measured(peer, plan, per_layer=True)
    assert ours.layer_cycles.shape == (1, len(plan.step_nodes))
    assert abs(ours.layer_cycles - theirs.layer_cycles).max() <= ROUNDING
    assert ours.total_cycles[0] == pytest.approx(theirs.total_cycles[0], rel=TOLERANCE)
    assert abs(ours.total_cycles[0] - theirs.total_cycles[0]) <= ROUNDING * len(plan.step_nodes)


def test_end_to_end_runs_agree_to_the_cycle(
    lenet: Network, backend: BoardBackend, peer: BoardClient
) -> None:
    plan = compiled(lenet, backend)
    ours = measured(backend.open(), plan, per_layer=False)
    theirs = measured(peer, plan, per_layer=False)
    assert abs(ours.total_cycles[0] - theirs.total_cycles[0]) <= ROUNDING


def reference_cycles(
    reference: ModuleType, image: Image, blocks: tuple[BlockCount, ...]
) -> tuple[float, int]:
    """Cycles of counted blocks by the reference's prices, and their instructions."""
    board, decode = reference.BOARDS[BOARD], decoder()
    costs = reference.M4 | {
        "fread": board["fread"],
        "iline": board["line"],
        "fline": board["line"],
    }
    cycles, instructions = 0.0, 0
    for block in blocks:
        events = reference.block_m4(list(decode.disasm(code_of(image, block), block.address)))
        instructions += events["insn"] * block.executions
        cycles += block.executions * sum(events[name] * costs.get(name, 0) for name in events)
        cycles += (
            block.taken * costs["taken"]
            + block.instruction_lines * costs["iline"]
            + block.flash_reads * costs["fread"]
            + block.data_lines * costs["fline"]
            + block.unaligned * costs["unaligned"]
        )
    return cycles, instructions


def code_of(image: Image, block: BlockCount) -> bytes:
    for segment in image.segments:
        if segment.address <= block.address < segment.end:
            start = block.address - segment.address
            return segment.data[start : start + block.size_bytes]
    raise AssertionError(f"no code at {block.address:#x}")


def test_counted_blocks_cost_what_the_reference_says(
    reference: ModuleType, backend: BoardBackend, flash: dict[int, bytes], network: Network
) -> None:
    image = Image.read(backend.image.elf)
    with VirtualBoard(load_board(BOARD), backend.image.elf, flash) as board:
        client = BoardClient(board)
        plan = compiled(network, backend)
        client.load(plan.data)
        client.run(step_count=len(plan.step_nodes))
        cycles, instructions = reference_cycles(reference, image, board.block_counts)
        assert board.instructions == instructions > 100_000
        # Boot, protocol and inference, with the fractions that some readings dropped.
        assert board.cycles == pytest.approx(cycles, rel=TOLERANCE / 10)


def test_all_code_of_the_firmware_costs_the_same_in_both(
    reference: ModuleType, backend: BoardBackend
) -> None:
    # Also what no plan here runs, in pieces of every length up to 12 instructions.
    image = Image.read(backend.image.elf)
    (segment, *_) = (segment for segment in image.segments if segment.executable)
    end = len(segment.data)
    priced = 0
    starts = [address - segment.address for address, _ in image.functions]
    for start, following in zip(starts, [*starts[1:], end], strict=True):
        decoded = list(decoder().disasm(segment.data[start:following], segment.address + start))
        for i, instruction in enumerate(decoded):
            piece = decoded[i : i + 1 + i % 12]
            events = reference.block_m4(piece)
            expected = sum(events[name] * reference.M4.get(name, 0) for name in events)
            assert CortexM4().block_cost(piece).cycles == expected, hex(instruction.address)
            priced += 1
    assert priced > 3000


BARE_METAL = """
typedef unsigned u32; typedef int i32; typedef signed char i8; typedef unsigned char u8;
#define CYCCNT (*(volatile u32 *)0xE0001004)
__attribute__((section(".results"))) u32 results[24];
static i8 image[4096]; static float floats[64]; static u32 words[256];
static const i8 filter[256] = {[0] = 3, [17] = -7, [40] = 99, [100] = -128, [255] = 1};
static const u32 table[64] = {[1] = 5, [9] = 70, [33] = 1u << 30};
#define WORK __attribute__((noinline)) static u32

WORK convolve(void) {
    i32 sum = 0;
    for (u32 y = 0; y < 15; y++)
        for (u32 x = 0; x < 256; x++) sum += image[256 * y + x] * filter[x];
    return sum;
}
WORK gather(void) {
    u32 sum = 1;
    for (u32 i = 0; i < 500; i++) sum = sum * 33 + table[(sum >> 7) & 63] + words[sum & 255];
    return sum;
}
WORK unaligned(void) {
    u32 sum = 0, word;
    for (u32 i = 0; i < 1000; i++) {
        __builtin_memcpy(&word, image + i, 4);
        sum ^= word + i;
    }
    return sum;
}
WORK mean(void) {
    float sum = 0.5f;
    for (u32 i = 0; i < 64; i++) {
        floats[i] = floats[i] * 0.75f + (float)image[i] / (float)(i + 1);
        float root;
        __asm("vsqrt.f32 %0, %1" : "=t"(root) : "t"(floats[i] * floats[i]));
        sum += root;
    }
    return (u32)(sum * 1000.0f);
}
WORK divide(void) {
    u32 sum = 0;
    for (u32 i = 1; i < 300; i++) sum += 123456789u / i + (u32)((i32)-98765 / (i32)i);
    return sum;
}
WORK decide(void) {
    u32 sum = 0;
    for (u32 i = 0; i < 400; i++) {
        switch ((sum ^ i) % 9u) {
        case 0: sum += 3; break;
        case 1: sum ^= i; break;
        case 2: sum -= 7 * i; break;
        case 3: sum = sum << 1 | 1; break;
        case 4: sum += table[i & 63]; break;
        case 5: sum *= 5; break;
        case 6: words[i & 255] += sum; break;
        case 7: sum += words[sum & 255]; break;
        default: sum = ~sum; break;
        }
    }
    return sum;
}
WORK wide(void) {
    unsigned long long sum = 1;
    for (u32 i = 0; i < 255; i++) sum = sum * 0x1234567 + ((unsigned long long)words[i] << 9);
    return (u32)(sum >> 32) ^ (u32)sum;
}
WORK calls(u32 n) { return n < 2 ? n : calls(n - 1) + calls(n - 2); }
WORK fibonacci(void) { return calls(12); }

static u32 (*const work[])(void) = {
    convolve, gather, unaligned, mean, divide, decide, wide, fibonacci,
};
void main(void) {
    for (u32 i = 0; i < sizeof image; i++) image[i] = (i8)(i * 37u >> 2);
    for (u32 i = 0; i < 256; i++) words[i] = i * 2654435761u;
    for (u32 i = 0; i < 8; i++) {
        work[i]();                      /* warms the caches: the two machines boot differently */
        u32 start = CYCCNT;
        u32 value = work[i]();
        results[2 * i] = CYCCNT - start;
        results[2 * i + 1] = value;
    }
}
"""


@needs_compiler
def test_bare_metal_code_takes_the_same_cycles_in_both(
    reference: ModuleType, tmp_path: Path
) -> None:
    elf = build(BARE_METAL, "c")
    with VirtualBoard(load_board(BOARD), elf) as board:
        board.read(20)
        ours = struct.unpack("<16I", board.memory(RESULTS, 64))
    path = tmp_path / "main.elf"
    path.write_bytes(elf)
    with ReferenceBoard(reference, path, {}) as peer:
        peer.read(20)
        theirs = struct.unpack("<16I", peer.machine.uc.mem_read(RESULTS, 64))
    assert ours[1::2] == theirs[1::2]
    for one, other in zip(ours[::2], theirs[::2], strict=True):
        assert one > 1000
        assert abs(one - other) <= ROUNDING
    # Each function's cycles are its own.
    assert len(set(ours[::2])) == 8
