"""``hwnas profile``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hwnas.cli._output import (
    BoardOption,
    JsonOption,
    announced,
    notices,
    print_json,
    results,
    table,
)
from hwnas.errors import ImageError
from hwnas.profiling import BlockProfile, Profile, StopReason, UnknownAccess, profile_image

_ENDINGS = {
    StopReason.UNTIL: "it came to where it was to stop",
    StopReason.EXIT: "the image ended by a semihosting call",
    StopReason.BREAKPOINT: "a breakpoint",
    StopReason.SELF_BRANCH: "a branch to itself",
    StopReason.SLEEP: "the core sleeps, and nothing would wake it",
    StopReason.RESET: "the image asked for a reset",
    StopReason.SERIAL_INPUT: "the image waits for a byte on the serial line",
    StopReason.MAX_CYCLES: "the limit of cycles",
    StopReason.MAX_SECONDS: "the limit of time",
}


def profile(
    elf: Annotated[Path, typer.Argument(help="A bare-metal Cortex-M image.")],
    board: BoardOption,
    until: Annotated[
        str | None, typer.Option(help="Stop before this symbol, or address as 0x08000100.")
    ] = None,
    function: Annotated[
        list[str] | None,
        typer.Option(help="Tell shortest, median and longest call of it; repeatable."),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="ADDRESS=FILE: more bytes for the flash; repeatable."),
    ] = None,
    peripheral: Annotated[
        list[str] | None,
        typer.Option(help="ADDRESS=VALUE: what a register reads as; repeatable."),
    ] = None,
    serial_input: Annotated[
        Path | None, typer.Option(help="File with the bytes that come in on the serial line.")
    ] = None,
    vectors: Annotated[
        str | None, typer.Option(help="Address of the vector table, if it is not where flash is.")
    ] = None,
    ignore_interrupts: Annotated[
        bool, typer.Option("--ignore-interrupts", help="What is switched on just never comes.")
    ] = False,
    max_cycles: Annotated[int | None, typer.Option(help="Stop about there.")] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Stop after so long, in time of this machine.")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Count each access when it happens: slower.")
    ] = False,
    top: Annotated[int, typer.Option(help="How many functions to show.")] = 20,
    blocks: Annotated[int, typer.Option(help="How many of the hottest blocks to show.")] = 3,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell of registers that nothing is known of.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell where the cycles of anybody's image go, function by function, on a virtual board."""
    console, errors = results(), notices()

    def show(where: str, data: bytes) -> None:
        console.print(_text(data), end="", soft_wrap=True)

    def tell(access: UnknownAccess) -> None:
        why = f": {access.why}" if access.why else ""
        errors.print(
            f"{access.address:#010x} is not known, first touched at {access.where}{why}",
            soft_wrap=True,
        )

    with announced(as_json or verbose) as progress:
        progress(f"running {elf} on {board}")
        found = profile_image(
            elf,
            board,
            until=until,
            functions=function or (),
            blocks=blocks,
            flash_data={at: _content(Path(path)) for at, path in _pairs("--data", data)},
            peripherals={at: _number(value) for at, value in _pairs("--peripheral", peripheral)},
            serial_input=b"" if serial_input is None else _content(serial_input),
            vectors=None if vectors is None else _number(vectors),
            ignore_interrupts=ignore_interrupts,
            max_cycles=max_cycles,
            max_seconds=max_seconds,
            exact=exact,
            on_output=None if as_json else show,
            on_unknown=tell if verbose else None,
        )
    if as_json:
        print_json({"image": str(elf), **found.to_dict()})
    else:
        _show(console, str(elf), found, top)


def _pairs(option: str, texts: list[str] | None) -> list[tuple[int, str]]:
    """Addresses and what stands for each."""
    pairs = []
    for text in texts or ():
        address, separator, value = text.partition("=")
        if not separator:
            raise ImageError(f"{option} {text!r} has no '=' behind an address")
        pairs.append((_number(address), value))
    return pairs


def _number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError as error:
        raise ImageError(f"{text!r} is no number, such as 0x40021000") from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error}") from error


def _show(console: Console, image: str, found: Profile, top: int) -> None:
    if any(found.output.values()):
        console.print()
    console.print(
        f"{image} on {found.board} at {found.clock_hz / 1e6:g} MHz, {found.provenance}",
        soft_wrap=True,
    )
    functions = table(
        "", "function", "calls", "cycles", "share", "memory", "instructions", "inclusive", "share",
    )  # fmt: skip
    for entry in found.functions[:top]:
        functions.add_row(
            entry.name,
            f"{entry.calls:,}",
            _cycles(entry.cycles),
            _share(entry.cycles, found),
            _cycles(entry.stall_cycles),
            f"{entry.instructions:,}",
            _cycles(entry.inclusive_cycles),
            _share(entry.inclusive_cycles, found),
        )
    console.print(functions)
    hidden = len(found.functions) - top
    if hidden > 0:
        console.print(f"and {hidden} functions with fewer cycles\n")
    if found.calls:
        console.print("Cycles of a call, with all that it calls")
        calls = table("", "function", "calls", "min", "median", "max")
        for call in found.calls:
            figures = (call.min_cycles, call.median_cycles, call.max_cycles)
            calls.add_row(call.name, f"{call.calls:,}", *map(_cycles, figures))
        console.print(calls)
    for block in found.blocks:
        _show_block(console, block, found)
    _show_total(console, found)


def _show_block(console: Console, block: BlockProfile, found: Profile) -> None:
    console.print(
        f"{block.address:#010x} {block.place}: {_cycles(block.cycles)} cycles "
        f"({_share(block.cycles, found)}), {_cycles(block.stall_cycles)} of them memory; ran "
        f"{block.executions:,} times, {block.cycles_per_instruction:.2f} cycles an instruction",
        soft_wrap=True,
    )
    listing = table("", "address", "<instruction", "cycles")
    for instruction in block.instructions:
        listing.add_row(f"{instruction.address:#010x}", instruction.text, f"{instruction.cycles:g}")
    console.print(listing)


def _show_total(console: Console, found: Profile) -> None:
    stop = found.stop
    code = "" if stop.exit_code is None else f", code {stop.exit_code}"
    where = f"{stop.address:#010x}" + (f" ({stop.symbol})" if stop.symbol else "")
    lines = [
        f"{_cycles(found.cycles)} cycles, {found.latency_ms:.3f} ms, {found.instructions:,} "
        f"instructions; {_cycles(found.stall_cycles)} cycles of memory",
        f"{found.provenance} by {found.timing_model}",
        f"ended at {where}: {_ENDINGS[stop.reason]}{code}",
        *(f"note: {note}" for note in found.notes),
    ]
    if found.unknown_accesses:
        lines.append(
            f"note: {len(found.unknown_accesses)} registers that nothing is known of read as zero, "
            "-v tells which"
        )
    for line in lines:
        console.print(line, soft_wrap=True)


def _cycles(cycles: float) -> str:
    return f"{cycles:,.0f}"


def _share(cycles: float, found: Profile) -> str:
    return f"{cycles / found.cycles:.1%}" if found.cycles else ""


def _text(data: bytes) -> str:
    """What an image wrote; the console shows what controls terminals as it is."""
    return data.decode("utf-8", "replace").replace("\r\n", "\n").expandtabs()
