"""One objective made of several, each with a weight and a scale."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hwnas.errors import StudyError
from hwnas.tuner._import import keras_tuner


@dataclass(frozen=True, slots=True)
class Term:
    """What a metric adds to a weighted objective: ``weight * value / scale``.

    Attributes:
        weight: Above 0 for what should be large, below 0 for what should be small.
        scale: In the metric's unit: the value that counts as 1.
    """

    weight: float
    scale: float = 1.0


class WeightedObjective(keras_tuner.Objective):
    """A sum of metrics, to be maximized.

    KerasTuner adds a list of objectives up as they are: an accuracy below 1 beside a latency of 30
    milliseconds, or of 30,000 microseconds, counts for nothing. Here weights and scales are named.

    Args:
        terms: By the metric's name: those that training logs, and ``latency_ms``, ``energy_mj``,
            ``ram_bytes`` and ``flash_bytes``.
        name: Of the sum, as a metric of its own.

    Raises:
        StudyError: There is no term, a weight is 0, a scale is not above 0, or one is not finite.

    Example:
        >>> objective = WeightedObjective(
        ...     {"val_accuracy": Term(1), "latency_ms": Term(-0.2, scale=100)}
        ... )
        >>> round(objective.get_value({"val_accuracy": 0.9, "latency_ms": 50}), 6)
        0.8
    """

    def __init__(self, terms: Mapping[str, Term], name: str = "weighted") -> None:
        super().__init__(name, direction="max")
        self.terms = dict(terms)
        if not self.terms:
            raise StudyError("a weighted objective needs a term: name a metric")
        for metric, term in self.terms.items():
            if not (math.isfinite(term.weight) and term.weight):
                raise StudyError(f"{metric}: weight {term.weight} must be a number other than 0")
            if not (math.isfinite(term.scale) and term.scale > 0):
                raise StudyError(f"{metric}: scale {term.scale} must be a number above 0")

    def has_value(self, logs: Mapping[str, Any]) -> bool:
        """Whether all metrics are known."""
        return all(metric in logs for metric in self.terms)

    def get_value(self, logs: Mapping[str, Any]) -> float:
        """The sum."""
        return sum(
            term.weight * float(logs[metric]) / term.scale for metric, term in self.terms.items()
        )
