"""What each injected fault does to the bytes of a line."""

from __future__ import annotations

import time

import pytest

from hwnas.device import Transport
from hwnas.device.protocol import BANNER_TYPE, FrameDecoder, MessageType, encode_frame
from hwnas.errors import BoardError
from hwnas.testing import WHOLE, Direction, Fault, FaultKind, FaultSchedule, FaultyTransport

TO_BOARD, TO_HOST = Direction.TO_BOARD, Direction.TO_HOST
DATA = bytes(range(100))


class Loop(Transport):
    """A line whose far end sends back what comes, and a banner for a reset."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.closed = False
        self._back: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.taken.append(data)
        resets = [f for f in FrameDecoder().feed(data) if f.type == MessageType.RESET]
        self._back.append(encode_frame(BANNER_TYPE, 0, b"up") if resets else data)

    def read(self, timeout_s: float) -> bytes:
        return self._back.pop(0) if self._back else b""

    def close(self) -> None:
        self.closed = True


def line(*faults: Fault, seed: int = 1) -> tuple[FaultyTransport, Loop]:
    loop = Loop()
    return FaultyTransport(loop, FaultSchedule(faults), seed), loop


def sent(fault: Fault, seed: int = 1) -> bytes:
    """What comes back of DATA when this happens to it on its way."""
    faulty, _ = line(fault, seed=seed)
    faulty.write(DATA)
    return faulty.read(0)


def test_without_faults_everything_passes() -> None:
    faulty, loop = line()
    faulty.write(DATA)
    faulty.write(b"more")
    assert (faulty.read(0), faulty.read(0), faulty.read(0)) == (DATA, b"more", b"")
    assert loop.taken == [DATA, b"more"]


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("count", [0, 1, 7, 100, WHOLE])
def test_bytes_are_dropped_repeated_changed_and_cut(direction: Direction, count: int) -> None:
    hit = min(count, len(DATA))
    dropped = sent(Fault(FaultKind.DROP, 0, direction, count))
    assert len(dropped) == len(DATA) - hit and set(dropped) <= set(DATA)
    repeated = sent(Fault(FaultKind.DUPLICATE, 0, direction, count))
    # The part that comes twice may be cut short by the end.
    assert len(DATA) <= len(repeated) <= len(DATA) + hit and set(repeated) == set(DATA)
    changed = sent(Fault(FaultKind.CORRUPT, 0, direction, count))
    assert len(changed) == len(DATA)
    assert sum(a != b for a, b in zip(changed, DATA, strict=True)) == hit
    assert sent(Fault(FaultKind.TRUNCATE, 0, direction, count)) == DATA[: len(DATA) - hit]


def test_a_flood_leaves_the_bytes_around_it() -> None:
    flooded = sent(Fault(FaultKind.FLOOD, 0, TO_HOST, 10_000))
    faulty, _ = line(Fault(FaultKind.FLOOD, 0, TO_HOST, 10_000))
    faulty.write(DATA)
    parts = [faulty.read(0) for _ in range(3)]
    assert parts[0] == flooded and [len(part) for part in parts] == [4096, 4096, 1908]
    whole = b"".join(parts)
    place = next(i for i in range(101) if whole.startswith(DATA[:i]) and whole.endswith(DATA[i:]))
    assert whole[:place] + whole[len(whole) - 100 + place :] == DATA


def test_only_the_named_passage_suffers() -> None:
    faulty, _ = line(Fault(FaultKind.DROP, 1, TO_BOARD, WHOLE))
    for data in (b"first", b"second", b"third"):
        faulty.write(data)
    assert (faulty.read(0), faulty.read(0)) == (b"first", b"third")


@pytest.mark.parametrize("direction", Direction)
def test_a_delay_keeps_the_order(direction: Direction) -> None:
    faulty, _ = line(Fault(FaultKind.DELAY, 0, direction, seconds=0.05))
    faulty.write(b"first")
    faulty.write(b"second")
    assert faulty.read(0.001) == b""
    start = time.monotonic()
    got = faulty.read(1.0)
    while len(got) < 11:
        got += faulty.read(1.0)
    assert got == b"firstsecond"
    assert 0.02 < time.monotonic() - start < 0.5


@pytest.mark.parametrize("direction", Direction)
def test_what_is_sent_during_a_hang_is_lost(direction: Direction) -> None:
    faulty, _ = line(Fault(FaultKind.HANG, 0, direction, seconds=0.05))
    faulty.write(b"lost")
    assert faulty.read(0.005) == b""
    faulty.write(b"lost, too")
    assert faulty.read(0.005) == b""
    time.sleep(0.06)
    faulty.write(b"there")
    assert faulty.read(0.1) == b"there"


def test_a_hang_for_ever_still_keeps_to_the_time() -> None:
    faulty, _ = line(Fault(FaultKind.HANG, 0, TO_BOARD, seconds=float("inf")))
    faulty.write(DATA)
    start = time.monotonic()
    assert faulty.read(0.05) == b""
    assert 0.04 < time.monotonic() - start < 0.5


@pytest.mark.parametrize("count", [0, 2])
def test_a_broken_line_comes_back(count: int) -> None:
    faulty, loop = line(Fault(FaultKind.DISCONNECT, 1, TO_BOARD, count))
    faulty.write(b"before")
    with pytest.raises(BoardError, match="broke"):
        faulty.write(b"lost")
    for _ in range(count):
        with pytest.raises(BoardError, match="gone"):
            faulty.read(0)
    faulty.write(b"after")
    assert loop.taken == [b"before", b"after"]


def test_a_reset_comes_after_the_request_and_before_its_answer() -> None:
    faulty, loop = line(Fault(FaultKind.RESET, 0, TO_BOARD))
    faulty.write(b"run")
    (frame,) = FrameDecoder().feed(faulty.read(0))
    assert frame.is_banner and frame.body == b"up"
    assert loop.taken[0].startswith(b"run")
    faulty, _ = line(Fault(FaultKind.RESET, 0, TO_HOST))
    faulty.write(b"run")
    (frame,) = FrameDecoder().feed(faulty.read(0))
    assert frame.is_banner


@pytest.mark.parametrize("seed", range(20))
def test_an_answer_to_another_request_has_another_id_or_is_an_old_one(seed: int) -> None:
    faulty, _ = line(Fault(FaultKind.MISANSWER, 1, TO_HOST), seed=seed)
    old, new = encode_frame(0x82, 7, b"old"), encode_frame(0x82, 8, b"new")
    faulty.write(old)
    assert faulty.read(0) == old
    faulty.write(new)
    frames = FrameDecoder().feed(faulty.read(0))
    assert frames[0].request_id != 8
    assert (frames[0].request_id == 7) == (frames[0].body == b"old") or frames[0].body == b"new"
    assert [frame.body for frame in frames[1:]] in ([], [b"new"])


def test_the_seed_decides() -> None:
    fault = Fault(FaultKind.CORRUPT, 0, TO_HOST, 3)
    assert sent(fault, seed=5) == sent(fault, seed=5) != sent(fault, seed=6)
    assert FaultSchedule.random(5) == FaultSchedule.random(5) != FaultSchedule.random(6)


def test_a_random_schedule_keeps_to_its_bounds() -> None:
    kinds = (FaultKind.DELAY, FaultKind.DROP)
    for seed in range(50):
        found = FaultSchedule.random(seed, most=3, passages=4, kinds=kinds, longest_s=0.1).faults
        assert 1 <= len(found) <= 3
        assert all(fault.at < 4 and fault.kind in kinds for fault in found)
        assert all(fault.seconds <= 0.1 for fault in found)
    every = {fault.kind for seed in range(50) for fault in FaultSchedule.random(seed).faults}
    assert every == set(FaultKind)


def test_a_closed_line_is_closed() -> None:
    faulty, loop = line()
    faulty.close()
    assert loop.closed
    with pytest.raises(BoardError, match="closed"):
        faulty.write(b"x")
    with pytest.raises(BoardError, match="closed"):
        faulty.read(0)


@pytest.mark.parametrize(
    "values",
    [
        {"at": -1},
        {"at": 0, "count": -1},
        {"at": 0, "seconds": -1.0},
        {"at": 0, "seconds": float("nan")},
    ],
)
def test_faults_that_cannot_be_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(BoardError, match="no such fault"):
        Fault(FaultKind.DROP, **values)  # type: ignore[arg-type]
    with pytest.raises(BoardError, match="to the host"):
        Fault(FaultKind.MISANSWER, 0, TO_BOARD)
