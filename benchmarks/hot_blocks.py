"""The hottest blocks of ResNet-20 and LeNet: what hwnas says they cost, and what llvm-mca does.

llvm-mca is no part of the set-up: name one with --mca, like llvm-mca-19 of Debian's llvm-19.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_fast_mode import Bench
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from networks import lenet, resnet20

from hwnas.boards import load_board
from hwnas.elf import Image
from hwnas.firmware import find_image
from hwnas.network import Network
from hwnas.virtual.code import decoder
from hwnas.virtual.timing import BlockModel, Passage, core_model

BOARDS = {
    "nucleo_l496zg": "thumbv7em",
    "nucleo_f767zi": "thumbv7em",
    "nucleo_l552ze_q": "thumbv8m.main",
}
"""With the architecture that LLVM knows their core by."""
NETWORKS = {"ResNet-20": resnet20, "LeNet": lenet}
HOTTEST = 3
ITERATIONS = 100
CONDITIONS = "eq|ne|cs|cc|hs|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le"


@dataclass(frozen=True)
class HotBlock:
    """A block, and its share of the cycles."""

    address: int
    function: str
    instructions: tuple[Any, ...]
    executions: int
    cycles: float


class Core:
    """A board that runs networks, and the prices of its core's blocks."""

    def __init__(self, name: str) -> None:
        spec = load_board(name)
        self._bench = Bench(spec, exact=False)
        self._model = core_model(spec)
        image = Image.read(find_image(spec).elf)
        (self._code,) = (segment for segment in image.segments if segment.executable)
        self._functions = image.functions

    def hottest(self, network: Network) -> tuple[int, list[HotBlock]]:
        """Cycles of a network, and its blocks by what they cost in all."""
        plan = self._bench.plan(network)
        board = self._bench.board
        before = {block.address: block.executions for block in board.block_counts}
        (total,) = self._bench.cycles(plan, per_layer=False)
        blocks = []
        for block in board.block_counts:
            count = block.executions - before.get(block.address, 0)
            if count:
                blocks.append(self._block(block.address, block.size_bytes, count))
        return total, sorted(blocks, key=lambda block: -block.executions * block.cycles)

    def _block(self, address: int, size: int, executions: int) -> HotBlock:
        start = address - self._code.address
        code = tuple(decoder().disasm(self._code.data[start : start + size], address))
        function = next(name for at, name in reversed(self._functions) if at <= address)
        return HotBlock(address, function, code, executions, self._price(code))

    def _price(self, code: Sequence[Any]) -> float:
        """Core cycles, without memory and, on cores without prediction, without the refill."""
        if isinstance(self._model, BlockModel):
            return self._model.block_cost(code).cycles
        passage = Passage(self._model.block(code))
        return self._model.edge_cost([passage] * 3).cycles


def assembly(code: Sequence[Any]) -> str:
    """What llvm-mca can read: IT blocks dissolved, branches to the block's own beginning."""
    lines, conditional = ["block:"], 0
    for instruction in code:
        name = instruction.mnemonic
        if name.startswith("it"):
            conditional = len(name) - 1
            continue
        if conditional:
            root, *width = name.split(".")
            name = ".".join([re.sub(f"({CONDITIONS})$", "", root), *width])
            conditional -= 1
        operands = instruction.op_str
        if name.split(".")[0] == "b" or re.fullmatch(f"b({CONDITIONS})", name.split(".")[0]):
            operands = "block"
        elif name in ("cbz", "cbnz"):
            operands = f"{operands.split(',')[0]}, block"
        lines.append(f"{name} {operands}")
    return "\n".join(lines)


def mca_cycles(mca: str, triple: str, cpu: str, code: Sequence[Any]) -> float | None:
    """Cycles an iteration of the block repeated; ``None`` where LLVM refuses it."""
    done = subprocess.run(
        [mca, f"-mtriple={triple}-none-eabi", f"-mcpu={cpu}", f"-iterations={ITERATIONS}", "-json"],
        input=assembly(code), capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        print(done.stderr.splitlines()[0], file=sys.stderr)
        return None
    (region,) = json.loads(done.stdout)["CodeRegions"]
    return float(region["SummaryView"]["TotalCycles"]) / ITERATIONS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mca", help="an llvm-mca; without it only hwnas's prices are shown")
    parser.add_argument("--listing", action="store_true", help="print the blocks' code as well")
    options = parser.parse_args()
    table = Table(
        "core", "network", "share", "function", "address", "instructions", "hwnas", "llvm-mca",
        title="hottest blocks: core cycles, without memory and refills", title_justify="left",
    )  # fmt: skip
    for name, triple in BOARDS.items():
        core, cpu = Core(name), load_board(name).core.name
        for title, make in NETWORKS.items():
            total, blocks = core.hottest(make())
            for block in blocks[:HOTTEST]:
                mca = (
                    mca_cycles(options.mca, triple, cpu, block.instructions)
                    if options.mca
                    else None
                )
                table.add_row(
                    cpu, title, f"{block.executions * block.cycles / total:.1%}", block.function,
                    f"{block.address:#x}", str(len(block.instructions)), f"{block.cycles:g}",
                    "" if mca is None else f"{mca:.2f}",
                )  # fmt: skip
                if options.listing:
                    print(
                        f"{cpu} {block.function} {block.address:#x}\n{assembly(block.instructions)}"
                    )
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
