"""What the commands share in what they print."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from hwnas.firmware import Optimization
from hwnas.kernels import KERNEL_SETS

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
BoardOption = Annotated[str, typer.Option("--board", "-b", help="Name of the board.")]
TableOption = Annotated[str, typer.Option("--table", help="URL of the lookup table.")]
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
    console = Console(stderr=True, quiet=as_json)
    with console.status("starting") as status:
        yield lambda text: status.update(text)


def quiet_optuna() -> None:
    """Optuna's own lines, and its tracebacks of failed trials, would tear the progress bar."""
    logging.getLogger("optuna").setLevel(logging.ERROR)
