"""Profiles an image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from hwnas.boards import BoardSpec, load_board
from hwnas.elf import Image
from hwnas.profiling._functions import find_address
from hwnas.profiling._profile import Profile, UnknownAccess
from hwnas.profiling._results import (
    block_profiles,
    call_statistics,
    endless,
    function_profiles,
    notes,
    rounded,
    unknown_access,
)
from hwnas.profiling._run import run_first, run_second
from hwnas.target import Provenance
from hwnas.virtual.guest import GuestSetup, StopReason, UnknownRegister
from hwnas.virtual.timing import timing_identity

PATIENCE_S: Final = 60.0
"""How long an image may run that was given no limit."""
MOST_OUTPUT: Final = 1 << 20
"""Bytes that are kept of what an image writes to one place."""


def profile_image(
    elf: bytes | Path,
    board: BoardSpec | str | Path,
    *,
    until: str | None = None,
    functions: Iterable[str] = (),
    blocks: int = 10,
    flash_data: Mapping[int, bytes] | None = None,
    peripherals: Mapping[int, int] | None = None,
    serial_input: bytes = b"",
    vectors: int | None = None,
    ignore_interrupts: bool = False,
    max_cycles: int | None = None,
    max_seconds: float | None = None,
    exact: bool = False,
    on_output: Callable[[str, bytes], None] | None = None,
    on_unknown: Callable[[UnknownAccess], None] | None = None,
) -> Profile:
    """Runs a bare-metal image on a board's virtual copy, and tells where its cycles go.

    The image may be anybody's: it starts from its own vector table, and finds the chip's
    peripherals as far as they are modelled. It runs twice, see docs/profiling.md.

    Args:
        elf: The image: an ELF file's bytes or its path.
        board: A board with a cycle model, by name, path or as loaded.
        until: Symbol, or address as ``0x08000100``, before which the run ends when it first comes
            there.
        functions: Symbols, or addresses, of functions to tell shortest, median and longest call
            of.
        blocks: How many of the hottest blocks to tell, with their instructions.
        flash_data: More bytes for the flash, by address: what is programmed beside the image.
        peripherals: What registers read as, by address: ready bits of what is not modelled. All
            other registers that nothing is known of read as zero.
        serial_input: Bytes that come in on the board's serial line.
        vectors: Address of the vector table, where it is not at the start of what the image has in
            flash.
        ignore_interrupts: Whether an interrupt that the image switches on just never comes, and is
            no error.
        max_cycles: Ends the run about there, in core cycles.
        max_seconds: Ends each of the two runs, in seconds of this machine's time.
        exact: Whether each access to memory is counted when it happens, see docs/timing.md.
        on_output: Called with what the image writes while it runs, and where to: ``serial`` or
            ``semihosting``.
        on_unknown: Called when a register that nothing is known of is touched first.

    Returns:
        The profile; all its cycles are simulated.

    Raises:
        ImageError: The file is no image for this board, or an argument names nothing in it.
        ImageRunError: The image did what its core, or this model of it, would not bear, or did
            not end within a minute and was given no limit.
        BoardError: The board is unknown, or has no cycle model.

    Example:
        >>> profile = profile_image(Path("app.elf"), "nucleo_l496zg")  # doctest: +SKIP
        >>> profile.functions[0].name, profile.functions[0].cycles  # doctest: +SKIP
        ('fir_filter', 1204311.0)
    """
    spec = board if isinstance(board, BoardSpec) else load_board(board)
    timing_model = timing_identity(spec, exact=exact)
    image = Image.read(elf)
    asked = {name: find_address(image, name) for name in functions}
    setup = GuestSetup(
        exact=exact,
        until=None if until is None else find_address(image, until),
        vectors=vectors,
        flash_data=flash_data or {},
        peripherals=peripherals or {},
        serial_input=serial_input,
        ignore_interrupts=ignore_interrupts,
        max_cycles=max_cycles,
        max_seconds=PATIENCE_S if max_seconds is None else max_seconds,
    )
    output = {"serial": bytearray(), "semihosting": bytearray()}

    def keep(where: str, data: bytes) -> None:
        kept = output[where]
        kept += data[: MOST_OUTPUT - len(kept)]
        if on_output is not None:
            on_output(where, data)

    def tell(register: UnknownRegister) -> None:
        if on_unknown is not None:
            on_unknown(unknown_access(register))

    first = run_first(spec, image, setup, keep, tell)
    if first.stop.reason is StopReason.MAX_SECONDS and max_seconds is None:
        raise endless(first, PATIENCE_S)
    numbers = {name: first.functions.find(address) for name, address in asked.items()}
    second = run_second(spec, image, setup, first, frozenset(numbers.values()))
    charges, counts = first.charges, first.guest.counters.counts()
    return Profile(
        board=spec.name,
        core=spec.core.name,
        clock_hz=spec.core.clock_hz,
        provenance=Provenance.SIMULATED,
        timing_model=timing_model,
        stop=first.stop,
        cycles=rounded(charges.cycles.sum()),
        stall_cycles=rounded(charges.stall_cycles.sum()),
        instructions=int(counts.executions @ charges.instructions),
        functions=function_profiles(first, second),
        blocks=block_profiles(first, blocks),
        calls=tuple(
            call_statistics(name, second.durations[number]) for name, number in numbers.items()
        ),
        output={where: bytes(data) for where, data in output.items()},
        unknown_accesses=tuple(
            unknown_access(register) for _, register in sorted(first.guest.bus.unknown.items())
        ),
        notes=notes(first),
    )
