"""Energy over latency as a picture: the paper's Figures 6, 7 (fits) and 3 (boards compared)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from hwnas.errors import EnergyError
from hwnas.report._figure import new_figure, picture_path, save

if TYPE_CHECKING:
    from hwnas.energy import EnergyFit

_COLORS: Final = ("#c8553d", "#3b6ea5", "#4f8a5b", "#8a6fb0", "#b08d3b", "#5a5a5a")


def plot_energy(fits: Mapping[str, EnergyFit], path: Path | str, *, log: bool = False) -> Path:
    """Draw rows and the line that was fitted to them, in one color a board; a PNG, PDF or SVG.

    Args:
        fits: By the name of the board, or whatever else is compared.
        path: Where to write; the suffix decides the format.
        log: Logarithmic axes, as where networks of many sizes or several boards are compared.

    Returns:
        The path written.

    Raises:
        EnergyError: There is no fit, or rows were obtained in different ways.
        HwnasError: matplotlib is not installed, or the file cannot be written.
    """
    target = picture_path(path)
    ways = {str(row.provenance) for fit in fits.values() for row in fit.rows}
    if len(ways) != 1:
        raise EnergyError(
            f"plot {target}: draws energies of one kind, not {', '.join(sorted(ways)) or 'none'}"
        )
    (how,) = ways
    figure, axes = new_figure()
    for i, (name, fit) in enumerate(fits.items()):
        color = _COLORS[i % len(_COLORS)]
        latency = np.array([row.latency_s for row in fit.rows])
        energy = np.array([row.energy_j for row in fit.rows])
        axes.scatter(latency * 1e3, energy * 1e3, s=18, color=color)
        span = np.array([latency.min(), latency.max()])
        line = fit.model.power_w * span + fit.model.offset_j
        label = f"{name}: {fit.model.power_w * 1e3:.2f} mW, r = {fit.r:.4f}"
        axes.plot(span * 1e3, line * 1e3, "-", color=color, linewidth=1, label=label)
    if log:
        axes.set(xscale="log", yscale="log")
    axes.set(
        xlabel=f"latency (ms), {how}", ylabel=f"energy (mJ), {how}", title=f"energy, {how}, gross"
    )
    axes.legend()
    return save(figure, target)
