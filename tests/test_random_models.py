"""``from_keras`` and ``from_tflite`` against the converter's operators, over random models.

``HWNAS_RANDOM_MODELS=200`` runs 200 of them (two minutes) instead of the few that CI runs, and
``HWNAS_RANDOM_MODELS=1000:50`` those from seed 1,000 on.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from converter_oracle import (
    convert,
    converter_graph,
    has_left_out_habit,
    network_graph,
    randomize,
    signature,
    unknown_operators,
)
from random_models import ModelMaker

from hwnas._tensorflow import import_keras
from hwnas.errors import UnsupportedLayerError
from hwnas.keras_io import from_keras, to_keras
from hwnas.network import DType
from hwnas.tflite_io import from_tflite

keras = import_keras()

SLICE = "0:30"
CHUNK = 10
FIRST, COUNT = map(int, ("0:" + os.environ.get("HWNAS_RANDOM_MODELS", SLICE)).split(":")[-2:])

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def judge(seed: int, dtype: DType = DType.INT8) -> str:
    """How the converter and ``from_keras`` agree on a model; fails where they do not."""
    keras.backend.clear_session()
    model = randomize(ModelMaker(seed).make())
    flat = convert(model, quantized=dtype is DType.INT8)
    graph = converter_graph(flat)
    try:
        network = from_keras(model, dtype)
    except UnsupportedLayerError as error:
        assert unknown_operators(graph), (
            f"seed {seed}: the converter has operators for all: {error}"
        )
        return "typed error"
    assert signature(network_graph(from_tflite(flat))) == signature(graph), f"seed {seed}"
    if signature(network_graph(network)) != signature(graph):
        assert has_left_out_habit(network), f"seed {seed}"
        return "left out"
    assert from_keras(to_keras(network), dtype) == network, f"seed {seed}"
    return "equal"


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, CHUNK))
def test_random_models_are_read_as_the_converter_reads_them(first: int) -> None:
    seeds = range(first, min(first + CHUNK, FIRST + COUNT))
    verdicts = Counter(judge(seed) for seed in seeds)
    assert verdicts["equal"] >= len(seeds) // 2, verdicts


def test_unquantized_models_are_read_as_the_converter_reads_them() -> None:
    seeds = range(2000, 2000 + CHUNK)
    verdicts = Counter(judge(seed, DType.FLOAT32) for seed in seeds)
    assert verdicts["equal"] >= CHUNK // 2, verdicts
