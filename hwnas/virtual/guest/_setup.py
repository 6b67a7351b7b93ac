"""What a run of an image is to be like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hwnas.errors import ImageError

_WORD_END = 1 << 32


@dataclass(frozen=True)
class GuestSetup:
    """How to run an image, and until when.

    Attributes:
        exact: Whether each access to memory is counted when it happens.
        until: The address before which it stops, ``None`` for none.
        vectors: Where the vector table is; ``None`` for the start of flash, or of what the image
            has in flash.
        flash_data: More bytes for the flash, by address.
        peripherals: What registers read as, by address.
        serial_input: Bytes that come in on the board's serial line.
        ignore_interrupts: Whether an interrupt that is switched on just never comes.
        max_cycles: Most cycles, ``None`` for no limit.
        max_seconds: Most of this machine's time, in seconds, ``None`` for no limit.

    Raises:
        ImageError: A value is out of range.
    """

    exact: bool = False
    until: int | None = None
    vectors: int | None = None
    flash_data: Mapping[int, bytes] = field(default_factory=dict)
    peripherals: Mapping[int, int] = field(default_factory=dict)
    serial_input: bytes = b""
    ignore_interrupts: bool = False
    max_cycles: int | None = None
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        for address, value in self.peripherals.items():
            if not (0 <= address < _WORD_END and 0 <= value < _WORD_END) or address % 4:
                raise ImageError(
                    f"peripheral {address:#x}={value:#x}: an address must be a multiple of 4, and "
                    "both must have at most 32 bits"
                )
        for name, limit in (("max_cycles", self.max_cycles), ("max_seconds", self.max_seconds)):
            if limit is not None and not 0 < limit < float("inf"):
                raise ImageError(f"{name} {limit} must be more than 0")
