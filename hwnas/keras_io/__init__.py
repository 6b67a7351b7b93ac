"""Keras models as Networks, and Networks as Keras models.

Neither direction runs the TFLite converter. Importing this package does not import tensorflow;
calling its functions does.
"""

from __future__ import annotations

from hwnas.keras_io._load import KERAS_SUFFIXES, load_keras
from hwnas.keras_io._read import from_keras
from hwnas.keras_io._resize import resize_keras
from hwnas.keras_io._write import to_keras

__all__ = ["KERAS_SUFFIXES", "from_keras", "load_keras", "resize_keras", "to_keras"]
