"""``hwnas boards``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from hwnas.boards import BoardSpec, list_boards, load_board
from hwnas.cli._output import JsonOption, kib, print_json, results, table


def boards(
    connected: Annotated[
        bool, typer.Option("--connected", help="List debug probes and serial ports instead.")
    ] = False,
    pool: Annotated[
        Path | None, typer.Option(help="Check the boards of a rack's file instead.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the boards that hwnas knows, those plugged in, or those of a rack."""
    if pool is not None:
        _show("Rack", _rack(pool), as_json)
    elif connected:
        _show("Plugged in", _connected(), as_json)
    else:
        _show("Boards", [_plain(load_board(name)) for name in list_boards()], as_json)


def _show(title: str, rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    if not rows:
        results().print(f"{title}: nothing was found")
        return
    shown = table(title, *(_heading(name) for name in rows[0]))
    for row in rows:
        shown.add_row(*(_cell(name, value) for name, value in row.items()))
    results().print(shown)


_SIZES = ("flash_bytes", "ram_bytes")
_HEADINGS = {
    "clock_hz": "MHz",
    "flash_bytes": "flash KiB",
    "ram_bytes": "RAM KiB",
    "active_mw": "mW",
    "name": "board",
}
_NUMBERS = frozenset({"clock_hz", *_SIZES, "active_mw"})


def _heading(name: str) -> str:
    heading = _HEADINGS.get(name, name.replace("_", " "))
    return heading if name in _NUMBERS else f"<{heading}"


def _cell(name: str, value: object) -> str:
    if value is None:
        return "unknown" if name == "active_mw" else ""
    if name in _SIZES:
        return kib(float(str(value)))
    if name == "clock_hz":
        return f"{float(str(value)) / 1e6:g}"
    return str(value)


def _plain(spec: BoardSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "core": spec.core.name,
        "clock_hz": spec.core.clock_hz,
        "flash_bytes": spec.flash.size_bytes,
        "ram_bytes": spec.ram.size_bytes,
        "active_mw": None if spec.power is None else spec.power.active_mw,
        "latency": _latency(spec),
    }


def _latency(spec: BoardSpec) -> str:
    """How latency can be had without the board at hand."""
    if spec.timing is not None:
        return "simulated"
    return "none" if spec.kind == "qemu" else "needs the board"


def _connected() -> list[dict[str, Any]]:
    from hwnas.device.flashing import list_probes
    from hwnas.device.ports import list_serial_ports

    ports = {port.serial_number: port for port in list_serial_ports()}
    probes = {probe.unique_id: probe for probe in list_probes()}
    return [
        {
            "serial_number": number,
            "port": ports[number].device if number in ports else "none",
            "what": (probes.get(number) or ports[number]).description,
        }
        for number in sorted(ports.keys() | probes.keys())
    ]


def _rack(path: Path) -> list[dict[str, Any]]:
    from hwnas.device.pool import check_rack

    return [
        {
            "name": status.name,
            "kind": status.board,
            "state": str(status.state),
            "why": status.reason,
        }
        for status in check_rack(path)
    ]
