"""What a network costs on a board, and whether that is within budget: static, table, board.

Each rung of the ladder is dearer than the one before and sees only what that one let through.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from hwnas._closing import Closing
from hwnas.backend import BoardBackend
from hwnas.boards import BoardSpec
from hwnas.budget import Budget
from hwnas.cost import layer_cost, static_cost
from hwnas.errors import BudgetError, PlanError
from hwnas.firmware import DEFAULT_VARIANT, Variant
from hwnas.hardware_cost import HardwareCost, LayerLatency
from hwnas.kernels import CMSIS_NN
from hwnas.network import Layer, Network
from hwnas.opening import open_backend
from hwnas.shipped import warm_up
from hwnas.table import LayerRecord, LookupTable, NetworkRecord
from hwnas.target import Provenance

PEAK_MACS_PER_CYCLE: Final = 2
"""No core here does more: SMLAD, two 16-bit multiply-accumulates, issues once a cycle (Arm
Cortex-M4 TRM 3.3.1; the Cortex-M7 and M33 have one multiply-accumulate pipe as well). A network's
MACs over this figure bound its cycles from below, whatever the kernels do."""
_LARGEST_BOUND: Final = 0.9
"""A table whose sums may be off by as much tells nothing; keeps the least run above zero."""


class Trust(StrEnum):
    """When a sum over layers from the table is taken for the network's latency.

    ``table``: always. ``network``: never; what the table lets through is run end to end. ``auto``:
    where the table's error bound (``hwnas lut validate``) leaves no doubt of the verdict; without
    a bound, as ``network``.
    """

    TABLE = "table"
    NETWORK = "network"
    AUTO = "auto"


class Rung(StrEnum):
    """Where a candidate's way ended."""

    STATIC = "static"
    TABLE = "table"
    BOARD = "board"
    TRAIN = "train"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a candidate may go on.

    Attributes:
        rung: The last rung that looked at it.
        violations: (value - limit) / limit of each limit that was checked; above 0 is too much.
        refusal: Why the kernels cannot run it at all; empty where they can.
    """

    rung: Rung
    violations: Mapping[str, float]
    refusal: str = ""

    @property
    def feasible(self) -> bool:
        """True when it can run and no limit is exceeded."""
        return not self.refusal and all(value <= 0 for value in self.violations.values())

    def describe(self) -> str:
        """One line: ``table: latency_ms 12.5 % over``."""
        if self.refusal:
            return f"{self.rung}: {self.refusal}"
        over = [f"{name} {value:.1%} over" for name, value in self.violations.items() if value > 0]
        return f"{self.rung}: {', '.join(over) or 'within budget'}"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A network's way up the ladder.

    Attributes:
        cost: The best known at the rung where it stopped.
        verdict: Which limits hold.
        seconds: Host time spent at each rung.
    """

    cost: HardwareCost
    verdict: Verdict
    seconds: Mapping[Rung, float] = field(default_factory=dict)


