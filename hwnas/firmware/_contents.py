"""What goes where in a board's flash: the image, and beside it a pool or a model."""

from __future__ import annotations

from hwnas.elf import Image
from hwnas.firmware._manifest import FirmwareImage, FirmwareManifest
from hwnas.plan import DEFAULT_SEED, ModelImage, ParameterPool


def pool_contents(manifest: FirmwareManifest) -> dict[int, bytes]:
    """The pool of synthetic parameters with its header, by address.

    Example:
        >>> pool_contents(image.manifest)  # doctest: +SKIP
        {134283200: b'HWPL...'}
    """
    pool = ParameterPool(DEFAULT_SEED, manifest.parameter_bytes)
    return _region(manifest, pool.header(), pool.data)


def model_contents(manifest: FirmwareManifest, model: ModelImage) -> dict[int, bytes]:
    """A model with its header, by address: it takes the pool's place.

    Raises:
        PlanError: The board has no room for it.

    Example:
        >>> model_contents(image.manifest, model)  # doctest: +SKIP
        {134283200: b'HWMD...'}
    """
    model.check_fits(
        parameter_bytes=manifest.parameter_bytes, workspace_bytes=manifest.workspace_bytes
    )
    return _region(manifest, model.header(), model.data)


def flash_contents(image: FirmwareImage, model: ModelImage | None = None) -> dict[int, bytes]:
    """Everything that a board's flash holds once it is flashed, by address.

    Args:
        image: The firmware.
        model: What is deployed beside it; without one the board is to measure, and gets the pool.

    Raises:
        BoardError: The image is damaged.
        PlanError: The board has no room for the model.
    """
    manifest = image.manifest
    code = {part.address: part.data for part in Image.read(image.elf).segments}
    return code | (pool_contents(manifest) if model is None else model_contents(manifest, model))


def _region(manifest: FirmwareManifest, header: bytes, data: bytes) -> dict[int, bytes]:
    return {manifest.parameter_base - len(header): header + data}
