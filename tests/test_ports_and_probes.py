"""Finding boards by what is plugged in, and flashing them, as far as it goes without a probe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from serial.tools.list_ports_common import ListPortInfo

from hwnas.boards import list_boards, load_board
from hwnas.device.flashing import Probe, choose_probe, list_probes, program
from hwnas.device.ports import list_serial_ports, resolve_port
from hwnas.errors import BoardError

BOARD = load_board("nucleo_l496zg")


def port(device: str, serial_number: str | None, vendor: int | None) -> ListPortInfo:
    found = ListPortInfo(device)
    found.serial_number, found.vid, found.description = serial_number, vendor, "USB something"
    return found


@pytest.fixture(autouse=True)
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    ports = [
        port("/dev/ttyACM1", "0669FF3032", 0x0483),
        port("/dev/ttyACM0", "000760012345", 0x1366),
        port("/dev/ttyUSB0", "A10K9932", 0x0403),
        port("/dev/ttyS0", None, None),
    ]
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: ports)


def test_ports_behind_usb_are_listed_by_name() -> None:
    found = list_serial_ports()
    assert [p.device for p in found] == ["/dev/ttyACM0", "/dev/ttyACM1", "/dev/ttyUSB0"]
    assert [p.is_probe for p in found] == [True, True, False]
    assert [p.description for p in found] == ["J-Link", "ST-LINK", "USB something"]


def test_a_port_is_found_by_its_serial_number_or_the_end_of_it() -> None:
    assert resolve_port("usb:0669FF3032") == "/dev/ttyACM1"
    assert resolve_port("usb:ff3032") == "/dev/ttyACM1"
    assert resolve_port("usb:12345") == "/dev/ttyACM0"
    assert resolve_port("/dev/ttyACM9") == "/dev/ttyACM9"
    assert resolve_port("rfc2217://rack:4000") == "rfc2217://rack:4000"


@pytest.mark.parametrize("number", ["", "2", "77777"])
def test_a_serial_number_that_names_no_single_port_lists_those_there_are(number: str) -> None:
    with pytest.raises(BoardError, match=r"serial ports have that.*ttyACM1 \(0669FF3032\)"):
        resolve_port(f"usb:{number}")


pyocd = pytest.importorskip("pyocd")


def test_without_a_probe_flashing_says_so() -> None:
    assert list_probes() == []
    with pytest.raises(BoardError, match="no debug probe is plugged in"):
        choose_probe()
    with pytest.raises(BoardError, match="probe 066DFF is gone"):
        program(BOARD, {}, Probe("066DFF", "ST-LINK"))


def test_one_of_several_probes_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = [Probe("0669FF30", "ST-LINK"), Probe("0669AA30", "ST-LINK")]
    monkeypatch.setattr("hwnas.device.flashing.list_probes", lambda: probes)
    assert choose_probe("aa30") == probes[1]
    for meant, words in ((None, "name one by --probe"), ("30", "30 names 2"), ("55", "names 0")):
        with pytest.raises(BoardError, match=f"{words}; there are: 0669FF30"):
            choose_probe(meant)


def test_a_board_without_a_debug_section_cannot_be_flashed() -> None:
    with pytest.raises(BoardError, match=r"no \[debug\] section"):
        program(replace(BOARD, debug=None), {}, Probe("1", "any"))


def test_a_missing_pack_names_the_command_that_fetches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyOCD's own session on a probe that is only plugged in by name."""
    from pyocd.core.helpers import ConnectHelper
    from pyocd.core.session import Session
    from pyocd.probe.debug_probe import DebugProbe

    class Named(DebugProbe):
        unique_id = "066DFF"
        associated_board_info = None

    def session(**options: Any) -> Session:
        assert options["unique_id"] == "066DFF"
        return Session(Named(), options=options["options"])

    monkeypatch.setattr(ConnectHelper, "session_with_chosen_probe", session)
    with pytest.raises(BoardError, match="pyocd pack install stm32l496zgtx"):
        program(BOARD, {}, Probe("066DFF", "ST-LINK"))


def test_the_targets_that_pyocd_has_built_in_are_spelt_as_it_spells_them() -> None:
    from pyocd.target.builtin import BUILTIN_TARGETS

    for name in list_boards():
        debug = load_board(name).debug
        if debug is not None and "built in" in debug.source:
            assert debug.target in BUILTIN_TARGETS, name
