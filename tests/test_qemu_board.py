"""The client and the real firmware on QEMU's Cortex-M4 and M7, through a real terminal."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from qemu import MACHINES, Qemu, needs_qemu
from small_plan import convolution, every_operator, seal

from hwnas.boards import load_board
from hwnas.device import BoardClient, check_identity
from hwnas.errors import BoardError, BoardMismatchError, BoardProtocolError, PlanError
from hwnas.firmware import FirmwareImage, find_image
from hwnas.resources import CACHE_VARIABLE
from hwnas.virtual import VirtualBoard

pytestmark = needs_qemu


@pytest.fixture(scope="module", params=MACHINES)
def image(request: pytest.FixtureRequest) -> FirmwareImage:
    return find_image(request.param)


@pytest.fixture(scope="module")
def machine(image: FirmwareImage) -> Iterator[Qemu]:
    with Qemu(image) as running:
        yield running


@pytest.fixture
def client(machine: Qemu) -> Iterator[BoardClient]:
    with machine.connect() as opened:
        yield opened


def test_hello_tells_the_image_that_runs(client: BoardClient, image: FirmwareImage) -> None:
    info = client.hello()
    assert info.board == image.manifest.board
    assert not info.counts_cycles
    assert info.measured_code_sha256 == image.manifest.measured_code_sha256
    assert info.clock_hz == image.manifest.clock_hz


def test_it_is_not_taken_for_another_board(client: BoardClient, image: FirmwareImage) -> None:
    name = image.manifest.board
    with pytest.raises(BoardMismatchError, match=f"its name is {name}, not nucleo_l496zg"):
        check_identity(client.hello(), find_image("nucleo_l496zg").manifest)


def test_echo_returns_all_byte_values(client: BoardClient) -> None:
    data = bytes(range(256)) * 7
    assert client.echo(data) == data
    assert client.echo(b"") == b""


def test_a_convolution_computes_what_tensorflow_lite_specifies(client: BoardClient) -> None:
    case, expected = convolution()
    assert case.run(client) == [expected]


def test_qemu_and_virtual_board_agree_on_every_operator(client: BoardClient) -> None:
    case = every_operator()
    spec = load_board("nucleo_l496zg")
    with BoardClient(VirtualBoard(spec, find_image(spec.name).elf)) as virtual:
        outputs = case.run(virtual)
    assert case.run(client) == outputs
    assert min(len(set(output)) for output in outputs) > 1


def test_repetitions_beyond_the_result_capacity_are_split(client: BoardClient) -> None:
    case, _ = convolution()
    client.load(case.plan)
    repeats = client.hello().result_capacity // 2 + 1
    result = client.run(repeats=repeats, step_count=1, timeout_s=60)
    assert not result.counts_cycles
    assert result.layer_cycles.shape == (repeats, 1)


def test_a_refused_plan_names_field_and_record(client: BoardClient) -> None:
    plan = bytearray(convolution()[0].plan)
    plan[48 + 24 + 1] = 9
    with pytest.raises(PlanError, match="dtype of tensor 1"):
        client.load(seal(bytes(plan)))
    with pytest.raises(BoardProtocolError, match="no plan"):
        client.run(step_count=1)


def test_a_reset_forgets_the_plan(client: BoardClient, image: FirmwareImage) -> None:
    case, expected = convolution()
    case.run(client)
    assert client.reset().board == image.manifest.board
    with pytest.raises(BoardProtocolError, match="no plan"):
        client.run(step_count=1)
    assert case.run(client) == [expected]


def test_a_machine_that_dies_is_told_and_its_successor_is_found(image: FirmwareImage) -> None:
    case, expected = convolution()
    with Qemu(image) as first, first.connect() as client:
        client.load(case.plan)
        first.kill()
        with pytest.raises(BoardError, match=f"port {first.port}"):
            client.run(step_count=1)
    with Qemu(image) as second, second.connect() as client:
        with pytest.raises(BoardProtocolError, match="no plan"):
            client.run(step_count=1)
        assert case.run(client) == [expected]


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")
def test_the_image_of_the_other_compiler_runs_as_well(
    image: FirmwareImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hwnas.firmware._compiler.GCC", "no-such-gcc")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    other = find_image(image.manifest.board)
    assert other.manifest.compiler == "zig"
    case = every_operator()
    with Qemu(image) as running, running.connect() as client:
        expected = case.run(client)
    with Qemu(other) as running, running.connect() as client:
        assert client.hello().image_sha256 == other.manifest.image_sha256
        assert case.run(client) == expected
