"""Every error that hwnas raises on purpose, under one root."""

from __future__ import annotations

from enum import StrEnum


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


class ImageError(BoardError):
    """An image that a board cannot run: damaged, for another machine, or without vector table."""


class ImageFault(StrEnum):
    """What went wrong in an image that ran."""

    JUMP = "jump"
    """It went to where there is no code."""
    MEMORY = "memory"
    """It accessed an address where nothing is, or wrote what cannot be written."""
    INSTRUCTION = "instruction"
    """An instruction that is undefined, or that the core lacks."""
    EXCEPTION = "exception"
    """It needs exceptions: a handler would have to run."""
    SEMIHOSTING = "semihosting"
    """A semihosting call that is not known, or points to where no memory is."""
    ENDLESS = "endless"
    """It did not end by itself."""


class ImageRunError(ImageError):
    """An image failed while it ran.

    Attributes:
        fault: What kind of failure it was.
        address: Of the instruction, or of the block of code, where it happened.
        symbol: The function there with the offset in it, as ``main+0x12``; empty where the image
            does not tell.
        last_blocks: The blocks of code that ran last, each with its symbol, the last one at the
            end.
    """

    def __init__(
        self,
        message: str,
        fault: ImageFault,
        address: int,
        symbol: str = "",
        last_blocks: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.address = address
        self.symbol = symbol
        self.last_blocks = last_blocks


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


class EnergyError(HwnasError):
    """Energy cannot be told: a figure is missing, or rows are too few for a fit."""


class TraceError(EnergyError):
    """A recording is damaged, saturated, or does not show what ran."""


class MeterError(EnergyError):
    """An energy meter is unknown, not there, failed, or is used out of order."""
