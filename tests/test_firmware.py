"""Firmware images: built by the real compilers, reproducible, and honest about what they are."""

from __future__ import annotations

import importlib.util
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from small_plan import convolution, float_dense

from hwnas.boards import load_board
from hwnas.device import BoardClient, check_identity
from hwnas.errors import BoardError, FirmwareBuildError
from hwnas.firmware import (
    FirmwareImage,
    FirmwareManifest,
    Variant,
    build_images,
    find_image,
    flash_contents,
    pool_contents,
)
from hwnas.firmware._build import Recipe, build
from hwnas.firmware._compiler import GCC, Compiler, find_compiler
from hwnas.resources import CACHE_VARIABLE
from hwnas.virtual import VirtualBoard

BOARD = load_board("nucleo_l496zg")
POWER_ON = 1
needs_zig = pytest.mark.skipif(
    importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed"
)


@pytest.fixture(scope="module")
def image() -> FirmwareImage:
    return find_image(BOARD)


def booted(image: FirmwareImage) -> BoardClient:
    """The virtual board with the image and its pool."""
    return BoardClient(VirtualBoard(BOARD, image.elf, pool_contents(image.manifest)))


def test_the_manifest_is_what_the_board_says(image: FirmwareImage) -> None:
    manifest = image.manifest
    with booted(image) as client:
        info = client.hello()
        check_identity(info, manifest)
    assert info.image_sha256 == manifest.image_sha256
    assert (info.parameters_base, info.parameters_bytes) == (
        manifest.parameter_base,
        manifest.parameter_bytes,
    )
    assert info.workspace_bytes == manifest.workspace_bytes
    assert info.workspace_base + info.workspace_bytes == info.ram_base + info.ram_bytes
    assert info.workspace_base - info.ram_base == manifest.ram_fixed_bytes
    assert info.flash_bytes == BOARD.flash.size_bytes
    assert info.reset_cause == POWER_ON
    assert manifest.flash_code_bytes < manifest.parameter_base - BOARD.flash.base


def test_what_is_flashed_is_what_the_virtual_board_holds(image: FirmwareImage) -> None:
    """A physical board gets these bytes; the virtual one reads the ELF file itself."""
    contents = flash_contents(image)
    with VirtualBoard(BOARD, image.elf, pool_contents(image.manifest)) as board:
        for address, data in contents.items():
            assert board.memory(address, len(data)) == data
    assert sum(map(len, contents.values())) > image.manifest.parameter_bytes


def test_a_board_without_its_pool_is_told_apart(image: FirmwareImage) -> None:
    with BoardClient(VirtualBoard(BOARD, image.elf)) as client:
        info = client.hello()
        with pytest.raises(BoardError, match="pool_sha256"):
            check_identity(info, image.manifest)
    assert info.pool_sha256 == "0" * 64


def test_building_elsewhere_gives_the_same_bytes(
    image: FirmwareImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CFLAGS", "-DHWNAS_CLOCK_HZ=1")
    build(Recipe.of(BOARD), tmp_path / "elsewhere" / "image")
    again = FirmwareImage.read(tmp_path / "elsewhere" / "image")
    assert again.elf.read_bytes() == image.elf.read_bytes()
    assert again.manifest == image.manifest
    elf = image.elf.read_bytes()
    for path in (tmp_path, image.elf.parent, Path(__file__).parents[1]):
        assert str(path).encode() not in elf


def changed(tmp_path: Path, file: str, old: str, new: str) -> FirmwareManifest:
    """The manifest of an image with one change in its sources."""
    recipe = Recipe.of(BOARD)
    sources = tmp_path / "firmware"
    shutil.copytree(recipe.sources, sources)
    text = (sources / file).read_text()
    assert old in text
    (sources / file).write_text(text.replace(old, new))
    other = replace(recipe, sources=sources)
    assert other.fingerprint() != recipe.fingerprint()
    build(other, tmp_path / "image")
    return FirmwareImage.read(tmp_path / "image").manifest


def test_a_change_in_the_protocol_keeps_the_identity_of_the_measured_code(
    image: FirmwareImage, tmp_path: Path
) -> None:
    other = changed(tmp_path, "src/protocol.c", "RESULT_CAPACITY 640u", "RESULT_CAPACITY 600u")
    assert other.measured_code_sha256 == image.manifest.measured_code_sha256
    assert other.image_sha256 != image.manifest.image_sha256
    assert other.ram_fixed_bytes < image.manifest.ram_fixed_bytes


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("kernels/cmsis_nn/global_pool.c", "value > largest", "value < largest"),
        ("src/executor.c", "bool level = true", "bool level = false"),
        ("src/timer.c", "latest = now;\n", "latest = now;\n    core_barrier();\n"),
    ],
)
def test_a_change_in_measured_code_is_another_identity(
    image: FirmwareImage, tmp_path: Path, file: str, old: str, new: str
) -> None:
    other = changed(tmp_path, file, old, new)
    assert other.measured_code_sha256 != image.manifest.measured_code_sha256


