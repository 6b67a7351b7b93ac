"""Imports Keras without what tensorflow's libraries print while they load."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_LOG_VARIABLE: Final = "TF_CPP_MIN_LOG_LEVEL"
_FATAL_ONLY: Final = "3"
_STANDARD_ERROR: Final = 2


def import_keras() -> Any:
    """The ``keras`` module; takes seconds the first time.

    Where the user has set ``TF_CPP_MIN_LOG_LEVEL``, the loading libraries may print.

    Raises:
        ImportError: Keras or tensorflow is not installed.

    Example:
        >>> import_keras().backend.backend()  # doctest: +SKIP
        'tensorflow'
    """
    if "keras" not in sys.modules and _LOG_VARIABLE not in os.environ:
        os.environ[_LOG_VARIABLE] = _FATAL_ONLY
        try:
            with silenced():
                import keras
        finally:
            del os.environ[_LOG_VARIABLE]
    else:
        import keras
    return keras


@contextmanager
def silenced() -> Iterator[None]:
    """Standard error closed at the level below Python; some notices heed no variable."""
    sys.stderr.flush()
    kept = os.dup(_STANDARD_ERROR)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), _STANDARD_ERROR)
        yield
    finally:
        os.dup2(kept, _STANDARD_ERROR)
        os.close(kept)
