"""A deployed model as sources for a product: model, runtime, C interface, figures."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

import hwnas
from hwnas._files import new_folder
from hwnas.arena import tensor_bytes
from hwnas.deploy._deployed import DeployedRun
from hwnas.errors import HwnasError
from hwnas.firmware import cmsis_sources, firmware_sources
from hwnas.kernels import CMSIS_NN
from hwnas.network import DType, Shape
from hwnas.plan import ModelImage, TensorQuantization
from hwnas.target import Provenance, TargetIdentity

_RUNTIME: Final = (
    "kernels.cmake",
    "kernels/*.[ch]",
    "src/check*.[ch]",
    "src/crc32.[ch]",
    "src/kernel_sets.c",
    "src/plan.h",
    "src/plan_check.[ch]",
    "src/status.h",
)
"""Of ``firmware/``, beside the folder of the kernel set."""
_BYTES_A_LINE: Final = 20
_INTERFACE: Final = {
    "hwnas.c": "runtime/hwnas.c",
    "hwnas.h": "include/hwnas.h",
    "CMakeLists.txt": "CMakeLists.txt",
}
"""Of ``firmware/export/``, and where they go."""


@dataclass(frozen=True, slots=True)
class ExportedModel:
    """What is exported.

    Attributes:
        name: Of the model, as its README calls it.
        model: Parameters and plan.
        run: What an inference takes.
        target: On what that was obtained.
        firmware_bytes: Flash that hwnas's firmware takes with these kernels.
    """

    name: str
    model: ModelImage
    run: DeployedRun
    target: TargetIdentity
    firmware_bytes: int


def export_model(exported: ExportedModel, folder: Path) -> list[Path]:
    """Write what another project needs to run a model, and nothing of hwnas's own firmware.

    The folder holds the model's bytes, the runtime's sources, CMSIS-NN's where its kernels run the
    model, a C interface of two functions (``hwnas.h``), a CMake target (``hwnas``), the licences
    and a README with the figures.

    Args:
        exported: The model.
        folder: Is made; it appears only when all of it is there.

    Returns:
        The files, relative to the folder.

    Raises:
        HwnasError: The folder is there already or cannot be written.
        FirmwareBuildError: The runtime's or CMSIS-NN's sources are missing.

    Example:
        >>> export_model(exported, Path("lenet"))  # doctest: +SKIP
        [PosixPath('CMakeLists.txt'), ...]
    """
    sources, cmsis = firmware_sources(), cmsis_sources()
    with new_folder(folder, "export", error=HwnasError) as made:
        for file in _runtime_files(sources, exported.model.kernels.name):
            _copy(file, made / "runtime" / file.relative_to(sources))
        for name, place in _INTERFACE.items():
            _copy(sources / "export" / name, made / place)
        # Arm's licence is hwnas's own, the Apache License 2.0.
        _copy(cmsis / "cmsis_nn" / "LICENSE.txt", made / "LICENSE")
        if exported.model.kernels is CMSIS_NN:
            shutil.copytree(cmsis, made / "cmsis", ignore=shutil.ignore_patterns("*.py*", "__*"))
        _write_model(exported, made / "model")
        template = Template((sources / "export" / "README.md.in").read_text(encoding="utf-8"))
        _write(made / "README.md", template.substitute(_figures(exported, folder.name)))
        return sorted(file.relative_to(made) for file in made.rglob("*") if file.is_file())


def _runtime_files(sources: Path, kernel_set: str) -> Iterator[Path]:
    for pattern in (*_RUNTIME, f"kernels/{kernel_set}/*.[ch]"):
        yield from sorted(sources.glob(pattern))


def _write_model(exported: ExportedModel, folder: Path) -> None:
    model = exported.model
    folder.mkdir()
    (folder / "hwnas_model.bin").write_bytes(model.data)
    _write(folder / "hwnas_model.c", _as_c(model.data))
    _write(folder / "hwnas_model.h", _header(exported))
    machine = exported.target.compiler_flags.rpartition(" ")[0]
    _write(
        folder / "settings.cmake",
        f'set(HWNAS_KERNELS {model.kernels.name})\nset(HWNAS_MACHINE "{machine}")\n',
    )


def _as_c(data: bytes) -> str:
    lines = (
        "    " + " ".join(f"{byte}," for byte in data[start : start + _BYTES_A_LINE])
        for start in range(0, len(data), _BYTES_A_LINE)
    )
    declared = "const uint8_t hwnas_model[HWNAS_MODEL_BYTES] __attribute__((aligned(32)))"
    return "\n".join(['#include "hwnas_model.h"', "", f"{declared} = {{", *lines, "};", ""])


def _header(exported: ExportedModel) -> str:
    model = exported.model
    lines = [
        f"/* {exported.name}, SHA-256 {model.sha256}. */",
        "#ifndef HWNAS_MODEL_H",
        "#define HWNAS_MODEL_H",
        "",
        "#include <stdint.h>",
        "",
        f"#define HWNAS_ARENA_BYTES {model.plan.arena_bytes}u /* RAM for activations */",
    ]
    for end in _ends(exported):
        lines += [
            "",
            f"/* {end.describe()} */",
            f"#define HWNAS_{end.name}_BYTES {end.size_bytes}u",
        ]
        if end.quantization is not None:
            lines += [
                f"#define HWNAS_{end.name}_SCALE {end.quantization.scale!r}f",
                f"#define HWNAS_{end.name}_ZERO_POINT ({end.quantization.zero_point})",
            ]
    lines += [
        "",
        "/* Of the model itself: parameters, then its plan. */",
        f"#define HWNAS_MODEL_BYTES {len(model.data)}u",
        f"#define HWNAS_MODEL_PLAN_OFFSET {len(model.plan.parameter_data)}u",
        f"#define HWNAS_MODEL_CRC32 {zlib.crc32(model.data):#010x}u",
        "extern const uint8_t hwnas_model[HWNAS_MODEL_BYTES];",
        "",
        "#endif",
        "",
    ]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _End:
    """Input or output of a network."""

    name: str
    shape: Shape
    dtype: DType
    quantization: TensorQuantization | None

    @property
    def size_bytes(self) -> int:
        return tensor_bytes(self.shape, self.dtype)

    def describe(self) -> str:
        sides = " x ".join(map(str, self.shape))
        if self.quantization is None:
            return f"{sides} values of {self.dtype}"
        scale, zero = self.quantization.scale, self.quantization.zero_point
        return f"{sides} values of {self.dtype}, each for {scale:g} * (value - {zero})"


def _ends(exported: ExportedModel) -> tuple[_End, _End]:
    trained = exported.model.trained
    network = trained.network
    last = len(network.nodes)
    return (
        _End("INPUT", network.input_shape, network.dtype_of(0), trained.input),
        _End("OUTPUT", network.output_shape, network.dtype_of(last), trained.output),
    )


def _figures(exported: ExportedModel, folder: str) -> dict[str, str]:
    model, target, run = exported.model, exported.target, exported.run
    source, sink = _ends(exported)
    uses_cmsis = model.kernels is CMSIS_NN
    return {
        "name": exported.name,
        "version": hwnas.__version__,
        "folder": folder,
        "board": target.board,
        "whose": "hwnas's virtual" if target.provenance is Provenance.SIMULATED else "a",
        "provenance": str(target.provenance),
        "latency_ms": f"{run.cycles / target.clock_hz * 1e3:.3f}",
        "cycles": f"{run.cycles:,}",
        "clock_mhz": f"{target.clock_hz / 1e6:g}",
        "compiler": f"{target.compiler} {target.compiler_version}",
        "flags": target.compiler_flags,
        "arena_bytes": f"{model.plan.arena_bytes:,}",
        "model_bytes": f"{len(model.data):,}",
        "code_bytes": f"{exported.firmware_bytes:,}",
        "sha256": model.sha256,
        "kernels": f"{model.kernels.name}, version {model.kernels.version}",
        "input": source.describe(),
        "output": sink.describe(),
        "cmsis_row": "| `cmsis/` | Arm's CMSIS-NN and its core headers |\n" if uses_cmsis else "",
        "cmsis_licence": (
            " Everything under `cmsis/` is Arm's, under the same (`cmsis/*/LICENSE.txt`)."
            if uses_cmsis
            else ""
        ),
    }


def _copy(source: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
