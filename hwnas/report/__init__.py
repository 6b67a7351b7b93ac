"""Plots of what a search found."""

from hwnas.report._figure import picture_path
from hwnas.report.front import plot_front
from hwnas.report.tables import plot_diff, plot_validation

__all__ = ["picture_path", "plot_diff", "plot_front", "plot_validation"]
