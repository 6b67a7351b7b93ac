"""The flash-and-measure backend: networks in, cycles out, on one board."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hwnas.boards import BoardSpec, load_board
from hwnas.cost import RuntimeFootprint
from hwnas.device import BoardClient, Transport, check_identity
from hwnas.errors import BoardError, PlanError
from hwnas.firmware import FirmwareImage, find_image
from hwnas.network import Layer, Network
from hwnas.plan import (
    DEFAULT_SEED,
    ExecutionPlan,
    ParameterPool,
    PoolLayout,
    compile_layers,
    compile_plan,
)
from hwnas.table import LayerRecord, NetworkRecord
from hwnas.target import Provenance, TargetIdentity
from hwnas.virtual import TIMING_MODEL_VERSION, VirtualBoard

VIRTUAL_REPEATS = 1
"""The virtual board is deterministic: a second repetition would tell nothing new."""
SILICON_REPEATS = 5


class BoardBackend:
    """Measures untrained networks and single layers on a board, real or virtual.

    The board's identity is known from the firmware's manifest; the board itself is opened when
    the first measurement is asked for, and is then checked against that identity.

    Args:
        spec: The board.
        image: The firmware image that is (or will be) on it.
        connect: Opens the way to the board.
        target: The identity under which results are stored.
        repeats: Timed repetitions of each run, after one untimed run.

    Example:
        >>> with open_backend("nucleo_l496zg") as backend:  # doctest: +SKIP
        ...     backend.measure_network(network).cycles_median
    """

    def __init__(
        self,
        spec: BoardSpec,
        image: FirmwareImage,
        connect: Callable[[], Transport],
        target: TargetIdentity,
        *,
        repeats: int,
    ) -> None:
        self.spec = spec
        self.image = image
        self.target = target
        self._connect = connect
        self._repeats = repeats
        self._client: BoardClient | None = None
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
            cycles = self._run(plan, per_layer=True).layer_cycles[:, 0]
            yield LayerRecord(layer, **self._summary(cycles))

    def measure_network(self, network: Network) -> NetworkRecord | None:
        """Run the whole network end to end.

        Returns:
            The record, or ``None`` where the network fits the chip as a deployed model but not
            beside its own plan in RAM, or not into the synthetic parameters: then the sum over
            its layers is what can be known.

        Raises:
            BoardError: The board failed, or is not the one that the identity names.
        """
        try:
            plan = compile_plan(network, pool=self._pool)
        except PlanError:
            return None
        if len(plan.data) + plan.arena_bytes > self.image.manifest.workspace_bytes:
            return None
        cycles = self._run(plan, per_layer=False).total_cycles
        return NetworkRecord(network, **self._summary(cycles))

    def close(self) -> None:
        """Let go of the board; a later measurement opens it again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, plan: ExecutionPlan, *, per_layer: bool) -> Any:
        client = self.open()
        try:
            client.load(plan.data)
            return client.run(
                warmup=1,
                repeats=self._repeats,
                per_layer=per_layer,
                step_count=len(plan.step_nodes),
            )
        except BoardError:
            # Whatever state the board is in now, the next measurement starts from a fresh one.
            self.close()
            raise

    def open(self) -> BoardClient:
        """The client of the opened and checked board; opens it where needed.

        Raises:
            BoardError: The board does not answer, or is not the one that the identity names.
        """
        if self._client is None:
            client = BoardClient(self._connect())
            try:
                check_identity(client.hello(), self.image.manifest)
            except BaseException:
                client.close()
                raise
            self._client = client
        return self._client

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


def open_backend(board: str, *, progress: Callable[[str], None] | None = None) -> BoardBackend:
    """The virtual copy of a board, with its firmware found or built.

    Args:
        board: Name of a board, or path of a board file.
        progress: Is told what takes long (building the firmware).

    Raises:
        BoardError: The board is unknown, or has no cycle model.
        FirmwareBuildError: There is no image and none can be built.
    """
    spec = load_board(board)
    if spec.timing is None:
        raise BoardError(
            f"{spec.name} is functional only: it has no cycle counter and no cycle model, so "
            "its latency is never reported"
        )
    image = find_image(spec, progress=progress)
    return BoardBackend(
        spec,
        image,
        lambda: _virtual_board(spec, image),
        identity_of(spec, image, Provenance.SIMULATED, TIMING_MODEL_VERSION),
        repeats=VIRTUAL_REPEATS,
    )


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


def _virtual_board(spec: BoardSpec, image: FirmwareImage) -> VirtualBoard:
    manifest = image.manifest
    pool = ParameterPool(DEFAULT_SEED, manifest.parameter_bytes)
    header = pool.header()
    return VirtualBoard(
        spec, image.elf, {manifest.parameter_base - len(header): header + pool.data}
    )
