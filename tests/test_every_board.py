"""Every board that hwnas knows: its firmware compiles, and its virtual copy, if any, runs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from small_plan import convolution, every_operator

from hwnas.boards import BoardSpec, list_boards, load_board
from hwnas.device import BoardClient, check_identity
from hwnas.device.protocol import ResetCause
from hwnas.firmware import FirmwareImage, find_image, pool_contents
from hwnas.firmware._build import Recipe, build
from hwnas.virtual import VirtualBoard
from hwnas.virtual.chips import CHIPS

VIRTUAL = [name for name in list_boards() if load_board(name).chip.family in CHIPS]


@pytest.fixture(params=VIRTUAL)
def board(request: pytest.FixtureRequest) -> Iterator[VirtualBoard]:
    """Each board that has a virtual chip, with its image and its pool."""
    image = find_image(request.param)
    with VirtualBoard(
        load_board(request.param), image.elf, pool_contents(image.manifest), marker_capacity=64
    ) as opened:
        yield opened


@pytest.fixture
def spec(request: pytest.FixtureRequest, board: VirtualBoard) -> BoardSpec:
    return load_board(request.node.callspec.params["board"])


@pytest.mark.parametrize("name", list_boards())
def test_the_firmware_compiles_without_a_warning(name: str, tmp_path: Path) -> None:
    recipe = Recipe.of(load_board(name))
    compiler = replace(recipe.compiler, machine=f"{recipe.compiler.machine} -Werror")
    build(replace(recipe, compiler=compiler), tmp_path / "image")
    manifest = FirmwareImage.read(tmp_path / "image").manifest
    assert manifest.board == name
    assert manifest.measured_code_sha256 == find_image(name).manifest.measured_code_sha256


def test_it_says_hello_as_the_board_of_the_file(board: VirtualBoard, spec: BoardSpec) -> None:
    info = BoardClient(board).hello()
    check_identity(info, find_image(spec).manifest)
    assert (info.board, info.clock_hz) == (spec.name, spec.core.clock_hz)
    assert (info.ram_base, info.ram_bytes) == (spec.ram.base, spec.ram.size_bytes)
    assert info.flash_bytes == spec.flash.size_bytes
    assert info.reset_cause == ResetCause.POWER_OR_PIN


def test_it_computes_exactly(board: VirtualBoard) -> None:
    case, expected = convolution()
    assert case.run(BoardClient(board)) == [expected]


def test_it_starts_over_and_tells_why(board: VirtualBoard) -> None:
    client = BoardClient(board)
    client.hello()
    assert client.reset().reset_cause == ResetCause.SOFTWARE
    case, expected = convolution()
    assert case.run(client) == [expected]


def test_it_marks_inference_and_layers_on_the_pins_of_the_file(
    board: VirtualBoard, spec: BoardSpec
) -> None:
    if spec.markers is None:
        pytest.skip("the board has no marker pins")
    case = every_operator()
    client = BoardClient(board)
    client.load(case.plan)
    client.run(warmup=0, step_count=case.step_count)
    events = board.marker_events
    inference = [event.level for event in events if event.pin == str(spec.markers.inference)]
    layers = [event.level for event in events if event.pin == str(spec.markers.layer)]
    assert inference == [True, False]
    # Each layer toggles; the end brings the pin down again where it is up.
    assert layers == [index % 2 == 0 for index in range(len(layers))]
    assert len(layers) == case.step_count + case.step_count % 2
    assert str(spec.markers.spare) not in {event.pin for event in events}
