"""Finds the data that comes with hwnas, and the place for what it keeps between runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from platformdirs import user_cache_path

from hwnas.errors import HwnasError

CACHE_VARIABLE: Final = "HWNAS_CACHE_DIR"
CACHE_ADVICE: Final = f"let {CACHE_VARIABLE} name a folder that can be written"
"""For messages about a :func:`cache_dir` that cannot be used."""
_PACKAGE = Path(__file__).resolve().parent


def data_dir(kind: str) -> Path:
    """The directory of one kind of data.

    A wheel holds it inside the package, a checkout beside the package.

    Args:
        kind: ``search_spaces``, ``firmware``, ``lut`` or (in a wheel) ``images``.

    Raises:
        HwnasError: It is in neither place: the installation is incomplete.

    Example:
        >>> data_dir("search_spaces").name
        'search_spaces'
    """
    places = (_PACKAGE / "_data" / kind, _PACKAGE.parent / kind)
    for place in places:
        if place.is_dir():
            return place
    looked = " and ".join(str(place) for place in places)
    raise HwnasError(f"the data directory {kind!r} is missing (looked for {looked}); reinstall")


def cache_dir(kind: str) -> Path:
    """The folder for one kind of what hwnas keeps between runs, which can be deleted at any time.

    The environment variable ``HWNAS_CACHE_DIR`` names another parent than the user's cache.

    Args:
        kind: ``firmware``, ``timing`` or ``leases``.

    Example:
        >>> cache_dir("firmware").name
        'firmware'
    """
    named = os.environ.get(CACHE_VARIABLE)
    return (Path(named) if named else user_cache_path("hwnas")) / kind
