"""Keras itself, and model files that it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hwnas._tensorflow import import_keras
from hwnas.errors import HwnasError, NetworkError


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
    keras = keras_module()
    try:
        return keras.saving.load_model(Path(path), compile=False, safe_mode=True)
    # Keras raises whatever the damage leads to: ValueError, KeyError, OSError, zip errors.
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise NetworkError(f"model {path}: Keras cannot load it ({reason})") from error
