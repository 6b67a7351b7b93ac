"""Builds a board's image from the sources in ``firmware/`` and the CMSIS-NN of the pinned wheel."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hwnas.boards import BoardSpec
from hwnas.errors import FirmwareBuildError, HwnasError
from hwnas.firmware._compiler import Compiler, find_compiler
from hwnas.firmware._facts import BoardFacts, board_facts
from hwnas.firmware._manifest import (
    IMAGE_NAME,
    MANIFEST_NAME,
    FirmwareManifest,
    KernelCode,
    LinkedImage,
    stamp,
)
from hwnas.firmware._variant import DEFAULT_VARIANT, Variant
from hwnas.kernels import KERNEL_SETS
from hwnas.plan import DEFAULT_SEED, ParameterPool
from hwnas.resources import data_dir

CMSIS_PACKAGE: Final = "bakenn"
CMSIS_PACKAGE_VERSION: Final = "1.0.0"
_CMSIS_FOLDER: Final = Path("backend/cmsis_nn/vendor")
_BUILD_TIMEOUT_S: Final = 600.0
_LINES_SHOWN: Final = 12
_OVERFLOW: Final = re.compile(r"region [`'](\w+)':? overflowed by (\d+) bytes")
"""What GNU's linker, and LLVM's, say of a memory that is too small."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the bytes of an image.

    Attributes:
        spec: The board.
        compiler: What compiles.
        facts: Derived from the board's file.
        sources: The folder ``firmware/``.
        cmsis: The folder with CMSIS-NN's sources.
        kernel_sets: Names of those that the image carries.
    """

    spec: BoardSpec
    compiler: Compiler
    facts: BoardFacts
    sources: Path
    cmsis: Path
    kernel_sets: tuple[str, ...] = tuple(KERNEL_SETS)

    @classmethod
    def of(cls, spec: BoardSpec, variant: Variant = DEFAULT_VARIANT) -> Recipe:
        """The recipe for a board on this machine.

        Raises:
            FirmwareBuildError: The board has no code, or compiler or CMSIS-NN are missing.
            BoardError: The board's flash is too small.
        """
        sources = firmware_sources()
        if not (sources / "boards" / spec.name / "board.c").is_file():
            raise FirmwareBuildError(
                f"{spec.name} has no firmware: firmware/boards/{spec.name}/board.c is missing"
            )
        return cls(spec, find_compiler(spec, variant), board_facts(spec), sources, cmsis_sources())

    def fingerprint(self) -> str:
        """Hash of all that goes in, in hexadecimal."""
        whole = hashlib.sha256()
        compiler = self.compiler
        for text in (compiler.name, compiler.version, compiler.flags, compiler.libraries):
            whole.update(text.encode() + b"\0")
        whole.update((self.facts.header + self.facts.memories).encode())
        whole.update(" ".join(self.kernel_sets).encode() + b"\0")
        for root in (self.sources, self.cmsis):
            for path in sorted(p for p in root.rglob("*") if p.suffix in _BUILT_FROM):
                name = path.relative_to(root).as_posix()
                if name.startswith(_NOT_BUILT):
                    continue
                content = path.read_bytes()
                whole.update(b"%s\0%d\0%s" % (name.encode(), len(content), content))
        whole.update(str(DEFAULT_SEED).encode())
        return whole.hexdigest()


_BUILT_FROM: Final = frozenset({".c", ".h", ".ld", ".txt", ".cmake"})
_NOT_BUILT: Final = ("fuzz/", "export/")


def build(recipe: Recipe, folder: Path) -> None:
    """Build an image into a folder, which appears only when all of it is there.

    Raises:
        FirmwareBuildError: A tool is missing or failed; the message holds its last lines.
        OSError: The folder cannot be made.
    """
    folder = folder.absolute()  # CMake works in folders of its own
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".building-") as scratch:
        work, made = Path(scratch, "work"), Path(scratch, "made")
        work.mkdir()
        made.mkdir()
        linked = stamp(_compile(recipe, work))
        (made / IMAGE_NAME).write_bytes(linked.elf)
        spec, facts, compiler = recipe.spec, recipe.facts, recipe.compiler
        workspace = linked.symbols["workspace_start"]
        manifest = FirmwareManifest(
            board=spec.name,
            clock_hz=spec.core.clock_hz,
            kernels=_kernels(recipe, linked),
            compiler=compiler.name,
            compiler_version=compiler.version,
            compiler_flags=compiler.flags,
            measured_code_sha256=linked.measured_code_sha256,
            image_sha256=linked.image_sha256,
            pool_sha256=ParameterPool(DEFAULT_SEED, facts.parameter_bytes).sha256,
            parameter_base=facts.parameter_base,
            parameter_bytes=facts.parameter_bytes,
            workspace_bytes=linked.symbols["workspace_end"] - workspace,
            ram_fixed_bytes=workspace - spec.ram.base,
            flash_code_bytes=linked.loaded_end - spec.flash.base,
        )
        (made / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
        _publish(made, folder)


def _kernels(recipe: Recipe, linked: LinkedImage) -> dict[str, KernelCode]:
    return {
        name: KernelCode(
            version=KERNEL_SETS[name].version,
            code_sha256=linked.kernels_sha256[name],
            code_bytes=linked.kernels_bytes[name],
        )
        for name in recipe.kernel_sets
    }


def _publish(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        # Another process was faster: equal recipes give equal images.
        if not (folder / MANIFEST_NAME).is_file():
            raise


def _compile(recipe: Recipe, work: Path) -> bytes:
    facts = work / "facts"
    facts.mkdir()
    (facts / "board_facts.h").write_text(recipe.facts.header, encoding="utf-8")
    layout = (recipe.sources / "image.ld").read_text(encoding="utf-8")
    (facts / "image.ld").write_text(recipe.facts.memories + layout, encoding="utf-8")
    compiler = recipe.compiler
    shims = recipe.sources / "shims" if compiler.needs_shims else ""
    settings = {
        "CMAKE_BUILD_TYPE": "None",
        "CMAKE_SYSTEM_NAME": "Generic",
        "CMAKE_SYSTEM_PROCESSOR": "arm",
        "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
        "CMAKE_C_COMPILER": _launcher(work, "cc", compiler.command),
        "CMAKE_AR": _launcher(work, "ar", compiler.archiver),
        "CMAKE_RANLIB": "true",
        "CMAKE_MAKE_PROGRAM": _tool("ninja"),
        "HWNAS_BOARD": recipe.spec.name,
        "HWNAS_FACTS": facts,
        "HWNAS_CMSIS": recipe.cmsis,
        "HWNAS_MACHINE": compiler.machine,
        "HWNAS_OPTIMIZATION": compiler.optimization,
        "HWNAS_KERNEL_SETS": ";".join(recipe.kernel_sets),
        "HWNAS_LIBRARIES": compiler.libraries,
        "HWNAS_SHIMS": shims,
    }
    defines = [f"-D{name}={value}" for name, value in settings.items()]
    cmake, out = _tool("cmake"), work / "out"
    _run(recipe, [cmake, "-G", "Ninja", "-S", str(recipe.sources), "-B", str(out), *defines])
    _run(recipe, [cmake, "--build", str(out)])
    return (out / "image.elf").read_bytes()


def _launcher(work: Path, name: str, command: tuple[str, ...]) -> str:
    """One executable for a command of several words, which CMake does not take."""
    if len(command) == 1:
        return command[0]
    script = work / name
    words = " ".join(f"'{word}'" for word in command)
    script.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return str(script)


def _run(recipe: Recipe, command: list[str]) -> None:
    # No variable of the caller's environment may change what the compiler does.
    kept = {k: v for k, v in os.environ.items() if k not in {"CFLAGS", "LDFLAGS", "CC", "CPATH"}}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_BUILD_TIMEOUT_S, env=kept
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise FirmwareBuildError(f"{recipe.spec.name}: {command[0]} failed: {error}") from error
    if done.returncode != 0:
        output = done.stdout + done.stderr
        if lack := _OVERFLOW.search(output):
            raise FirmwareBuildError(
                f"{recipe.spec.name}: the firmware does not fit: {lack[1]} is too small by "
                f"{int(lack[2]):,} bytes"
            )
        said = [line for line in output.splitlines() if line.strip()]
        raise FirmwareBuildError(
            f"the firmware of {recipe.spec.name} could not be built by {recipe.compiler.name} "
            f"{recipe.compiler.version}; the last lines were:\n" + "\n".join(said[-_LINES_SHOWN:])
        )


def _tool(name: str) -> str:
    """A build tool: that of this Python's environment, else that on the PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise FirmwareBuildError(
            f"the firmware must be built, and {name} is missing: pip install 'hwnas[firmware]'"
        )
    return found


def firmware_sources() -> Path:
    """The folder ``firmware/``.

    Raises:
        FirmwareBuildError: It is missing.
    """
    try:
        return data_dir("firmware")
    except HwnasError as error:
        raise FirmwareBuildError(str(error)) from error


def cmsis_sources() -> Path:
    """The folder with CMSIS-NN's sources and its core headers, of the pinned release.

    Raises:
        FirmwareBuildError: The package that holds them is missing, or another release.
    """
    wanted = f"{CMSIS_PACKAGE}=={CMSIS_PACKAGE_VERSION}"
    try:
        version = importlib.metadata.version(CMSIS_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        version = None
    if version != CMSIS_PACKAGE_VERSION:
        there = "it is missing" if version is None else f"{version} is there"
        raise FirmwareBuildError(
            f"the firmware must be built from the CMSIS-NN sources in the package {wanted}, and "
            f"{there}: pip install 'hwnas[firmware]'"
        )
    found = importlib.util.find_spec(CMSIS_PACKAGE)
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / _CMSIS_FOLDER
