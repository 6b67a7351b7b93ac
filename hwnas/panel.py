"""Several boards that judge one candidate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from hwnas.errors import StudyError
from hwnas.evaluator import Evaluation, Evaluator, Rung, Trust
from hwnas.hardware_cost import HardwareCost
from hwnas.network import Network
from hwnas.snapping import snap

HARDWARE: Final = ("latency_ms", "energy_mj", "ram_bytes", "flash_bytes")
"""Figures of a cost that can be objectives."""
UNITS: Final = {
    "latency_ms": "latency (ms)",
    "energy_mj": "energy (mJ)",
    "ram_bytes": "RAM (bytes)",
    "flash_bytes": "flash (bytes)",
}
_ON: Final = "@"
_RUNGS: Final = (Rung.STATIC, Rung.TABLE, Rung.BOARD)


class Across(StrEnum):
    """What a figure is when there are several boards: the worst of them, or one for each."""

    WORST = "worst"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one or several boards say of a network.

    Attributes:
        by_board: Each board's evaluation, in the order of the panel.
    """

    by_board: Mapping[str, Evaluation]

    @property
    def feasible(self) -> bool:
        """Whether the network keeps within the budget on every board."""
        return all(found.verdict.feasible for found in self.by_board.values())

    @property
    def rung(self) -> Rung:
        """Where the network was stopped, or else the last rung that looked at it."""
        stopped = [e.verdict.rung for e in self.by_board.values() if not e.verdict.feasible]
        return max(stopped or [e.verdict.rung for e in self.by_board.values()], key=_RUNGS.index)

    @property
    def violations(self) -> dict[str, float]:
        """(value - limit) / limit of each limit that was checked, by figure, or figure@board."""
        return {
            self._name(figure, board): value
            for board, found in self.by_board.items()
            for figure, value in found.verdict.violations.items()
        }

    @property
    def refusal(self) -> str:
        """Why some kernels cannot run it at all; empty where all can."""
        said = {b: e.verdict.refusal for b, e in self.by_board.items() if e.verdict.refusal}
        return "; ".join(f"{self._prefix(board)}{why}" for board, why in said.items())

    @property
    def seconds(self) -> dict[str, float]:
        """Host time by rung, over all boards."""
        total: dict[str, float] = {}
        for found in self.by_board.values():
            for rung, spent in found.seconds.items():
                total[str(rung)] = total.get(str(rung), 0.0) + spent
        return total

    @property
    def cost(self) -> HardwareCost:
        """The cost; with several boards that of the slowest, and the largest of each figure."""
        costs = [found.cost for found in self.by_board.values()]
        slowest = max(costs, key=lambda cost: cost.latency_ms)
        if len(costs) == 1:
            return slowest
        worst = {figure: max(costs, key=_figure(figure)) for figure in HARDWARE}
        return replace(
            slowest,
            board=", ".join(self.by_board),
            energy_mj=worst["energy_mj"].energy_mj if _all_known(costs) else None,
            ram_bytes=worst["ram_bytes"].ram_bytes,
            flash_bytes=worst["flash_bytes"].flash_bytes,
            provenance={figure: worst[figure].provenance[figure] for figure in HARDWARE},
        )

    def describe(self) -> str:
        """One line: ``table: latency_ms 12.5% over``, for each board where there are several."""
        return "; ".join(
            f"{self._prefix(board)}{found.verdict.describe()}"
            for board, found in self.by_board.items()
        )

    def _name(self, figure: str, board: str) -> str:
        return figure if len(self.by_board) == 1 else f"{figure}{_ON}{board}"

    def _prefix(self, board: str) -> str:
        return "" if len(self.by_board) == 1 else f"{board}: "


class Panel:
    """One board or several, each with its own table and budget.

    Args:
        evaluators: One a board.

    Raises:
        StudyError: There is none, one board stands twice, or their kernels want networks of
            different types or snapped otherwise.
    """

    def __init__(self, evaluators: Sequence[Evaluator]) -> None:
        self.by_board = {evaluator.spec.name: evaluator for evaluator in evaluators}
        if not evaluators or len(self.by_board) < len(evaluators):
            names = [evaluator.spec.name for evaluator in evaluators]
            raise StudyError(f"boards {names}: name one or more, each once")
        first, *others = (evaluator.backend.kernels for evaluator in evaluators)
        self._rule = first.snapping
        if any((k.snapping, k.dtype) != (first.snapping, first.dtype) for k in others):
            sets = {name: e.backend.kernels.name for name, e in self.by_board.items()}
            raise StudyError(
                f"kernel sets {sets}: boards of one study must want networks of one type"
            )

    def snap(self, network: Network) -> Network:
        """The network with the channels that the kernels like."""
        return snap(network, rule=self._rule)

    def objectives(self, names: Sequence[str], across: Across) -> tuple[str, ...]:
        """Hardware objectives by their names in a study; others are left as they are.

        Raises:
            StudyError: A figure is not known of a board.
        """
        found: list[str] = []
        for name in names:
            if name in HARDWARE and across is Across.EACH and len(self.by_board) > 1:
                found += [f"{name}{_ON}{board}" for board in self.by_board]
            else:
                found.append(name)
        for name in found:
            self._check(name)
        return tuple(found)

    def judge(self, network: Network, trust: Trust) -> Judgement:
        """Climb the ladder on each board, until one of them stops the network.

        Sizes are looked at on every board before anything is run on one.
        """
        boards = self.by_board
        if len(boards) > 1:
            static = {name: e.static_evaluation(network) for name, e in boards.items()}
            if not all(found.verdict.feasible for found in static.values()):
                return Judgement(static)
        found: dict[str, Evaluation] = {}
        for name, evaluator in boards.items():
            stopped = any(not earlier.verdict.feasible for earlier in found.values())
            found[name] = (
                evaluator.static_evaluation(network)
                if stopped
                else evaluator.evaluate(network, trust)
            )
        return Judgement(found)

    def confirm(self, network: Network, judged: Judgement) -> Judgement:
        """Run a network end to end wherever the table was trusted."""
        return Judgement(
            {
                name: self.by_board[name].evaluate(network)
                if found.cost.basis == "table"
                else found
                for name, found in judged.by_board.items()
            }
        )

    def _check(self, objective: str) -> None:
        figure, on, board = objective.partition(_ON)
        if on and board not in self.by_board:
            known = ", ".join(self.by_board)
            raise StudyError(f"objective {objective}: its board is none of {known}")
        if figure == "energy_mj":
            for name, evaluator in self.by_board.items():
                if board in ("", name) and not evaluator.tells_energy:
                    raise StudyError(f"objective {objective}: the power of {name} is not known")


def label(objective: str) -> str:
    """An objective's name for people, with its unit: ``latency (ms) on nucleo_l496zg``."""
    figure, on, board = objective.partition(_ON)
    text = UNITS.get(figure, figure.replace("_", " "))
    return f"{text} on {board}" if on else text


def is_hardware(objective: str) -> bool:
    """Whether an objective is a figure of the hardware, of all boards or of one."""
    return objective.partition(_ON)[0] in HARDWARE


def _figure(name: str) -> Callable[[HardwareCost], Any]:
    return lambda cost: getattr(cost, name) or 0


def _all_known(costs: Sequence[HardwareCost]) -> bool:
    return all(cost.energy_mj is not None for cost in costs)
