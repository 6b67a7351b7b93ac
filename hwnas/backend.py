"""The flash-and-measure backend: networks in, cycles out, on one board."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from threading import Lock
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from hwnas._closing import Closing
from hwnas.boards import BoardSpec
from hwnas.cost import RuntimeFootprint
from hwnas.device import BoardClient, check_identity
from hwnas.energy.metering import in_a_row, record_energy
from hwnas.energy.meters import Meter
from hwnas.energy.segment import Segments
from hwnas.errors import BoardError, EnergyError, PlanError
from hwnas.firmware import FirmwareImage
from hwnas.kernels import kernel_set_named
from hwnas.network import Layer, Network
from hwnas.plan import ExecutionPlan, PoolLayout, compile_layers, compile_plan
from hwnas.table import LayerRecord, NetworkRecord
from hwnas.target import TargetIdentity


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often a run is repeated: until its spread is under a bound, or a limit is reached.

    Attributes:
        least: Timed repetitions, after one untimed run.
        most: Limit.
        spread: Bound on (slowest - fastest) / median; repeating goes on above it.
        together: Most layers that travel in one plan.
    """

    least: int = 1
    most: int = 1
    spread: float = 0.0
    together: int = 1

    def suffices(self, cycles: NDArray[np.int64]) -> bool:
        """Whether these repetitions are enough."""
        if len(cycles) >= self.most:
            return True
        return float(cycles.max() - cycles.min()) <= self.spread * float(np.median(cycles))


ONCE: Final = Repeats()
"""For the virtual board, which is deterministic: a second repetition would tell nothing new."""
SILICON: Final = Repeats(least=3, most=25, spread=0.001, together=16)
"""Without interrupts a run varies by the refresh of caches only: one part in a thousand is much.
Several layers in a plan save the round trips of the serial line, which take longer than most
layers; a virtual board has none, and what it counts must not depend on what ran before."""
_T = TypeVar("_T")
_IN_A_ROW: Final = 2
"""So often each of several layers runs, one run behind the other; the last one counts, with caches
as warm as after a run of its own."""


