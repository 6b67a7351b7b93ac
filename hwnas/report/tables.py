"""Pictures of lookup tables: two targets against each other, sums against end-to-end runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwnas.accuracy import ValidationRow, fits
from hwnas.report._figure import new_figure, save
from hwnas.table import TableDiff


def plot_diff(diff: TableDiff, path: Path | str) -> Path:
    """Draw the cycles of each common layer on two targets; write a PNG, PDF or SVG.

    Raises:
        HwnasError: matplotlib is not installed, or the file cannot be written.
    """
    figure, axes = new_figure()
    for operator in diff.operators:
        points = [r for r in diff.ratios if str(r.layer.operator) == operator.operator]
        axes.scatter(
            [r.first for r in points],
            [r.second for r in points],
            s=10,
            label=f"{operator.operator}, median ratio {operator.median:.2f}",
        )
    ends = [min(r.first for r in diff.ratios), max(r.first for r in diff.ratios)]
    axes.plot(ends, ends, color="#999999", linewidth=1)
    axes.set(xscale="log", yscale="log")
    axes.set_xlabel(f"cycles, {diff.first.describe()}", fontsize=6)
    axes.set_ylabel(f"cycles, {diff.second.describe()}", fontsize=6)
    axes.legend(fontsize=7)
    return save(figure, path)


def plot_validation(rows: Sequence[ValidationRow], path: Path | str, title: str) -> Path:
    """Draw what the table and MACs predict against end-to-end cycles; write a PNG, PDF or SVG.

    Raises:
        TableError: There is no network.
        HwnasError: matplotlib is not installed, or the file cannot be written.
    """
    table, macs, *_ = fits(rows)
    figure, axes = new_figure()
    run = [row.whole for row in rows]
    axes.scatter(
        run,
        [macs.constant * row.macs for row in rows],
        s=14,
        color="#bbbbbb",
        label=f"MACs times {macs.constant:.2g}: mean error {macs.errors.mape:.0%}",
    )
    axes.scatter(
        run,
        [row.layers for row in rows],
        s=14,
        color="#0072b2",
        label=f"sum over layers: mean error {table.errors.mape:.2%}",
    )
    axes.plot([min(run), max(run)], [min(run), max(run)], color="#999999", linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel="cycles, end to end", ylabel="cycles, predicted")
    axes.set_title(title, fontsize=9)
    axes.legend(fontsize=8)
    return save(figure, path)
