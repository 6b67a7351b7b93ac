"""The commands together, and what becomes of their errors."""

from __future__ import annotations

import os
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from hwnas._text import one_line
from hwnas.cli import lut_quality, lut_rows
from hwnas.cli._output import NOTHING_KEPT, interruptible, notices
from hwnas.cli.boards import boards
from hwnas.cli.deploy import deploy
from hwnas.cli.energy import energy
from hwnas.cli.explain import explain
from hwnas.cli.export import export
from hwnas.cli.flash import flash
from hwnas.cli.lut import lut
from hwnas.cli.measure import measure
from hwnas.cli.profile import profile
from hwnas.cli.search import search
from hwnas.cli.selftest import selftest
from hwnas.cli.snap import snap
from hwnas.cli.spaces import spaces
from hwnas.cli.study import study
from hwnas.cli.sweep import sweep
from hwnas.cli.validate import validate
from hwnas.cli.verify import verify
from hwnas.errors import HwnasError

UNREAD = 1
REFUSED = 2


class _Commands(TyperGroup):
    """Those that keep something halfway say so themselves."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        with interruptible(lambda: NOTHING_KEPT):
            return super().invoke(ctx)


app = typer.Typer(
    cls=_Commands,
    help="Latency, energy, RAM and flash of neural networks on Arm Cortex-M, before training.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command()(boards)
app.command()(flash)
app.command()(selftest)
app.command()(measure)
app.command()(explain)
app.command()(snap)
app.command()(deploy)
app.command()(verify)
app.command()(export)
app.command()(profile)
app.command()(spaces)
app.command()(search)
app.command()(study)
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
app.add_typer(energy, name="energy")


def run() -> None:
    """Does what the arguments of the process ask for, and ends the process."""
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except HwnasError as error:
        told = f"{type(error).__name__}: {error}"
    except BrokenPipeError:
        # Whoever read the output has seen enough.
        _abandon_output()
        sys.exit(UNREAD)
    except OSError as error:
        # Of standard output as a rule: what hwnas itself opens has errors of its own.
        told = one_line(error)
        _abandon_output()
    console = notices()
    console.print("error:", style="bold red", end=" ")
    console.print(told, soft_wrap=True)
    sys.exit(REFUSED)


def _abandon_output() -> None:
    """What is still buffered would fail again at exit, with a traceback."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
