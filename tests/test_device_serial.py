"""The serial transport on pseudo-terminals and sockets of this machine."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hwnas.device.serial import SerialTransport
from hwnas.errors import BoardError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


class Terminal:
    """A pseudo-terminal: ``far`` is the board's end, ``port`` the name of ours."""

    def __init__(self) -> None:
        self.far, self._near = os.openpty()
        self.port = os.ttyname(self._near)

    def hang_up(self) -> None:
        for end in (self.far, self._near):
            os.close(end)
        self.far = self._near = -1

    def close(self) -> None:
        if self.far >= 0:
            self.hang_up()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    opened.close()


def test_bytes_of_all_values_pass_both_ways(terminal: Terminal) -> None:
    data = bytes(range(256)) * 4
    with SerialTransport(terminal.port) as transport:
        transport.write(data)
        got = b""
        while len(got) < len(data):
            got += os.read(terminal.far, 4096)
        assert got == data
        os.write(terminal.far, data)
        got = b""
        while len(got) < len(data):
            got += transport.read(5.0)
        assert got == data


def test_read_returns_nothing_when_nothing_comes(terminal: Terminal) -> None:
    with SerialTransport(terminal.port) as transport:
        assert transport.read(0.01) == b""
        assert transport.read(0) == b""
        os.write(terminal.far, b"x")
        assert transport.read(5.0) == b"x"


def test_a_missing_port_is_named() -> None:
    with pytest.raises(BoardError, match=r"port /dev/no_such_port cannot be opened: no such port"):
        SerialTransport("/dev/no_such_port")


def test_a_forbidden_port_gets_a_hint(terminal: Terminal) -> None:
    os.chmod(terminal.port, 0)
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(65534)  # permissions do not bind root
        with pytest.raises(BoardError, match="permission denied"):
            SerialTransport(terminal.port)
    finally:
        os.seteuid(user)


def test_a_port_in_use_is_told(terminal: Terminal) -> None:
    with (
        SerialTransport(terminal.port),
        pytest.raises(BoardError, match="in use by another program"),
    ):
        SerialTransport(terminal.port)
    SerialTransport(terminal.port).close()


def test_what_is_no_terminal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(BoardError, match=f"port {path} cannot be opened"):
        SerialTransport(str(path))


def test_an_unknown_kind_of_url_is_refused() -> None:
    with pytest.raises(BoardError, match="port carrier://pigeon cannot be opened"):
        SerialTransport("carrier://pigeon")


def test_a_board_that_goes_away_is_a_board_error(terminal: Terminal) -> None:
    with SerialTransport(terminal.port) as transport:
        terminal.hang_up()
        with pytest.raises(BoardError, match="cannot be read"):
            transport.read(5.0)
        with pytest.raises(BoardError, match="cannot be written"):
            transport.write(b"x")


def test_a_closed_transport_refuses_and_closes_again(terminal: Terminal) -> None:
    transport = SerialTransport(terminal.port)
    transport.close()
    transport.close()
    with pytest.raises(BoardError, match="cannot be read"):
        transport.read(0)
    with pytest.raises(BoardError, match="cannot be written"):
        transport.write(b"x")


def test_a_socket_is_a_port_as_well() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with SerialTransport(f"socket://127.0.0.1:{port}") as transport:
            far, _ = server.accept()
            with far:
                transport.write(b"to the board")
                assert far.recv(100) == b"to the board"
                far.sendall(b"to the host")
                got = b""
                while len(got) < 11:
                    got += transport.read(5.0)
                assert got == b"to the host"
                assert transport.read(0.01) == b""
            with pytest.raises(BoardError, match="cannot be read"):
                transport.read(5.0)
