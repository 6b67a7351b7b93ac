"""Keras itself, and model files that it wrote."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from hwnas._tensorflow import import_keras
from hwnas.errors import HwnasError, NetworkError

KERAS_SUFFIXES: Final = (".keras", ".h5")
_HDF5: Final = b"\x89HDF\r\n\x1a\n"
_CAUSE: Final = "Exception encountered: "
"""What Keras puts before the cause, behind the whole configuration of what it could not make."""


def keras_module() -> Any:
    """The ``keras`` module.

    Raises:
        HwnasError: Keras or tensorflow is not installed.
    """
    try:
        return import_keras()
    except ImportError as error:
        raise HwnasError(
            f"Keras models need keras and tensorflow ({error}): pip install 'hwnas[keras]'"
        ) from error


def load_keras(path: Path | str) -> Any:
    """Read a ``.keras`` or ``.h5`` file; code that it may carry is refused, not run.

    Args:
        path: The file.

    Raises:
        NetworkError: The file is missing, damaged, or needs classes that Keras does not have.
        HwnasError: Keras or tensorflow is not installed.

    Example:
        >>> load_keras("lenet.keras").name  # doctest: +SKIP
        'lenet'
    """
    if not os.path.isfile(path):
        raise NetworkError(f"model {path}: there is no such file")
    file = Path(path)
    if not _LOOKS_RIGHT.get(file.suffix, _never)(file):
        raise NetworkError(
            f"model {path}: is not what model.save('name.keras') or model.save('name.h5') writes, "
            "or is cut off"
        )
    keras = keras_module()
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    # Keras raises whatever the damage leads to: ValueError, KeyError, OSError, zip errors.
    except Exception as error:
        raise NetworkError(
            f"model {path}: Keras cannot load it ({_first_sentence(error)}); a file may hold "
            "Keras's own layers, no others and no Lambda"
        ) from error


def _is_hdf5(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(_HDF5)) == _HDF5


def _never(file: Path) -> bool:
    return False


_LOOKS_RIGHT: Final[Mapping[str, Callable[[Path], bool]]] = MappingProxyType(
    dict(zip(KERAS_SUFFIXES, (zipfile.is_zipfile, _is_hdf5), strict=True))
)


def _first_sentence(error: Exception) -> str:
    """The first sentence of the cause that Keras tells."""
    cause = str(error).rpartition(_CAUSE)[2].strip() or type(error).__name__
    return cause.splitlines()[0].split(". ")[0]
