"""What a board file says, and the loader that checks it."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from hwnas._toml import read_toml
from hwnas.errors import BoardError

_HOME: Final = Path(__file__).parent
_CONFIG: Final = ConfigDict(extra="forbid", allow_inf_nan=False)

Text = Annotated[str, Field(min_length=1)]
Address = Annotated[int, Field(ge=0, lt=1 << 32, strict=True)]
Count = Annotated[int, Field(gt=0, lt=1 << 32, strict=True)]
PageAddress = Annotated[Address, Field(multiple_of=1024)]
PageCount = Annotated[Count, Field(multiple_of=1024)]
"""Memories begin and end on a KiB, as those of all chips do: emulators map no less."""
Cost = Annotated[float, Field(ge=0, le=10_000, strict=True)]
MAX_EXPONENT: Final = 2
PowerOfTwo = Literal[4, 8, 16, 32, 64, 128, 256]


@dataclass(frozen=True, config=_CONFIG)
class Chip:
    """The microcontroller.

    Attributes:
        part: As its maker calls it, like ``STM32L496ZG``.
        family: What the firmware and the virtual board know it as, like ``stm32l4``.
        source: Where these facts come from.
    """

    part: Text
    family: Text
    source: Text


@dataclass(frozen=True, config=_CONFIG)
class CacheGeometry:
    """A cache of the flash accelerator.

    Attributes:
        lines: Number of lines.
        line_bytes: Bytes in a line.
    """

    lines: Annotated[int, Field(gt=0, le=4096, strict=True)]
    line_bytes: PowerOfTwo


@dataclass(frozen=True, config=_CONFIG)
class CoreCache(CacheGeometry):
    """A cache of the core itself, in front of its memories.

    Attributes:
        ways: Lines that an address can be held in.
    """

    ways: PowerOfTwo | Literal[1, 2]

    def __post_init__(self) -> None:
        if self.lines % self.ways:
            raise ValueError(f"{self.lines} lines are no multiple of {self.ways} ways")

    @property
    def sets(self) -> int:
        """Number of sets: of ways that an address can be held in, one of which it has."""
        return self.lines // self.ways


@dataclass(frozen=True, config=_CONFIG)
class Core:
    """The processor core.

    Attributes:
        name: As ``cortex-m4``.
        clock_hz: Frequency of the core's clock while kernels run, in hertz.
        fpu: ``single``, ``double`` or ``none``.
        source: Where these facts come from.
        external_clock_hz: Clock that the board feeds to the chip, and that the core's clock is made
            from, in hertz; ``None`` where it is made from the chip's own oscillators.
        instruction_cache: The core's own, which is on; ``None`` where it has none.
        data_cache: Likewise.
    """

    name: Text
    clock_hz: Count
    fpu: Literal["none", "single", "double"]
    source: Text
    external_clock_hz: Count | None = None
    instruction_cache: CoreCache | None = None
    data_cache: CoreCache | None = None


@dataclass(frozen=True, config=_CONFIG)
class Memory:
    """A memory region.

    Attributes:
        base: Address of its first byte.
        size_bytes: Its size, in bytes.
        source: Where these facts come from.
    """

    base: PageAddress
    size_bytes: PageCount
    source: Text


@dataclass(frozen=True, config=_CONFIG)
class Flash:
    """The flash memory and its accelerator.

    Attributes:
        base: Address of its first byte.
        size_bytes: Its size, in bytes.
        wait_states: Wait states at the core's clock.
        instruction_cache: Geometry, or ``None`` where there is none.
        data_cache: Geometry, or ``None`` where there is none.
        source: Where these facts come from.
    """

    base: PageAddress
    size_bytes: PageCount
    source: Text
    wait_states: Annotated[int, Field(ge=0, le=15, strict=True)] = 0
    instruction_cache: CacheGeometry | None = None
    data_cache: CacheGeometry | None = None


@dataclass(frozen=True, config=_CONFIG)
class Pin:
    """A pin of a port.

    Attributes:
        port: The GPIO port as the chip's maker calls it: a letter, as ``G``, or a digit, as ``1``.
        number: Of the pin within the port.
        alternate_function: Number of the function that the pin serves, if not plain GPIO.

    Example:
        >>> str(Pin("G", 7)), str(Pin("1", 2))
        ('PG7', 'P1.02')
        >>> Pin("G", 7).port_number, Pin("1", 2).port_number
        (6, 1)
    """

    port: Annotated[str, Field(pattern="^[A-K0-9]$")]
    number: Annotated[int, Field(ge=0, le=31, strict=True)]
    alternate_function: Annotated[int, Field(ge=0, le=15, strict=True)] | None = None

    @property
    def port_number(self) -> int:
        """Of the port: letters count from A, digits are their own number."""
        return int(self.port) if self.port.isdigit() else ord(self.port) - ord("A")

    def __str__(self) -> str:
        """The pin as the chip's maker writes it."""
        return pin_name(self.port, self.number)