class Evaluator(Closing):
    """Judges networks for one board against one budget.

    Args:
        backend: Measures what the table lacks.
        table: Remembers every layer and network that was run.
        budget: Limits; the board's own RAM and flash bound every network anyway.

    Raises:
        BudgetError: The budget limits energy and the board's power is not known.

    Example:
        >>> with Evaluator.for_board("nucleo_l496zg") as evaluator:  # doctest: +SKIP
        ...     evaluator.evaluate(network).cost.latency_ms
    """

    def __init__(
        self, backend: BoardBackend, table: LookupTable, budget: Budget | None = None
    ) -> None:
        self.backend = backend
        self.table = table
        self.spec: BoardSpec = backend.spec
        self.budget = (budget or Budget()).within(
            self.spec.ram.size_bytes, self.spec.flash.size_bytes
        )
        if self.budget.energy_mj is not None and not self.tells_energy:
            raise BudgetError(
                f"budget: energy_mj is limited, but the power of {self.spec.name} is not known; "
                "give its board file a [power] active_mw with a source, name a meter, or drop the "
                "limit"
            )

    @property
    def tells_energy(self) -> bool:
        """Whether energy can be measured, or else estimated."""
        return self.backend.meter is not None or self.spec.power is not None

    @classmethod
    def for_board(
        cls,
        board: str,
        *,
        kernel_set: str = CMSIS_NN.name,
        variant: Variant = DEFAULT_VARIANT,
        table: str = "sqlite://",
        port: str | None = None,
        probe: str | None = None,
        meter: str | None = None,
        budget: Budget | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> Evaluator:
        """An evaluator on a physical board, or on its virtual copy.

        Args:
            board: Name of a board, or path of a board file.
            kernel_set: Kernels that run networks: ``cmsis_nn``, ``reference`` or ``float32``.
                Networks are judged in the type that those compute in, whatever theirs.
            variant: How the firmware is compiled.
            table: URL of the lookup table; the default is one in memory. Rows that ship with hwnas
                for this target are put into a table that lacks it.
            port: Where the physical board is, as :func:`hwnas.open_backend` takes it; without it
                the virtual copy is taken.
            probe: Unique id of the debug probe that may flash it.
            meter: URL of the energy meter on it; without one energy is estimated.
            budget: Limits; none by default.
            progress: Is told what takes long.

        Raises:
            BoardError: The board is unknown or has no cycle model.
            FirmwareBuildError: There is no firmware image and none can be built.
            TableError: The table cannot be opened.
        """
        backend = open_backend(
            board,
            kernel_set=kernel_set,
            variant=variant,
            port=port,
            probe=probe,
            meter=meter,
            progress=progress,
        )
        return cls.on(backend, table, budget)

    @classmethod
    def on(cls, backend: BoardBackend, table: str, budget: Budget | None = None) -> Evaluator:
        """An evaluator on a board that is there already, leased from a pool, say.

        Args:
            backend: The board.
            table: URL of the lookup table, as for :meth:`for_board`.
            budget: Limits; none by default.

        Raises:
            TableError: The table cannot be opened.
        """
        opened = LookupTable.open(table)
        warm_up(opened, backend.target)
        return cls(backend, opened, budget)

    def close(self) -> None:
        """Let go of board and table."""
        self.backend.close()
        self.table.close()

    def evaluate(self, network: Network, trust: Trust = Trust.NETWORK) -> Evaluation:
        """Climb the ladder until a limit fails, or nothing is left to find out.

        Args:
            network: The candidate.
            trust: Which networks are run end to end. With ``auto`` those whose verdict the table's
                error bound leaves open, be it that they seem to fit or not.

        Raises:
            BoardError: The board failed.
            TableError: The table failed.
        """
        network = self._deployed(network)
        static = self.static_evaluation(network)
        cost, verdict, seconds = static.cost, static.verdict, dict(static.seconds)
        if verdict.feasible:
            with _timed(seconds, Rung.TABLE):
                cost, verdict = self._refined(Rung.TABLE, self._by_layers, cost, network, verdict)
            if self._is_open(cost, verdict, trust):
                with _timed(seconds, Rung.BOARD):
                    cost, verdict = self._refined(
                        Rung.BOARD, self._end_to_end, cost, network, verdict
                    )
        return Evaluation(cost, verdict, seconds)

    def static_evaluation(self, network: Network) -> Evaluation:
        """The lowest rung alone: what shapes tell, and whether that much is within budget."""
        seconds: dict[Rung, float] = {}
        with _timed(seconds, Rung.STATIC):
            cost = self.static_cost(network)
            verdict = self._static_verdict(cost)
        return Evaluation(cost, verdict, seconds)

    def check_fits(self, network: Network) -> None:
        """Refuse a network that the board cannot hold, whatever its speed.

        Raises:
            BudgetError: RAM or flash do not suffice; the message says which and by how much.
        """
        cost = self.static_cost(network)
        limits = {
            "RAM": (cost.ram_bytes, self.spec.ram.size_bytes),
            "flash": (cost.flash_bytes, self.spec.flash.size_bytes),
        }
        for what, (needed, there) in limits.items():
            if needed > there:
                raise BudgetError(
                    f"the network needs {needed:,} bytes of {what} on {self.spec.name}, which "
                    f"has {there:,}: make it smaller or take another board"
                )

    def static_cost(self, network: Network) -> HardwareCost:
        """What the network's shapes alone tell; the latency is an estimate from its MACs.

        Where the board file names no published networks to estimate from, the estimate is the
        floor: the least that its MACs can take.
        """
        kernels = self.backend.kernels
        static = static_cost(self._deployed(network), self.backend.footprint, kernels)
        cycles = self._least_cycles(static.macs)
        if self.spec.published is not None:
            cycles = max(self.spec.published.cycles(static.macs), cycles)
        return HardwareCost(
            board=self.spec.name,
            clock_hz=self.spec.core.clock_hz,
            **self._run_cost(cycles, "static", Provenance.ESTIMATED),
            ram_bytes=static.ram_bytes,
            flash_bytes=static.flash_bytes,
            parameters=static.parameters,
            macs=static.macs,
        )

    def table_cost(self, network: Network) -> HardwareCost:
        """The sum over the network's layers, each looked up, or else run alone and stored."""
        network = self._deployed(network)
        return self._by_layers(self.static_cost(network), network)

    def network_cost(self, network: Network) -> HardwareCost:
        """The network run end to end, looked up or else run and stored.

        Falls back to the sum over its layers where the board cannot hold network and plan at
        once; ``basis`` then says ``table``.
        """
        network = self._deployed(network)
        return self._end_to_end(self.table_cost(network), network)

    def _refined(
        self,
        rung: Rung,
        refine: Callable[[HardwareCost, Network], HardwareCost],
        cost: HardwareCost,
        network: Network,
        before: Verdict,
    ) -> tuple[HardwareCost, Verdict]:
        """What a rung makes of a cost, and its verdict."""
        try:
            cost = refine(cost, network)
        except PlanError as error:
            return cost, Verdict(rung, before.violations, str(error))
        return cost, Verdict(rung, self._violations(cost))

    def _is_open(self, by_layers: HardwareCost, verdict: Verdict, trust: Trust) -> bool:
        """Whether an end-to-end run is wanted to tell if the network keeps within the budget."""
        if verdict.refusal or trust is Trust.TABLE:
            return False
        bound = by_layers.latency_error
        if trust is Trust.NETWORK or bound is None:
            return verdict.feasible
        # The bound is relative to the end-to-end run: sum = run x (1 + error).
        verdicts = {
            all(value <= 0 for value in self._violations(_scaled(by_layers, 1 / (1 + e))).values())
            for e in (-min(bound, _LARGEST_BOUND), bound)
        }
        return len(verdicts) > 1

    def _deployed(self, network: Network) -> Network:
        """The network in the type that the kernels compute in."""
        return network.as_dtype(self.backend.kernels.dtype)

    def _by_layers(self, static: HardwareCost, network: Network) -> HardwareCost:
        rows = self._layer_rows(network)
        layers = tuple(
            LayerLatency(
                node.name or str(node.layer.operator),
                node.layer,
                rows[node.layer].cycles_median,
                rows[node.layer].cycles_median / static.clock_hz * 1e3,
                layer_cost(node.layer).macs,
            )
            for node in network.nodes
            if not node.layer.is_free
        )
        cycles = sum(row.cycles for row in layers)
        energies = [rows[row.layer].energy_uj for row in layers]
        known = [energy for energy in energies if energy is not None]
        energy_uj = sum(known) if known and len(known) == len(energies) else None
        run = self._run_cost(cycles, "table", self.backend.target.provenance, energy_uj)
        return replace(static, **run, layers=layers, latency_error=self._sum_error)

    def _end_to_end(self, by_layers: HardwareCost, network: Network) -> HardwareCost:
        record = self._network_row(network)
        if record is None:
            return by_layers
        return replace(
            by_layers,
            **self._run_cost(record.cycles_median, "network", record.provenance, record.energy_uj),
            latency_error=0.0,
        )

    def _layer_rows(self, network: Network) -> dict[Layer, LayerRecord]:
        """Of each layer that costs something; with a meter, rows that lack an energy get one."""
        target, measure = self.backend.target, self.backend.measure_layers
        rows = self.table.get_or_measure(target, network.layers, measure)
        if self.backend.meter is not None:
            lacking = [layer for layer, row in rows.items() if row.energy_uj is None]
            for record in measure(lacking):
                self.table.put(target, [record], replace=True)
                rows[record.layer] = record
        return rows

    def _network_row(self, network: Network) -> NetworkRecord | None:
        target, measure = self.backend.target, self.backend.measure_network
        record = self.table.get_or_measure_network(target, network, measure)
        if record is None or record.energy_uj is not None or self.backend.meter is None:
            return record
        metered = measure(network)
        if metered is not None:
            self.table.put_network(target, metered, replace=True)
        return metered

    @cached_property
    def _sum_error(self) -> float | None:
        found = self.table.accuracies(self.backend.target)
        return max((accuracy.worst for accuracy in found), default=None)

    def _run_cost(
        self, cycles: int, basis: str, provenance: Provenance, energy_uj: float | None = None
    ) -> dict[str, Any]:
        """The fields of a cost that follow from a run; energy is estimated where no meter was."""
        latency_ms = cycles / self.spec.core.clock_hz * 1e3
        power = self.spec.power
        estimated = None if power is None else power.active_mw * latency_ms / 1e3
        return {
            "cycles": cycles,
            "latency_ms": latency_ms,
            "energy_mj": estimated if energy_uj is None else energy_uj / 1e3,
            "basis": basis,
            "provenance": {
                "latency_ms": provenance,
                "energy_mj": Provenance.ESTIMATED if energy_uj is None else provenance,
                "ram_bytes": Provenance.ESTIMATED,
                "flash_bytes": Provenance.ESTIMATED,
            },
        }

    def _least_cycles(self, macs: int) -> int:
        return -(-macs // PEAK_MACS_PER_CYCLE)

    def _static_verdict(self, cost: HardwareCost) -> Verdict:
        """Only what is certain before any run: sizes, and the least time that MACs can take."""
        least_ms = self._least_cycles(cost.macs) / self.spec.core.clock_hz * 1e3
        certain: dict[str, float | None] = {
            "ram_bytes": cost.ram_bytes,
            "flash_bytes": cost.flash_bytes,
        }
        if self.budget.violations({"latency_ms": least_ms}).get("latency_ms", 0) > 0:
            certain["latency_ms"] = least_ms
        return Verdict(Rung.STATIC, self.budget.violations(certain))

    def _violations(self, cost: HardwareCost) -> dict[str, float]:
        return self.budget.violations(
            {
                "latency_ms": cost.latency_ms,
                "energy_mj": cost.energy_mj,
                "ram_bytes": cost.ram_bytes,
                "flash_bytes": cost.flash_bytes,
            }
        )


def _scaled(cost: HardwareCost, factor: float) -> HardwareCost:
    """A cost whose run takes another time."""
    energy_mj = None if cost.energy_mj is None else cost.energy_mj * factor
    return replace(cost, latency_ms=cost.latency_ms * factor, energy_mj=energy_mj)


@contextmanager
def _timed(seconds: dict[Rung, float], rung: Rung) -> Iterator[None]:
    start = time.perf_counter()
    try:
        yield
    finally:
        seconds[rung] = time.perf_counter() - start
