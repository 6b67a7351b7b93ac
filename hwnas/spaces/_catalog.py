"""Finds search spaces by name, path or function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hwnas.errors import SpaceError
from hwnas.resources import data_dir
from hwnas.spaces._base import SearchSpace
from hwnas.spaces._declared import DeclaredSpace
from hwnas.spaces._function import FunctionSpace

SUFFIXES: Final = (".yaml", ".yml")


def list_spaces() -> list[str]:
    """Names of the spaces that come with hwnas.

    Example:
        >>> "lenet" in list_spaces()
        True
    """
    return sorted(path.stem for path in data_dir("search_spaces").glob("*.yaml"))


def load_space(name_or_path: str | Path, *, off_grid: bool = False) -> DeclaredSpace:
    """Load a space by its name or from a YAML file.

    Args:
        name_or_path: One of :func:`list_spaces`, or a file that ends in ``.yaml`` or ``.yml``.
        off_grid: Let widths go in steps of one instead of four; see :class:`DeclaredSpace`.

    Raises:
        SpaceError: There is no such space, the file is not a valid one, or it has no widths that
            could leave the grid.

    Example:
        >>> load_space("ds_cnn").input_shape
        (49, 10, 1)
    """
    path = Path(name_or_path)
    if path.suffix in SUFFIXES:
        return DeclaredSpace(path, off_grid=off_grid)
    known = list_spaces()
    if str(name_or_path) not in known:
        raise SpaceError(
            f"there is no space {str(name_or_path)!r}; known are {', '.join(known)}, or name a "
            "file that ends in .yaml"
        )
    return DeclaredSpace(data_dir("search_spaces") / f"{name_or_path}.yaml", off_grid=off_grid)


def as_space(space: SearchSpace | str | Path | Callable[[Any], Any]) -> SearchSpace:
    """Whatever describes a space, as a space.

    Args:
        space: A space, a name or file for :func:`load_space`, or a function
            ``trial -> Network`` or ``trial -> keras.Model``.

    Raises:
        SpaceError: It is none of these, or :func:`load_space` fails.
    """
    if isinstance(space, SearchSpace):
        return space
    if isinstance(space, (str, Path)):
        return load_space(space)
    if callable(space):
        return FunctionSpace(space)
    raise SpaceError(
        f"{type(space).__name__} is no search space; expected a SearchSpace, a name, a YAML file "
        "or a function of a trial"
    )
