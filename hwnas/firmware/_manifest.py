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
from hwnas.kernels import KERNEL_SETS

IMAGE_NAME: Final = "image.elf"
MANIFEST_NAME: Final = "manifest.json"
_IDENTITY, _COMMON = ".identity", ".measured"
_HASH_BYTES: Final = 32


_CHECKED: Final = ConfigDict(extra="forbid", strict=True)


@checked_dataclass(frozen=True, config=_CHECKED)
class KernelCode:
    """One kernel set of an image.

    Attributes:
        version: Of the kernels.
        code_sha256: Hash of its code as linked, and of what takes part in time beside it (executor,
            timer, library functions), in hexadecimal. A change in another set leaves it.
        code_bytes: Flash that its code and constants take.
    """

    version: str
    code_sha256: str
    code_bytes: int


@checked_dataclass(frozen=True, config=_CHECKED)
class FirmwareManifest:
    """The identity of an image and the sizes that follow from it.

    Attributes:
        board: Name of the board.
        clock_hz: Core clock, in hertz.
        kernels: The kernel sets that it carries, by name.
        compiler: Name of the compiler.
        compiler_version: Its version.
        compiler_flags: Flags that the measured code was built with.
        measured_code_sha256: Hash of all kernels, executor and timer as linked, in hexadecimal.
        image_sha256: Hash of all loaded bytes, with zeros in place of this hash itself.
        pool_sha256: Hash of the synthetic parameters that go beside the image.
        parameter_base: Address of the parameter region.
        parameter_bytes: Its size.
        workspace_bytes: RAM that plan and arena share.
        ram_fixed_bytes: RAM that the firmware takes for itself: stack, buffers and variables.
        flash_code_bytes: Flash that its code and constants take, those of all kernel sets.
    """

    board: str
    clock_hz: int
    kernels: dict[str, KernelCode]
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

    def code_bytes(self, kernel_set: str) -> int:
        """Flash that an image takes which carries this kernel set alone."""
        others = (code for name, code in self.kernels.items() if name != kernel_set)
        return self.flash_code_bytes - sum(code.code_bytes for code in others)

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
        kernels_sha256: Of each kernel set, hash of its code and of what all sets share.
        kernels_bytes: Of each kernel set, size of its code.
        image_sha256: Hash of all loaded bytes.
        symbols: Addresses by name.
        loaded_end: Address after the last byte in flash.
    """

    elf: bytes
    measured_code_sha256: str
    kernels_sha256: dict[str, str]
    kernels_bytes: dict[str, int]
    image_sha256: str
    symbols: dict[str, int]
    loaded_end: int


def stamp(elf: bytes) -> LinkedImage:
    """Write an image's hashes into its identity section (``firmware/src/identity.h``)."""
    file: Any = ELFFile(io.BytesIO(elf))
    identity = file.get_section_by_name(_IDENTITY)["sh_offset"]
    common = file.get_section_by_name(_COMMON).data()
    kernels = {name: _section(file, f".{name}") for name in KERNEL_SETS}
    measured = hashlib.sha256(b"".join([common, *kernels.values()]))
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
        kernels_sha256={k: hashlib.sha256(common + v).hexdigest() for k, v in kernels.items()},
        kernels_bytes={name: len(code) for name, code in kernels.items()},
        image_sha256=whole.hexdigest(),
        symbols=symbols,
        loaded_end=max(address + size for address, _, size in segments),
    )


def _section(file: Any, name: str) -> bytes:
    """A section's bytes; none where the image was built without it."""
    section = file.get_section_by_name(name)
    data: bytes = b"" if section is None else section.data()
    return data
