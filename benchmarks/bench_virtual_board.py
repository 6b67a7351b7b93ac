"""The virtual board: booting, measuring an unseen LeNet, instructions a second."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from _report import seconds_each, show

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from networks import lenet

import hwnas
from hwnas.backend import BoardBackend
from hwnas.table import LookupTable
from hwnas.virtual import VirtualBoard

REPEATS = 7


def main() -> None:
    network = lenet()
    with hwnas.open_backend("nucleo_l496zg") as backend:
        boots = seconds_each(lambda: boot(backend), REPEATS)
        unseen = seconds_each(lambda: evaluate_afresh(backend, network), REPEATS)
        whole = seconds_each(lambda: backend.measure_network(network), REPEATS)
        speeds = [mips(backend, network) for _ in range(REPEATS)]
    show(
        "virtual NUCLEO-L496ZG, fast mode (simulated)",
        [
            ("booting, in a running process", boots, "s", "0.3 or less"),
            ("unseen LeNet: layer by layer, then whole", unseen, "s", "0.3 or less"),
            ("whole LeNet, end to end, warm-up and one run", whole, "s", ""),
            ("instructions a second, whole LeNet", speeds, "MIPS", "30 or more"),
        ],
    )


def boot(backend: BoardBackend) -> None:
    backend.close()
    backend.open()


def evaluate_afresh(backend: BoardBackend, network: hwnas.Network) -> None:
    with LookupTable.open("sqlite://") as table:
        hwnas.Evaluator(backend, table).evaluate(network)


def mips(backend: BoardBackend, network: hwnas.Network) -> float:
    board = backend.open().transport
    assert isinstance(board, VirtualBoard)
    before, start = board.instructions, time.perf_counter()
    backend.measure_network(network)
    return float((board.instructions - before) / (time.perf_counter() - start) / 1e6)


if __name__ == "__main__":
    main()
