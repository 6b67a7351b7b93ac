"""The float kernels against TFLite for Microcontrollers: the same bits, but for exponentials.

On a Cortex-M7 products are fused with the sums they are added to, which rounds once less.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from exactness_cases import CASES, of_one_operator
from flat_models import random_model
from float_oracle import FEW_CASES, FUSED_ERROR, assert_close, compare
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from network_strategies import layers
from networks import cnn_1d, ds_cnn, lenet, resnet8
from oracle import Model, Values, images, read_model, run_on_board
from small_plan import (
    ADD,
    FLOAT32,
    HARD_SWISH,
    LEAKY_RELU,
    LOGISTIC,
    MUL,
    NONE,
    RELU,
    SOFTMAX,
    SUB,
    TANH,
    SmallPlan,
    float_bits,
)

from hwnas.boards import load_board
from hwnas.cost import static_cost
from hwnas.device import BoardClient
from hwnas.firmware import Variant, find_image
from hwnas.kernels import FLOAT32 as FLOAT_KERNELS
from hwnas.network import (
    PARAMETRIC,
    DType,
    Layer,
    Network,
    NetworkBuilder,
    Node,
    Operator,
    average_pool2d,
    binary,
    global_average_pool2d,
    global_max_pool2d,
    hard_swish,
    leaky_relu,
    logistic,
    max_pool2d,
    relu,
    relu6,
    softmax,
    tanh,
)
from hwnas.plan import compile_plan
from hwnas.virtual import VirtualBoard

BOARD = "nucleo_l496zg"
FLOAT_CASES = [name for name in CASES if not name.endswith("quantize")]


def opened(board: str, variant: Variant) -> BoardClient:
    return BoardClient(VirtualBoard(load_board(board), find_image(board, variant).elf))


@pytest.fixture(scope="module")
def client() -> Iterator[BoardClient]:
    with opened(BOARD, Variant()) as held:
        yield held


def case(name: str, seed: int) -> Model:
    random = np.random.default_rng([seed, *name.encode()])
    network = of_one_operator(CASES[name](random), random).as_dtype(DType.FLOAT32)
    model = read_model(random_model(network, seed))
    assert model.network == network
    return model


@pytest.mark.parametrize("name", FLOAT_CASES)
def test_an_operator_has_the_same_bits(client: BoardClient, name: str) -> None:
    model = case(name, 0)
    assert_close(client, model, images(model.network, 0))


@pytest.mark.parametrize(
    ("board", "variant", "error"),
    [
        ("nucleo_f767zi", Variant(), FUSED_ERROR),
        (BOARD, Variant(fpu=False), 0.0),
        (BOARD, Variant("Os"), 0.0),
        (BOARD, Variant("Ofast"), FUSED_ERROR),
    ],
    ids=lambda value: value.describe() if isinstance(value, Variant) else None,
)
def test_other_cores_and_variants_agree(board: str, variant: Variant, error: float) -> None:
    with opened(board, variant) as other:
        for name in FEW_CASES:
            model = case(name, 1)
            assert_close(other, model, images(model.network, 1), error)


def alone(layer: Layer) -> Network:
    network = Network(layer.input_shape, (Node(layer, (0,)),))
    return network.as_dtype(DType.FLOAT32)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    layer=layers(
        [o for o in Operator if not o.endswith(("quantize", "reshape"))],
        [DType.INT8],
        for_keras=True,
    ),
    seed=st.integers(0, 1 << 32),
)
def test_a_drawn_layer_has_the_same_bits(client: BoardClient, layer: Layer, seed: int) -> None:
    network = of_one_operator(layer, np.random.default_rng(seed)).as_dtype(DType.FLOAT32)
    assert_close(client, read_model(random_model(network, seed)), images(network, seed))


SPECIAL = np.array(
    [np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, -1e-45, 0.0, -0.0, 88.8, -88.8, -103.9, 16.7,
     -9.0, -9.001, 1.0],
    np.float32,
)  # fmt: skip
SHAPE = (4, 4, 1)


@pytest.mark.parametrize(
    "layer",
    [
        *(make(SHAPE) for make in (relu, relu6, leaky_relu, logistic, tanh, hard_swish)),
        *(make(SHAPE, 2) for make in (max_pool2d, average_pool2d)),
        *(make(SHAPE) for make in (global_max_pool2d, global_average_pool2d)),
        softmax((16,)),
        binary(Operator.ADD, SHAPE, operand=(1,), activation="relu"),
        binary(Operator.MUL, SHAPE, operand=(1,), activation="relu6"),
    ],
    ids=Layer.describe,
)
def test_what_is_no_number_or_no_end_is_carried_on(client: BoardClient, layer: Layer) -> None:
    network = alone(layer)
    inputs: list[Values] = [SPECIAL, SPECIAL[3:].repeat(2)[:16], np.full(16, -np.inf, np.float32)]
    assert_close(client, read_model(random_model(network, 0)), inputs)


@pytest.mark.parametrize("variant", [Variant(), Variant("Ofast")], ids=Variant.describe)
def test_exponentials_are_precise_everywhere(variant: Variant) -> None:
    """To three units in the last place, and without cancellation around 0."""
    steps = np.linspace(-2, 2, 1000)
    points = np.concatenate([steps * 52, steps, steps * 1e-3, np.geomspace(1e-38, 100, 1000)])
    x = np.concatenate([points, -points]).astype(np.float32)
    exact = x.astype(np.float64)
    # As TensorFlow Lite has it: the exponential itself below -9.
    sigmoid = np.where(x < -9, np.exp(exact), 1 / (1 + np.exp(-exact)))
    with opened(BOARD, variant) as board:
        for layer, wanted in ((logistic((x.size,)), sigmoid), (tanh((x.size,)), np.tanh(exact))):
            model = read_model(random_model(alone(layer), 0))
            (found,) = run_on_board(board, model, [x], FLOAT_KERNELS.name)
            unit = np.spacing(np.abs(wanted.astype(np.float32))).astype(np.float64)
            assert (np.abs(found - wanted) / unit).max() < 3, layer.describe()


IN_PLACE = (SOFTMAX, RELU, LEAKY_RELU, LOGISTIC, TANH, HARD_SWISH, ADD, SUB, MUL)
BINARY = (ADD, SUB, MUL)


def run_step(client: BoardClient, operator: int, overwritten: int) -> bytes:
    """The output of a step that overwrites none of its inputs (-1), the first or the second."""
    random = np.random.default_rng(operator)
    plan = SmallPlan(kernels=FLOAT_KERNELS)
    inputs = [plan.tensor((3, 3, 7), FLOAT32) for _ in range(2)]
    for tensor in inputs:
        plan.contents[tensor] = random.normal(0, 3, 63).astype(np.float32).tobytes()
    new = overwritten < 0
    output = plan.tensor((3, 3, 7), FLOAT32) if new else plan.tensor_at(inputs[overwritten])
    plan.step(
        operator,
        inputs[0],
        output,
        input1=inputs[1] if operator in BINARY else NONE,
        bounds=(float_bits(-1.5), float_bits(math.inf)),
        p=(float_bits(0.3),) if operator == LEAKY_RELU else (),
    )
    (found,) = plan.case(inputs[0], output).run(client)
    return found


@pytest.mark.parametrize("operator", IN_PLACE)
def test_in_place_is_the_same(client: BoardClient, operator: int) -> None:
    expected = run_step(client, operator, -1)
    assert len(set(expected)) > 10
    for overwritten in range(2 if operator in BINARY else 1):
        assert run_step(client, operator, overwritten) == expected


def run_from_flash(board: str, model: Model, inputs: list[Values]) -> list[Values]:
    """The outputs of a deployed model, whose parameters need not fit into RAM."""
    image = find_image(board)
    plan = compile_plan(model.network, parameters=model.parameters)
    flash = {image.manifest.parameter_base: plan.parameter_data}
    outputs: list[Values] = []
    with BoardClient(VirtualBoard(load_board(board), image.elf, flash)) as client:
        client.load(plan.data)
        for value in inputs:
            client.write_tensor(plan.input_tensor, value.tobytes())
            client.run(warmup=0, fill_inputs=False, step_count=len(plan.step_nodes))
            size = 4 * math.prod(model.network.output_shape)
            found = client.read_tensor(plan.output_tensor, size)
            outputs.append(np.frombuffer(found, np.float32))
    return outputs


@pytest.mark.parametrize("board", [BOARD, "nucleo_f767zi"])
@pytest.mark.parametrize("make", [lenet, resnet8, ds_cnn, cnn_1d])
def test_a_whole_network_agrees(make: Callable[[], Network], board: str) -> None:
    network = make().as_dtype(DType.FLOAT32)
    assert network.layers[-1].operator is Operator.SOFTMAX
    without_softmax = Network(network.input_shape, network.nodes[:-1], network.dtype)
    # Sigmoids within a network differ by a unit in the last place, and what follows by more.
    error = FUSED_ERROR if board != BOARD or make is cnn_1d else 0.0
    for part in (network, without_softmax):
        model = read_model(random_model(part, 5))
        inputs = images(part, 5)[:1]
        compare(model, inputs, run_from_flash(board, model, inputs), error)


@pytest.mark.parametrize("make", [lenet, resnet8, ds_cnn, cnn_1d])
def test_the_static_cost_is_that_of_the_deployed_plan(make: Callable[[], Network]) -> None:
    model = read_model(random_model(make().as_dtype(DType.FLOAT32), 0))
    network = model.network
    cost = static_cost(network)
    plan = compile_plan(network, parameters=model.parameters)
    assert cost.arena_bytes == plan.arena_bytes
    assert cost.flash_bytes == len(plan.data) + len(plan.parameter_data)
    tensors = sum(1 + layer.use_bias for layer in network.layers if layer.operator in PARAMETRIC)
    assert 0 <= len(plan.parameter_data) - 4 * cost.parameters < 32 * tensors


def test_an_activation_takes_four_bytes() -> None:
    b = NetworkBuilder((64,), DType.FLOAT32)
    b.dense(b.dense(b.input, 33), 10)
    assert static_cost(b.build()).arena_bytes == 4 * 64 + 4 * 36  # aligned to 16 bytes


def test_the_set_takes_little_flash() -> None:
    """All sets share 64 KiB with the rest of the firmware."""
    assert find_image(BOARD).manifest.kernels["float32"].code_bytes <= 10 << 10
