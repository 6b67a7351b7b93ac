"""Search spaces: loading one, drawing networks at random, and counting its points.

Layers that were made once are remembered, so networks are drawn with and without that memory: the
first thousand of a process, and the thousand after them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from itertools import islice

from _report import seconds_each, show

import hwnas
from hwnas.spaces import random_networks
from hwnas.spaces._layers import layer_of

NETWORKS = 1_000
REPEATS = 5
LOADED = 20
AIM = "1,000 or more"


def main() -> None:
    rows = []
    for name in hwnas.list_spaces():
        space = hwnas.load_space(name)
        first, after = [], []
        for seed in range(REPEATS):
            layer_of.cache_clear()
            drawn = random_networks(space, seed)
            first.append(rate(drawn))
            after.append(rate(drawn))
        rows += [
            (f"{name}: the first {NETWORKS:,}", first, "networks a second", AIM),
            (f"{name}: the next {NETWORKS:,}", after, "networks a second", AIM),
        ]
    assert "tensorflow" not in sys.modules, "drawing networks imported tensorflow"
    show("networks drawn at random (tensorflow not imported)", rows)
    show("space files", [row for name in hwnas.list_spaces() for row in file_rows(name)])


def file_rows(name: str) -> list[tuple[str, list[float], str, str]]:
    space = hwnas.load_space(name)
    loaded = seconds_each(lambda: hwnas.load_space(name), LOADED)
    counted = seconds_each(lambda: space.cardinality, LOADED)
    return [
        (f"{name}: read, checked, references built", [s * 1e3 for s in loaded], "ms", ""),
        (f"{name}: its points counted", [s * 1e3 for s in counted], "ms", ""),
    ]


def rate(networks: Iterator[hwnas.Network]) -> float:
    start = time.perf_counter()
    for _ in islice(networks, NETWORKS):
        pass
    return NETWORKS / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
