"""What the commands share in what they print."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hwnas._text import printable
from hwnas.cli import INTERRUPTED
from hwnas.firmware import Optimization
from hwnas.kernels import KERNEL_SETS

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
ModelArgument = Annotated[
    Path, typer.Argument(help="A .keras, .h5 or .tflite model, or a network's .json.")
]
BoardOption = Annotated[
    str, typer.Option("--board", "-b", help="Name of the board, or its .toml file.")
]
TableOption = Annotated[str, typer.Option("--table", help="URL of the lookup table, or its path.")]
PortOption = Annotated[
    str | None,
    typer.Option(
        help="The physical board: a device, a pyserial URL or usb:SERIAL; without it the virtual "
        "copy is taken."
    ),
]
ProbeOption = Annotated[
    str | None, typer.Option(help="Unique id of the debug probe that may flash the board.")
]
MeterOption = Annotated[
    str | None,
    typer.Option(
        help="The energy meter on the board: rocketlogger://HOST, joulescope://, virtual://; "
        "without one energy is estimated."
    ),
]
KernelsOption = Annotated[
    str, typer.Option(help=f"Kernels that run the network: {', '.join(KERNEL_SETS)}.")
]
OptimizationOption = Annotated[
    Optimization, typer.Option(help="How the firmware is compiled: smaller, or faster.")
]
FpuOption = Annotated[
    bool,
    typer.Option("--fpu/--no-fpu", help="Floats by the floating-point unit, or by software."),
]
DEFAULT_TABLE = "sqlite:///hwnas-table.db"
NOTHING_KEPT = "nothing was stored; the same command starts anew"


class _PlainConsole(Console):
    """Shows text as it is, were it a file name with brackets, colons or control characters."""

    def __init__(self, *, stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(stderr=stderr, quiet=quiet, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """A text as rich draws it; cells and titles of tables come through here as well."""
        return super().render_str(printable(text), **options)


def results(*, quiet: bool = False) -> Console:
    """Standard output, for what was asked for."""
    return _PlainConsole(quiet=quiet)


def notices(*, quiet: bool = False) -> Console:
    """Standard error, for all that is said on the way."""
    return _PlainConsole(stderr=True, quiet=quiet)


def print_json(data: Any) -> None:
    """Write one JSON document to standard output."""
    json.dump(data, sys.stdout, indent=2, allow_nan=False)
    sys.stdout.write("\n")


def table(title: str, *columns: str) -> Table:
    """A table whose columns are right-aligned but for the first and those that start with ``<``."""
    made = Table(
        title=title or None,
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for i, name in enumerate(columns):
        left = i == 0 or name.startswith("<")
        made.add_column(name.removeprefix("<"), justify="left" if left else "right")
    return made


def kib(size: float) -> str:
    """Bytes as KiB with one decimal."""
    return f"{size / 1024:.1f}"


@contextmanager
def announced(as_json: bool) -> Iterator[Callable[[str], None]]:
    """A function that shows what takes long, on standard error; silent for JSON."""
    with notices(quiet=as_json).status("starting") as status:
        yield lambda text: status.update(Text(printable(text)))


@contextmanager
def interruptible(kept: Callable[[], str]) -> Iterator[None]:
    """Ends the command at Ctrl-C with a line that tells what was kept and how to go on.

    Typer alone would end it without a word.
    """
    try:
        yield
    except KeyboardInterrupt:
        notices().print(f"interrupted: {kept()}", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None


def resumable(places: Mapping[str, str]) -> str:
    """What an interrupt left where, and how to go on.

    Args:
        places: Labels of databases, by what was stored in them.
    """
    left = [f"{what} are in {label}" for what, label in places.items() if label != ":memory:"]
    if not left:
        return NOTHING_KEPT
    return f"{' and '.join(left)}; the same command goes on"


def quiet_optuna() -> None:
    """Optuna's own lines, and its tracebacks of failed trials, would tear the progress bar."""
    logging.getLogger("optuna").setLevel(logging.ERROR)
