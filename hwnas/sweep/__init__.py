"""Builds lookup tables: which layers are wanted, and who runs them.

:func:`run_sweep` takes layers from :func:`space_layers`, :func:`network_layers` or
:func:`grid_layers` and a runner: :class:`ProcessRunner` (virtual boards, one a core),
:class:`PoolRunner` (a rack of boards) or :class:`DaskRunner` (a cluster).
"""

from __future__ import annotations

from hwnas.sweep._dask import DaskRunner
from hwnas.sweep._grid import Grid, grid_layers, parse_numbers
from hwnas.sweep._layers import WantedLayers, network_layers, space_layers
from hwnas.sweep._pool import PoolRunner
from hwnas.sweep._processes import ProcessRunner
from hwnas.sweep._run import LayerRunner, SweepOutcome, SweepPlan, plan_sweep, run_sweep
from hwnas.sweep._worker import BoardChoice

__all__ = [
    "BoardChoice",
    "DaskRunner",
    "Grid",
    "LayerRunner",
    "PoolRunner",
    "ProcessRunner",
    "SweepOutcome",
    "SweepPlan",
    "WantedLayers",
    "grid_layers",
    "network_layers",
    "parse_numbers",
    "plan_sweep",
    "run_sweep",
    "space_layers",
]
