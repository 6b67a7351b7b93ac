"""Every layer's output of whole networks against TFLite for Microcontrollers, bit for bit.

The deployed plan runs, in the arena that its tensors share; what a layer wrote is looked at when
the next one starts. ``HWNAS_LAYER_INPUTS=100`` takes 100 inputs for each network (three minutes)
instead of what CI takes, which is fewer for the large ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from networks import WHOLE
from oracle import Model, Values, convert, images, interpret_layers, read_model
from watched_board import WatchedBoard

from hwnas._tensorflow import import_keras
from hwnas.arena import plan_network_arena, tensor_bytes
from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.firmware import find_image
from hwnas.keras_io import to_keras
from hwnas.kernels import CMSIS_NN, REFERENCE, KernelSet
from hwnas.network import Network
from hwnas.plan import compile_plan

INPUTS = 100
BOARDS = ("nucleo_l496zg", "nucleo_f767zi")
"""One with each core for which the kernels are compiled otherwise."""
FEWER = {"resnet8": 20, "resnet20": 8, "mobilenet_v2": 8}


def input_count(name: str) -> int:
    return int(os.environ.get("HWNAS_LAYER_INPUTS", FEWER.get(name, INPUTS)))


@cache
def converted(name: str) -> Model:
    """What TFLite's converter makes of a network with random weights and biases.

    Its calibration keeps every layer's outputs apart, which scales drawn at random would not.
    """
    keras = import_keras()
    keras.utils.set_random_seed(3)
    keras_model = to_keras(WHOLE[name]())
    random = np.random.default_rng(3)
    for weight in keras_model.weights:
        if weight.path.endswith("bias"):
            weight.assign(random.normal(0, 0.1, weight.shape))
    return read_model(convert(keras_model))


def places(network: Network, kernels: KernelSet, base: int) -> list[tuple[int, int]]:
    """Where each step of a plan writes, in its order: an address and a number of bytes."""
    offsets = plan_network_arena(network, kernels).value_offsets
    return [
        (base + offsets[i + 1], tensor_bytes(network.shape_of(i + 1), network.dtype_of(i + 1)))
        for i, node in enumerate(network.nodes)
        if not node.layer.is_free
    ]


def differences(
    board_name: str, model: Model, inputs: list[Values], kernels: KernelSet = CMSIS_NN
) -> Iterator[str]:
    """Each layer and input for which the board's output is another one, and how they differ."""
    image, network = find_image(board_name), model.network
    plan = compile_plan(network, parameters=model.parameters, kernel_set=kernels.name)
    board = WatchedBoard(
        load_board(board_name), image.elf, {image.manifest.parameter_base: plan.parameter_data}
    )
    oracle = interpret_layers(model)
    with BoardClient(board) as client:
        client.load(plan.data)
        written = places(network, kernels, client.hello().workspace_base)
        for number, values in enumerate(inputs):
            expected = oracle(values)
            board.watch(written)
            client.write_tensor(0, values.tobytes())
            client.run(warmup=0, per_layer=False, fill_inputs=False, step_count=len(written))
            for i, output in zip(plan.step_nodes, board.outputs, strict=True):
                wanted = expected[i + 1]
                given = np.frombuffer(output, wanted.dtype)
                if (given != wanted).any():
                    wrong = np.flatnonzero(given != wanted)
                    yield (
                        f"input {number}, layer {i} ({network.layers[i].describe()}): "
                        f"{wrong.size} of {given.size} differ, at {wrong[:5]}: "
                        f"{wanted[wrong[:5]]} expected, {given[wrong[:5]]} found"
                    )


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("name", WHOLE)
def test_every_layer_is_exact(name: str, board: str) -> None:
    model = converted(name)
    inputs = images(model.network, 7, input_count(name))
    assert list(differences(board, model, inputs)) == []


@pytest.mark.parametrize("name", WHOLE)
def test_every_layer_is_exact_without_cmsis_nn(name: str) -> None:
    model = converted(name)
    inputs = images(model.network, 7)
    assert list(differences(BOARDS[0], model, inputs, REFERENCE)) == []


@pytest.mark.parametrize("name", WHOLE)
def test_no_layers_outputs_are_all_alike(name: str) -> None:
    """Else a wrong kernel could hide behind values that are saturated."""
    model = converted(name)
    outputs = map(interpret_layers(model), images(model.network, 7))
    for i, values in enumerate(zip(*outputs, strict=True)):
        assert len(set(np.concatenate(values).tolist())) > 1, i


def test_a_difference_is_found() -> None:
    """One weight that is another on the board."""
    model = converted("lenet")
    first, *rest = model.parameters.layers
    other = bytes([first.weights[0] ^ 0x40]) + first.weights[1:]
    layers = (replace(first, weights=other), *rest)
    changed = replace(model, parameters=replace(model.parameters, layers=layers))
    found = list(differences(BOARDS[0], changed, images(model.network, 7)))
    assert found and ", layer 0 (conv2d" in found[0]
