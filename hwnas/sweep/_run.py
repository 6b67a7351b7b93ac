"""A sweep: the layers that a table lacks are run, and what becomes of each is stored at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from hwnas.errors import TableError
from hwnas.network import Layer
from hwnas.table import LayerRecord, LookupTable
from hwnas.target import TargetIdentity


class LayerRunner(Protocol):
    """Runs layers, somewhere."""

    def run(self, layers: Sequence[Layer]) -> Iterator[SweepOutcome]:
        """Run each layer alone and yield what became of it, in whatever order.

        Closing the iterator ends the work.
        """
        ...


@dataclass(frozen=True, slots=True)
class SweepOutcome:
    """What became of one layer.

    Attributes:
        layer: The layer.
        record: Its row; ``None`` where it could not be measured.
        reason: Why not; empty where it could.
    """

    layer: Layer
    record: LayerRecord | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """What a sweep has to do.

    Attributes:
        missing: Layers to run, in this order.
        known: How many have a row already.
        failed: How many failed before and are left out.
    """

    missing: tuple[Layer, ...]
    known: int
    failed: int


def plan_sweep(
    table: LookupTable,
    target: TargetIdentity,
    layers: Iterable[Layer],
    *,
    retry_failed: bool = False,
) -> SweepPlan:
    """Find out what is missing.

    Args:
        table: Where the rows go.
        target: What the layers are run on.
        layers: In the order of their worth.
        retry_failed: Try again what failed before.

    Raises:
        TableError: The table cannot be read.
    """
    wanted = dict.fromkeys(layer for layer in layers if not layer.is_free)
    known = table.get(target, wanted)
    left = [layer for layer in wanted if layer not in known]
    failed = {} if retry_failed else table.failures(target, left)
    missing = tuple(layer for layer in left if layer not in failed)
    return SweepPlan(missing, len(known), len(failed))


def run_sweep(
    table: LookupTable, target: TargetIdentity, plan: SweepPlan, runner: LayerRunner
) -> Iterator[SweepOutcome]:
    """Run what a plan lacks. Each row is stored before its outcome is yielded.

    A layer that fails is stored with its reason and does not stop the rest. An interrupted sweep
    loses the layers in flight; the same sweep, planned again, goes on with what is left.

    Args:
        table: Where the rows go.
        target: What ``runner`` runs layers on.
        plan: From :func:`plan_sweep`.
        runner: Runs them.

    Raises:
        BoardError: No board could be had, or all were lost.
        TableError: The table cannot be written, or a simulated row contradicts one that another
            process stored.

    Example:
        >>> plan = plan_sweep(table, target, layers)  # doctest: +SKIP
        >>> for outcome in run_sweep(table, target, plan, runner):  # doctest: +SKIP
        ...     print(outcome.layer.describe(), outcome.reason or outcome.record.cycles_median)
    """
    asked = set(plan.missing)
    for outcome in runner.run(plan.missing):
        if outcome.layer not in asked:
            raise TableError(
                f"the sweep was given a row that was not asked for: {outcome.layer.describe()}"
            )
        if outcome.record is None:
            table.put_failure(target, outcome.layer, outcome.reason)
        else:
            table.add(target, outcome.record)
        yield outcome
