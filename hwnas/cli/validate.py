"""``hwnas validate``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from hwnas._databases import label_of
from hwnas.cli._output import (
    JsonOption,
    announced,
    interruptible,
    print_json,
    results,
    resumable,
    table,
)
from hwnas.firmware import DEFAULT_VARIANT
from hwnas.table._engine import parse_url
from hwnas.validation import (
    PUBLISHED,
    Comparison,
    ErrorSummary,
    PublishedRow,
    Setup,
    SkippedRow,
    Validation,
    load_rows,
)
from hwnas.validation import validate as compare


def validate(
    boards: Annotated[
        list[str] | None,
        typer.Option("--board", "-b", help="Name of a board; all that there are rows for else."),
    ] = None,
    rows: Annotated[
        Path, typer.Option(help="File of measurements; by default what others published.")
    ] = PUBLISHED,
    table_url: Annotated[
        str, typer.Option("--table", help="URL of a lookup table that keeps what was run.")
    ] = "sqlite://",
    as_json: JsonOption = False,
) -> None:
    """Hold published measurements against the virtual boards."""
    label = label_of(parse_url(table_url))
    with (
        interruptible(lambda: resumable({"the rows that were run": label})),
        announced(as_json) as progress,
    ):
        validation = compare(boards or (), rows=load_rows(rows), table=table_url, progress=progress)
    if as_json:
        print_json(validation.to_dict())
    else:
        _show(validation)


def _show(validation: Validation) -> None:
    console = results()
    console.print(_comparisons(validation.comparisons))
    console.print(_summaries(validation.summaries))
    for target in validation.targets:
        console.print(f"simulated on {target.describe()}", soft_wrap=True)
    for reason, rows in _reasons(validation.skipped).items():
        console.print(f"skipped, {reason}: {', '.join(rows)}", soft_wrap=True)
    for name, setup in _setups(validation).items():
        text = f"{name}: {setup.citation}. Measured with {setup.measured_with}."
        console.print(text, soft_wrap=True)


def _comparisons(comparisons: Sequence[Comparison]) -> Table:
    shown = table(
        "Published measurements against the virtual boards",
        "what", "<board", "<MHz", "<kernels", "measured", "simulated", "<unit", "error",
        "<parameters", "<source",
    )  # fmt: skip
    for comparison in comparisons:
        row = comparison.row
        shown.add_row(
            row.subject.title,
            row.board,
            _clocks(comparison),
            _kernels(row),
            _figure(row.measured),
            _figure(comparison.simulated),
            row.unit,
            f"{comparison.error:+.1%}",
            str(row.split),
            f"{row.setup_name}, {row.place}",
        )
    return shown


def _clocks(comparison: Comparison) -> str:
    """The clock of the measurement, and the virtual board's where it has another one."""
    measured, simulated = comparison.row.clock_hz, comparison.target.clock_hz
    other = "" if measured == simulated else f", here {simulated / 1e6:g}"
    return f"{measured / 1e6:g}{other}"


def _kernels(row: PublishedRow) -> str:
    """The kernel set, and how it is compiled where that is not as usual."""
    other = "" if row.variant == DEFAULT_VARIANT else f", {row.variant.describe()}"
    return f"{row.kernel_set}{other}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 10_000 else f"{value:,.2f}"


def _summaries(summaries: Mapping[str, ErrorSummary]) -> Table:
    shown = table(
        "Errors", "rows", "count", "MAPE", "bias", "within 5 %", "within 10 %", "Spearman"
    )
    for name, summary in summaries.items():
        shown.add_row(
            name,
            str(summary.rows),
            f"{summary.mape:.1%}",
            f"{summary.bias:+.1%}",
            f"{summary.within_5:.0%}",
            f"{summary.within_10:.0%}",
            "" if summary.spearman is None else f"{summary.spearman:.4f}",
        )
    return shown


def _reasons(skipped: Sequence[SkippedRow]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for skip in skipped:
        text = f"{skip.row.subject.title} on {skip.row.board} ({skip.row.place})"
        reasons.setdefault(skip.reason, []).append(text)
    return reasons


def _setups(validation: Validation) -> dict[str, Setup]:
    rows = [c.row for c in validation.comparisons] + [s.row for s in validation.skipped]
    return {row.setup_name: row.setup for row in rows}
