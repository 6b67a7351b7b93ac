"""Ctrl-C while code runs that Python's exceptions cannot pass through."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back(hurry: Callable[[], None]) -> Iterator[None]:
    """Keeps Ctrl-C until the end of the ``with``.

    Unicorn calls Python through ctypes, where a KeyboardInterrupt may be printed and lost.

    Args:
        hurry: Is called at Ctrl-C, to have the ``with`` end soon.
    """
    before = signal.getsignal(signal.SIGINT)
    # Python tells no other thread of signals, and lets none change what happens at them.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append((number, frame))
        hurry()

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            before(*came[0])