def pin_name(port: str, number: int) -> str:
    """A pin as its chip's maker writes it: ``PG7``, or ``P1.02`` where ports have digits."""
    return f"P{port}.{number:02}" if port.isdigit() else f"P{port}{number}"


@dataclass(frozen=True, config=_CONFIG)
class Serial:
    """The serial line to the host.

    Attributes:
        uart: Name of the peripheral, as ``lpuart1``.
        base: Address of its first register.
        baud: Bits a second; 8 data bits, no parity, one stop bit.
        tx: Transmit pin, or ``None`` where the machine has no pins.
        rx: Receive pin, or ``None`` where the machine has no pins.
        source: Where these facts come from.
    """

    uart: Text
    base: Address
    baud: Count
    source: Text
    tx: Pin | None = None
    rx: Pin | None = None


@dataclass(frozen=True, config=_CONFIG)
class Markers:
    """Pins that tell an energy meter what runs.

    Attributes:
        inference: High while an inference runs.
        layer: Toggles at each layer.
        spare: Free.
        source: Where these facts come from.
    """

    inference: Pin
    layer: Pin
    spare: Pin
    source: Text


@dataclass(frozen=True, config=_CONFIG)
class MemoryTiming:
    """Parameters of the memory model.

    Attributes:
        fread: Cycles that every data read from flash adds.
        line: Cycles that every instruction or data line fetched from the flash array adds.
        fitted: Which of them were fitted, and on what; the others are facts.
        source: Where the values come from.
    """

    fread: Cost
    line: Cost
    fitted: Text
    source: Text


@dataclass(frozen=True, config=_CONFIG)
class CacheTiming:
    """Parameters of memories behind the core's own caches.

    Attributes:
        coupled_bytes: Size of the tightly coupled memory at the start of RAM, which no cache
            stands before.
        fill_instruction: Cycles of an instruction line that misses the cache.
        fill_flash: Cycles of a data line from flash that misses the cache.
        fill_ram: Cycles of a data line from RAM that misses the cache.
        fitted: Which of them were fitted, and on what.
        assumed: Which of them were estimated or assumed.
        source: Where the values come from.
    """

    coupled_bytes: Annotated[int, Field(ge=0, lt=1 << 32, strict=True)]
    fill_instruction: Cost
    fill_flash: Cost
    fill_ram: Cost
    fitted: Text
    assumed: Text
    source: Text


@dataclass(frozen=True, config=_CONFIG)
class Timing:
    """Which cycle model stands for the board.

    Attributes:
        core_model: Name of the core's model, as ``cortex-m4``.
        memory: Parameters of flash behind an accelerator, for cores without caches of their own.
        caches: Parameters of the core's own caches, for cores that have them.
    """

    core_model: Text
    memory: MemoryTiming | None = None
    caches: CacheTiming | None = None

    def __post_init__(self) -> None:
        if (self.memory is None) == (self.caches is None):
            raise ValueError("either [timing.memory] or [timing.caches] must be given")


@dataclass(frozen=True, config=_CONFIG)
class Power:
    """Power at the board's operating point.

    Attributes:
        active_mw: Mean power during inference, in milliwatts.
        supply_v: The supply at which that was measured, in volts; left out where it is not known.
        constant: ``current`` where the current hardly depends on the supply, as behind a linear
            regulator; left out where that is not known.
        source: Who measured it, how, and under which conditions.
    """

    active_mw: Annotated[float, Field(gt=0, le=1_000_000, strict=True)]
    source: Text
    supply_v: Annotated[float, Field(gt=0, le=100, strict=True)] | None = None
    constant: Literal["current"] | None = None


@dataclass(frozen=True, config=_CONFIG)
class Debug:
    """How a debug probe reaches the chip.

    Attributes:
        target: What pyOCD calls the chip.
        source: Where that name comes from, and whether a CMSIS pack must be fetched for it.
    """

    target: Annotated[str, Field(pattern="^[a-z0-9_]+$")]
    source: Text


@dataclass(frozen=True, config=_CONFIG)
class ReferencePoint:
    """A network that somebody measured on the board.

    Attributes:
        network: Its name.
        macs: Its multiply-accumulates.
        cycles: What an inference took, in cycles.
        source: Where it was published.
    """

    network: Text
    macs: Count
    cycles: Count
    source: Text


