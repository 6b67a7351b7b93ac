"""The flash-and-measure backend: networks in, cycles out, on one board."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hwnas._closing import Closing
from hwnas.boards import BoardSpec, load_board
from hwnas.cost import RuntimeFootprint
from hwnas.device import BoardClient, check_identity
from hwnas.errors import BoardError, PlanError
from hwnas.firmware import FirmwareImage, find_image, flash_contents, pool_contents
from hwnas.network import Layer, Network
from hwnas.plan import ExecutionPlan, PoolLayout, compile_layers, compile_plan
from hwnas.table import LayerRecord, NetworkRecord
from hwnas.target import Provenance, TargetIdentity
from hwnas.virtual import VirtualBoard
from hwnas.virtual.timing import timing_identity


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often a run is repeated: until its spread is under a bound, or a limit is reached.

    Attributes:
        least: Timed repetitions, after one untimed run.
        most: Limit.
        spread: Bound on (slowest - fastest) / median; repeating goes on above it.
    """

    least: int = 1
    most: int = 1
    spread: float = 0.0

    def suffices(self, cycles: NDArray[np.int64]) -> bool:
        """Whether these repetitions are enough."""
        if len(cycles) >= self.most:
            return True
        return float(cycles.max() - cycles.min()) <= self.spread * float(np.median(cycles))


ONCE: Final = Repeats()
"""For the virtual board, which is deterministic: a second repetition would tell nothing new."""
SILICON: Final = Repeats(least=3, most=25, spread=0.001)
"""Without interrupts a run varies by the refresh of caches only: one part in a thousand is much."""


class BoardBackend(Closing):
    """Measures untrained networks and single layers on a board, real or virtual.

    The board's identity is known from the firmware's manifest; the board itself is opened when
    the first measurement is asked for, and is then checked against that identity.

    Args:
        spec: The board.
        image: The firmware image that is (or will be) on it.
        connect: Opens the board.
        target: The identity under which results are stored.
        repeats: How often runs are repeated.

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
    ) -> None:
        self.spec = spec
        self.image = image
        self.target = target
        self._connect = connect
        self._repeats = repeats
        self._client: BoardClient | None = None
        # A board does one thing at a time, whatever threads a study runs in.
        self._busy = Lock()
        self._pool = PoolLayout.for_region(image.manifest.parameter_bytes)

    @property
    def footprint(self) -> RuntimeFootprint:
        """RAM and flash that the firmware takes for itself."""
        manifest = self.image.manifest
        return RuntimeFootprint(manifest.ram_fixed_bytes, manifest.flash_code_bytes)

    def measure_layers(self, layers: Iterable[Layer]) -> Iterator[LayerRecord]:
        """Run each layer alone and yield its record as soon as it is there.

        Raises:
            BoardError: The board failed, or is not the one that the identity names.
            PlanError: The layer does not fit the board even alone.
        """
        for layer in layers:
            plan = compile_layers([layer], pool=self._pool)
            yield LayerRecord(layer, **self._measure(plan, per_layer=True))

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
            plan = compile_plan(network, pool=self._pool)
        except PlanError:
            for layer in network.layers:
                if not layer.is_free:
                    compile_layers([layer], pool=self._pool)
            return None
        if len(plan.data) + plan.arena_bytes > self.image.manifest.workspace_bytes:
            return None
        return NetworkRecord(network, **self._measure(plan, per_layer=False))

    def open(self) -> BoardClient:
        """The client of the opened and checked board; opens it where needed.

        Raises:
            BoardError: The board does not answer, or is not the one that the identity names.
        """
        if self._client is None:
            client = self._connect()
            try:
                check_identity(client.hello(), self.image.manifest)
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

    def _measure(self, plan: ExecutionPlan, *, per_layer: bool) -> dict[str, Any]:
        """Loads and runs a plan until its cycles are known well enough; the record's fields."""
        with self._busy:
            try:
                cycles = self._repeat(plan, per_layer=per_layer)
            except BoardError:
                # Whatever state the board is in now, the next measurement starts from a fresh one.
                self.close()
                raise
        return self._summary(cycles)

    def _repeat(self, plan: ExecutionPlan, *, per_layer: bool) -> NDArray[np.int64]:
        client = self.open()
        client.load(plan.data)
        cycles = self._run(client, plan, self._repeats.least, per_layer=per_layer)
        while not self._repeats.suffices(cycles):
            count = min(len(cycles), self._repeats.most - len(cycles))
            more = self._run(client, plan, count, per_layer=per_layer)
            cycles = np.concatenate([cycles, more])
        return cycles

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


def open_backend(
    board: str,
    *,
    port: str | None = None,
    probe: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> BoardBackend:
    """A board: the virtual copy, or the physical one behind a port. Its firmware is found or built.

    Args:
        board: Name of a board, or path of a board file.
        port: Where the physical board is: a device name, a pyserial URL, or ``usb:`` and a USB
            serial number. Without it the virtual copy is taken, whose times are simulated.
        probe: Unique id of the debug probe that may flash the physical board.
        progress: Is told what takes long (building, flashing).

    Raises:
        BoardError: The board is unknown, is functional only, or (the virtual copy) has no cycle
            model; or a probe is named without a port.
        FirmwareBuildError: There is no image and none can be built.
    """
    spec = load_board(board)
    if port is None and probe is not None:
        raise BoardError(
            f"probe {probe}: give the --port of the physical board as well; without one the "
            "virtual copy would be taken, which needs no probe"
        )
    told = progress or (lambda text: None)
    if spec.kind == "qemu":
        raise BoardError(
            f"{spec.name} is functional only: it has no cycle counter and no cycle model, so "
            "its latency is never reported"
        )
    if port is None and spec.timing is None:
        raise BoardError(
            f"the virtual {spec.name} is functional only: its board file has no cycle model "
            "([timing]), so its latency is not reported; give the physical board's --port"
        )
    image = find_image(spec, progress=progress)
    if port is None:
        target = identity_of(spec, image, Provenance.SIMULATED, timing_identity(spec))
        return BoardBackend(spec, image, lambda: virtual_client(spec, image), target)
    # Only a physical board needs pyserial's part of the device package.
    from hwnas.device.attach import Connection, attach

    connection = Connection(port, probe)
    return BoardBackend(
        spec,
        image,
        lambda: attach(
            spec, connection, image.manifest, lambda: flash_contents(image), progress=told
        ),
        identity_of(spec, image, Provenance.MEASURED, ""),
        SILICON,
    )


def virtual_client(spec: BoardSpec, image: FirmwareImage) -> BoardClient:
    """A virtual board that was flashed with an image and its pool."""
    return BoardClient(VirtualBoard(spec, image.elf, pool_contents(image.manifest)))


def identity_of(
    spec: BoardSpec, image: FirmwareImage, provenance: Provenance, timing_model: str
) -> TargetIdentity:
    """What a measurement on this board with this image is a measurement of."""
    manifest = image.manifest
    return TargetIdentity(
        board=spec.name,
        core=spec.core.name,
        clock_hz=spec.core.clock_hz,
        arena_region="ram",
        kernel_set=manifest.kernel_set,
        kernel_version=manifest.kernel_version,
        compiler=manifest.compiler,
        compiler_version=manifest.compiler_version,
        compiler_flags=manifest.compiler_flags,
        measured_code_sha256=manifest.measured_code_sha256,
        pool_sha256=manifest.pool_sha256,
        cache="warm",
        provenance=provenance,
        timing_model=timing_model,
    )
