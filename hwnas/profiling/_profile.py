"""What a profile holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hwnas.errors import ImageError
from hwnas.target import Provenance
from hwnas.virtual.guest import Stop


@dataclass(frozen=True, slots=True)
class FunctionProfile:
    """What a function cost.

    Attributes:
        name: Its name, or its address where the image has none.
        address: Where it begins.
        calls: How often it was entered at its start.
        cycles: Of its own code.
        stall_cycles: Those of them that memory added.
        instructions: Of its own code, predicated-out ones included.
        inclusive_cycles: Of its own code and all that it called; where it called itself, of the
            outermost calls.
        inclusive_instructions: Likewise.
    """

    name: str
    address: int
    calls: int
    cycles: float
    stall_cycles: float
    instructions: int
    inclusive_cycles: float
    inclusive_instructions: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction of a block of code.

    Attributes:
        address: Where it is.
        text: As an assembler writes it.
        cycles: What it adds to the block without memory, where the block is entered as it mostly
            is; 0 where it runs beside the one before.
    """

    address: int
    text: str
    cycles: float


@dataclass(frozen=True, slots=True)
class BlockProfile:
    """What a block of code cost: straight code up to a branch, or to where a page ends.

    Attributes:
        address: Where it begins.
        place: The function with the offset in it; empty where the image does not tell.
        executions: How often it ran.
        cycles: Of all executions.
        stall_cycles: Those of them that memory added.
        instructions: All of its instructions.
    """

    address: int
    place: str
    executions: int
    cycles: float
    stall_cycles: float
    instructions: tuple[Instruction, ...]

    @property
    def cycles_per_instruction(self) -> float:
        """On average over all executions, with what memory added."""
        return self.cycles / (self.executions * len(self.instructions))


@dataclass(frozen=True, slots=True)
class CallStatistics:
    """How long the calls of a function took that returned.

    Attributes:
        name: Of the function.
        calls: How many did; calls out of other calls of the same function are among them.
        min_cycles: Of the shortest, with all that it called; 0 where none returned.
        median_cycles: Half of them took no longer.
        max_cycles: Of the longest.
    """

    name: str
    calls: int
    min_cycles: float
    median_cycles: float
    max_cycles: float


@dataclass(frozen=True, slots=True)
class UnknownAccess:
    """A register that nothing is known of, or that refused what it was asked.

    Attributes:
        address: Of the register.
        reads: How often it was read: as zero.
        writes: How often it was written: in vain.
        where: The block of code that touched it first.
        why: What a peripheral that is modelled refused; empty where none is modelled there.
    """

    address: int
    reads: int
    writes: int
    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Profile:
    """Where the cycles of an image went, on a board's virtual copy.

    Attributes:
        board: The board's name.
        core: Its core's name.
        clock_hz: Frequency of the core's clock by the board's file, in hertz.
        provenance: How cycles were obtained: simulated.
        timing_model: By which models, with their versions and parameters.
        stop: How the run ended.
        cycles: All of them.
        stall_cycles: Those of them that memory added.
        instructions: All of them, predicated-out ones included.
        functions: All that ran, by their own cycles, most first.
        blocks: The blocks of code with most cycles, most first.
        calls: Of the functions that were asked for.
        output: What the image wrote, by where to: ``serial`` and ``semihosting``.
        unknown_accesses: Registers that nothing is known of, by address.
        notes: What to know about the figures: where the image set up other than the board's file
            says, or something was not counted.
    """

    board: str
    core: str
    clock_hz: int
    provenance: Provenance
    timing_model: str
    stop: Stop
    cycles: float
    stall_cycles: float
    instructions: int
    functions: tuple[FunctionProfile, ...]
    blocks: tuple[BlockProfile, ...]
    calls: tuple[CallStatistics, ...]
    output: Mapping[str, bytes]
    unknown_accesses: tuple[UnknownAccess, ...]
    notes: tuple[str, ...]

    @property
    def latency_ms(self) -> float:
        """All cycles at the board's clock, in milliseconds."""
        return self.cycles / self.clock_hz * 1e3

    def function(self, name: str) -> FunctionProfile:
        """The profile of a function that ran.

        Raises:
            ImageError: None of this name did.
        """
        for entry in self.functions:
            if entry.name == name:
                return entry
        raise ImageError(f"no function {name!r} ran")

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        plain = asdict(self)
        for block, entry in zip(self.blocks, plain["blocks"], strict=True):
            entry["cycles_per_instruction"] = block.cycles_per_instruction
        plain["output"] = {k: v.decode("utf-8", "replace") for k, v in self.output.items()}
        plain["latency_ms"] = self.latency_ms
        return plain
