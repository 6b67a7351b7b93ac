"""Keras itself, and model files that it wrote."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any, Final

from hwnas._tensorflow import import_keras
from hwnas.errors import HwnasError, NetworkError

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
    """Read a ``.keras`` file; code that it may carry is refused, not run.

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
    if Path(path).suffix != ".keras" or not zipfile.is_zipfile(path):
        raise NetworkError(
            f"model {path}: is not what model.save('name.keras') writes, or is cut off"
        )
    keras = keras_module()
    try:
        return keras.saving.load_model(Path(path), compile=False, safe_mode=True)
    # Keras raises whatever the damage leads to: ValueError, KeyError, OSError, zip errors.
    except Exception as error:
        raise NetworkError(
            f"model {path}: Keras cannot load it ({_first_sentence(error)}); a file may hold "
            "Keras's own layers, no others and no Lambda"
        ) from error


def _first_sentence(error: Exception) -> str:
    """The first sentence of the cause that Keras tells."""
    cause = str(error).rpartition(_CAUSE)[2].strip() or type(error).__name__
    return cause.splitlines()[0].split(". ")[0]