def test_a_change_in_one_kernel_set_keeps_the_identity_of_the_others(
    image: FirmwareImage, tmp_path: Path
) -> None:
    """Unless that set grows and moves those behind it."""
    file = "kernels/reference/sums.h"
    other = changed(tmp_path, file, "*in++ - zero", "*in++ + zero")
    before = {name: code.code_sha256 for name, code in image.manifest.kernels.items()}
    after = {name: code.code_sha256 for name, code in other.kernels.items()}
    assert [name for name in before if before[name] != after[name]] == ["reference"]
    assert other.measured_code_sha256 != image.manifest.measured_code_sha256


def test_an_image_with_one_kernel_set_takes_what_its_manifest_said(
    image: FirmwareImage, tmp_path: Path
) -> None:
    """What a network's flash is computed with (BoardBackend.footprint), to the byte."""
    for name in image.manifest.kernels:
        build(replace(Recipe.of(BOARD), kernel_sets=(name,)), tmp_path / name)
        alone = FirmwareImage.read(tmp_path / name)
        assert list(alone.manifest.kernels) == [name]
        assert alone.manifest.flash_code_bytes == image.manifest.code_bytes(name)
        assert alone.manifest.ram_fixed_bytes == image.manifest.ram_fixed_bytes


def test_measured_code_comes_first_and_fits_the_firmwares_flash(image: FirmwareImage) -> None:
    with image.elf.open("rb") as file:
        elf = ELFFile(file)
        sections = {s.name: s for s in elf.iter_sections()}
        stack, entry = struct.unpack_from("<2I", sections[".vectors"].data())
        functions = {
            s.name: s["st_value"]
            for s in sections[".symtab"].iter_symbols()
            if s["st_info"]["type"] == "STT_FUNC"
        }
    places = {
        ".measured": ("executor_run", "timer_cycles", "own_pad", "memcpy"),
        ".cmsis_nn": ("arm_convolve_s8", "own_softmax"),
        ".reference": ("reference_conv2d", "reference_dense", "reference_softmax"),
        ".float32": ("float32_dense",),
        ".text": ("protocol_serve", "plan_check", "board_start"),
    }
    end = BOARD.flash.base + 0x200
    for name, held in places.items():
        section = sections[name]
        assert end <= section["sh_addr"] < end + 32
        end = section["sh_addr"] + section["sh_size"]
        for function in held:
            assert section["sh_addr"] <= functions[function] & ~1 < end, function
    assert entry & 1 and stack % 8 == 0
    assert stack - BOARD.ram.base == 4096


