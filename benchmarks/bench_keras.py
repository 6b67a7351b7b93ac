"""Reading a Keras model, what its shapes alone tell, and its plan: the first steps of a candidate.

The model is ResNet-20 as people write it, with a BatchNormalization behind each convolution.
Tensorflow is loaded before the clock starts. Layers that were priced once are remembered, so the
static cost is taken with and without that memory.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

from _report import seconds_each, show

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from networks import WHOLE

from hwnas._tensorflow import import_keras
from hwnas.arena import plan_network_arena
from hwnas.cost import layer_cost, static_cost
from hwnas.keras_io import from_keras, to_keras
from hwnas.network import Network
from hwnas.plan import PoolLayout, compile_plan

REPEATS = 50
Row = tuple[str, list[float], str, str]


def main() -> None:
    warnings.simplefilter("ignore")
    model = resnet20()
    network = from_keras(model)
    pool = PoolLayout.for_region(1 << 20)

    def forgetful() -> None:
        layer_cost.cache_clear()
        static_cost(network)

    show(
        f"ResNet-20, {len(model.layers)} Keras layers, {len(network.nodes)} nodes",
        [
            ("from_keras", milliseconds(lambda: from_keras(model)), "ms", "20 or less"),
            ("static cost with arena, new layers", milliseconds(forgetful), "ms", "2 or less"),
            ("the same, known layers", milliseconds(lambda: static_cost(network)), "ms", ""),
            ("its arena alone", milliseconds(lambda: plan_network_arena(network)), "ms", ""),
            ("its plan", milliseconds(lambda: compile_plan(network, pool=pool)), "ms", "2 or less"),
        ],
    )
    show("other networks", [row for name, make in WHOLE.items() for row in rows_of(name, make())])


def rows_of(name: str, network: Network) -> list[Row]:
    model = to_keras(network)
    return [
        (f"{name}: from_keras", milliseconds(lambda: from_keras(model)), "ms", ""),
        (f"{name}: arena", milliseconds(lambda: plan_network_arena(network)), "ms", ""),
    ]


def milliseconds(run: Any) -> list[float]:
    return [seconds * 1e3 for seconds in seconds_each(run, REPEATS)]


def resnet20() -> Any:
    keras = import_keras()
    layers = keras.layers

    def normalized(x: Any, filters: int, kernel: int, strides: int) -> Any:
        x = layers.Conv2D(filters, kernel, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(normalized(inputs, 16, 3, 1))
    for stage in range(3):
        for block in range(3):
            strides = 2 if stage and not block else 1
            y = layers.ReLU()(normalized(x, 16 << stage, 3, strides))
            y = normalized(y, 16 << stage, 3, 1)
            short = x if strides == 1 else normalized(x, 16 << stage, 1, strides)
            x = layers.ReLU()(layers.Add()([short, y]))
    x = layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, x)


if __name__ == "__main__":
    main()
