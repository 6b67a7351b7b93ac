"""The Pareto front as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import optuna
from optuna.trial import TrialState

from hwnas.errors import HwnasError, StudyError
from hwnas.search import pareto_front
from hwnas.target import Provenance
from hwnas.trial_record import TrialRecord, finished_records

LABELS: Final = {
    "latency_ms": "latency (ms)",
    "energy_mj": "energy (mJ)",
    "ram_bytes": "RAM (bytes)",
    "flash_bytes": "flash (bytes)",
}


_STOPPED_COLORS: Final = {
    str(Provenance.MEASURED): "#222222",
    str(Provenance.SIMULATED): "#666666",
    str(Provenance.ESTIMATED): "#bbbbbb",
}


def plot_front(
    study: optuna.Study,
    path: Path | str,
    *,
    x: str = "latency_ms",
    metric: str = "accuracy",
    limit: float | None = None,
) -> Path:
    """Draw trained candidates, stopped candidates and the front; write a PNG, PDF or SVG.

    Args:
        study: A study run with :class:`hwnas.HardwareObjective`.
        path: Where to write; the suffix decides the format.
        x: Hardware figure on the horizontal axis.
        metric: Name of what ``train`` returned, for the vertical axis.
        limit: The budget's limit on ``x``, drawn as a line.

    Returns:
        The path written.

    Raises:
        StudyError: Nothing was trained yet, so there is nothing to draw.
        HwnasError: matplotlib is not installed, or the file cannot be written.
    """
    records = list(
        finished_records(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))).values()
    )
    trained = [record for record in records if record.trained]
    if not trained:
        raise StudyError("no candidate was trained yet: there is no front to draw")
    front = [entry.record for entry in pareto_front(study)]
    stopped = [record for record in records if not record.trained]
    figure = _figure()
    axes = figure.subplots()
    axes.scatter(*_points(trained, x), s=22, color="#7a9cc6", label="trained")
    axes.plot(*_points(front, x), "o-", color="#c8553d", label="Pareto front", zorder=3)
    for how, color in _STOPPED_COLORS.items():
        values = [record.cost[x] for record in stopped if record.cost["provenance"][x] == how]
        if values:
            # A rug along the axis: they have no metric.
            shown = [value for value in values if limit is None or value <= 3 * limit]
            axes.plot(shown, [0.02] * len(shown), "|", color=color, markersize=9,
                      transform=axes.get_xaxis_transform(),
                      label=f"stopped, {how} ({len(values)})")  # fmt: skip
    if limit is not None:
        axes.axvline(limit, color="#333333", linestyle="--", linewidth=1, label="budget")
    how = " and ".join(sorted({str(record.cost["provenance"][x]) for record in trained}))
    board = trained[0].cost["board"]
    axes.set(xlabel=f"{LABELS[x]}, {how}", ylabel=metric, title=f"{board}, {how} {LABELS[x]}")
    axes.grid(alpha=0.3)
    axes.legend()
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(target, dpi=150)
    except (OSError, ValueError) as error:
        raise HwnasError(f"plot {target}: cannot be written ({error})") from error
    return target


def _points(records: list[TrialRecord], x: str) -> tuple[list[float], list[float]]:
    return [record.cost[x] for record in records], [record.metric for record in records]


def _figure() -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise HwnasError("plots need matplotlib: pip install 'hwnas[plots]'") from error
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure
