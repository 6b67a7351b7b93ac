"""hwnas's own kernels where TFLite for Microcontrollers has no model to compare with.

Steps in place, what the interpreter refuses (a concatenation of eleven) and what networks never
hold (a requantization): plans packed by hand on the real firmware on the virtual board.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from flat_models import requantizing_model
from oracle import interpret
from small_plan import (
    ADD,
    CONCATENATION,
    FLOAT32,
    HALF,
    HARD_SWISH,
    LEAKY_RELU,
    LOGISTIC,
    MUL,
    NONE,
    QUANTIZE,
    RELU,
    REQUANTIZE,
    SOFTMAX,
    SUB,
    TANH,
    SmallPlan,
    float_bits,
)

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.firmware import find_image
from hwnas.kernels import CMSIS_NN, REFERENCE, KernelSet
from hwnas.plan import quantize_multiplier
from hwnas.virtual import VirtualBoard

SUM = (20, *HALF, 3 << 29, -3, 1 << 30, -18)
IN_PLACE = {
    SOFTMAX: (1 << 30, 23, -248),
    RELU: (3 << 29, 0),
    LEAKY_RELU: (1 << 30, -2, 3 << 29, 0),
    LOGISTIC: (120, 1 << 30, 24),
    TANH: (120, 1 << 30, 24),
    HARD_SWISH: (1 << 14, -6, 20000, 3),
    REQUANTIZE: (3 << 29, 0),
    ADD: SUM,
    SUB: SUM,
    MUL: (1 << 30, -6),
}
BINARY = (ADD, SUB, MUL)


@pytest.fixture(scope="module", params=["nucleo_l496zg", "nucleo_f767zi"])
def client(request: pytest.FixtureRequest) -> Iterator[BoardClient]:
    board: str = request.param
    with BoardClient(VirtualBoard(load_board(board), find_image(board).elf)) as opened:
        yield opened


@pytest.fixture(params=[CMSIS_NN, REFERENCE], ids=lambda kernels: kernels.name)
def kernels(request: pytest.FixtureRequest) -> KernelSet:
    chosen: KernelSet = request.param
    return chosen


def values(random: np.random.Generator, *shape: int) -> np.ndarray:
    return random.integers(-128, 128, shape, dtype=np.int8)


def run(
    client: BoardClient,
    kernels: KernelSet,
    operator: int,
    shape: tuple[int, int, int],
    overwritten: int,
) -> bytes:
    """The output of a step that overwrites none of its inputs (-1), the first or the second."""
    random = np.random.default_rng(operator)
    plan = SmallPlan(kernels=kernels)
    inputs = [plan.tensor(shape, zero_point=3), plan.tensor(shape, zero_point=-7)]
    for tensor in inputs:
        plan.contents[tensor] = values(random, *shape).tobytes()
    if overwritten < 0:
        output = plan.tensor(shape, zero_point=-5)
    else:
        output = plan.tensor_at(inputs[overwritten], zero_point=-5)
    plan.step(
        operator,
        inputs[0],
        output,
        input1=inputs[1] if operator in BINARY else NONE,
        p=IN_PLACE[operator],
    )
    (found,) = plan.case(inputs[0], output).run(client)
    return found


@pytest.mark.parametrize("shape", [(3, 3, 7), (9, 8, 10)], ids=str)
@pytest.mark.parametrize("operator", IN_PLACE)
def test_in_place_is_the_same(
    client: BoardClient, kernels: KernelSet, operator: int, shape: tuple[int, int, int]
) -> None:
    expected = run(client, kernels, operator, shape, -1)
    assert len(set(expected)) > 10
    for overwritten in range(2 if operator in BINARY else 1):
        assert run(client, kernels, operator, shape, overwritten) == expected


@pytest.mark.parametrize("axis", [-1, -2, -3])
def test_eleven_tensors_are_joined(client: BoardClient, axis: int) -> None:
    random = np.random.default_rng(-axis)
    plan = SmallPlan()
    parts = []
    tensors = []
    for _ in range(11):
        shape = [3, 4, 5]
        shape[axis] = int(random.integers(1, 9))
        parts.append(values(random, *shape))
        tensors.append(plan.tensor((shape[0], shape[1], shape[2])))
        plan.contents[tensors[-1]] = parts[-1].tobytes()
    expected = np.concatenate(parts, axis)
    output = plan.tensor(expected.shape)  # type: ignore[arg-type]
    p = (11, -1 - axis, *tensors[2:])
    plan.step(CONCATENATION, tensors[0], output, input1=tensors[1], p=p)
    assert plan.case(tensors[0], output).run(client) == [expected.tobytes()]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ((0.1, 3), (0.1, 3)),
        ((0.1, -128), (0.1, 0)),
        ((0.1, 3), (0.037, -20)),
        ((0.02, 127), (0.9, -128)),
        ((1.0, 5), (1e-3, 0)),
        ((1e-6, 5), (1.0, 0)),
    ],
)
def test_a_requantization_is_exact(
    client: BoardClient,
    kernels: KernelSet,
    source: tuple[float, int],
    target: tuple[float, int],
) -> None:
    image = np.arange(-128, 128, dtype=np.int8)
    for repeats in (1, 3):
        data = np.tile(image, repeats)
        plan = SmallPlan(kernels=kernels)
        tensors = [plan.tensor((1, 1, data.size), zero_point=q[1]) for q in (source, target)]
        plan.contents[tensors[0]] = data.tobytes()
        scales = [float(np.float32(q[0])) for q in (source, target)]
        plan.step(REQUANTIZE, *tensors, p=quantize_multiplier(scales[0] / scales[1]))
        (found,) = plan.case(tensors[0], tensors[1]).run(client)
        expected = interpret(requantizing_model(data.size, source, target), data)
        assert found == expected.tobytes()


def scaled(value: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    """TensorFlow Lite's MultiplyByQuantizedMultiplierSmallerThanOneExp."""
    high = (value * multiplier + (1 << 30)) >> 31
    mask = (1 << -shift) - 1
    rounded: np.ndarray = (high >> -shift) + ((high & mask) > (mask >> 1) + (high < 0))
    return rounded