class BoardBackend(Closing):
    """Measures untrained networks and single layers on a board, real or virtual.

    The board's identity is known from the firmware's manifest; the board itself is opened when
    the first measurement is asked for, and is then checked against that identity.

    Args:
        spec: The board.
        image: The firmware image that is (or will be) on it.
        connect: Opens the board.
        target: The identity under which results are stored; it names the kernel set.
        repeats: How often runs are repeated.
        meter: The energy meter on the board, where there is one; it is opened with the board.

    Example:
        >>> with open_backend("nucleo_l496zg") as backend:  # doctest: +SKIP
        ...     backend.measure_network(network).cycles_median
    """

    def __init__(
        self,
        spec: BoardSpec,
        image: FirmwareImage,
        connect: Callable[[], BoardClient],
        target: TargetIdentity,
        repeats: Repeats = ONCE,
        meter: Meter | None = None,
    ) -> None:
        self.spec = spec
        self.meter = meter
        self.image = image
        self.target = target
        self.kernels = kernel_set_named(target.kernel_set)
        self._connect = connect
        self._repeats = repeats
        self._client: BoardClient | None = None
        # A board does one thing at a time, whatever threads a study runs in.
        self._busy = Lock()
        self._pool = PoolLayout.for_region(image.manifest.parameter_bytes)

    @property
    def footprint(self) -> RuntimeFootprint:
        """RAM and flash that the firmware takes for itself, with this kernel set alone."""
        manifest = self.image.manifest
        return RuntimeFootprint(manifest.ram_fixed_bytes, manifest.code_bytes(self.kernels.name))

    def measure_layers(self, layers: Iterable[Layer]) -> Iterator[LayerRecord]:
        """Run each layer alone and yield its record as soon as it is there.

        Raises:
            BoardError: The board failed, or is not the one that the identity names.
            PlanError: The layer does not fit the board even alone.
        """
        waiting = iter(layers)
        while batch := list(islice(waiting, self._repeats.together)):
            # A meter tells layers apart only where each runs alone.
            alone = len(batch) == 1 or self.meter is not None
            yield from map(self._single, batch) if alone else self._several(batch)

    def _single(self, layer: Layer) -> LayerRecord:
        plan = self._alone(layer)
        fields = self._measure(plan, per_layer=True)
        if self.meter is not None:
            fields |= self._layer_energy(layer, fields["cycles_median"])
        return LayerRecord(layer, **fields)

    def _several(self, layers: Sequence[Layer]) -> Iterator[LayerRecord]:
        """Layers in one plan, where they fit; what varies too much is run again by itself."""
        try:
            plan = compile_layers(
                layers, pool=self._pool, kernel_set=self.kernels.name, in_a_row=_IN_A_ROW
            )
        except PlanError:
            plan = None
        if plan is None or not self._fits(plan):
            yield from map(self._single, layers)
            return
        cycles = self._on_board(lambda client: self._timed(client, plan))
        for layer, counted in zip(layers, cycles.T[_IN_A_ROW - 1 :: _IN_A_ROW], strict=True):
            if self._repeats.suffices(counted):
                yield LayerRecord(layer, **self._summary(counted))
            else:
                yield self._single(layer)

    def measure_network(self, network: Network) -> NetworkRecord | None:
        """Run the whole network end to end.

        Returns:
            The record, or ``None`` where the network fits the chip as a deployed model but not
            beside its own plan in RAM, or not into the synthetic parameters: then the sum over
            its layers is what can be known.

        Raises:
            BoardError: The board failed, or is not the one that the identity names.
            PlanError: A layer cannot be run even alone.
        """
        try:
            plan = compile_plan(network, pool=self._pool, kernel_set=self.kernels.name)
        except PlanError:
            for layer in network.layers:
                if not layer.is_free:
                    self._alone(layer)
            return None
        if not self._fits(plan):
            return None
        fields = self._measure(plan, per_layer=False)
        if self.meter is not None:
            fields |= self._energy(plan)
        return NetworkRecord(network, **fields)

    def open(self) -> BoardClient:
        """The client of the opened and checked board; opens it where needed.

        Raises:
            BoardError: The board does not answer, or is not the one that the identity names.
        """
        if self._client is None:
            client = self._connect()
            try:
                check_identity(client.hello(), self.image.manifest)
                if self.meter is not None:
                    self.meter.watch(client.transport)
                    self.meter.open()
            except BaseException:
                client.close()
                raise
            self._client = client
        return self._client

    def close(self) -> None:
        """Let go of the board; a later measurement opens it again."""
        # Taken first: a pool closes a board whose worker may close and open it again meanwhile.
        client, self._client = self._client, None
        if client is not None:
            client.close()
            if self.meter is not None:
                self.meter.close()

    def _layer_energy(self, layer: Layer, cycles: int) -> dict[str, float]:
        """Of one run of a layer; a short one runs several times in a row."""
        times = in_a_row(cycles / self.spec.core.clock_hz)
        plan = self._alone(layer, times)
        while not self._fits(plan) and times > 1:
            times //= 2
            plan = self._alone(layer, times)
        return self._energy(plan, times)

    def _energy(self, plan: ExecutionPlan, parts: int = 1) -> dict[str, float]:
        """Of one part of a plan that has several alike, gross, by the meter; a record's fields."""
        meter, steps = self.meter, len(plan.step_nodes)
        assert meter is not None

        def recorded(client: BoardClient) -> Segments:
            client.load(plan.data)
            timed = client.run(per_layer=False, step_count=steps)
            inference_s = float(timed.total_cycles[0]) / self.spec.core.clock_hz
            return record_energy(meter, client, steps=steps, inference_s=inference_s)

        found = self._on_board(recorded)
        return {
            "energy_uj": found.mean_energy_j * 1e6 / parts,
            "energy_spread": found.spread,
        }

    def _fits(self, plan: ExecutionPlan) -> bool:
        """Whether plan and arena fit beside each other."""
        return len(plan.data) + plan.arena_bytes <= self.image.manifest.workspace_bytes

    def _alone(self, layer: Layer, in_a_row: int = 1) -> ExecutionPlan:
        return compile_layers(
            [layer], pool=self._pool, kernel_set=self.kernels.name, in_a_row=in_a_row
        )

    def _measure(self, plan: ExecutionPlan, *, per_layer: bool) -> dict[str, Any]:
        """Runs a plan until its cycles are known well enough; the record's fields."""

        def repeated(client: BoardClient) -> NDArray[np.int64]:
            client.load(plan.data)
            cycles = self._run(client, plan, self._repeats.least, per_layer=per_layer)
            while not self._repeats.suffices(cycles):
                count = min(len(cycles), self._repeats.most - len(cycles))
                more = self._run(client, plan, count, per_layer=per_layer)
                cycles = np.concatenate([cycles, more])
            return cycles

        return self._summary(self._on_board(repeated))

    def _timed(self, client: BoardClient, plan: ExecutionPlan) -> NDArray[np.int64]:
        """Cycles of every step, a row a repetition."""
        client.load(plan.data)
        steps = len(plan.step_nodes)
        return client.run(warmup=1, repeats=self._repeats.least, step_count=steps).layer_cycles

    def _on_board(self, work: Callable[[BoardClient], _T]) -> _T:
        """What work on the opened board gives."""
        with self._busy:
            try:
                return work(self.open())
            except (BoardError, EnergyError):
                # Whatever state the board is in now, the next measurement starts from a fresh one.
                self.close()
                raise

    @staticmethod
    def _run(
        client: BoardClient, plan: ExecutionPlan, repeats: int, *, per_layer: bool
    ) -> NDArray[np.int64]:
        result = client.run(
            warmup=1, repeats=repeats, per_layer=per_layer, step_count=len(plan.step_nodes)
        )
        return result.layer_cycles[:, 0] if per_layer else result.total_cycles

    def _summary(self, cycles: NDArray[np.int64]) -> dict[str, Any]:
        return {
            "n": len(cycles),
            "cycles_min": int(cycles.min()),
            "cycles_median": round(float(np.median(cycles))),
            "cycles_max": int(cycles.max()),
            "energy_uj": None,
            "provenance": self.target.provenance,
            "created_at": datetime.now(UTC),
        }
