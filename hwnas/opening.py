"""Opens boards: the virtual copy, or the physical one behind a port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hwnas.backend import ONCE, SILICON, BoardBackend
from hwnas.boards import BoardSpec, load_board
from hwnas.device import BoardClient
from hwnas.energy.meters import MARKER_CAPACITY, open_meter
from hwnas.errors import BoardError
from hwnas.firmware import (
    DEFAULT_VARIANT,
    FirmwareImage,
    Variant,
    find_image,
    flash_contents,
    model_contents,
    pool_contents,
)
from hwnas.kernels import CMSIS_NN, KernelSet, kernel_set_named
from hwnas.plan import ModelImage
from hwnas.target import Provenance, TargetIdentity
from hwnas.virtual import VirtualBoard
from hwnas.virtual.timing import timing_identity


def open_backend(
    board: str,
    *,
    kernel_set: str = CMSIS_NN.name,
    variant: Variant = DEFAULT_VARIANT,
    port: str | None = None,
    probe: str | None = None,
    meter: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> BoardBackend:
    """A board: the virtual copy, or the physical one behind a port. Its firmware is found or built.

    Args:
        board: Name of a board, or path of a board file.
        kernel_set: Kernels that run networks: ``cmsis_nn``, ``reference`` or ``float32``.
        variant: How the firmware is compiled.
        port: Where the physical board is: a device name, a pyserial URL, or ``usb:`` and a USB
            serial number. Without it the virtual copy is taken, whose times are simulated.
        probe: Unique id of the debug probe that may flash the physical board.
        meter: URL of the energy meter on the board, as :func:`hwnas.energy.meters.open_meter` takes
            it: energy is then measured (simulated, by ``virtual://``) instead of estimated.
        progress: Is told what takes long (building, flashing).

    Raises:
        EnergyError: There is no such kind of meter, or a virtual one has no power to go by.
        BoardError: The board is unknown, is functional only, or (the virtual copy) has no cycle
            model; or a probe is named without a port.
        FirmwareBuildError: There is no image and none can be built.
        PlanError: There is no such kernel set.
    """
    kernels = kernel_set_named(kernel_set)
    spec = timed_board(board, port, probe)
    image = find_image(spec, variant, progress=progress)
    metered = None if meter is None else open_meter(meter, spec)
    connect = connector(
        spec, image, port=port, probe=probe, metered=metered is not None, progress=progress
    )
    target = target_of(spec, image, kernels, virtual=port is None)
    return BoardBackend(spec, image, connect, target, ONCE if port is None else SILICON, metered)


def timed_board(board: str, port: str | None, probe: str | None) -> BoardSpec:
    """A board whose latency can be told."""
    spec = load_board(board)
    if port is None and probe is not None:
        raise BoardError(
            f"probe {probe}: give the --port of the physical board as well; without one the "
            "virtual copy would be taken, which needs no probe"
        )
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
    return spec


def connector(
    spec: BoardSpec,
    image: FirmwareImage,
    *,
    port: str | None = None,
    probe: str | None = None,
    model: ModelImage | None = None,
    metered: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Callable[[], BoardClient]:
    """What opens a board that holds an image and, beside it, the pool or a deployed model.

    Args:
        spec: The board.
        image: Its firmware.
        port: Where the physical board is; without it the virtual copy is taken.
        probe: Unique id of the debug probe that may flash the physical board.
        model: What is deployed on it; without one it holds the pool, to measure.
        metered: Whether the virtual copy keeps its marker events, which takes time.
        progress: Is told what takes long (flashing).
    """
    if port is None:
        return lambda: virtual_client(spec, image, model, metered=metered)
    # Only a physical board needs pyserial's part of the device package.
    from hwnas.device.attach import Connection, attach

    connection = Connection(port, probe)
    held = image.manifest.pool_sha256 if model is None else model.sha256
    return lambda: attach(
        spec,
        connection,
        replace(image.manifest, pool_sha256=held),
        lambda: flash_contents(image, model),
        progress=progress or (lambda text: None),
    )


def virtual_client(
    spec: BoardSpec,
    image: FirmwareImage,
    model: ModelImage | None = None,
    *,
    metered: bool = False,
) -> BoardClient:
    """A virtual board that was flashed with an image and its pool, or a model."""
    manifest = image.manifest
    held = pool_contents(manifest) if model is None else model_contents(manifest, model)
    capacity = MARKER_CAPACITY if metered else 0
    return BoardClient(VirtualBoard(spec, image.elf, held, marker_capacity=capacity))


def target_of(
    spec: BoardSpec, image: FirmwareImage, kernels: KernelSet, *, virtual: bool
) -> TargetIdentity:
    """What numbers from this board are of: its virtual copy simulates, the chip measures."""
    if virtual:
        return identity_of(spec, image, kernels, Provenance.SIMULATED, timing_identity(spec))
    return identity_of(spec, image, kernels, Provenance.MEASURED, "")


def identity_of(
    spec: BoardSpec,
    image: FirmwareImage,
    kernels: KernelSet,
    provenance: Provenance,
    timing_model: str,
) -> TargetIdentity:
    """What a measurement on this board with these kernels of the image is a measurement of."""
    manifest = image.manifest
    code = manifest.kernels[kernels.name]
    return TargetIdentity(
        board=spec.name,
        core=spec.core.name,
        clock_hz=spec.core.clock_hz,
        arena_region="ram",
        kernel_set=kernels.name,
        kernel_version=code.version,
        compiler=manifest.compiler,
        compiler_version=manifest.compiler_version,
        compiler_flags=manifest.compiler_flags,
        measured_code_sha256=code.code_sha256,
        pool_sha256=manifest.pool_sha256,
        cache="warm",
        provenance=provenance,
        timing_model=timing_model,
    )
