"""Reads a model file, whoever made it: its architecture, or the trained model to deploy."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hwnas._files import read_bytes, read_text
from hwnas.errors import NetworkError, PlanError
from hwnas.keras_io import KERAS_SUFFIXES, from_keras, load_keras
from hwnas.network import DType, Network
from hwnas.plan import TrainedNetwork

MAX_JSON_BYTES: Final = 4 << 20
_TFLITE: Final = ".tflite"
_JSON: Final = ".json"
SUFFIXES: Final = (*KERAS_SUFFIXES, _TFLITE, _JSON)


@dataclass(frozen=True)
class TrainedModel:
    """A trained model in all the forms that it is run in.

    Attributes:
        trained: As hwnas deploys it.
        flat: As a TFLite file.
        keras: The ``keras.Model`` that it was made of, where there is one.
    """

    trained: TrainedNetwork
    flat: bytes
    keras: Any = None


def load_network(path: Path | str) -> Network:
    """Read a ``.keras``, ``.h5`` or ``.tflite`` model, or a Network's ``.json``.

    Args:
        path: The file; its suffix decides how it is read.

    Raises:
        NetworkError: The file is missing, damaged or of an unknown kind.
        UnsupportedLayerError: The model holds a layer that the firmware cannot run.

    Example:
        >>> load_network("lenet.keras").layers  # doctest: +SKIP
    """
    file = _existing(path)
    if file.suffix in KERAS_SUFFIXES:
        return from_keras(load_keras(file))
    if file.suffix == _TFLITE:
        from hwnas.tflite_io import from_tflite

        return from_tflite(file)
    text = read_text(file, "model", most_bytes=MAX_JSON_BYTES, error=NetworkError)
    try:
        return Network.from_json(text)
    except NetworkError as error:
        raise NetworkError(f"model {file}: {error}") from error


def load_trained(
    path: Path | str,
    dtype: DType,
    representative: Callable[[tuple[int, ...]], NDArray[np.float32]] | None = None,
) -> TrainedModel:
    """Read a trained model, and quantize it where that is needed.

    Args:
        path: A ``.keras``, ``.h5`` or ``.tflite`` file.
        dtype: What the kernels compute in that are to run it.
        representative: Gives samples of the input's shape, (samples, ...), from which ranges of
            activations are taken where a Keras model is quantized.

    Raises:
        NetworkError: The file is missing, damaged or of a kind that holds no trained model.
        PlanError: A TFLite file is of another type than the kernels; or a Keras model is to be
            quantized and there is no ``representative``.
        DatasetError: The samples do not fit the model.
        UnsupportedLayerError: The model holds a layer that the firmware cannot run.
    """
    from hwnas.tflite_io import MAX_TFLITE_BYTES, trained_from_tflite

    file = _existing(path)
    if file.suffix == _TFLITE:
        flat = read_bytes(file, "model", most_bytes=MAX_TFLITE_BYTES, error=NetworkError)
        trained = trained_from_tflite(file)
        if trained.network.dtype is not dtype:
            raise PlanError(
                f"model {file} is {trained.network.dtype} and the kernels compute in {dtype}: "
                "choose others by --kernels, or convert the Keras model anew"
            )
        return TrainedModel(trained, flat)
    if file.suffix not in KERAS_SUFFIXES:
        raise NetworkError(
            f"model {file} has no parameters: give the trained .keras, .h5 or .tflite file"
        )
    return quantize_keras(load_keras(file), dtype, representative)


def quantize_keras(
    model: Any,
    dtype: DType,
    representative: Callable[[tuple[int, ...]], NDArray[np.float32]] | None = None,
) -> TrainedModel:
    """Convert a trained ``keras.Model`` for the kernels; arguments as for :func:`load_trained`.

    Raises:
        PlanError: It is to be quantized and there is no ``representative``.
        DatasetError: The samples do not fit the model.
        UnsupportedLayerError: The model holds a layer that the firmware cannot run.
    """
    from hwnas.quantization import as_floats, quantized
    from hwnas.tflite_io import trained_from_tflite

    from_keras(model, dtype)  # its errors name the Keras layer
    if dtype is DType.FLOAT32:
        flat = as_floats(model)
    elif representative is None:
        raise PlanError(
            "quantizing a Keras model needs samples of its input, for the ranges of activations: "
            "give some of the training data"
        )
    else:
        flat = quantized(model, representative(tuple(model.input_shape[1:])))
    return TrainedModel(trained_from_tflite(flat), flat, model)


def _existing(path: Path | str) -> Path:
    file = Path(path)
    if not os.path.isfile(file):
        raise NetworkError(f"model {file}: there is no such file")
    if file.suffix not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise NetworkError(f"model {file}: {file.suffix or 'no suffix'} is none of {known}")
    return file
