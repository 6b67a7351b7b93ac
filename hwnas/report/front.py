"""The Pareto front as a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.trial import TrialState

from hwnas.errors import StudyError
from hwnas.panel import UNITS
from hwnas.report._figure import new_figure, picture_path, save
from hwnas.search import pareto_front
from hwnas.target import Provenance
from hwnas.trial_record import TrialRecord, finished_records

_FRONT_COLOR: Final = "#c8553d"
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

    All of the front is marked. A line joins what no other of it beats in both things drawn: a study
    with more objectives has more on its front.

    Args:
        study: A study run with :class:`hwnas.HardwareObjective`.
        path: Where to write; the suffix decides the format.
        x: Hardware figure on the horizontal axis: ``latency_ms``, ``energy_mj``, ``ram_bytes`` or
            ``flash_bytes``.
        metric: Name of what ``train`` returned, for the vertical axis.
        limit: The budget's limit on ``x``, drawn as a line.

    Returns:
        The path written.

    Raises:
        StudyError: Nothing was trained yet, so there is nothing to draw, or ``x`` is unknown, as
            energy is of a board whose power is.
        HwnasError: matplotlib is not installed, or the file cannot be written.
    """
    target = picture_path(path)
    if x not in UNITS:
        raise StudyError(f"plot of {x!r}: it is none of {', '.join(UNITS)}")
    records = list(
        finished_records(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))).values()
    )
    trained = [record for record in records if record.trained]
    if not trained:
        raise StudyError("no candidate was trained yet: there is no front to draw")
    board = trained[0].cost["board"]
    if any(record.cost[x] is None for record in records):
        raise StudyError(f"plot of {x}: it is not known on {board}")
    figure, axes = new_figure()
    axes.scatter(*_points(trained, x), s=22, color="#7a9cc6", label="trained")
    front = [entry.record for entry in pareto_front(study)]
    axes.plot(*_points(front, x), "o", color=_FRONT_COLOR, label="Pareto front", zorder=3)
    axes.plot(*_points(_best(front, x), x), "-", color=_FRONT_COLOR, zorder=3, gid="front")
    _draw_stopped(axes, [record for record in records if not record.trained], x, limit)
    if limit is not None:
        axes.axvline(limit, color="#333333", linestyle="--", linewidth=1, label="budget")
    how = " and ".join(sorted({str(record.cost["provenance"][x]) for record in trained}))
    axes.set(xlabel=f"{UNITS[x]}, {how}", ylabel=metric, title=f"{board}, {how} {UNITS[x]}")
    axes.legend()
    return save(figure, target)


def _points(records: Sequence[TrialRecord], x: str) -> tuple[list[float], list[float]]:
    return [record.cost[x] for record in records], [record.metric for record in records]


def _best(records: Iterable[TrialRecord], x: str) -> list[TrialRecord]:
    """Those that no other one beats in both ``x`` and metric, by ``x``."""
    best: list[TrialRecord] = []
    for record in sorted(records, key=lambda record: (record.cost[x], -record.metric)):
        if not best or record.metric > best[-1].metric:
            best.append(record)
    return best


def _draw_stopped(axes: Any, records: Sequence[TrialRecord], x: str, limit: float | None) -> None:
    """A rug along the axis, for they have no metric; what is far beyond the limit is left out."""
    for how, color in _STOPPED_COLORS.items():
        values = [record.cost[x] for record in records if record.cost["provenance"][x] == how]
        if values:
            shown = [value for value in values if limit is None or value <= 3 * limit]
            axes.plot(shown, [0.02] * len(shown), "|", color=color, markersize=9,
                      transform=axes.get_xaxis_transform(),
                      label=f"stopped, {how} ({len(values)})")  # fmt: skip
