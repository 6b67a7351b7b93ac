"""Errors of many predictions in a few figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

LEAST_RANKED: Final = 5
"""The ranks of fewer different values than these tell nothing: three fall in order by chance once
in six times."""


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """How far predicted values are from true ones: simulated from measured, sums from wholes.

    Attributes:
        rows: How many were compared.
        mape: Mean absolute error, relative to the true value.
        bias: Mean error with its sign.
        worst: Largest absolute error.
        within_1: Share of rows whose error is 1 % or less.
        within_5: Share of rows whose error is 5 % or less.
        within_10: Share of rows whose error is 10 % or less.
        spearman: Spearman's rank correlation; ``None`` where it says nothing.
    """

    rows: int
    mape: float
    bias: float
    worst: float
    within_1: float
    within_5: float
    within_10: float
    spearman: float | None


def summarize(true: Sequence[float], predicted: Sequence[float]) -> ErrorSummary:
    """Sum up errors.

    Args:
        true: Values above 0.
        predicted: As many, in the same unit.

    Example:
        >>> summary = summarize([100, 200, 300, 400, 500], [104, 190, 300, 440, 500])
        >>> round(summary.mape, 3), round(summary.bias, 3), summary.within_5
        (0.038, 0.018, 0.6)
    """
    truth, model = np.asarray(true, float), np.asarray(predicted, float)
    errors = model / truth - 1
    sizes = np.abs(errors)
    return ErrorSummary(
        rows=len(errors),
        mape=float(sizes.mean()),
        bias=float(errors.mean()),
        worst=float(sizes.max()),
        within_1=float((sizes <= 0.01).mean()),
        within_5=float((sizes <= 0.05).mean()),
        within_10=float((sizes <= 0.10).mean()),
        spearman=_rank_correlation(truth, model),
    )


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float | None:
    if min(len(set(one)), len(set(other))) < LEAST_RANKED:
        return None
    # Slow to import, and nothing else here needs it.
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)
