"""The command line: a thin layer over the library's public functions."""

from __future__ import annotations

import sys

import typer
from rich.console import Console

from hwnas.cli import lut_quality, lut_rows
from hwnas.cli.boards import boards
from hwnas.cli.flash import flash
from hwnas.cli.lut import lut
from hwnas.cli.measure import measure
from hwnas.cli.search import search
from hwnas.cli.selftest import selftest
from hwnas.cli.sweep import sweep
from hwnas.cli.validate import validate
from hwnas.errors import HwnasError

app = typer.Typer(
    help="Latency, energy, RAM and flash of neural networks on Arm Cortex-M, before training.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(boards)
app.command()(flash)
app.command()(selftest)
app.command()(measure)
app.command()(search)
app.command()(sweep)
app.command()(validate)
for command in (
    lut_rows.show,
    lut_rows.prune,
    lut_quality.diff,
    lut_quality.check,
    lut_quality.validate,
):
    lut.command()(command)
app.add_typer(lut, name="lut")


def main() -> None:
    """Entry point of ``hwnas``: an error of ours is one paragraph and exit code 2."""
    errors = Console(stderr=True)
    try:
        app()
    except HwnasError as error:
        errors.print(f"[bold red]error:[/] {type(error).__name__}: ", end="")
        errors.print(str(error), markup=False, highlight=False)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("interrupted; the same command goes on where this one stopped")
        sys.exit(130)
