"""Makes the parts of a profile from what two runs told."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwnas.errors import ImageFault, ImageRunError
from hwnas.profiling._profile import (
    BlockProfile,
    CallStatistics,
    FunctionProfile,
    Instruction,
    UnknownAccess,
)
from hwnas.profiling._run import FirstRun, SecondRun
from hwnas.virtual.guest import Fault, UnknownRegister

_SHOWN_REGISTERS = 3
_DIGITS = 6
"""Of fractions of a cycle: what is behind them comes from adding up floating point numbers."""


def rounded(cycles: float) -> float:
    """Cycles as a profile tells them."""
    return round(float(cycles), _DIGITS)


def function_profiles(first: FirstRun, second: SecondRun) -> tuple[FunctionProfile, ...]:
    """All functions that ran, by their own cycles, most first."""
    charges, counts = first.charges, first.guest.counters.counts()
    functions = first.functions.functions
    owner = np.array([first.functions.number(at) for at in counts.address.tolist()], np.int64)
    cycles, stalls, instructions, executions = (
        np.bincount(owner, weights, len(functions))
        for weights in (
            charges.cycles,
            charges.stall_cycles,
            counts.executions * charges.instructions,
            counts.executions,
        )
    )
    ran = [number for number in range(len(functions)) if executions[number]]
    found = (
        FunctionProfile(
            name=functions[number].name,
            address=functions[number].address,
            calls=second.calls[number].calls,
            cycles=rounded(cycles[number]),
            stall_cycles=rounded(stalls[number]),
            instructions=int(instructions[number]),
            inclusive_cycles=rounded(second.calls[number].cycles),
            inclusive_instructions=second.calls[number].instructions,
        )
        for number in ran
    )
    return tuple(sorted(found, key=lambda entry: (-entry.cycles, entry.address)))


def block_profiles(first: FirstRun, most: int) -> tuple[BlockProfile, ...]:
    """The blocks with most cycles, most first."""
    guest, charges = first.guest, first.charges
    counts, cycles = guest.counters.counts(), charges.cycles
    hottest = sorted(np.flatnonzero(counts.executions).tolist(), key=lambda block: -cycles[block])
    found = []
    for block in hottest[:most]:
        address = int(counts.address[block])
        decoded = guest.machine.decode(address, int(counts.size[block]))
        each = guest.ledger.instruction_cycles(block, decoded)
        found.append(
            BlockProfile(
                address=address,
                place=guest.machine.place(address),
                executions=int(counts.executions[block]),
                cycles=rounded(cycles[block]),
                stall_cycles=rounded(charges.stall_cycles[block]),
                instructions=tuple(
                    Instruction(
                        instruction.address,
                        f"{instruction.mnemonic} {instruction.op_str}".strip(),
                        cycles_each,
                    )
                    for instruction, cycles_each in zip(decoded, each, strict=True)
                ),
            )
        )
    return tuple(found)


def call_statistics(name: str, durations: npt.NDArray[np.float64]) -> CallStatistics:
    """Shortest, median and longest of the calls of a function."""
    if not len(durations):
        return CallStatistics(name, 0, 0.0, 0.0, 0.0)
    three = (durations.min(), np.median(durations), durations.max())
    return CallStatistics(name, len(durations), *map(rounded, three))


def unknown_access(register: UnknownRegister) -> UnknownAccess:
    """A register that nothing is known of, as a profile tells it."""
    return UnknownAccess(
        register.address, register.reads, register.writes, register.where, register.why
    )


def notes(first: FirstRun) -> tuple[str, ...]:
    """What to know about a profile's figures."""
    guest = first.guest
    told = [f"{mismatch}; cycles go by the board file" for mismatch in guest.mismatches]
    if guest.ignored:
        told.append(f"these never came: {', '.join(guest.ignored)}")
    untold = guest.counters.untold_accesses
    if untold:
        told.append(
            f"{untold} accesses to memory could not be told ahead, and cost nothing here: "
            "exact mode counts them"
        )
    return tuple(told)


def endless(first: FirstRun, seconds: float) -> ImageRunError:
    """The error that an image did not end by itself."""
    guest, stop = first.guest, first.stop
    asked = sorted(guest.bus.unknown.values(), key=lambda register: -register.reads)
    polled = [
        f"{register.address:#010x} ({register.reads} times)"
        for register in asked[:_SHOWN_REGISTERS]
        if register.reads
    ]
    hint = f" It reads registers that nothing is known of: {', '.join(polled)}." if polled else ""
    what = (
        f"the image did not end by itself within {seconds:g} s, {guest.ledger.peek()} cycles: give "
        f"a limit, or a symbol to stop at.{hint} It is"
    )
    return guest.machine.error(Fault(ImageFault.ENDLESS, what, stop.address))
