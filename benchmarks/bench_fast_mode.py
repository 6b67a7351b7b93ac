"""The virtual board's fast mode: how far from exact on networks and random layers, and how fast."""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from _report import show
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from networks import lenet, resnet20, separable

from hwnas.boards import BoardSpec, load_board
from hwnas.device import BoardClient
from hwnas.firmware import find_image, pool_contents
from hwnas.network import Network, NetworkBuilder
from hwnas.plan import ExecutionPlan, PoolLayout, compile_plan
from hwnas.virtual import VirtualBoard
from hwnas.virtual.collector import Collector
from hwnas.virtual.machine import Machine

BOARDS = ("nucleo_l496zg", "nrf52840_dk", "nucleo_f767zi", "nucleo_l552ze_q")
LAYERS = 500
SEED = 20261125
BOUND = 0.005
REPEATS = 7
ACTIVATIONS = ("none", "relu", "relu6")


NETWORKS: dict[str, Callable[[], Network]] = {
    "LeNet": lenet, "depthwise separable": separable, "ResNet-20": resnet20
}  # fmt: skip


def random_layer(rng: random.Random) -> Network:
    """A network of one layer of any kind, of a size that takes no long time."""
    side, channels = rng.randint(1, 16), rng.randint(1, 24)
    b = NetworkBuilder((side, rng.randint(1, 16), channels))
    kernel = rng.choice([1, 1, 2, 3, 3, 5])
    options = {"strides": rng.randint(1, 2), "activation": rng.choice(ACTIVATIONS)}
    kind = rng.choice(
        ["conv", "conv", "conv", "depthwise", "depthwise", "dense", "pool", "mean", "relu", "add",
         "softmax"]
    )  # fmt: skip
    if kind == "conv":
        b.conv2d(b.input, rng.randint(1, 32), kernel, use_bias=rng.random() < 0.7, **options)
    elif kind == "depthwise":
        b.depthwise_conv2d(b.input, kernel, depth_multiplier=rng.choice([1, 1, 2]), **options)
    elif kind == "dense":
        b.dense(b.flatten(b.input), rng.randint(1, 64), activation=options["activation"])
    elif kind == "pool":
        pool = b.max_pool2d if rng.random() < 0.5 else b.average_pool2d
        pool(b.input, kernel, padding="same")
    elif kind == "mean":
        b.global_average_pool2d(b.input)
    elif kind == "relu":
        b.relu(b.input)
    elif kind == "add":
        b.add(b.input, b.relu(b.input))
    else:
        b.softmax(b.flatten(b.input))
    return b.build()


class Bench:
    """A board with its firmware running, and what it takes to run networks on it."""

    def __init__(self, spec: BoardSpec, *, exact: bool) -> None:
        image = find_image(spec)
        self.pool = PoolLayout.for_region(image.manifest.parameter_bytes)
        flash = pool_contents(image.manifest)
        self.board = VirtualBoard(spec, image.elf, flash, exact=exact)
        self.client = BoardClient(self.board)

    def plan(self, network: Network) -> ExecutionPlan:
        return compile_plan(network, pool=self.pool)

    def cycles(self, plan: ExecutionPlan, *, per_layer: bool) -> list[int]:
        self.client.load(plan.data)
        steps = len(plan.step_nodes)
        before = self.board.untold_accesses  # the check of a plan may have some
        run = self.client.run(warmup=0, per_layer=per_layer, step_count=steps)
        assert self.board.untold_accesses == before
        return [int(x) for x in (run.layer_cycles[0] if per_layer else run.total_cycles)]


def deviations(spec: BoardSpec, networks: list[Network], *, per_layer: bool) -> list[float]:
    """Relative differences of fast from exact cycles."""
    exact, fast = Bench(spec, exact=True), Bench(spec, exact=False)
    found = []
    for network in networks:
        plan = exact.plan(network)
        one = exact.cycles(plan, per_layer=per_layer)
        other = fast.cycles(plan, per_layer=per_layer)
        found += [b / a - 1 for a, b in zip(one, other, strict=True)]
    return found


@contextmanager
def without_hooks() -> Iterator[None]:
    """The emulator alone: a firmware that waits stops it, not a hook on blocks."""

    def stop(machine: Machine) -> None:
        machine.counters.blocks_left = 0
        machine._engine.emu_stop()

    with (
        mock.patch.object(Collector, "attach", lambda *_, **__: None),
        mock.patch.object(Collector, "compute_accesses", lambda *_: None),
        mock.patch.object(Machine, "stop", stop),
    ):
        yield


def seconds(bench: Bench, plan: ExecutionPlan) -> float:
    """CPU time of a run, which other load on the machine disturbs less than wall time."""
    bench.client.load(plan.data)
    start = time.process_time()
    bench.client.run(warmup=0, per_layer=False, step_count=len(plan.step_nodes))
    return time.process_time() - start


def speeds(name: str) -> None:
    spec = load_board(name)
    fast, exact = Bench(spec, exact=False), Bench(spec, exact=True)
    plan = fast.plan(resnet20())
    with without_hooks():
        bare = Bench(spec, exact=False)
        # The first runs, in which code is translated and priced, do not count.
        seconds(bare, plan)
    seconds(fast, plan)
    before = fast.board.instructions
    times, bare_times = [], []
    for _ in range(REPEATS):
        with without_hooks():
            bare_times.append(seconds(bare, plan))
        times.append(seconds(fast, plan))
    instructions = (fast.board.instructions - before) / REPEATS
    aim = "1.5 or less" if spec.core.name == "cortex-m7" else "1 or less"
    show(
        f"virtual {spec.title}: ResNet-20, {instructions / 1e6:.1f} M instructions (simulated)",
        [
            ("fast", times, "CPU s", aim),
            ("exact", [seconds(exact, plan), seconds(exact, plan)], "CPU s", ""),
            ("the emulator without hooks", bare_times, "CPU s", ""),
            ("fast, instructions", [instructions / x / 1e6 for x in times], "M/CPU s", ""),
            ("fast against no hooks, best of each", [min(bare_times) / min(times) * 100], "%",
             "60 or more"),
        ],
    )  # fmt: skip


def compare(layers: int) -> bool:
    """Prints a table of deviations; whether all keep to the bound."""
    rng = random.Random(SEED)
    singles = [random_layer(rng) for _ in range(layers)]
    table = Table(
        "board", "networks", "cycles compared", "equal", "mean |deviation|", "worst", "aim",
        title="fast against exact cycles", title_justify="left",
    )  # fmt: skip
    kept = True
    for name in BOARDS:
        spec = load_board(name)
        sets = {what: [make()] for what, make in NETWORKS.items()}
        for what, networks in {**sets, f"{layers} random layers": singles}.items():
            for per_layer in (False, True) if what in sets else (False,):
                found = deviations(spec, networks, per_layer=per_layer)
                sizes = [abs(x) for x in found]
                kept &= max(sizes) <= BOUND
                table.add_row(
                    name, what + (", layer by layer" if per_layer else ""), str(len(found)),
                    str(sizes.count(0)), f"{statistics.mean(sizes):.2e}",
                    f"{max(found, key=abs):+.2e}", f"{BOUND:.1e} or less",
                )  # fmt: skip
    Console(width=120).print(table)
    return kept


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=LAYERS)
    options = parser.parse_args()
    kept = compare(options.layers)
    for name in ("nucleo_l496zg", "nucleo_f767zi"):
        speeds(name)
    if not kept:
        raise SystemExit(f"a deviation exceeds {BOUND:.1%}")


if __name__ == "__main__":
    main()
