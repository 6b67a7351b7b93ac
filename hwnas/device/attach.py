"""Attaches a physical board: opens its line, flashes it where it must be, and makes sure of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from hwnas.boards import BoardSpec
from hwnas.device.client import BoardClient
from hwnas.device.clock import check_clock
from hwnas.device.flashing import choose_probe, program
from hwnas.device.identity import ExpectedIdentity, check_identity
from hwnas.device.ports import resolve_port
from hwnas.device.protocol import BoardInfo
from hwnas.device.serial import SerialTransport
from hwnas.errors import BoardError, BoardMismatchError, BoardTimeoutError

READY_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Connection:
    """How a physical board is reached.

    Attributes:
        port: A device name, a pyserial URL, or ``usb:`` and a USB serial number.
        probe: Unique id of the debug probe that may flash it; ``None`` where nothing may.
    """

    port: str
    probe: str | None = None


def attach(
    spec: BoardSpec,
    connection: Connection,
    expected: ExpectedIdentity,
    contents: Callable[[], Mapping[int, bytes]],
    *,
    progress: Callable[[str], None] = lambda text: None,
) -> BoardClient:
    """Open a board and make sure that numbers from it may be filed under its name.

    It is flashed only where what it says of itself is not what is expected, and only through a
    probe that was named: a board is flashed once, not once a candidate.

    Args:
        spec: The board.
        connection: How it is reached.
        expected: The manifest of the image that should run on it.
        contents: What to flash, by address; called where it is needed.
        progress: Is told what takes long.

    Raises:
        BoardMismatchError: It is another board, image or pool and may not be flashed; its cycle
            counter stands still; or its clock is not the one that its file names.
        BoardError: It cannot be opened, does not answer, or cannot be flashed.
    """
    client = BoardClient(SerialTransport(resolve_port(connection.port), spec.serial.baud))
    try:
        if not _is_expected(client, spec, connection, expected):
            progress(f"flashing {spec.name} through probe {connection.probe}")
            program(spec, contents(), choose_probe(connection.probe))
            check_identity(client.wait_ready(timeout_s=READY_TIMEOUT_S), expected)
        if not client.hello().counts_cycles:
            raise BoardMismatchError(
                f"{connection.port}: the cycle counter stands still, so this is an emulator and "
                "not the chip: its times would mean nothing"
            )
        check_clock(client, spec.core.clock_hz)
    except BaseException:
        client.close()
        raise
    return client


def _is_expected(
    client: BoardClient, spec: BoardSpec, connection: Connection, expected: ExpectedIdentity
) -> bool:
    """Whether the right image runs; False where flashing may help."""
    try:
        check_identity(_ready(client), expected)
    except (BoardMismatchError, BoardTimeoutError) as error:
        if connection.probe is None:
            raise type(error)(
                f"{error} (give --probe to have the right contents written now; hwnas flash "
                f"--board {spec.name} makes it a board that measures)"
            ) from error
        return False
    return True


def _ready(client: BoardClient) -> BoardInfo:
    try:
        return client.wait_ready(timeout_s=READY_TIMEOUT_S)
    except BoardTimeoutError:
        raise
    except BoardError as error:
        # An image of an older protocol, or something that is not hwnas at all.
        raise BoardMismatchError(str(error)) from error
