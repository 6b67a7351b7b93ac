"""Hypothesis strategies for faults on a line."""

from __future__ import annotations

from hypothesis import strategies as st

from hwnas.testing import WHOLE, Direction, Fault, FaultKind, FaultSchedule


def faults(*, passages: int, longest_s: float) -> st.SearchStrategy[Fault]:
    """One fault to one of the first passages."""
    return st.builds(
        _fault,
        st.sampled_from(FaultKind),
        st.integers(0, passages - 1),
        st.sampled_from(Direction),
        st.integers(0, 50) | st.just(WHOLE),
        st.floats(0, longest_s),
    )


def schedules(
    *, most: int = 12, passages: int = 25, longest_s: float = 0.2
) -> st.SearchStrategy[FaultSchedule]:
    """Any mixture of faults."""
    listed = st.lists(faults(passages=passages, longest_s=longest_s), max_size=most)
    return listed.map(lambda found: FaultSchedule(tuple(found)))


def _fault(kind: FaultKind, at: int, direction: Direction, count: int, seconds: float) -> Fault:
    """A fault that exists, and that does not flood or stay away for ever."""
    if kind is FaultKind.MISANSWER:
        direction = Direction.TO_HOST
    if kind in (FaultKind.FLOOD, FaultKind.DISCONNECT):
        count %= 20
    return Fault(kind, at, direction, count, seconds)
