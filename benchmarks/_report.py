"""How the benchmarks print: one table each, every figure with its aim."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from rich.console import Console
from rich.table import Table


def seconds_each(run: Callable[[], object], repeats: int) -> list[float]:
    """Wall time of each call, after one call that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times


def show(title: str, rows: list[tuple[str, list[float], str, str]]) -> None:
    """Print (what, values, unit, aim) with minimum, median and maximum."""
    table = Table("what", "min", "median", "max", "unit", "aim", title=title, title_justify="left")
    for what, values, unit, aim in rows:
        figures = (min(values), statistics.median(values), max(values))
        table.add_row(what, *(f"{figure:.4g}" for figure in figures), unit, aim)
    Console(width=120).print(table)
