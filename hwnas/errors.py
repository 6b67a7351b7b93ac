"""Every error that hwnas raises on purpose, under one root."""

from __future__ import annotations


class HwnasError(Exception):
    """Root of all errors that hwnas raises on purpose.

    A message says what was wrong, with which value, and what to do about it.
    """


class NetworkError(HwnasError):
    """A network or layer description is inconsistent (shapes, indices, hyper-parameters)."""


class UnsupportedLayerError(HwnasError):
    """A model holds a layer that the firmware cannot run; the message names a replacement."""


class PlanError(HwnasError):
    """A network cannot be turned into an execution plan, or the firmware refused a plan."""


class BudgetError(HwnasError):
    """A budget is malformed, or can never be met."""


class BoardError(HwnasError):
    """A board is unknown, not there, or failed."""


class BoardTimeoutError(BoardError):
    """A board did not answer within the deadline."""


class BoardProtocolError(BoardError):
    """A board answered with something that the protocol does not allow."""


class BoardMismatchError(BoardError):
    """A board is not what it was taken for: another board, clock, image or pool."""


class FirmwareBuildError(HwnasError):
    """No firmware image could be found or built."""


class TableError(HwnasError):
    """A lookup table cannot be opened, read, written or merged."""


class MeasurementError(HwnasError):
    """A file of published measurements is malformed, or holds none that was asked for."""


class SpaceError(HwnasError):
    """A search space is malformed or cannot be sampled."""


class DatasetError(HwnasError):
    """A data set is missing or damaged."""


class StudyError(HwnasError):
    """A study cannot be opened or resumed."""