def test_four_byte_copies_are_single_loads(image: FirmwareImage) -> None:
    """CMSIS-NN reads four values by a memcpy that the compiler must see through (STACK.md: calls
    made LeNet 3.4 times slower)."""
    tool = shutil.which(GCC.replace("gcc", "objdump"))
    if tool is None:
        pytest.skip("arm-none-eabi-objdump is not installed")
    text = subprocess.run(
        [tool, "-d", "--disassemble=arm_nn_mat_mult_kernel_s8_s16", str(image.elf)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "smlad" in text
    assert "memcpy" not in text


def test_images_for_a_wheel_are_those_of_all_boards(
    tmp_path: Path, image: FirmwareImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = {i.manifest.board: i for i in build_images(Path("images"))}
    assert made["nucleo_l496zg"].elf.read_bytes() == image.elf.read_bytes()
    assert "mps2_an386" in made
    with pytest.raises(FirmwareBuildError, match="is there already"):
        build_images(Path("images"))


def test_a_wheels_image_needs_no_compiler(
    image: FirmwareImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The layout of an installed wheel: data inside the package."""
    monkeypatch.setattr("hwnas.resources._PACKAGE", tmp_path)
    shutil.copytree(image.elf.parent, tmp_path / "_data" / "images" / BOARD.name)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_image(BOARD.name)
    assert found.elf.is_relative_to(tmp_path)
    assert found.manifest == image.manifest


def test_a_board_file_of_ones_own_is_not_given_the_image_of_its_namesake(tmp_path: Path) -> None:
    slower = replace(BOARD, core=replace(BOARD.core, clock_hz=40_000_000))
    with pytest.raises(FirmwareBuildError, match="clock"):
        find_image(slower)
    nameless = replace(BOARD, name="my_board")
    with pytest.raises(FirmwareBuildError, match=r"boards/my_board/board\.c is missing"):
        find_image(nameless)


def test_a_core_without_flags_is_named() -> None:
    other = replace(BOARD, core=replace(BOARD.core, name="cortex-m0"))
    with pytest.raises(FirmwareBuildError, match="cortex-m0 with single FPU"):
        find_compiler(other)


def test_a_damaged_manifest_is_named(image: FirmwareImage, tmp_path: Path) -> None:
    folder = tmp_path / "image"
    shutil.copytree(image.elf.parent, folder)
    for damage in (b"", b"{}", b'{"board": 1}', b"\xff\xfe"):
        (folder / "manifest.json").write_bytes(damage)
        with pytest.raises(FirmwareBuildError, match=r"manifest\.json is damaged"):
            FirmwareImage.read(folder)
    (folder / "image.elf").unlink()
    with pytest.raises(FirmwareBuildError, match="is missing"):
        FirmwareImage.read(folder)


def test_our_own_code_compiles_without_a_warning(tmp_path: Path) -> None:
    recipe = Recipe.of(BOARD)
    compiler = replace(recipe.compiler, machine=f"{recipe.compiler.machine} -Werror")
    build(replace(recipe, compiler=compiler), tmp_path / "image")


def test_a_failing_compiler_leaves_nothing_behind(tmp_path: Path) -> None:
    recipe = Recipe.of(BOARD)
    broken = replace(recipe, compiler=replace(recipe.compiler, machine="-mcpu=cortex-m99"))
    with pytest.raises(FirmwareBuildError, match="cortex-m99"):
        build(broken, tmp_path / "image")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size_bytes", [32 << 10, 64 << 10])
def test_a_flash_that_the_firmware_fills_is_refused(size_bytes: int) -> None:
    small = replace(BOARD, flash=replace(BOARD.flash, size_bytes=size_bytes))
    with pytest.raises(BoardError, match=rf"has {size_bytes:,} bytes; .* 65,536"):
        find_image(small)


def test_a_ram_that_the_firmware_does_not_fit_into_is_refused(tmp_path: Path) -> None:
    small = replace(BOARD, ram=replace(BOARD.ram, size_bytes=4 << 10))
    with pytest.raises(FirmwareBuildError, match=r"RAM is too small by [\d,]+ bytes"):
        build(Recipe.of(small), tmp_path / "image")


@pytest.mark.parametrize("folder", ["file/cache", "x" * 300])
def test_a_cache_that_cannot_be_written_is_named(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / folder))
    with pytest.raises(FirmwareBuildError) as raised:
        find_image(BOARD)
    assert str(tmp_path / folder) in str(raised.value) and CACHE_VARIABLE in str(raised.value)


def test_images_for_a_wheel_need_a_folder_that_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FirmwareBuildError, match=r"file/images/\w+ cannot be written"):
        build_images(tmp_path / "file" / "images")


def test_what_is_only_quicker_with_a_cache_goes_without(
    image: FirmwareImage, tmp_path: Path
) -> None:
    shutil.copytree(image.elf.parent, tmp_path / "firmware" / image.elf.parent.name)
    (tmp_path / "timing").write_text("")
    code = (
        "from hwnas.opening import open_backend; from hwnas.network import dense\n"
        "with open_backend('nucleo_l496zg') as backend:\n"
        "    [row] = backend.measure_layers([dense((84,), 10)])\n"
        "print(row.cycles_median)"
    )
    cycles = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True
        ).stdout
        for env in (dict(os.environ), {**os.environ, CACHE_VARIABLE: str(tmp_path)})
    ]
    assert cycles[0] == cycles[1] and int(cycles[0]) > 0


def test_without_a_compiler_the_command_line_says_how_to_get_one(tmp_path: Path) -> None:
    model = tmp_path / "model.json"
    model.write_text(
        '{"version":1,"dtype":"int8","input_shape":[4],"nodes":[{"layer":{"operator":"dense",'
        '"input_shapes":[[4]],"output_shape":[2]},"inputs":[0]}]}'
    )
    hidden = "import sys; sys.modules['ziglang'] = None; from hwnas.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", hidden, "measure", str(model), "--board", BOARD.name],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path), CACHE_VARIABLE: str(tmp_path / "cache")},
    )
    assert done.returncode == 2
    assert "arm-none-eabi-gcc" in done.stderr and "hwnas[zig]" in done.stderr
    assert "Traceback" not in done.stderr


def zig(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    """The compiler that a machine without GCC takes."""
    monkeypatch.setattr("hwnas.firmware._compiler.GCC", "no-such-gcc")
    return find_compiler(BOARD)


@needs_zig
@pytest.mark.parametrize("fpu", [True, False])
def test_zig_builds_an_image_that_computes_the_same(
    fpu: bool, image: FirmwareImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = zig(monkeypatch)
    assert compiler.name == "zig"
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    other = find_image(BOARD, Variant(fpu=fpu))
    assert other.manifest.compiler == "zig"
    assert other.manifest.measured_code_sha256 != image.manifest.measured_code_sha256
    with booted(other) as client, booted(image) as reference:
        check_identity(client.hello(), other.manifest)
        for case, expected in (float_dense(), convolution()):
            assert case.run(client) == case.run(reference) == [expected]
        # Copies of four bytes are no calls, which made convolutions three times slower.
        cycles = [int(c.run(step_count=1).total_cycles[0]) for c in (client, reference)]
        assert cycles[0] < 1.5 * cycles[1]
        with pytest.raises(BoardError, match="measured_code_sha256"):
            check_identity(client.hello(), image.manifest)
