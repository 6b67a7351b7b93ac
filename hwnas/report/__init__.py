"""Plots of what a search found."""

from hwnas.report.front import picture_path, plot_front

__all__ = ["picture_path", "plot_front"]
