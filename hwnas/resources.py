"""Finds the data that comes with hwnas, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from hwnas.errors import HwnasError

_PACKAGE = Path(__file__).resolve().parent


def data_dir(kind: str) -> Path:
    """The directory of one kind of data.

    A wheel holds it inside the package, a checkout beside the package.

    Args:
        kind: ``search_spaces``, ``firmware`` or ``lut``.

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
