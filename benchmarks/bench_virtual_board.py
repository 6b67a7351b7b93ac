"""The virtual board: booting, measuring an unseen LeNet, instructions a second."""

from __future__ import annotations

import time

from _report import seconds_each, show

import hwnas
from hwnas.backend import BoardBackend
from hwnas.table import LookupTable
from hwnas.virtual import VirtualBoard

REPEATS = 7


def lenet() -> hwnas.Network:
    b = hwnas.NetworkBuilder((32, 32, 1))
    x = b.conv2d(b.input, 6, 3, padding="valid", activation="relu")
    x = b.max_pool2d(x)
    x = b.conv2d(x, 16, 3, padding="valid", activation="relu")
    x = b.max_pool2d(x)
    x = b.dense(b.flatten(x), 120, activation="relu")
    x = b.dense(x, 84, activation="relu")
    b.softmax(b.dense(x, 10))
    return b.build()


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
