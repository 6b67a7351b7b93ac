"""Energy: recordings of meters, energy by inference and layer, models, batteries."""

from __future__ import annotations

from hwnas.energy.battery import DutyCycle
from hwnas.energy.csv_trace import CsvColumns, read_csv
from hwnas.energy.model import EnergyFit, EnergyModel, EnergyRow, board_model, fit_energy
from hwnas.energy.rld import Channels, RldTrace, write_rld
from hwnas.energy.segment import Segments, segment
from hwnas.energy.trace import ArrayTrace, Block, Trace

__all__ = [
    "ArrayTrace",
    "Block",
    "Channels",
    "CsvColumns",
    "DutyCycle",
    "EnergyFit",
    "EnergyModel",
    "EnergyRow",
    "RldTrace",
    "Segments",
    "Trace",
    "board_model",
    "fit_energy",
    "read_csv",
    "segment",
    "write_rld",
]