@dataclass(frozen=True, config=_CONFIG)
class CycleEstimate:
    """A power law through two measured networks: the first guess before anything has run.

    Attributes:
        smaller: The network with fewer MACs.
        larger: The network with more MACs.

    Example:
        >>> estimate = load_board("nucleo_l496zg").estimate
        >>> estimate.cycles(estimate.smaller.macs) == estimate.smaller.cycles
        True
    """

    smaller: ReferencePoint
    larger: ReferencePoint

    def __post_init__(self) -> None:
        a, b = self.smaller, self.larger
        if not (a.macs < b.macs and a.cycles < b.cycles):
            raise ValueError("the smaller network must have fewer MACs and cycles")
        if self._exponent > MAX_EXPONENT:
            raise ValueError(
                f"cycles would grow with the MACs to the power of {self._exponent:.3g}, at most "
                f"{MAX_EXPONENT} is believed; take networks that differ more"
            )

    @property
    def _exponent(self) -> float:
        a, b = self.smaller, self.larger
        return math.log(b.cycles / a.cycles) / math.log(b.macs / a.macs)

    def cycles(self, macs: int) -> int:
        """Estimated cycles of an inference: a straight line through both points in log-log.

        Args:
            macs: Multiply-accumulates of the network; below 1 counts as 1.
        """
        a = self.smaller
        return round(a.cycles * math.pow(max(macs, 1) / a.macs, self._exponent))


@dataclass(frozen=True, config=_CONFIG)
class BoardSpec:
    """A board, as its file describes it.

    Attributes:
        name: As ``nucleo_l496zg``.
        title: Name for people.
        kind: ``silicon``, or ``qemu``: functional only, without cycles.
        chip: The microcontroller.
        core: The processor core.
        flash: Flash memory and its accelerator.
        ram: Main memory.
        serial: The serial line to the host.
        markers: Pins for energy meters; ``None`` where the machine has no pins.
        timing: The cycle model; ``None`` where latency is never reported.
        power: Power at the operating point; ``None`` where it is not known.
        debug: How a debug probe reaches the chip; ``None`` where there is no probe.
        published: Two measured networks, for the estimate before anything has run.
    """

    name: Annotated[str, Field(pattern="^[a-z0-9_]{1,64}$")]
    title: Text
    kind: Literal["silicon", "qemu"]
    chip: Chip
    core: Core
    flash: Flash
    ram: Memory
    serial: Serial
    markers: Markers | None = None
    timing: Timing | None = None
    power: Power | None = None
    debug: Debug | None = None
    published: CycleEstimate | None = None

    def __post_init__(self) -> None:
        if self.kind == "qemu" and (self.timing is not None or self.power is not None):
            raise ValueError("a qemu machine is functional only: it has no timing and no power")
        for memory in (self.flash, self.ram):
            if memory.base + memory.size_bytes > 1 << 32:
                raise ValueError(f"the memory at {memory.base:#010x} ends beyond 32-bit addresses")
        for first, second in ((self.flash, self.ram), (self.ram, self.flash)):
            if first.base <= second.base < first.base + first.size_bytes:
                raise ValueError("flash and ram overlap")

    @property
    def estimate(self) -> CycleEstimate:
        """The estimate of cycles from MACs.

        Raises:
            BoardError: The board file has no ``[published]`` section.
        """
        if self.published is None:
            raise BoardError(
                f"{self.name}: cycles cannot be estimated, its board file names no published "
                "networks ([published.smaller] and [published.larger])"
            )
        return self.published


_ADAPTER: Final = TypeAdapter(BoardSpec)


def list_boards() -> list[str]:
    """Names of the boards that hwnas knows, sorted."""
    return sorted(path.stem for path in _HOME.glob("*.toml"))


def load_board(name_or_path: str | Path) -> BoardSpec:
    """Loads a board that hwnas knows, or a board file of one's own.

    Args:
        name_or_path: Name of a known board, or path of a ``.toml`` file.

    Raises:
        BoardError: The board is unknown, or its file cannot be read or is wrong; the message
            names the file and the key.

    Example:
        >>> load_board("nucleo_l496zg").core.clock_hz
        80000000
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = _known(str(name_or_path))
    return read_toml(path, "board file", _ADAPTER)


def _known(name: str) -> Path:
    known = list_boards()
    if name in known:
        return _HOME / f"{name}.toml"
    close = difflib.get_close_matches(name.lower().replace("-", "_"), known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    raise BoardError(
        f"unknown board {name!r}: {hint}Known boards: {', '.join(known)}; or give the path of a "
        ".toml file"
    )
