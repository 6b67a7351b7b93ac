"""How fast a long recording is attributed, and in how much memory.

    python benchmarks/bench_energy.py [--minutes 60]

Writes a RocketLogger's file of that length at 64 kS/s, three inferences of eight layers a second,
and segments it.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from _report import show

from hwnas.energy import RldTrace, segment, write_rld

RATE = 64_000
LAYERS = 8
A_SECOND = 3


def one_second(path: Path) -> None:
    inference = np.zeros(RATE, bool)
    layer = np.zeros(RATE, bool)
    for start in range(2_000, RATE, RATE // A_SECOND):
        inference[start : start + 16_000] = True
        for i in range(0, LAYERS, 2):
            layer[start + 2_000 * i : start + 2_000 * (i + 1)] = True
    current = np.where(inference, 0.0135, 0.004) * np.random.default_rng(1).normal(1, 0.01, RATE)
    write_rld(path, np.full(RATE, 3.3), current, {"DI1": inference, "DI2": layer}, RATE)


def lengthen(path: Path, seconds: int) -> None:
    """Repeat the file's one block, with time stamps that go on."""
    data = path.read_bytes()
    block_bytes = 32 + RATE * 16
    header, block = bytearray(data[:-block_bytes]), bytearray(data[-block_bytes:])
    header[12:16] = seconds.to_bytes(4, "little")
    header[16:24] = (seconds * RATE).to_bytes(8, "little")
    with path.open("wb") as file:
        file.write(header)
        for second in range(seconds):
            block[0:8] = block[16:24] = second.to_bytes(8, "little")
            file.write(block)


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="Length of the recording.")] = 10,
) -> None:
    seconds = round(minutes * 60)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "long.rld")
        one_second(path)
        lengthen(path, seconds)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        found = segment(RldTrace(path), LAYERS)
        spent = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        size = path.stat().st_size
    assert len(found.energy_j) == A_SECOND * seconds
    hour = spent * 3600 / seconds
    show(
        f"{minutes:g} minutes at 64 kS/s, {len(found.energy_j):,} inferences, {size / 1e9:.2f} GB",
        [
            ("segmentation", [spent], "s", ""),
            ("the same for an hour", [hour], "s", "10"),
            ("faster than real time", [seconds / spent], "times", ""),
            ("peak of the process, with mapped pages", [peak / 1024], "MiB", "1024"),
            ("before that", [before / 1024], "MiB", ""),
        ],
    )


if __name__ == "__main__":
    typer.run(main)
