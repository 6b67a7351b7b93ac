"""Fashion-MNIST, from wherever this machine has it."""

from __future__ import annotations

import gzip
import importlib.util
import os
import socket
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hwnas._tensorflow import import_keras
from hwnas.errors import DatasetError

DATA_DIR_VARIABLE: Final = "HWNAS_DATA_DIR"
SEARCH_PATHS: tuple[Path, ...] = (Path("/usr/share/datasets/fashion-mnist"),)
"""Where systems keep the files: Debian's package ``dataset-fashion-mnist``."""
IMAGE_SIDE: Final = 28
CLASSES: Final = 10
MAX_ITEMS: Final = 60_000
DOWNLOAD_TIMEOUT_SECONDS: Final = 20.0

_FILES: Final = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_UNSIGNED_BYTES: Final = 0x08


@dataclass(frozen=True, slots=True)
class Dataset:
    """Images and labels.

    Attributes:
        x_train: float32 in [0, 1], shape (n, 28, 28, 1).
        y_train: int64 labels, shape (n,).
        x_test: As ``x_train``.
        y_test: As ``y_train``.
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


def load_fashion_mnist(*, limit: int | None = None, download: bool = True) -> Dataset:
    """Load the real Fashion-MNIST.

    Looks into the directory that ``HWNAS_DATA_DIR`` names (and ``fashion-mnist`` below it),
    Debian's package ``dataset-fashion-mnist`` and Keras's cache; then Keras may download it.

    Args:
        limit: At most so many images of each part, the first ones; all by default.
        download: Whether Keras's downloader may be tried when no file is found.

    Raises:
        DatasetError: It is nowhere, or a file is damaged; the message names the places or file.

    Example:
        >>> load_fashion_mnist(limit=100).x_train.shape  # doctest: +SKIP
        (100, 28, 28, 1)
    """
    if limit is not None and limit < 1:
        raise DatasetError(f"limit {limit}: at least one image is wanted")
    directory = _find(download)
    return Dataset(*_part(directory, "train", limit), *_part(directory, "test", limit))


def _find(download: bool) -> Path:
    places = _places()
    for place in places:
        if _is_complete(place):
            return place
    failure = "downloading was not allowed"
    if download:
        try:
            return _download()
        except DatasetError as error:
            failure = str(error)
    looked = ", ".join(map(str, places))
    raise DatasetError(
        f"Fashion-MNIST was not found in {looked}; {failure}. On Debian and Ubuntu run "
        "`apt-get install dataset-fashion-mnist`; elsewhere put the four .gz files into a "
        f"directory and name it in {DATA_DIR_VARIABLE}"
    )


def _places() -> list[Path]:
    named = os.environ.get(DATA_DIR_VARIABLE)
    own = [Path(named), Path(named) / "fashion-mnist"] if named else []
    return [*own, *SEARCH_PATHS, _keras_cache()]


def _keras_cache() -> Path:
    home = os.environ.get("KERAS_HOME")
    return Path(home or os.path.expanduser("~/.keras")) / "datasets" / "fashion-mnist"


def _is_complete(directory: Path) -> bool:
    return all(os.path.isfile(directory / name) for names in _FILES.values() for name in names)


def _download() -> Path:
    """Let Keras fill its own cache."""
    if not importlib.util.find_spec("tensorflow") or not importlib.util.find_spec("keras"):
        raise DatasetError("tensorflow is not installed, so Keras could not download it")
    try:
        keras = import_keras()
        with _default_timeout(DOWNLOAD_TIMEOUT_SECONDS), redirect_stdout(StringIO()):
            keras.datasets.fashion_mnist.load_data()
    except Exception as error:
        raise DatasetError(f"Keras could not download it ({error})") from error
    directory = _keras_cache()
    if not _is_complete(directory):
        raise DatasetError(f"Keras downloaded it to another place than {directory}")
    return directory


@contextmanager
def _default_timeout(seconds: float) -> Iterator[None]:
    """Keras's downloader sets no timeout of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _part(
    directory: Path, part: str, limit: int | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    images_file, labels_file = (directory / name for name in _FILES[part])
    images = _read_idx(images_file, (IMAGE_SIDE, IMAGE_SIDE), limit)
    labels = _read_idx(labels_file, (), limit)
    if len(images) != len(labels):
        raise DatasetError(
            f"{images_file}: {len(images)} images, but {labels_file.name} has {len(labels)} labels"
        )
    if labels.max() >= CLASSES:
        raise DatasetError(f"{labels_file}: label {labels.max()}; expected 0 to {CLASSES - 1}")
    pixels = images[..., np.newaxis].astype(np.float32)
    pixels /= 255
    return pixels, labels.astype(np.int64)


def _read_idx(path: Path, item_shape: tuple[int, ...], limit: int | None) -> NDArray[np.uint8]:
    """Items of an IDX file of unsigned bytes, reading no more than its header announces.

    The format: two zero bytes, a type, the number of axes, each axis as a big-endian 32-bit
    number, then the values.
    """
    axes = 1 + len(item_shape)
    try:
        with gzip.open(path, "rb") as file:
            header = _exactly(file, 4 + 4 * axes, path)
            magic, *extents = struct.unpack(f">{1 + axes}I", header)
            if magic != _UNSIGNED_BYTES << 8 | axes or tuple(extents[1:]) != item_shape:
                raise DatasetError(
                    f"{path}: the header is {header.hex(' ', 4)}; expected an IDX file of "
                    f"unsigned bytes, items of shape {item_shape}"
                )
            count = extents[0]
            if not 1 <= count <= MAX_ITEMS:
                raise DatasetError(f"{path}: {count} items; expected 1 to {MAX_ITEMS}")
            wanted = count if limit is None else min(count, limit)
            data = _exactly(file, wanted * int(np.prod(item_shape, dtype=np.int64)), path)
            if wanted == count and file.read(1):
                raise DatasetError(f"{path}: there is more behind the {count} items announced")
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); install it anew") from error
    return np.frombuffer(data, np.uint8).reshape(wanted, *item_shape)


def _exactly(file: Any, size: int, path: Path) -> bytes:
    data: bytes = file.read(size)
    if len(data) < size:
        raise DatasetError(f"{path}: ends after {len(data)} of {size} bytes; install it anew")
    return data
