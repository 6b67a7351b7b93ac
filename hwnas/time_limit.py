"""A limit on the time that somebody else's Python code may take."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimeOverError(BaseException):
    """The time is over. No :class:`Exception`, so that code that survives everything ends, too."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Ends what runs inside once its time is over.

    It ends between two steps of the interpreter: a single long call into compiled code is waited
    for. In the main thread a signal (SIGALRM) also ends waiting and sleeping.

    Args:
        seconds: The limit, in seconds; none by default.

    Raises:
        TimeOverError: The time was over, here, in the thread that entered.

    Example:
        >>> with time_limit(10):
        ...     sum(range(1000))
        499500
    """
    if seconds is None:
        yield
    elif threading.current_thread() is threading.main_thread():
        with _by_signal(seconds):
            yield
    else:
        with _by_thread(seconds):
            yield


@contextmanager
def _by_signal(seconds: float) -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise TimeOverError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _by_thread(seconds: float) -> Iterator[None]:
    """Other threads get no signals; CPython can raise an exception in them all the same."""
    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    thread = ctypes.c_ulong(threading.get_ident())
    guard, ended = threading.Lock(), False

    def end() -> None:
        with guard:
            if not ended:
                raise_in(thread, ctypes.py_object(TimeOverError))

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with guard:
            ended = True
            # One that is on its way must not arrive behind the block.
            raise_in(thread, None)
