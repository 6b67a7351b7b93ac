"""What an image and its pool put where in a board's flash."""

from __future__ import annotations

from hwnas.elf import Image
from hwnas.firmware._manifest import FirmwareImage, FirmwareManifest
from hwnas.plan import DEFAULT_SEED, ParameterPool


def pool_contents(manifest: FirmwareManifest) -> dict[int, bytes]:
    """The pool of synthetic parameters with its header, by address.

    Example:
        >>> pool_contents(image.manifest)  # doctest: +SKIP
        {134283200: b'HWPL...'}
    """
    pool = ParameterPool(DEFAULT_SEED, manifest.parameter_bytes)
    header = pool.header()
    return {manifest.parameter_base - len(header): header + pool.data}


def flash_contents(image: FirmwareImage) -> dict[int, bytes]:
    """Everything that a board's flash holds once it is flashed, by address.

    Raises:
        BoardError: The image is damaged.
    """
    code = {part.address: part.data for part in Image.read(image.elf).segments}
    return code | pool_contents(image.manifest)
