"""``hwnas selftest``."""

from __future__ import annotations

import typer

from hwnas.boards import load_board
from hwnas.cli._output import (
    BoardOption,
    FpuOption,
    JsonOption,
    OptimizationOption,
    PortOption,
    announced,
    print_json,
    results,
)
from hwnas.device import BoardClient
from hwnas.firmware import Optimization, Variant, find_image
from hwnas.opening import virtual_client
from hwnas.selftest import CheckState, run_selftest

_STYLES = {CheckState.PASSED: "green", CheckState.FAILED: "bold red", CheckState.SKIPPED: "yellow"}
FAILED = 1


def selftest(
    board: BoardOption,
    port: PortOption = None,
    optimization: OptimizationOption = Optimization.SPEED,
    fpu: FpuOption = True,
    as_json: JsonOption = False,
) -> None:
    """Check a board from its banner to every kernel: docs/bring-up.md as a program."""
    spec = load_board(board)
    with announced(as_json) as told:
        image = find_image(spec, Variant(optimization, fpu), progress=told)
    if port is None:
        client = virtual_client(spec, image)
    else:
        from hwnas.device.ports import resolve_port
        from hwnas.device.serial import SerialTransport

        client = BoardClient(SerialTransport(resolve_port(port), spec.serial.baud))
    console = results(quiet=as_json)
    where = "the virtual board (simulated)" if port is None else port
    console.print(f"{spec.name} on {where}")
    checks = []
    with client:
        for check in run_selftest(client, image.manifest, host_clock=port is not None):
            checks.append(check)
            console.print(f"{check.state:8}", style=_STYLES[check.state], end=" ")
            console.print(f"{check.name}: {check.detail}")
    failed = sum(check.state is CheckState.FAILED for check in checks)
    if as_json:
        print_json(
            {
                "board": spec.name,
                "port": port,
                "failed": failed,
                "checks": [
                    {"name": c.name, "state": str(c.state), "detail": c.detail} for c in checks
                ],
            }
        )
    if failed:
        console.print(f"{failed} of {len(checks)} checks failed")
        raise typer.Exit(FAILED)
    console.print(f"all {len(checks)} checks are well")
