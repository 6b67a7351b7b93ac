"""The client and the real firmware, on the virtual board, over a line that damages frames.

Whatever happens on the way, the host gets the right bytes and plausible cycles, or a typed error,
and board and client find each other again.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_board import Chaos, Damage, frame_damage
from small_plan import convolution

from hwnas.boards import load_board
from hwnas.device import BoardClient, Transport
from hwnas.errors import BoardTimeoutError, HwnasError
from hwnas.firmware import find_image
from hwnas.virtual import VirtualBoard

BOARD = "nucleo_l496zg"
CASE, EXPECTED = convolution()
REPEATS = 3


class DamagedBoard(Transport):
    """The virtual board behind a line that passes each frame through ``to_board``, ``to_host``."""

    def __init__(self, board: VirtualBoard, to_board: Damage, to_host: Damage) -> None:
        self._board = board
        self._to_board = to_board
        self._to_host = to_host
        self._incoming = bytearray()

    def write(self, data: bytes) -> None:
        for piece in self._to_board(data):
            self._board.write(piece)
        sent = bytearray()
        while part := self._board.read(30.0):
            sent += part
        for wire in re.findall(rb"\0[^\0]+\0", sent):
            for piece in self._to_host(wire):
                self._incoming += piece

    def read(self, timeout_s: float) -> bytes:
        data = bytes(self._incoming)
        self._incoming.clear()
        return data

    def close(self) -> None:
        self._incoming.clear()


@pytest.fixture(scope="module")
def board() -> Iterator[VirtualBoard]:
    with VirtualBoard(load_board(BOARD), find_image(BOARD).elf) as opened:
        yield opened


def work(client: BoardClient, cycles: Sequence[int]) -> None:
    assert CASE.run(client) == [EXPECTED]
    result = client.run(repeats=REPEATS, step_count=1, fill_inputs=False)
    assert set(result.layer_cycles.ravel().tolist()) <= set(cycles)
    client.reset()


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(frame_damage, max_size=25), st.lists(frame_damage, max_size=25))
def test_the_right_answer_or_a_typed_error(
    board: VirtualBoard, cycles: Sequence[int], to_board: list[object], to_host: list[object]
) -> None:
    line = DamagedBoard(board, Chaos(to_board), Chaos(to_host))
    with contextlib.suppress(HwnasError):
        work(BoardClient(line), cycles)
    # The scripts are at an end or are drained by this, and the board is there again.
    for _ in range(60):
        try:
            BoardClient(line).wait_ready(timeout_s=30)
            break
        except BoardTimeoutError:
            continue
    else:
        pytest.fail("the board did not come back")
    work(BoardClient(board), cycles)


@pytest.fixture(scope="module")
def cycles(board: VirtualBoard) -> Sequence[int]:
    """What the one layer takes on an undisturbed line, warm."""
    client = BoardClient(board)
    CASE.run(client)
    result = client.run(repeats=REPEATS, step_count=1, fill_inputs=False)
    return sorted(set(result.layer_cycles.ravel().tolist()))
