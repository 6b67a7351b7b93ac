"""How well a table tells whole networks: sums over layers against end-to-end runs.

Beside it stands what the usual proxies reach: MACs, the paper's FLOPs and the number of
parameters, each times the constant that suits it best.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from hwnas.cost import static_cost
from hwnas.errors import TableError
from hwnas.evaluator import Evaluator
from hwnas.network import Network
from hwnas.table import Accuracy

BOUNDS: Final = (0.01, 0.05, 0.10)
"""Of the hit rates: shares of networks whose error is no larger."""
LEAST: Final = 3
"""Networks below which ranks mean nothing."""


@dataclass(frozen=True, slots=True)
class ValidationRow:
    """One network.

    Attributes:
        network: As it was run.
        whole: Cycles of the end-to-end run.
        layers: Sum of the cycles of its layers, each run alone.
        steps: How many layers that are.
        macs: True multiply-accumulates.
        paper_flops: By the paper's equations.
        parameters: Weights and biases.
    """

    network: Network
    whole: int
    layers: int
    steps: int
    macs: int
    paper_flops: int
    parameters: int


@dataclass(frozen=True, slots=True)
class Fit:
    """How well one predictor tells end-to-end cycles; errors are (predicted - run) / run.

    Attributes:
        predictor: Its name.
        constant: Cycles a unit; 1 for the table, which is not fitted.
        mape: Mean of the errors' magnitudes.
        bias: Mean of the errors.
        worst: Largest magnitude.
        hits: Share of networks within each of :data:`BOUNDS`.
        rank_correlation: Spearman's; 0 where all predictions, or all runs, are alike.
    """

    predictor: str
    constant: float
    mape: float
    bias: float
    worst: float
    hits: tuple[float, ...]
    rank_correlation: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        hits = {f"within_{bound:.0%}": hit for bound, hit in zip(BOUNDS, self.hits, strict=True)}
        return {
            "predictor": self.predictor,
            "cycles_a_unit": self.constant,
            "mape": self.mape,
            "bias": self.bias,
            "worst": self.worst,
            **hits,
            "rank_correlation": self.rank_correlation,
        }


def compare(evaluator: Evaluator, networks: Iterable[Network]) -> Iterator[ValidationRow]:
    """Run networks end to end, and look their layers up; both are stored in the table.

    Networks that the board cannot hold, or not beside their plan, are left out.

    Raises:
        BoardError: The board failed.
        TableError: The table failed.
    """
    for network in networks:
        if not evaluator.evaluate(network).verdict.feasible:
            continue
        by_layers = evaluator.table_cost(network)
        whole = evaluator.network_cost(network)
        if whole.basis != "network":
            continue
        static = static_cost(network)
        yield ValidationRow(
            network,
            whole.cycles,
            by_layers.cycles,
            len(by_layers.layers),
            static.macs,
            static.paper_flops,
            static.parameters,
        )


def fits(rows: Sequence[ValidationRow]) -> list[Fit]:
    """The table first, then the proxies.

    Raises:
        TableError: There are fewer than three networks.
    """
    if len(rows) < LEAST:
        raise TableError(f"{len(rows)} networks are too few to compare: {LEAST} or more are needed")
    run = np.array([row.whole for row in rows], float)
    return [
        _fit("table", np.array([row.layers for row in rows], float), run, 1.0),
        _best_fit("macs", np.array([row.macs for row in rows], float), run),
        _best_fit("flops", np.array([row.paper_flops for row in rows], float), run),
        _best_fit("parameters", np.array([row.parameters for row in rows], float), run),
    ]


def accuracy_of(space: str, rows: Sequence[ValidationRow]) -> Accuracy:
    """What a table remembers of a validation.

    Raises:
        TableError: There are fewer than three networks.
    """
    table = fits(rows)[0]
    return Accuracy(space, len(rows), table.mape, table.bias, table.worst, table.rank_correlation)


_Floats = NDArray[np.float64]


def _fit(name: str, units: _Floats, run: _Floats, constant: float) -> Fit:
    errors = constant * units / run - 1
    sizes = np.abs(errors)
    return Fit(
        name,
        constant,
        float(sizes.mean()),
        float(errors.mean()),
        float(sizes.max()),
        tuple(float((sizes <= bound).mean()) for bound in BOUNDS),
        _rank_correlation(units, run),
    )


def _rank_correlation(units: _Floats, run: _Floats) -> float:
    if np.ptp(units) == 0 or np.ptp(run) == 0:
        return 0.0  # all alike: there are no ranks
    return float(spearmanr(units, run).statistic)


def _best_fit(name: str, units: _Floats, run: _Floats) -> Fit:
    """With the constant of the smallest mean error: a weighted median of cycles a unit.

    The mean of abs(c u / r - 1) is that of (u / r) abs(c - r / u), which the median of r / u with
    weights u / r minimizes.
    """
    ratios, weights = run / units, units / run
    order = np.argsort(ratios)
    passed = np.cumsum(weights[order])
    middle = int(np.searchsorted(passed, passed[-1] / 2))
    return _fit(name, units, run, float(ratios[order][middle]))
