"""Writes firmware images through debug probes (ST-LINK, CMSIS-DAP, J-Link), by pyOCD.

No probe is attached where hwnas is built: what is below :func:`program` has not yet run on silicon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hwnas.boards import BoardSpec
from hwnas.errors import BoardError

_INSTALL: Final = "flashing needs pyOCD: pip install 'hwnas[hardware]'"
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Probe:
    """A debug probe that is plugged in.

    Attributes:
        unique_id: By which it is chosen; also the serial number of its virtual COM port.
        description: Of the probe, and of the board that it says it is on.
    """

    unique_id: str
    description: str


def list_probes() -> list[Probe]:
    """The debug probes that are plugged in.

    Raises:
        BoardError: pyOCD is not installed.
    """
    return [
        Probe(probe.unique_id, probe.description)
        for probe in _pyocd().core.helpers.ConnectHelper.get_all_connected_probes(
            blocking=False, print_wait_message=False
        )
    ]


def choose_probe(unique_id: str | None = None) -> Probe:
    """The one probe that is meant.

    Args:
        unique_id: Its unique id, or the end of it; may be left out where there is one probe.

    Raises:
        BoardError: There is none, or more than one; the message lists those that are there.
    """
    probes = list_probes()
    wanted = (unique_id or "").upper()
    matches = [probe for probe in probes if probe.unique_id.upper().endswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    there = ", ".join(f"{probe.unique_id} ({probe.description})" for probe in probes)
    if not probes:
        raise BoardError(
            "no debug probe is plugged in, or this user may not open it (on Linux: the udev rules "
            "that come with pyOCD)"
        )
    meant = "name one by --probe" if unique_id is None else f"{unique_id} names {len(matches)}"
    raise BoardError(f"probes: {meant}; there are: {there}")


def program(
    spec: BoardSpec,
    contents: Mapping[int, bytes],
    probe: Probe,
    *,
    progress: Progress | None = None,
) -> None:
    """Write bytes into a board's flash and reset it. Pages that hold them already are left alone.

    Args:
        spec: The board.
        contents: Bytes by address.
        probe: The probe that is on the board.
        progress: Is told the part that is done, 0 to 1.

    Raises:
        BoardError: pyOCD does not know the chip (the message names the command that fetches its
            CMSIS pack), or the probe or the chip failed.
    """
    if spec.debug is None:
        raise BoardError(f"{spec.name} cannot be flashed: its board file has no [debug] section")
    pyocd = _pyocd()
    options = {"target_override": spec.debug.target, "chip_erase": "sector", "smart_flash": True}
    try:
        session: Any = pyocd.core.helpers.ConnectHelper.session_with_chosen_probe(
            blocking=False, return_first=False, unique_id=probe.unique_id, options=options
        )
        if session is None:
            raise BoardError(f"probe {probe.unique_id} is gone: was it unplugged?")
        with session:
            loader = pyocd.flash.loader.MemoryLoader(session, progress=progress)
            for address, data in contents.items():
                loader.add_data(address, data)
            loader.commit()
            session.target.reset()
    except pyocd.core.exceptions.TargetSupportError as error:
        raise BoardError(
            f"pyOCD does not know {spec.debug.target}: fetch its CMSIS pack once, with "
            f"'pyocd pack install {spec.debug.target}' (from the pack vendor's index, so on a "
            f"machine with internet access) ({error})"
        ) from error
    except pyocd.core.exceptions.Error as error:
        raise BoardError(f"{spec.name} behind probe {probe.unique_id}: {error}") from error


def _pyocd() -> Any:
    """pyOCD, which is an extra and slow to import."""
    try:
        import pyocd.core.exceptions
        import pyocd.core.helpers
        import pyocd.flash.loader
    except ImportError as error:
        raise BoardError(_INSTALL) from error
    return pyocd
