"""What hwnas writes into a trial's user attributes, and reads back from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Final

from optuna.trial import FrozenTrial, TrialState

from hwnas.errors import StudyError
from hwnas.network import Network

ATTRIBUTE: Final = "hwnas"
"""One attribute holds it all: every attribute costs a storage a write of its own."""
INVALID: Final = "hwnas_invalid"
"""Attribute of a trial whose parameters make no network: why."""
FAILURE: Final = "hwnas_error"
"""Attribute of a trial that failed: why. A failed trial without it was cut off."""

JUDGED: Final = (TrialState.COMPLETE, TrialState.PRUNED)
"""States of trials that have a record, unless their parameters make no network."""


class Gate(StrEnum):
    """What ended a candidate's way: a gate, or its training."""

    SPACE = "space"
    DUPLICATE = "duplicate"
    STATIC = "static"
    TABLE = "table"
    BOARD = "board"
    USER = "user"
    PRUNED = "pruned"
    TRAINED = "trained"


@dataclass(frozen=True, slots=True)
class TrialRecord:
    """A candidate's fate.

    Attributes:
        gate: What ended its way.
        digest: Of the network after snapping.
        network: That network as plain data (:meth:`hwnas.network.Network.to_dict`).
        cost: :meth:`hwnas.evaluator.HardwareCost.to_dict` with each figure's provenance and the
            breakdown by layers; of several boards that of the slowest, and the largest sizes.
        metric: What ``train`` returned, or the floor where nothing was trained.
        trained: Whether ``metric`` was trained for, to the end, by this trial or the one it
            repeats.
        violations: Each checked limit's (value - limit) / limit.
        verdict: In words: the rung, and what was over by how much.
        refusal: Why the kernels cannot run it at all; empty where they can.
        seconds: Host time by rung.
        duplicate_of: Number of the trial with the same network.
        int8_metric: The metric of the quantized model, where it was asked for.
        costs: The costs by board, where there are several.
    """

    gate: Gate
    digest: str
    network: Mapping[str, Any]
    cost: Mapping[str, Any]
    metric: float
    trained: bool
    violations: Mapping[str, float]
    verdict: str = ""
    refusal: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    duplicate_of: int | None = None
    int8_metric: float | None = None
    costs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def feasible(self) -> bool:
        """True when it can run and no checked limit is exceeded."""
        return not self.refusal and all(value <= 0 for value in self.violations.values())

    def rebuild_network(self) -> Network:
        """The network as it was judged.

        Raises:
            NetworkError: The stored data is damaged.
        """
        return Network.from_dict(self.network)

    def to_attribute(self) -> dict[str, Any]:
        """Plain data for ``trial.set_user_attr``."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def read_record(trial: FrozenTrial) -> TrialRecord | None:
    """The record in a trial's attributes, or ``None`` if it has none.

    Raises:
        StudyError: The attribute is there but not one of this version.
    """
    data = trial.user_attrs.get(ATTRIBUTE)
    if data is None:
        return None
    try:
        return TrialRecord(**{**data, "gate": Gate(data["gate"])})
    except (TypeError, KeyError, ValueError) as error:
        raise StudyError(
            f"trial {trial.number}: its '{ATTRIBUTE}' attribute is not from this version of "
            f"hwnas ({error}); use another study name"
        ) from error


def finished_records(trials: Iterable[FrozenTrial]) -> dict[int, TrialRecord]:
    """Records of completed and pruned trials, by trial number."""
    records = ((t.number, read_record(t)) for t in trials if t.state in JUDGED)
    return {number: record for number, record in records if record is not None}


def nearest_miss(records: Mapping[int, TrialRecord]) -> tuple[int, TrialRecord] | None:
    """The network that exceeds its limits by the least share, with its number.

    Args:
        records: By trial number.

    Returns:
        ``None`` where no limit of any network is known to be exceeded.
    """
    misses = [
        (max(record.violations.values()), number)
        for number, record in records.items()
        if not record.refusal and not record.feasible
    ]
    if not misses:
        return None
    _, number = min(misses)
    return number, records[number]
