"""Models in flash: found, checked and run by the real firmware, on boards of every kind."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from flat_models import random_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import Model, Values, images, interpret, read_model
from qemu import MACHINES, Qemu, needs_qemu
from test_whole_networks import converted
from wire import WiredBoard

from hwnas.boards import load_board
from hwnas.deploy import DeployedModel
from hwnas.device import BoardClient
from hwnas.device.status import MODEL_FIELDS
from hwnas.errors import (
    BoardMismatchError,
    BoardProtocolError,
    DatasetError,
    HwnasError,
    PlanError,
)
from hwnas.firmware import find_image, flash_contents, model_contents
from hwnas.network import Network, NetworkBuilder
from hwnas.opening import open_backend, virtual_client
from hwnas.plan import ModelImage
from hwnas.plan._model_image import MODEL_HEADER
from hwnas.target import Provenance
from hwnas.tflite_io import trained_from_tflite
from hwnas.virtual import VirtualBoard

BOARD = load_board("nucleo_l496zg")
IMAGE = find_image(BOARD)


@cache
def deployable(name: str = "lenet") -> tuple[Model, ModelImage]:
    model = converted(name)
    return model, ModelImage.of(trained_from_tflite(model.flat))


def shaped(network: Network, inputs: list[Values]) -> list[Values]:
    return [values.reshape(network.input_shape) for values in inputs]


def assert_same_outputs(deployed: DeployedModel, model: Model, inputs: list[Values]) -> None:
    outputs = deployed.outputs(shaped(model.network, inputs))
    for values, output in zip(inputs, outputs, strict=True):
        assert output.shape == model.network.output_shape
        np.testing.assert_array_equal(output.reshape(-1), interpret(model.flat, values))


@pytest.mark.parametrize("board", ["nucleo_l496zg", "nucleo_f767zi", "nucleo_l552ze_q"])
def test_a_deployed_model_computes_what_the_interpreter_does(board: str) -> None:
    model, image = deployable()
    with DeployedModel.open(board, image) as deployed:
        assert_same_outputs(deployed, model, images(model.network, 7, 10))
        assert deployed.target.provenance is Provenance.SIMULATED


def test_it_takes_about_the_cycles_that_were_told_before_it_was_trained() -> None:
    model, image = deployable()
    with DeployedModel.open(BOARD.name, image) as deployed:
        run = deployed.measure()
    with open_backend(BOARD.name) as backend:
        synthetic = backend.measure_network(model.network)
    assert synthetic is not None
    assert run.cycles == pytest.approx(synthetic.cycles_median, rel=0.01)
    assert run.cycles <= sum(run.layer_cycles) < 1.01 * run.cycles
    assert run.layers == tuple(
        i for i, node in enumerate(model.network.nodes) if not node.layer.is_free
    )


def test_floats_are_deployed_as_well() -> None:
    b = NetworkBuilder((8, 8, 3), dtype="float32")
    b.dense(b.flatten(b.max_pool2d(b.conv2d(b.input, 4, 3, activation="relu"))), 5)
    model = read_model(random_model(b.build(), 3))
    with DeployedModel.open(BOARD.name, ModelImage.of(trained_from_tflite(model.flat))) as deployed:
        assert_same_outputs(deployed, model, images(model.network, 7))


@needs_qemu
@pytest.mark.parametrize("machine", MACHINES)
def test_qemu_runs_it_from_flash(machine: str) -> None:
    model, image = deployable()
    with Qemu(find_image(machine), model=image) as running, running.connect() as client:
        assert client.load_model() == image.sha256
        for values in images(model.network, 7):
            client.write_tensor(0, values.tobytes())
            client.run(
                per_layer=False, fill_inputs=False, warmup=0, step_count=len(image.plan.step_nodes)
            )
            output = client.read_tensor(image.plan.output_tensor, 10)
            assert output == interpret(model.flat, values).tobytes()


def test_its_plan_takes_no_ram() -> None:
    """An arena of all of the workspace runs from flash, and not beside a plan that was sent."""
    most = IMAGE.manifest.workspace_bytes // 32 * 32
    b = NetworkBuilder((1, most // 32, 16))
    b.max_pool2d(b.conv2d(b.input, 16, 1, use_bias=False), (1, 1))
    network = b.build()
    image = ModelImage.of(trained_from_tflite(random_model(network, 3)))
    assert image.plan.arena_bytes == most
    with open_backend(BOARD.name) as backend:
        assert backend.measure_network(network) is None
    with DeployedModel.open(BOARD.name, image) as deployed:
        assert deployed.measure().cycles > 0


def test_a_physical_board_that_holds_it_is_not_flashed() -> None:
    model, image = deployable()
    with (
        WiredBoard(virtual_client(BOARD, IMAGE, image).transport, BOARD.core.clock_hz) as board,
        DeployedModel.open(BOARD.name, image, port=board.port) as deployed,
    ):
        assert deployed.target.provenance is Provenance.MEASURED
        assert_same_outputs(deployed, model, images(model.network, 7))


def test_a_physical_board_that_holds_another_is_told() -> None:
    _, image = deployable()
    with (
        WiredBoard(virtual_client(BOARD, IMAGE).transport, BOARD.core.clock_hz) as board,
        pytest.raises(BoardMismatchError, match=f"not {image.sha256[:12]}"),
    ):
        DeployedModel.open(BOARD.name, image, port=board.port)


def test_a_board_with_a_model_measures_nothing_else() -> None:
    _, image = deployable()
    with (
        WiredBoard(virtual_client(BOARD, IMAGE, image).transport, BOARD.core.clock_hz) as board,
        open_backend(BOARD.name, port=board.port) as backend,
        pytest.raises(BoardMismatchError, match="pool_sha256"),
    ):
        backend.open()


def test_a_model_beside_the_firmware_is_what_a_probe_would_write() -> None:
    _, image = deployable()
    contents = flash_contents(IMAGE, image)
    with VirtualBoard(BOARD, IMAGE.elf, model_contents(IMAGE.manifest, image)) as board:
        for address, data in contents.items():
            assert board.memory(address, len(data)) == data


def test_what_has_no_room_is_refused_before_anything_is_written() -> None:
    b = NetworkBuilder((1024,))
    b.dense(b.input, 1024)
    large = ModelImage.of(trained_from_tflite(random_model(b.build(), 3)))
    with pytest.raises(PlanError, match="bytes of flash for parameters and plan, the board has"):
        DeployedModel.open(BOARD.name, large)
    b = NetworkBuilder((512, 512, 1))
    b.max_pool2d(b.input)
    wide = ModelImage.of(trained_from_tflite(random_model(b.build(), 3)))
    with pytest.raises(PlanError, match="bytes of RAM for its activations, the board has"):
        DeployedModel.open(BOARD.name, wide)


@pytest.mark.parametrize(
    "sample",
    [np.zeros((32, 32), np.int8), np.zeros((32, 32, 1), np.uint8), np.zeros((0,), np.int8)],
)
def test_a_sample_that_does_not_fit_is_refused(sample: Values) -> None:
    _, image = deployable()
    with (
        DeployedModel.open(BOARD.name, image) as deployed,
        pytest.raises(DatasetError, match=r"does not fit a model that reads \(32, 32, 1\) of int8"),
    ):
        list(deployed.outputs([sample]))


def holding(content: bytes) -> BoardClient:
    """A board with these bytes where a model would lie."""
    address = IMAGE.manifest.parameter_base - MODEL_HEADER.size
    return BoardClient(VirtualBoard(BOARD, IMAGE.elf, {address: content}))


def test_a_board_without_a_model_says_so() -> None:
    with (
        virtual_client(BOARD, IMAGE) as client,
        pytest.raises(BoardProtocolError, match="no model is deployed"),
    ):
        client.load_model()


@pytest.mark.parametrize(
    ("field", "value"),
    [(4, 2), (8, 33), (8, 1 << 31), (8, 0xFFFF_FFE0), (12, 1 << 20), (12, 0xFFFF_FFFF), (48, 7)],
)
def test_a_damaged_header_is_told_by_its_field(field: int, value: int) -> None:
    _, image = deployable()
    content = bytearray(image.header() + image.data)
    struct.pack_into("<I", content, field, value)
    with (
        holding(bytes(content)) as client,
        pytest.raises(BoardProtocolError, match=rf"damaged \({MODEL_FIELDS[field]} .*deploy it"),
    ):
        client.load_model()


def test_a_changed_weight_is_found() -> None:
    _, image = deployable()
    content = bytearray(image.header() + image.data)
    content[1000] ^= 1
    with holding(bytes(content)) as client, pytest.raises(BoardProtocolError, match="crc32"):
        client.load_model()
        client.run(step_count=1)


def test_after_a_damaged_model_there_is_nothing_to_run() -> None:
    with holding(b"HWMD" + bytes(60)) as client:
        with pytest.raises(BoardProtocolError, match="version"):
            client.load_model()
        with pytest.raises(BoardProtocolError, match="no plan"):
            client.run(step_count=1)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    changes=st.lists(st.tuples(st.integers(0, 1 << 17), st.integers(0, 255)), max_size=4),
    sealed=st.booleans(),
)
def test_whatever_lies_there_is_run_or_refused(
    changes: list[tuple[int, int]], sealed: bool
) -> None:
    """With a right CRC, changes get as far as the checks of the plan, and into the parameters."""
    _, image = deployable()
    content = bytearray(image.header() + image.data)
    for at, value in changes:
        content[at % len(content)] = value
    if sealed:
        struct.pack_into("<I", content, 48, zlib.crc32(content[64:]))
    with holding(bytes(content)) as client:
        refusal = refused(client.load_model)
        if refusal is None:
            client.run(step_count=len(image.plan.step_nodes))
        assert client.hello().board == BOARD.name
    if sealed and not changes:
        assert refusal is None


def refused(call: Callable[[], object]) -> HwnasError | None:
    try:
        call()
    except HwnasError as error:
        return error
    return None
