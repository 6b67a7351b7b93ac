"""``hwnas boards``."""

from __future__ import annotations

from rich.console import Console

from hwnas.boards import BoardSpec, list_boards, load_board
from hwnas.cli._output import JsonOption, kib, print_json, table


def boards(as_json: JsonOption = False) -> None:
    """List the boards that hwnas knows, and how each can be used."""
    specs = [load_board(name) for name in list_boards()]
    if as_json:
        print_json([_plain(spec) for spec in specs])
        return
    shown = table("Boards", "board", "<core", "MHz", "flash KiB", "RAM KiB", "mW", "<latency")
    for spec in specs:
        shown.add_row(
            spec.name,
            spec.core.name,
            f"{spec.core.clock_hz / 1e6:g}",
            kib(spec.flash.size_bytes),
            kib(spec.ram.size_bytes),
            "unknown" if spec.power is None else f"{spec.power.active_mw:g}",
            _latency(spec),
        )
    Console().print(shown)


def _latency(spec: BoardSpec) -> str:
    return "none, functional only" if spec.timing is None else "simulated"


def _plain(spec: BoardSpec) -> dict[str, object]:
    return {
        "name": spec.name,
        "title": spec.title,
        "core": spec.core.name,
        "clock_hz": spec.core.clock_hz,
        "flash_bytes": spec.flash.size_bytes,
        "ram_bytes": spec.ram.size_bytes,
        "active_mw": None if spec.power is None else spec.power.active_mw,
        "latency": None if spec.timing is None else "simulated",
    }
