"""Serial ports of this machine, found by what is plugged into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serial.tools import list_ports

from hwnas.errors import BoardError

USB_PREFIX: Final = "usb:"
"""Before a USB serial number, in place of a port's name."""
PROBE_VENDORS: Final = {0x0483: "ST-LINK", 0x1366: "J-Link", 0x0D28: "DAPLink"}
"""USB vendor identifiers of the debug probes that boards carry, from the USB-IF's list of vendors
(0x0D28 is registered to NXP and used by Arm's DAPLink)."""


@dataclass(frozen=True, slots=True)
class SerialPort:
    """A serial port behind USB.

    Attributes:
        device: Name to open it by, like ``/dev/ttyACM0``.
        serial_number: Of the USB device; that of the debug probe where it belongs to one.
        description: For people.
        is_probe: Whether it belongs to a debug probe, as a board's virtual COM port does.
    """

    device: str
    serial_number: str
    description: str
    is_probe: bool


def list_serial_ports() -> list[SerialPort]:
    """The serial ports behind USB that are there now, by name."""
    found = [
        SerialPort(
            port.device,
            port.serial_number,
            PROBE_VENDORS.get(port.vid, port.description or "serial port"),
            port.vid in PROBE_VENDORS,
        )
        for port in list_ports.comports()
        if port.serial_number
    ]
    return sorted(found, key=lambda port: port.device)


def resolve_port(port: str) -> str:
    """The name or URL to open, for what a user calls a port.

    Args:
        port: A device name, a pyserial URL, or ``usb:`` and a USB serial number, of which the
            end suffices where it is the only one.

    Raises:
        BoardError: No port, or more than one, has that serial number; the message lists those
            that are there.

    Example:
        >>> resolve_port("socket://rack:5331")
        'socket://rack:5331'
    """
    if not port.startswith(USB_PREFIX):
        return port
    wanted = port.removeprefix(USB_PREFIX)
    ports = list_serial_ports()
    matches = [p for p in ports if wanted and p.serial_number.upper().endswith(wanted.upper())]
    if len(matches) == 1:
        return matches[0].device
    there = ", ".join(f"{p.device} ({p.serial_number})" for p in ports) or "none"
    raise BoardError(
        f"port {port}: {len(matches) or 'no'} serial ports have that USB serial number; there are: "
        f"{there}"
    )
