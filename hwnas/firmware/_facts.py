"""A board's facts as the firmware reads them: a C header and the memories of the linker script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hwnas.boards import BoardSpec, Pin
from hwnas.errors import BoardError
from hwnas.plan._pool import POOL_HEADER

FIRMWARE_BYTES: Final = 64 * 1024
"""Flash that every board keeps for the firmware; the parameter region follows at once, so that a
model image stays where it is when the firmware changes."""
STACK_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """What is derived from a board's file.

    Attributes:
        header: ``board_facts.h``.
        memories: The head of the linker script ``image.ld``.
        parameter_base: Address of the parameter region.
        parameter_bytes: Its size: the rest of the flash.
    """

    header: str
    memories: str
    parameter_base: int
    parameter_bytes: int


def board_facts(spec: BoardSpec) -> BoardFacts:
    """Write down what the firmware must know of a board.

    Raises:
        BoardError: Its flash is too small.
    """
    if spec.flash.size_bytes <= FIRMWARE_BYTES:
        raise BoardError(
            f"{spec.name}: the flash has {spec.flash.size_bytes:,} bytes; the firmware keeps the "
            f"first {FIRMWARE_BYTES:,} for itself, and parameters need some behind them"
        )
    base = spec.flash.base + FIRMWARE_BYTES
    size = spec.flash.size_bytes - FIRMWARE_BYTES
    values: dict[str, int] = {
        "CLOCK_HZ": spec.core.clock_hz,
        "FLASH_BASE": spec.flash.base,
        "FLASH_BYTES": spec.flash.size_bytes,
        "FLASH_WAIT_STATES": spec.flash.wait_states,
        "RAM_BASE": spec.ram.base,
        "RAM_BYTES": spec.ram.size_bytes,
        "PARAMETERS_BASE": base,
        "PARAMETERS_BYTES": size,
        "UART_BASE": spec.serial.base,
        "BAUD": spec.serial.baud,
        **_pin("TX", spec.serial.tx),
        **_pin("RX", spec.serial.rx),
    }
    if spec.core.external_clock_hz is not None:
        values["EXTERNAL_CLOCK_HZ"] = spec.core.external_clock_hz
    if spec.markers is not None:
        values |= _pin("MARKER_INFERENCE", spec.markers.inference)
        values |= _pin("MARKER_LAYER", spec.markers.layer)
        values |= _pin("MARKER_SPARE", spec.markers.spare)
    defines = [f"#define HWNAS_{name} {value:#x}u" for name, value in values.items()]
    header = "\n".join(
        [
            f"/* From the file of {spec.name}. */",
            f'#define HWNAS_BOARD_NAME "{spec.name}"',
            f'#define HWNAS_CHIP_HEADER "{spec.chip.family}.h"',
            *defines,
        ]
    )
    return BoardFacts(header + "\n", _memories(spec), base, size)


def _pin(what: str, pin: Pin | None) -> dict[str, int]:
    if pin is None:
        return {}
    values = {f"{what}_PORT": pin.port_number, f"{what}_PIN": pin.number}
    if pin.alternate_function is not None:
        values[f"{what}_FUNCTION"] = pin.alternate_function
    return values


def _memories(spec: BoardSpec) -> str:
    # The pool's header stands right before the parameter region.
    code = FIRMWARE_BYTES - POOL_HEADER.size
    return (
        f"STACK_BYTES = {STACK_BYTES};\n"
        "MEMORY\n{\n"
        f"    FLASH (rx) : ORIGIN = {spec.flash.base:#x}, LENGTH = {code:#x}\n"
        f"    RAM (rw) : ORIGIN = {spec.ram.base:#x}, LENGTH = {spec.ram.size_bytes:#x}\n"
        "}\n"
    )
