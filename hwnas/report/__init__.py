"""Plots of what a search found."""

from hwnas.report.front import plot_front

__all__ = ["plot_front"]
