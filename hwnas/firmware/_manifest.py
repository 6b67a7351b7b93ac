"""What a firmware image is: its manifest, read from the linked image and kept beside it."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from elftools.elf.elffile import ELFFile
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from hwnas.errors import FirmwareBuildError

IMAGE_NAME: Final = "image.elf"
MANIFEST_NAME: Final = "manifest.json"
_IDENTITY, _MEASURED = ".identity", ".measured"
_HASH_BYTES: Final = 32


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class FirmwareManifest:
    """The identity of an image and the sizes that follow from it.

    Attributes:
        board: Name of the board.
        clock_hz: Core clock, in hertz.
        kernel_set: Name of the kernels that it carries.
        kernel_version: Their version.
        compiler: Name of the compiler.
        compiler_version: Its version.
        compiler_flags: Flags that the measured code was built with.
        measured_code_sha256: Hash of kernels, executor and timer as linked, in hexadecimal.
        image_sha256: Hash of all loaded bytes, with zeros in place of this hash itself.
        pool_sha256: Hash of the synthetic parameters that go beside the image.
        parameter_base: Address of the parameter region.
        parameter_bytes: Its size.
        workspace_bytes: RAM that plan and arena share.
        ram_fixed_bytes: RAM that the firmware takes for itself: stack, buffers and variables.
        flash_code_bytes: Flash that its code and constants take.
    """

    board: str
    clock_hz: int
    kernel_set: str
    kernel_version: str
    compiler: str
    compiler_version: str
    compiler_flags: str
    measured_code_sha256: str
    image_sha256: str
    pool_sha256: str
    parameter_base: int
    parameter_bytes: int
    workspace_bytes: int
    ram_fixed_bytes: int
    flash_code_bytes: int

    def to_json(self) -> str:
        """JSON text for :meth:`read`."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def read(cls, path: Path) -> FirmwareManifest:
        """Read a manifest file, which may hold anything.

        Raises:
            FirmwareBuildError: It cannot be read or is no manifest of this version.
        """
        try:
            return _ADAPTER.validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise FirmwareBuildError(
                f"firmware manifest {path} is damaged: {error}; delete its folder to have the "
                "image built anew"
            ) from error


_ADAPTER: Final = TypeAdapter(FirmwareManifest)


@dataclass(frozen=True, slots=True)
class FirmwareImage:
    """An image and what it is.

    Attributes:
        elf: The ELF file.
        manifest: Its manifest.
    """

    elf: Path
    manifest: FirmwareManifest

    @classmethod
    def read(cls, folder: Path) -> FirmwareImage:
        """The image in a folder.

        Raises:
            FirmwareBuildError: Image or manifest are missing or damaged.
        """
        elf = folder / IMAGE_NAME
        if not elf.is_file():
            raise FirmwareBuildError(
                f"firmware image {elf} is missing; delete its folder to have it built anew"
            )
        return cls(elf, FirmwareManifest.read(folder / MANIFEST_NAME))


@dataclass(frozen=True, slots=True)
class LinkedImage:
    """An image with its hashes written into it, and the sizes that linking gave.

    Attributes:
        elf: The ELF file's bytes.
        measured_code_sha256: Hash of the measured code.
        image_sha256: Hash of all loaded bytes.
        symbols: Addresses by name.
        loaded_end: Address after the last byte in flash.
    """

    elf: bytes
    measured_code_sha256: str
    image_sha256: str
    symbols: dict[str, int]
    loaded_end: int


def stamp(elf: bytes) -> LinkedImage:
    """Write an image's hashes into its identity section (``firmware/src/identity.h``)."""
    file: Any = ELFFile(io.BytesIO(elf))
    identity = file.get_section_by_name(_IDENTITY)["sh_offset"]
    measured = hashlib.sha256(file.get_section_by_name(_MEASURED).data())
    symbols = {s.name: s["st_value"] for s in file.get_section_by_name(".symtab").iter_symbols()}
    stamped = bytearray(elf)
    stamped[identity : identity + 2 * _HASH_BYTES] = measured.digest() + bytes(_HASH_BYTES)
    segments = [
        (part["p_paddr"], part["p_offset"], part["p_filesz"])
        for part in file.iter_segments("PT_LOAD")
        if part["p_filesz"]
    ]
    whole = hashlib.sha256()
    for address, offset, size in segments:
        whole.update(address.to_bytes(4, "little") + bytes(stamped[offset : offset + size]))
    stamped[identity + _HASH_BYTES : identity + 2 * _HASH_BYTES] = whole.digest()
    return LinkedImage(
        elf=bytes(stamped),
        measured_code_sha256=measured.hexdigest(),
        image_sha256=whole.hexdigest(),
        symbols=symbols,
        loaded_end=max(address + size for address, _, size in segments),
    )
