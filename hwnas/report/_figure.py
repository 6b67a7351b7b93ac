"""What all pictures share: a figure without a screen, and writing it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

from hwnas._files import replacing
from hwnas.errors import HwnasError

FORMATS: Final = (".png", ".pdf", ".svg")


def new_figure(width: float = 7, height: float = 4.5) -> tuple[Any, Any]:
    """A figure and its axes, in inches.

    Raises:
        HwnasError: matplotlib is not installed.
    """
    figure, (axes,) = new_panels(1, 1, width, height)
    return figure, axes


def new_panels(
    rows: int, columns: int, width: float = 9, height: float = 6.5
) -> tuple[Any, list[Any]]:
    """A figure and the axes of its panels, row by row, in inches.

    Raises:
        HwnasError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise HwnasError("plots need matplotlib: pip install 'hwnas[plots]'") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.grid(alpha=0.3)
    return figure, panels


def picture_path(path: Path | str) -> Path:
    """A path that a picture can be written to, as far as its name tells.

    Raises:
        HwnasError: Its suffix is none of :data:`FORMATS`, or it is a folder.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        raise HwnasError(f"plot {target}: its name must end in one of {', '.join(FORMATS)}")
    if os.path.isdir(target):
        raise HwnasError(f"plot {target}: is a folder; name a file inside it")
    return target


def save(figure: Any, path: Path | str) -> Path:
    """Write a figure, whose file appears whole or not at all.

    Raises:
        HwnasError: The name is none of a picture, or the file cannot be written.
    """
    target = picture_path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as draft:
            figure.savefig(draft, dpi=150, format=target.suffix[1:].lower())
    except (OSError, ValueError) as error:
        raise HwnasError(f"plot {target}: cannot be written ({error})") from error
    return target
