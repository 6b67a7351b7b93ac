"""Random members of every space that ships are built, trained for a step and converted."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from converter_oracle import convert, converter_graph, network_graph, signature

from hwnas._tensorflow import import_keras
from hwnas.keras_io import to_keras
from hwnas.network import Network
from hwnas.spaces import list_spaces, load_space, random_networks

keras = import_keras()

MEMBERS = 10
BATCH = 2

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def train_a_step(model: Any, network: Network) -> None:
    """One step on random data."""
    last = model.trainable_weights[-1]
    before = np.array(last)
    # Eagerly: to compile the step of a deep network takes longer than the step.
    model.compile(keras.optimizers.Adam(), "mse", run_eagerly=True)
    rng = np.random.default_rng(0)
    x, y = (
        rng.normal(size=(BATCH, *shape)).astype(np.float32)
        for shape in (network.input_shape, network.output_shape)
    )
    assert np.isfinite(model.train_on_batch(x, y))
    # Rectifiers may hide the others from a single step.
    assert not np.array_equal(before, last)


def give_biases(model: Any) -> None:
    """Give biases a size that is seen in int8, else the converter leaves zeros of them.

    The weights stay: of ones as large as :func:`converter_oracle.randomize` makes them, values
    grow from layer to layer until a bias beside them is nothing.
    """
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        if len(weight.shape) == 1:
            weight.assign(rng.uniform(0.2, 0.5, weight.shape) * rng.choice([-1.0, 1.0]))


@pytest.mark.parametrize("name", list_spaces())
def test_members_train_and_the_converter_makes_the_same_of_them(name: str) -> None:
    for network in islice(random_networks(load_space(name), seed=7), MEMBERS):
        keras.backend.clear_session()
        model = to_keras(network)
        train_a_step(model, network)
        give_biases(model)
        assert signature(converter_graph(convert(model))) == signature(network_graph(network))