@pytest.mark.parametrize("operator", [ADD, SUB])
def test_a_sum_with_any_factors_is_the_formula(
    client: BoardClient, kernels: KernelSet, operator: int
) -> None:
    """Shifts of 0 but for the factor 1/2 are never TensorFlow Lite's, yet plans may hold them."""
    random = np.random.default_rng(operator)
    for _ in range(12):
        first, second = values(random, 33), values(random, 33)
        p = [20]
        for least in (-3, -3, -25):
            p += [int(random.integers(0, 1 << 31)), int(random.choice([0, least]))]
        plan = SmallPlan(kernels=kernels)
        tensors = [plan.tensor((1, 1, 33), zero_point=z) for z in (9, -100, 4)]
        plan.contents = {tensors[0]: first.tobytes(), tensors[1]: second.tobytes()}
        plan.step(operator, tensors[0], tensors[2], input1=tensors[1], p=tuple(p))
        (found,) = plan.case(tensors[0], tensors[2]).run(client)
        x = scaled((first.astype(np.int64) - 9) << 20, p[1], p[2])
        y = scaled((second.astype(np.int64) + 100) << 20, p[3], p[4])
        expected = scaled(x - y if operator == SUB else x + y, p[5], p[6]) + 4
        assert found == np.clip(expected, -128, 127).astype(np.int8).tobytes()


def test_what_no_int8_stands_for_saturates(client: BoardClient) -> None:
    """TensorFlow Lite leaves open what becomes of these; docs/plan-format.md does not."""
    data = np.array([np.inf, -np.inf, np.nan, 3e38, -3e38, 1e-45, -1e-45], np.float32)
    for zero_point in (-128, 5, 127):
        plan = SmallPlan()
        source = plan.tensor((1, 1, data.size), FLOAT32)
        target = plan.tensor((1, 1, data.size), zero_point=zero_point)
        plan.contents[source] = data.tobytes()
        plan.step(QUANTIZE, source, target, p=(float_bits(1e-3),))
        (found,) = plan.case(source, target).run(client)
        expected = [127, -128, zero_point, 127, -128, zero_point, zero_point]
        assert np.frombuffer(found, np.int8).tolist() == expected
