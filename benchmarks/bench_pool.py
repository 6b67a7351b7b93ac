"""Four boards against one, where boards mostly wait, as silicon does.

Each is a virtual board behind a line that holds its answer to RUN back for as long as an inference
would take on the chip: what the pool adds must not eat what four boards give.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from _report import show

from hwnas.backend import BoardBackend
from hwnas.device import BoardClient, Transport
from hwnas.device.pool import BoardPool, Slot
from hwnas.network import Layer, dense
from hwnas.opening import open_backend, virtual_client
from hwnas.table import LayerRecord

BOARD = "nucleo_l496zg"
INFERENCE_S = 0.25
JOBS = 48
ROUNDS = 3


class Waiting(Transport):
    """Sleeps before the first answer after a request that is a RUN, by its length on the wire."""

    RUN_BYTES = 19

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self._wait = False

    def write(self, data: bytes) -> None:
        self._wait = len(data) == self.RUN_BYTES and data[2:4] == b"\x01\x07"
        self._inner.write(data)

    def read(self, timeout_s: float) -> bytes:
        if self._wait:
            time.sleep(INFERENCE_S)
            self._wait = False
        return self._inner.read(timeout_s)

    def close(self) -> None:
        self._inner.close()


def slot(number: int) -> Slot:
    def make() -> BoardBackend:
        plain = open_backend(BOARD)
        return BoardBackend(
            plain.spec,
            plain.image,
            lambda: BoardClient(Waiting(virtual_client(plain.spec, plain.image).transport)),
            plain.target,
        )

    return Slot(f"board {number}", BOARD, f"bench {number}", make)


def measure(backend: BoardBackend, layer: Layer) -> LayerRecord:
    (record,) = backend.measure_layers([layer])
    return record


def rate(boards: int) -> float:
    """Layers a second."""
    jobs = [dense((8 * (1 + i),), 4) for i in range(JOBS)]
    with (
        tempfile.TemporaryDirectory() as folder,
        BoardPool([slot(i) for i in range(boards)], lease_folder=Path(folder)) as pool,
    ):
        # Boards are opened once in their life; that is not what is compared.
        list(pool.run(jobs[: 2 * boards], measure))
        start = time.perf_counter()
        outcomes = list(pool.run(jobs, measure))
        taken = time.perf_counter() - start
    assert all(outcome.error is None for outcome in outcomes)
    return JOBS / taken


def main() -> None:
    one, four = [], []
    for _ in range(ROUNDS):
        one.append(rate(1))
        four.append(rate(4))
    ratios = [b / a for a, b in zip(one, four, strict=True)]
    show(
        f"a pool of boards that wait {INFERENCE_S:g} s for each of {JOBS} layers",
        [
            ("one board", one, "layers/s", ""),
            ("four boards", four, "layers/s", ""),
            ("four against one", ratios, "times", "3.6 or more"),
        ],
    )


if __name__ == "__main__":
    main()
