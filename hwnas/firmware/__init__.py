"""Firmware images: finds or builds the one of a board; its manifest is its identity.

A wheel carries images that were built with the reference compiler. A checkout builds them once and
keeps them in the user's cache, by a fingerprint of everything that goes in.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from hwnas.boards import BoardSpec, list_boards, load_board
from hwnas.errors import FirmwareBuildError, HwnasError
from hwnas.firmware._build import Recipe, build, cmsis_sources, firmware_sources
from hwnas.firmware._contents import flash_contents, model_contents, pool_contents
from hwnas.firmware._manifest import FirmwareImage, FirmwareManifest, KernelCode
from hwnas.firmware._variant import DEFAULT_VARIANT, Optimization, Variant
from hwnas.resources import CACHE_ADVICE, cache_dir, data_dir

__all__ = [
    "DEFAULT_VARIANT",
    "FirmwareImage",
    "FirmwareManifest",
    "KernelCode",
    "Optimization",
    "Variant",
    "build_images",
    "cmsis_sources",
    "find_image",
    "firmware_sources",
    "flash_contents",
    "model_contents",
    "pool_contents",
]

_KEPT_DIGITS: Final = 16


def find_image(
    board: str | BoardSpec,
    variant: Variant = DEFAULT_VARIANT,
    *,
    progress: Callable[[str], None] | None = None,
) -> FirmwareImage:
    """The firmware image of a board: from the wheel, from the cache, or built now.

    Args:
        board: A board, or the name of one.
        variant: How it is compiled.
        progress: Is told when an image must be built, which takes seconds.

    Raises:
        BoardError: The board is unknown, or its flash is too small for any firmware.
        FirmwareBuildError: There is no image and none can be built or kept; the message says what
            is missing and how to get it.

    Example:
        >>> list(find_image("nucleo_l496zg").manifest.kernels)  # doctest: +SKIP
        ['cmsis_nn', 'reference', 'float32']
    """
    spec = board if isinstance(board, BoardSpec) else load_board(board)
    shipped = _shipped(spec) if variant == DEFAULT_VARIANT else None
    if shipped is not None:
        return FirmwareImage.read(shipped)
    recipe = Recipe.of(spec, variant)
    folder = cache_dir("firmware") / f"{spec.name}-{recipe.fingerprint()[:_KEPT_DIGITS]}"
    try:
        if not folder.is_dir():
            if progress is not None:
                compiler = recipe.compiler
                progress(
                    f"building the firmware of {spec.name} with {compiler.name} "
                    f"{compiler.version}, {variant.describe()}"
                )
            build(recipe, folder)
        return FirmwareImage.read(folder)
    except OSError as error:
        raise FirmwareBuildError(
            f"the firmware of {spec.name} cannot be kept in {folder.parent} ({error}): "
            f"{CACHE_ADVICE}"
        ) from error


def build_images(folder: Path) -> list[FirmwareImage]:
    """Build the default images of all boards, for a wheel.

    Raises:
        FirmwareBuildError: One cannot be built or written, or is there already.
    """
    images = []
    for name in list_boards():
        place = folder / name
        try:
            if place.exists():
                raise FirmwareBuildError(f"{place} is there already; remove it first")
            build(Recipe.of(load_board(name)), place)
        except OSError as error:
            raise FirmwareBuildError(f"{place} cannot be written ({error})") from error
        images.append(FirmwareImage.read(place))
    return images


def _shipped(spec: BoardSpec) -> Path | None:
    """The image that came with the wheel, for a board whose file did, too."""
    if spec.name not in list_boards() or load_board(spec.name) != spec:
        return None
    try:
        folder = data_dir("images") / spec.name
    except HwnasError:
        return None
    return folder if folder.is_dir() else None
