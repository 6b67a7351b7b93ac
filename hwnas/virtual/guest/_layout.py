"""Where an image of somebody else's lies in a board's memories, and where it starts."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from typing import Final

from hwnas.boards import BoardSpec, Flash, Memory
from hwnas.elf import Image, Segment
from hwnas.errors import ImageError

_VECTORS: Final = struct.Struct("<II")
_THUMB: Final = 1
_STACK_ALIGNMENT: Final = 4


@dataclass(frozen=True)
class GuestLayout:
    """An image, taken apart for a board.

    Attributes:
        in_flash: The image with what is loaded to flash alone.
        in_ram: What is loaded to RAM: a debugger would do that.
        stack: The initial stack pointer.
        entry: Where the image starts, with the bit that tells Thumb code.
    """

    in_flash: Image
    in_ram: tuple[Segment, ...]
    stack: int
    entry: int

    @classmethod
    def of(cls, spec: BoardSpec, image: Image, vectors: int | None) -> GuestLayout:
        """Finds the vector table, and checks that it is one.

        Args:
            spec: The board.
            image: The image.
            vectors: Where the table is; ``None`` for the start of flash, or of what the image has
                in flash, behind a boot loader.

        Raises:
            ImageError: The image is for other memories, or has no vector table there.
        """
        flash = tuple(segment for segment in image.segments if _is_in(segment, spec.flash))
        ram = tuple(segment for segment in image.segments if _is_in(segment, spec.ram))
        for segment in image.segments:
            if segment not in flash and segment not in ram:
                raise ImageError(
                    f"{len(segment.data)} bytes are to be loaded to {segment.address:#010x}, where "
                    f"{spec.name} has neither flash ({_extent(spec.flash)}) nor RAM "
                    f"({_extent(spec.ram)}): is this the image of another board?"
                )
        if not any(segment.executable for segment in flash):
            raise ImageError(
                f"the image has no code in flash, {_extent(spec.flash)}: code that is loaded to "
                "RAM is not modelled"
            )
        stack, entry = _read_vectors(spec, flash, vectors)
        return cls(replace(image, segments=flash), ram, stack, entry)


def _read_vectors(
    spec: BoardSpec, flash: tuple[Segment, ...], vectors: int | None
) -> tuple[int, int]:
    if vectors is None:
        vectors = min(segment.address for segment in flash)
    holder = next((s for s in flash if s.address <= vectors <= s.end - _VECTORS.size), None)
    where = f"there is no vector table at {vectors:#010x} (where it is can be told)"
    if holder is None:
        raise ImageError(f"{where}: the image has nothing there")
    stack, entry = _VECTORS.unpack_from(holder.data, vectors - holder.address)
    ram_end = spec.ram.base + spec.ram.size_bytes
    if not spec.ram.base < stack <= ram_end or stack % _STACK_ALIGNMENT:
        raise ImageError(
            f"{where}: its first word {stack:#010x} is no stack pointer into the RAM of "
            f"{spec.name}, {_extent(spec.ram)}"
        )
    code = any(
        segment.executable and segment.address <= entry - _THUMB < segment.end for segment in flash
    )
    if not entry & _THUMB or not code:
        raise ImageError(
            f"{where}: its second word, the reset vector {entry:#010x}, is not Thumb code of the "
            "image"
        )
    return stack, entry


def _is_in(segment: Segment, memory: Flash | Memory) -> bool:
    return bool(memory.base <= segment.address <= segment.end <= memory.base + memory.size_bytes)


def _extent(memory: Flash | Memory) -> str:
    return f"{memory.base:#010x} to {memory.base + memory.size_bytes:#010x}"
