"""A picture of what the networks of a space cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from hwnas.report._figure import new_panels, save
from hwnas.survey import LATENCY, Survey

BINS: Final = 40
_PANELS: Final = {
    "macs": "MACs",
    LATENCY: "latency (ms)",
    "ram_bytes": "RAM (bytes)",
    "flash_bytes": "flash (bytes)",
}
_COLORS: Final = ("#c8553d", "#588157", "#8e6c8a", "#d98e04")


def plot_survey(found: Survey, path: Path | str) -> Path:
    """Draw how MACs, latency, RAM and flash of a sample are spread; write a PNG, PDF or SVG.

    The board's limits are dashed lines, the known networks of the space are coloured ones.

    Raises:
        HwnasError: matplotlib is not installed, or the file cannot be written.
    """
    figure, panels = new_panels(2, 2)
    for axes, (name, label) in zip(panels, _PANELS.items(), strict=True):
        _draw(axes, found, name)
        axes.set(xlabel=label, ylabel="networks")
    panels[1].set_xlabel(f"latency (ms), {found.provenance}, of those that fit")
    figure.suptitle(f"{found.space}: {len(found.costs)} random networks on {found.board}")
    handles, labels = panels[0].get_legend_handles_labels()
    more, told = panels[2].get_legend_handles_labels()
    both = dict(zip([*labels, *told], [*handles, *more], strict=True))
    if both:
        figure.legend(both.values(), both.keys(), loc="outside lower center", ncols=4, fontsize=8)
    return save(figure, path)


def _draw(axes: Any, found: Survey, name: str) -> None:
    values = found.values(name)
    lines = {reference: getattr(cost, name) for reference, cost in found.references.items()
             if name != LATENCY or cost.basis == found.basis}  # fmt: skip
    everything = [*values, *lines.values()]
    if not everything:
        axes.text(0.5, 0.5, "none fits", ha="center", transform=axes.transAxes)
        return
    axes.set_xscale("log")
    axes.tick_params(axis="x", which="both", labelsize=7, rotation=30)
    # A little room, or equal values had bins of no width.
    low, high = min(everything) * 0.95, max(everything) * 1.05
    axes.hist(values, bins=np.geomspace(low, high, BINS), color="#7a9cc6")
    for i, (reference, value) in enumerate(lines.items()):
        axes.axvline(value, color=_COLORS[i % len(_COLORS)], linewidth=1.5, label=reference)
    if name in found.limits:
        axes.axvline(
            found.limits[name], color="#333333", linestyle="--", linewidth=1, label="the board's"
        )
