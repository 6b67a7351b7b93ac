"""Samples of a user's: inputs and labels from a NumPy file."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hwnas.errors import DatasetError

MAX_BYTES: Final = 4 << 30
_INPUTS: Final = ("x", "x_test", "x_train", "inputs")
_LABELS: Final = ("y", "y_test", "y_train", "labels")


@dataclass(frozen=True)
class Samples:
    """Inputs of a network, and what they are.

    Attributes:
        inputs: float32, (samples, ...) as the model reads them.
        labels: Numbers of classes, (samples,); ``None`` where there are none.
    """

    inputs: NDArray[np.float32]
    labels: NDArray[np.int64] | None


def load_samples(path: Path | str) -> Samples:
    """Read an ``.npz`` file with arrays ``x`` and ``y``, or an ``.npy`` file of inputs alone.

    ``x_test`` and ``y_test``, ``x_train`` and ``y_train``, ``inputs`` and ``labels`` do as well.
    Pickled objects are refused.

    Raises:
        DatasetError: The file is missing, damaged or too large, an array is missing, or inputs
            are no finite numbers, or labels no whole numbers.

    Example:
        >>> load_samples("test.npz").inputs.shape  # doctest: +SKIP
        (10000, 28, 28, 1)
    """
    file = Path(path)
    if not os.path.isfile(file):
        raise DatasetError(f"samples {file}: there is no such file")
    try:
        arrays = _arrays(file)
    # NumPy raises whatever damage leads to.
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, MemoryError) as error:
        raise DatasetError(
            f"samples {file}: cannot be read ({error}); write them by numpy.savez(path, x=..., "
            "y=...)"
        ) from error
    inputs = _first(arrays, _INPUTS)
    if inputs is None:
        raise DatasetError(
            f"samples {file}: holds {', '.join(arrays) or 'nothing'}; the inputs must be called "
            f"one of {', '.join(_INPUTS)}"
        )
    return Samples(_numbers(file, inputs), _classes(file, _first(arrays, _LABELS)))


def random_samples(shape: tuple[int, ...], count: int = 100) -> NDArray[np.float32]:
    """Uniform values of 0 to 1, always the same: ranges that they give are of nothing real."""
    return np.random.default_rng(0).random((count, *shape), dtype=np.float32)


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    if not zipfile.is_zipfile(file):
        if file.stat().st_size > MAX_BYTES:
            raise ValueError(f"at most {MAX_BYTES} bytes are read")
        return {_INPUTS[0]: np.load(file, allow_pickle=False)}
    with zipfile.ZipFile(file) as members:
        size = sum(member.file_size for member in members.infolist())
    if size > MAX_BYTES:
        raise ValueError(f"unpacked it has {size} bytes, at most {MAX_BYTES} are read")
    with np.load(file, allow_pickle=False) as loaded:
        wanted = [name for name in loaded.files if name in _INPUTS + _LABELS]
        return {name: loaded[name] for name in wanted}


def _first(arrays: dict[str, NDArray[Any]], names: tuple[str, ...]) -> NDArray[Any] | None:
    return next((arrays[name] for name in names if name in arrays), None)


def _numbers(file: Path, inputs: NDArray[Any]) -> NDArray[np.float32]:
    if inputs.ndim < 2 or not len(inputs) or inputs.dtype.kind not in "fiub":
        raise DatasetError(
            f"samples {file}: inputs of shape {inputs.shape} and type {inputs.dtype} are no "
            "numbers of shape (samples, ...)"
        )
    values = inputs.astype(np.float32)
    if not np.isfinite(values).all():
        raise DatasetError(f"samples {file}: some inputs are not finite")
    return values


def _classes(file: Path, labels: NDArray[Any] | None) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    if labels.dtype.kind not in "iu" or labels.size != len(labels):
        raise DatasetError(
            f"samples {file}: labels of shape {labels.shape} and type {labels.dtype} are not the "
            "number of a class for each sample"
        )
    return labels.reshape(-1).astype(np.int64)
