"""What every energy meter does, and in which order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import StrEnum

from hwnas._closing import Closing
from hwnas.device.transport import Transport
from hwnas.energy.rld import Channels
from hwnas.energy.trace import Trace
from hwnas.errors import MeterError


@dataclass(frozen=True, slots=True)
class MeterSettings:
    """How a meter records.

    Attributes:
        sample_rate_hz: Samples a second.
        channels: What is on which of its channels.
    """

    sample_rate_hz: int = 64_000
    channels: Channels = field(default_factory=Channels)


class _State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    RECORDING = "recording"
    RECORDED = "stopped"


class Meter(Closing, ABC):
    """An energy meter on a board.

    The order of calls is :meth:`open`, :meth:`configure` where the settings are to be others, then
    any number of times :meth:`start`, :meth:`stop`, :meth:`read`, and :meth:`close`, which the end
    of a ``with`` does. Another order is a :class:`~hwnas.errors.MeterError`. A meter of one's own
    implements the methods with an underscore, and is found by :func:`open_meter` through an entry
    point of the group ``hwnas.meters``: a function from a URL to the meter.

    Example:
        >>> with open_meter("rocketlogger://logger.local") as meter:  # doctest: +SKIP
        ...     meter.open()
        ...     meter.start()
        ...     client.run(repeats=10, step_count=9)
        ...     meter.stop()
        ...     segment(meter.read(), steps=9).mean_energy_j
    """

    def __init__(self) -> None:
        self.settings = MeterSettings()
        self._state = _State.CLOSED

    @property
    def settle_s(self) -> float:
        """How long to record before and after what is measured, in seconds of the board."""
        return 0.0

    def watch(self, board: Transport) -> None:
        """Tell the meter on which board it is; only one that simulates looks at it."""

    def open(self) -> None:
        """Reach the meter. Once.

        Raises:
            MeterError: It is not there, or open already.
        """
        self._expect(_State.CLOSED)
        self._open()
        self._state = _State.OPEN

    def configure(self, settings: MeterSettings) -> None:
        """Choose rate and channels; not while it records.

        Raises:
            MeterError: It cannot do that.
        """
        self._expect(_State.OPEN, _State.RECORDED)
        self._configure(settings)
        self.settings = settings

    def start(self) -> None:
        """Begin to record; what was recorded before is gone unless it was read.

        Raises:
            MeterError: It failed.
        """
        self._expect(_State.OPEN, _State.RECORDED)
        self._start()
        self._state = _State.RECORDING

    def stop(self) -> None:
        """End the recording.

        Raises:
            MeterError: It failed; what it recorded stays where it is.
        """
        self._expect(_State.RECORDING)
        self._state = _State.OPEN
        self._stop()
        self._state = _State.RECORDED

    def read(self) -> Trace:
        """The last recording; may be called again.

        Raises:
            MeterError: It cannot be fetched.
            TraceError: It is damaged.
        """
        self._expect(_State.RECORDED)
        return self._read()

    def close(self) -> None:
        """Let go of the meter, ending a recording; may be called again."""
        if self._state is not _State.CLOSED:
            self._state = _State.CLOSED
            self._close()

    def _expect(self, *states: _State) -> None:
        if self._state not in states:
            wanted = " or ".join(states)
            raise MeterError(
                f"{type(self).__name__} is {self._state}, and must be {wanted}: the order is open, "
                "configure, start, stop, read"
            )

    @abstractmethod
    def _open(self) -> None: ...

    def _configure(self, settings: MeterSettings) -> None:
        """Refuse settings that the meter cannot have."""

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def _stop(self) -> None: ...

    @abstractmethod
    def _read(self) -> Trace: ...

    @abstractmethod
    def _close(self) -> None: ...
