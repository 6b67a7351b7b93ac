"""Plots of searches, tables and spaces."""

from hwnas.report._figure import picture_path
from hwnas.report.front import plot_front
from hwnas.report.spaces import plot_survey
from hwnas.report.tables import plot_diff, plot_validation

__all__ = ["picture_path", "plot_diff", "plot_front", "plot_survey", "plot_validation"]
