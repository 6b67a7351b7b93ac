"""How well a table tells whole networks: sums over layers against end-to-end runs.

Beside it stands what the usual proxies reach: MACs, the paper's FLOPs and the number of
parameters, each times the constant that suits it best.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hwnas._statistics import ErrorSummary, summarize
from hwnas.cost import static_cost
from hwnas.errors import TableError
from hwnas.evaluator import Evaluator
from hwnas.network import Network
from hwnas.table import Accuracy


@dataclass(frozen=True, slots=True)
class ValidationRow:
    """One network.

    Attributes:
        network: As it was run.
        whole: Cycles of the end-to-end run.
        layers: Sum of the cycles of its layers, each run alone.
        macs: True multiply-accumulates.
        paper_flops: By the paper's equations.
        parameters: Weights and biases.
    """

    network: Network
    whole: int
    layers: int
    macs: int
    paper_flops: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Fit:
    """How well one predictor tells end-to-end cycles.

    Attributes:
        predictor: Its name.
        constant: Cycles a unit; 1 for the table, which is not fitted.
        errors: Of its predictions.
    """

    predictor: str
    constant: float
    errors: ErrorSummary

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "predictor": self.predictor,
            "cycles_a_unit": self.constant,
            **asdict(self.errors),
        }


def compare(evaluator: Evaluator, networks: Iterable[Network]) -> Iterator[ValidationRow]:
    """Run networks end to end, and look their layers up; both are stored in the table.

    Networks that the board cannot hold, or not beside their plan, are left out.

    Raises:
        BoardError: The board failed.
        TableError: The table failed.
    """
    for network in networks:
        evaluation = evaluator.evaluate(network)
        cost = evaluation.cost
        if not evaluation.verdict.feasible or cost.basis != "network":
            continue
        yield ValidationRow(
            network,
            cost.cycles,
            sum(row.cycles for row in cost.layers),
            cost.macs,
            static_cost(network).paper_flops,
            cost.parameters,
        )


def fits(rows: Sequence[ValidationRow]) -> list[Fit]:
    """The table first, then the proxies.

    Raises:
        TableError: There is no network.
    """
    if not rows:
        raise TableError("there is no network to compare: none fits the board")
    run = [row.whole for row in rows]
    return [
        Fit("table", 1.0, summarize(run, [row.layers for row in rows])),
        _best_fit("macs", [row.macs for row in rows], run),
        _best_fit("flops", [row.paper_flops for row in rows], run),
        _best_fit("parameters", [row.parameters for row in rows], run),
    ]


def accuracy_of(space: str, rows: Sequence[ValidationRow]) -> Accuracy:
    """What a table remembers of a validation.

    Raises:
        TableError: There are too few networks for ranks.
    """
    errors = fits(rows)[0].errors
    if errors.spearman is None:
        raise TableError(f"{space}: {len(rows)} networks are too few, or too much alike, for ranks")
    return Accuracy(space, len(rows), errors.mape, errors.bias, errors.worst, errors.spearman)


def _best_fit(name: str, units: Sequence[int], run: Sequence[int]) -> Fit:
    """With the constant of the smallest mean error: a weighted median of cycles a unit.

    The mean of abs(c u / r - 1) is that of (u / r) abs(c - r / u), which the median of r / u with
    weights u / r minimizes.
    """
    ratios = np.asarray(run, float) / np.asarray(units, float)
    order = np.argsort(ratios)
    passed = np.cumsum(1 / ratios[order])
    constant = float(ratios[order][int(np.searchsorted(passed, passed[-1] / 2))])
    return Fit(name, constant, summarize(run, [constant * each for each in units]))
