"""Reads a model file, whoever made it, as a Network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from hwnas._files import read_text
from hwnas.errors import NetworkError
from hwnas.keras_io import from_keras, load_keras
from hwnas.network import Network

MAX_JSON_BYTES: Final = 4 << 20


def load_network(path: Path | str) -> Network:
    """Read a ``.keras`` model or a Network's ``.json``.

    Args:
        path: The file; its suffix decides how it is read.

    Raises:
        NetworkError: The file is missing, damaged or of an unknown kind.
        UnsupportedLayerError: The model holds a layer that the firmware cannot run.

    Example:
        >>> load_network("lenet.keras").layers  # doctest: +SKIP
    """
    file = Path(path)
    if not os.path.isfile(file):
        raise NetworkError(f"model {file}: there is no such file")
    if file.suffix == ".keras":
        return from_keras(load_keras(file))
    if file.suffix == ".json":
        text = read_text(file, "model", most_bytes=MAX_JSON_BYTES, error=NetworkError)
        try:
            return Network.from_json(text)
        except NetworkError as error:
            raise NetworkError(f"model {file}: {error}") from error
    raise NetworkError(f"model {file}: {file.suffix or 'no suffix'} is neither .keras nor .json")
