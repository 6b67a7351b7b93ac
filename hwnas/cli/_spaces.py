"""What the commands share that take a search space."""

from __future__ import annotations

from typing import Annotated

import typer

from hwnas.errors import SpaceError
from hwnas.spaces import SearchSpace, as_space, load_function, load_space

OffGridOption = Annotated[
    bool,
    typer.Option("--off-grid", help="Let widths be any whole number; with --no-snap they stay so."),
]


def space_named(name: str, *, off_grid: bool) -> SearchSpace:
    """The space that an option names.

    Args:
        name: Of a space, a YAML file, or ``module:function``.
        off_grid: Whether widths may be any whole number.

    Raises:
        SpaceError: There is no such space, or it has no widths that could leave the grid.
        FunctionError: There is no such function.
    """
    if ":" not in name:
        return load_space(name, off_grid=off_grid)
    if off_grid:
        raise SpaceError(f"{name} is a function, which chooses widths itself: leave --off-grid out")
    return as_space(load_function(name))
