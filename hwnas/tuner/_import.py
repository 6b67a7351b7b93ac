"""Keras and KerasTuner, imported without what tensorflow and it print on the way."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO

from hwnas._tensorflow import import_keras

try:
    import_keras()
    with redirect_stdout(StringIO()):
        import keras
        import keras_tuner
except ImportError as error:
    raise ImportError(
        f"hwnas.tuner needs KerasTuner ({error}): pip install 'hwnas[tuner]'"
    ) from error

__all__ = ["keras", "keras_tuner"]
