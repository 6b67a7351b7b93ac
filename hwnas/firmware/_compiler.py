"""The cross compilers: Arm's GCC from the PATH, else zig's clang from PyPI.

They give other code, hence other cycles: each is a target identity of its own.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from typing import Final

from hwnas.boards import BoardSpec
from hwnas.errors import FirmwareBuildError
from hwnas.firmware._variant import DEFAULT_VARIANT, Variant

GCC: Final = "arm-none-eabi-gcc"


@dataclass(frozen=True, slots=True)
class Compiler:
    """A compiler and how it is called.

    Attributes:
        name: As in a target's identity: ``gcc`` or ``zig``.
        version: As in a target's identity.
        command: What compiles and links.
        archiver: What packs libraries.
        machine: Flags that choose core and floating-point unit.
        optimization: Flag that says how it optimizes.
        libraries: Where memcpy and the compiler's own helpers come from.
        needs_shims: Whether it comes without a C library, so that ours must stand in.
    """

    name: str
    version: str
    command: tuple[str, ...]
    archiver: tuple[str, ...]
    machine: str
    optimization: str
    libraries: str
    needs_shims: bool

    @property
    def flags(self) -> str:
        """The flags that decide which code it gives."""
        return f"{self.machine} {self.optimization}"


_GCC_MACHINES: Final = {
    ("cortex-m4", "none"): "-mcpu=cortex-m4 -mthumb -mfloat-abi=soft",
    ("cortex-m7", "none"): "-mcpu=cortex-m7 -mthumb -mfloat-abi=soft",
    ("cortex-m33", "none"): "-mcpu=cortex-m33 -mthumb -mfloat-abi=soft",
    ("cortex-m4", "single"): "-mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard",
    ("cortex-m7", "double"): "-mcpu=cortex-m7 -mthumb -mfpu=fpv5-d16 -mfloat-abi=hard",
    ("cortex-m33", "single"): "-mcpu=cortex-m33 -mthumb -mfpu=fpv5-sp-d16 -mfloat-abi=hard",
}
_ZIG_MACHINES: Final = {
    ("cortex-m4", "none"): "-target thumb-freestanding-eabi -mcpu=cortex_m4",
    ("cortex-m7", "none"): "-target thumb-freestanding-eabi -mcpu=cortex_m7",
    ("cortex-m33", "none"): "-target thumb-freestanding-eabi -mcpu=cortex_m33+dsp",
    ("cortex-m4", "single"): "-target thumb-freestanding-eabihf -mcpu=cortex_m4+vfp4d16sp",
    ("cortex-m7", "double"): "-target thumb-freestanding-eabihf -mcpu=cortex_m7+fp_armv8d16",
    ("cortex-m33", "single"): (
        "-target thumb-freestanding-eabihf -mcpu=cortex_m33+dsp+fp_armv8d16sp"
    ),
}


def find_compiler(spec: BoardSpec, variant: Variant = DEFAULT_VARIANT) -> Compiler:
    """The compiler for a board's core.

    Raises:
        FirmwareBuildError: There is none, or the core is not known to it; the message says how
            to get one.
    """
    core = (spec.core.name, variant.fpu_of(spec))
    if core not in _GCC_MACHINES:
        raise FirmwareBuildError(
            f"{spec.name}: no compiler flags are known for a {core[0]} with {core[1]} FPU; known: "
            f"{', '.join(' with '.join(known) for known in _GCC_MACHINES)}"
        )
    gcc = shutil.which(GCC)
    if gcc is not None:
        return Compiler(
            name="gcc",
            version=_gcc_version(gcc),
            command=(gcc,),
            archiver=(gcc.removesuffix("gcc") + "gcc-ar",),
            machine=_GCC_MACHINES[core],
            optimization=f"-{variant.optimization}",
            libraries="-lc -lgcc",
            needs_shims=False,
        )
    if importlib.util.find_spec("ziglang") is not None:
        zig = (sys.executable, "-m", "ziglang")
        return Compiler(
            name="zig",
            version=_output((*zig, "version")),
            command=(*zig, "cc"),
            archiver=(*zig, "ar"),
            machine=_ZIG_MACHINES[core],
            optimization=f"-{variant.optimization}",
            libraries="-lcompiler_rt",
            needs_shims=True,
        )
    raise FirmwareBuildError(
        f"the firmware of {spec.name} must be built, and there is no compiler: install "
        f"{GCC} (Debian: apt install gcc-arm-none-eabi libnewlib-arm-none-eabi) or, with pip "
        "alone, 'hwnas[zig]'"
    )


@cache
def _gcc_version(gcc: str) -> str:
    return _output((gcc, "-dumpfullversion"))


def _output(command: tuple[str, ...]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise FirmwareBuildError(f"{command[0]} does not run: {error}") from error
    found = re.search(r"\S+", done.stdout)
    if found is None:
        raise FirmwareBuildError(f"{' '.join(command)} names no version")
    return found[0]
