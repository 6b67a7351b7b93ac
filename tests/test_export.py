"""Exported models: built alone, as somebody else would, and run on a core that hwnas is not on."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flat_models import random_model
from guests.guest_images import FLAGS, HOME, M4
from oracle import Model, Values, images, interpret, read_model
from test_whole_networks import converted
from virtual.build import COMPILER, needs_compiler

from hwnas.deploy import DeployedModel, ExportedModel, export_model
from hwnas.errors import HwnasError
from hwnas.network import NetworkBuilder
from hwnas.plan import ModelImage
from hwnas.profiling import StopReason, profile_image
from hwnas.tflite_io import trained_from_tflite

pytestmark = needs_compiler

MAIN = """
#include <stdio.h>
#include "hwnas.h"

#define REG(address) (*(volatile unsigned *)(address))

static const unsigned char inputs[][HWNAS_INPUT_BYTES] = {%s};
static unsigned char arena[HWNAS_ARENA_BYTES + 16] __attribute__((aligned(HWNAS_ARENA_ALIGNMENT)));
static unsigned char output[HWNAS_OUTPUT_BYTES];

int main(void) {
    printf("early %%d\\n", hwnas_run(inputs[0], output));
    printf("small %%d\\n", hwnas_init(arena, HWNAS_ARENA_BYTES - 1));
    printf("unaligned %%d\\n", hwnas_init(arena + 4, HWNAS_ARENA_BYTES));
    printf("init %%d\\n", hwnas_init(arena, HWNAS_ARENA_BYTES));
    REG(0xE000EDFC) |= 1u << 24;
    REG(0xE0001000) |= 1u;
    for (unsigned i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        const unsigned start = REG(0xE0001004);
        const int result = hwnas_run(inputs[i], output);
        printf("run %%d cycles %%u output", result, REG(0xE0001004) - start);
        for (unsigned k = 0; k < sizeof output; k++) {
            printf(" %%02x", output[k]);
        }
        printf("\\n");
    }
    return 0;
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.20)
project(product C)
add_subdirectory(${CMAKE_SOURCE_DIR}/model)
add_executable(product main.c start.c)
target_compile_definitions(product PRIVATE LIBRARY)
target_link_libraries(product PRIVATE hwnas)
target_link_options(product PRIVATE -T${CMAKE_SOURCE_DIR}/link.ld --specs=rdimon.specs)
"""


def exported(model: Model, kernel_set: str | None = None, board: str = M4) -> ExportedModel:
    image = ModelImage.of(trained_from_tflite(model.flat), kernel_set=kernel_set)
    with DeployedModel.open(board, image) as deployed:
        run, target = deployed.measure(), deployed.target
    return ExportedModel("A net", image, run, target, 40_000)


def small(dtype: str, seed: int = 3) -> Model:
    b = NetworkBuilder((8, 8, 3), dtype=dtype)
    x = b.depthwise_conv2d(b.conv2d(b.input, 4, 3, activation="relu"), 3)
    b.softmax(b.dense(b.flatten(b.max_pool2d(x)), 5))
    return read_model(random_model(b.build(), seed))


def run(folder: Path, inputs: list[Values], board: str = M4) -> tuple[str, list[tuple[int, bytes]]]:
    """What a product with this model prints: the first lines, then cycles and outputs."""
    product = folder.parent / "product"
    product.mkdir()
    shutil.move(folder, product / "model")  # nothing may depend on where it was written
    rows = ",".join("{" + ",".join(map(str, values.tobytes())) + "}" for values in inputs)
    (product / "main.c").write_text(MAIN % rows)
    (product / "CMakeLists.txt").write_text(PROJECT)
    for name in ("start.c", "link.ld"):
        shutil.copy(HOME / name, product)
    assert COMPILER is not None
    flags = " ".join([*FLAGS[board], "-mthumb", "-O3"])
    tools = Path(sys.executable).parent
    configure = [
        str(tools / "cmake"), "-G", "Ninja", "-S", str(product), "-B", str(product / "build"),
        f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}", f"-DCMAKE_C_COMPILER={COMPILER}",
        "-DCMAKE_SYSTEM_NAME=Generic", "-DCMAKE_SYSTEM_PROCESSOR=arm",
        "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY", f"-DCMAKE_C_FLAGS={flags}",
    ]  # fmt: skip
    for command in (configure, [str(tools / "cmake"), "--build", str(product / "build")]):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in done.stdout, done.stdout
    profile = profile_image((product / "build" / "product").read_bytes(), board)
    assert profile.stop.reason is StopReason.EXIT
    said = profile.output["semihosting"].decode()
    head, _, rest = said.partition("run ")
    found = re.findall(r"0 cycles (\d+) output((?: [0-9a-f]{2})+)", rest)
    return head, [(int(cycles), bytes.fromhex(output)) for cycles, output in found]


@pytest.mark.parametrize(
    ("board", "kernel_set", "dtype"),
    [
        (M4, "cmsis_nn", "int8"),
        (M4, "reference", "int8"),
        (M4, "float32", "float32"),
        ("nucleo_f767zi", "cmsis_nn", "int8"),
        ("nucleo_l552ze_q", "cmsis_nn", "int8"),
    ],
)
def test_a_product_computes_what_the_interpreter_does(
    board: str, kernel_set: str, dtype: str, tmp_path: Path
) -> None:
    model = small(dtype)
    export_model(exported(model, kernel_set, board), tmp_path / "lenet")
    inputs = images(model.network, 5, 4)
    head, runs = run(tmp_path / "lenet", inputs, board)
    assert head.split("\n")[:4] == ["early 1", "small 2", "unaligned 3", "init 0"]
    assert len(runs) == len(inputs)
    for values, (_, output) in zip(inputs, runs, strict=True):
        expected = interpret(model.flat, values)
        # Exponentials of floats may differ in their last bit (docs/kernels.md).
        rtol = 0 if dtype == "int8" else 1e-6
        np.testing.assert_allclose(np.frombuffer(output, expected.dtype), expected, rtol=rtol)


def test_a_product_takes_the_time_that_its_readme_tells(tmp_path: Path) -> None:
    model = converted("lenet")
    given = exported(model)
    files = export_model(given, tmp_path / "lenet")
    text = (tmp_path / "lenet" / "README.md").read_text()
    for figure in (
        f"{given.run.cycles:,} cycles at 80 MHz",
        "simulated, on hwnas's virtual nucleo_l496zg",
        f"{given.model.plan.arena_bytes:,} bytes of arena",
        f"{len(given.model.data):,} bytes of model",
        f"32 x 32 x 1 values of int8, each for {given.model.trained.input.scale:g} * (value - ",
        "cmsis/",
    ):
        assert figure in text
    assert "$" not in text
    assert Path("cmsis/cmsis_nn/LICENSE.txt") in files and Path("LICENSE") in files
    assert (tmp_path / "lenet/model/hwnas_model.bin").read_bytes() == given.model.data
    _, runs = run(tmp_path / "lenet", images(model.network, 5, 3))
    for cycles, _ in runs[1:]:  # caches are warm from the second on
        assert cycles == pytest.approx(given.run.cycles, rel=0.05)


def test_a_damaged_model_is_not_run(tmp_path: Path) -> None:
    model = small("int8")
    export_model(exported(model), tmp_path / "net")
    file = tmp_path / "net/model/hwnas_model.c"
    text = file.read_text()
    first = re.search(r"\n    (\d+),", text)
    assert first is not None
    other = text.replace(first[0], f"\n    {int(first[1]) ^ 1},", 1)
    file.write_text(other)
    head, runs = run(tmp_path / "net", images(model.network, 5, 2))
    assert "init 4" in head and not runs


def test_an_export_without_cmsis_nn_is_without_its_licence(tmp_path: Path) -> None:
    files = export_model(exported(small("float32")), tmp_path / "net")
    assert not any(file.parts[0] == "cmsis" for file in files)
    assert "Arm" not in (tmp_path / "net/README.md").read_text()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    given = exported(small("int8"))
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "mine").write_text("mine")
    with pytest.raises(HwnasError, match="is there already"):
        export_model(given, tmp_path / "net")
    assert (tmp_path / "net" / "mine").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_nothing_is_left_where_it_cannot_be_written(tmp_path: Path) -> None:
    given = exported(small("int8"))
    (tmp_path / "file").write_text("")
    with pytest.raises(HwnasError, match="cannot be written"):
        export_model(given, tmp_path / "file" / "net")
