"""Runs an image twice: once for what its blocks cost, once more for who called whom.

Only a whole run tells what a block of a Cortex-M7 costs, and where functions without a symbol
begin. The second run is the same to the block, and is held against the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hwnas.boards import BoardSpec
from hwnas.elf import Image
from hwnas.errors import BoardError
from hwnas.profiling._functions import FunctionMap
from hwnas.virtual.guest import Guest, GuestSetup, Output, Stop, UnknownRegister
from hwnas.virtual.ledger import Charges
from hwnas.virtual.watch import BlockFacts, CallWatch, FunctionCalls, RunFacts, Watch, ending_of

_LEAST_FRAME_BYTES = 4
"""What a call leaves on the stack, at least: calls within calls save their return address."""


@dataclass(frozen=True)
class FirstRun:
    """What the first run told.

    Attributes:
        guest: The image as it stands at the end.
        stop: How it ended.
        charges: What its blocks cost.
        functions: Its functions.
    """

    guest: Guest
    stop: Stop
    charges: Charges
    functions: FunctionMap


@dataclass(frozen=True)
class SecondRun:
    """What the second run told.

    Attributes:
        calls: By number of function.
        durations: Cycles of each call that returned, by number of the functions that were asked
            for.
    """

    calls: Sequence[FunctionCalls]
    durations: dict[int, npt.NDArray[np.float64]]


def run_first(
    spec: BoardSpec,
    image: Image,
    setup: GuestSetup,
    on_output: Callable[[Output, bytes], None],
    on_unknown: Callable[[UnknownRegister], None],
) -> FirstRun:
    """Runs an image for the first time.

    Raises:
        ImageError: See :class:`Guest`.
        BoardError: Likewise.
    """
    guest = Guest(spec, image, setup, Watch(), on_output, on_unknown)
    stop = guest.run()
    charges = guest.ledger.charges()
    machine, counts = guest.machine, guest.counters.counts()
    starts = {*machine.called, machine.entry}
    functions = FunctionMap(image, starts, counts.address.tolist())
    return FirstRun(guest, stop, charges, functions)


def run_second(
    spec: BoardSpec, image: Image, setup: GuestSetup, first: FirstRun, recorded: frozenset[int]
) -> SecondRun:
    """Runs an image once more, and follows its calls.

    Args:
        spec: The board.
        image: The image.
        setup: That of the first run.
        first: What the first run told.
        recorded: Numbers of the functions whose calls are all kept.

    Raises:
        BoardError: It did not run as before, which nothing can cause but a defect of hwnas.
    """
    watch = CallWatch(_facts(spec, first, recorded))
    guest = Guest(spec, image, replace(setup, max_cycles=None, max_seconds=None), watch)
    durations: dict[int, list[npt.NDArray[np.float64]]] = {number: [] for number in recorded}

    def fetch() -> None:
        numbers, cycles = watch.take_records()
        for number in np.unique(numbers).tolist():
            durations[number].append(cycles[numbers == number])

    guest.run_again(first.guest.blocks, fetch)
    if watch.has_strayed or _executed(guest) != _executed(first.guest):
        raise BoardError(
            f"{spec.name}: the image did not run the second time as it did the first time: "
            "please report this with the image"
        )
    watch.finish()
    empty = np.zeros(0, np.float64)
    return SecondRun(
        watch.calls(),
        {number: np.concatenate([empty, *some]) for number, some in durations.items()},
    )


def _facts(spec: BoardSpec, first: FirstRun, recorded: frozenset[int]) -> RunFacts:
    charges, functions = first.charges, first.functions
    counts, machine = first.guest.counters.counts(), first.guest.machine
    blocks_have_prices = charges.prices.ndim == 1
    prices = charges.prices if blocks_have_prices else np.zeros(len(counts.address))
    blocks = [
        BlockFacts(
            functions.number(address),
            ending_of(machine.decode(address, size)),
            functions.is_entry(address),
            length,
            price,
        )
        for address, size, length, price in zip(
            counts.address.tolist(),
            counts.size.tolist(),
            charges.instructions.tolist(),
            prices.tolist(),
            strict=True,
        )
    ]
    edges = np.zeros((0, 2)) if blocks_have_prices else charges.prices
    deepest = spec.ram.size_bytes // _LEAST_FRAME_BYTES
    return RunFacts(
        blocks, edges, charges.event_cycles, len(functions.functions), recorded, deepest
    )


def _executed(guest: Guest) -> list[tuple[int, int]]:
    """Address and count of each block that ran; one before which a run ended did not."""
    counts = guest.counters.counts()
    blocks = zip(counts.address.tolist(), counts.executions.tolist(), strict=True)
    return [block for block in blocks if block[1]]
