"""Layers that Hypothesis draws, of all int8 operators, on the firmware against TFLite for
Microcontrollers, bit for bit: shapes, strides, paddings, zero points, multipliers, extreme values.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from exactness_cases import of_one_operator
from flat_models import Extremes, random_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from network_strategies import layers
from oracle import Values, assert_exact, images, read_model

from hwnas.boards import load_board
from hwnas.device import BoardClient
from hwnas.firmware import find_image
from hwnas.network import DType, Layer, Network, Operator
from hwnas.virtual import VirtualBoard

OPERATORS = [operator for operator in Operator if operator is not Operator.RESHAPE]
LARGEST_BIAS = 1 << 30
"""With a sum of products it fits 32 bits, beyond which TFLite's arithmetic is undefined."""


@pytest.fixture(scope="module", params=["nucleo_l496zg", "nucleo_f767zi"])
def client(request: pytest.FixtureRequest) -> Iterator[BoardClient]:
    board: str = request.param
    with BoardClient(VirtualBoard(load_board(board), find_image(board).elf)) as opened:
        yield opened


def extremes() -> st.SearchStrategy[Extremes]:
    return st.builds(
        Extremes,
        wide=st.booleans(),
        gain=st.integers(0, 5),
        weight=st.sampled_from([None, None, -128, 127]),
        bias=st.sampled_from([None, None, -LARGEST_BIAS, LARGEST_BIAS]),
    )


def all_images(network: Network, seed: int) -> list[Values]:
    """Those of the other tests, and for int8 the ends of the range alone."""
    drawn = images(network, seed)
    if network.dtype_of(0) is DType.FLOAT32:
        return drawn
    return [*drawn, *(np.full_like(drawn[0], end) for end in (-128, 127))]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    layer=layers(OPERATORS, [DType.INT8], for_keras=True),
    extremes=extremes(),
    seed=st.integers(0, 1 << 32),
)
def test_a_drawn_layer_is_exact(
    client: BoardClient, layer: Layer, extremes: Extremes, seed: int
) -> None:
    network = of_one_operator(layer, np.random.default_rng(seed))
    model = read_model(random_model(network, seed, extremes))
    assert_exact(client, model, all_images(network, seed))
