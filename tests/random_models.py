"""Random functional Keras models: branches, residuals, concatenations, norms in every position."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from hwnas._tensorflow import import_keras

_ACTIVATIONS = (
    "relu", "relu6", "sigmoid", "tanh", "hard_silu", "silu", "leaky_relu", "hard_sigmoid",
    "softmax", "linear",
)  # fmt: skip
_FOREIGN = ("elu", "gelu", "softplus", "softsign", "log_softmax")
"""Activations that the firmware lacks."""


class ModelMaker:
    """One random model.

    Args:
        seed: Of all choices.
    """

    def __init__(self, seed: int) -> None:
        keras = import_keras()
        self._keras, self._layers = keras, keras.layers
        self._random = random.Random(seed)
        self._dilated: set[int] = set()

    def make(self) -> Any:
        """A model with one input and one output."""
        draw = self._random
        shape = draw.choice([(8, 8, 4), (7, 6, 3), (6, 8, 1), (12, 4), (9, 3), (10,)])
        inputs = self._keras.Input(shape)
        x = inputs
        for _ in range(draw.randint(1, 4)):
            x = self._block(x)
        if len(x.shape) > 2 and draw.random() < 0.5:
            x = self._head(x)
        if x is inputs:
            x = self._layers.ReLU()(x)
        return self._keras.Model(inputs, x)

    def _block(self, x: Any) -> Any:
        kinds = [self._chain, self._chain, self._residual, self._joined, self._arithmetic]
        if len(x.shape) > 2:
            kinds += [self._squeeze_excite, self._inception]
        return self._random.choice(kinds)(x)

    def _chain(self, x: Any) -> Any:
        for _ in range(self._random.randint(1, 3)):
            x = self._random.choice(self._parts(x))(x)
        return x

    def _parts(self, x: Any) -> list[Callable[[Any], Any]]:
        parts = [self._weighted, self._weighted, self._norm, self._activation, self._constant]
        if len(x.shape) > 2:
            parts += [self._pool, self._padding, self._reshape]
        return parts

    def _residual(self, x: Any) -> Any:
        y = self._weighted_like(self._chain_keeping(x), x.shape[-1])
        merge = self._random.choice(["Add", "Add", "Subtract", "Multiply", "Average"])
        pair = [x, y] if self._random.random() < 0.5 else [y, x]
        z = getattr(self._layers, merge)()(pair)
        return self._maybe(self._activation, self._maybe(self._norm, z))

    def _joined(self, x: Any) -> Any:
        parts = [self._chain_keeping(x) for _ in range(self._random.randint(1, 3))]
        if self._random.random() < 0.5 or len(parts) < 2:
            parts.append(x)
        self._random.shuffle(parts)
        return self._maybe(self._activation, self._layers.Concatenate()(parts))

    def _inception(self, x: Any) -> Any:
        pool = self._layers.MaxPooling1D if len(x.shape) == 3 else self._layers.MaxPooling2D
        parts = [self._weighted_like(x, 3), self._weighted_like(x, 4, activation="relu")]
        parts.append(pool(3, 1, padding="same")(x))
        return self._layers.Concatenate()(parts)

    def _squeeze_excite(self, x: Any) -> Any:
        layers, channels = self._layers, x.shape[-1]
        pool = getattr(layers, f"GlobalAveragePooling{len(x.shape) - 2}D")
        gate = self._random.choice(["sigmoid", "hard_sigmoid"])
        s = layers.Dense(2, activation="relu")(pool()(x))
        s = layers.Dense(channels, activation=gate)(s)
        return layers.Multiply()([x, layers.Reshape((1,) * (len(x.shape) - 2) + (channels,))(s)])

    def _arithmetic(self, x: Any) -> Any:
        y = self._weighted_like(x, x.shape[-1])
        draw = self._random
        z = draw.choice([lambda: x + y, lambda: x - y, lambda: x * y, lambda: y + y])()
        return self._maybe(self._constant, z)

    def _chain_keeping(self, x: Any) -> Any:
        """Layers that keep all axes but the channels."""
        for _ in range(self._random.randint(0, 2)):
            parts = [self._norm, self._activation, self._constant]
            parts += [lambda x: self._weighted_like(x, self._random.randint(2, 5))] * 2
            x = self._random.choice(parts)(x)
        return x

    def _weighted(self, x: Any) -> Any:
        draw, layers, rank = self._random, self._layers, len(x.shape) - 1
        if rank == 1:
            return layers.Dense(draw.randint(2, 6), **self._options())(x)
        side = min(x.shape[1:-1])
        kernel = draw.randint(1, min(3, side))
        options = self._options() | {"padding": draw.choice(["same", "valid"])}
        options["strides"] = draw.choice([1, 1, 2])
        if options["strides"] == 1 and id(x) not in self._dilated and side > 2 * kernel:
            options["dilation_rate"] = draw.choice([1, 1, 2])
            self._dilated.add(id(x))
        kind = draw.choice(["Conv", "Conv", "DepthwiseConv", "SeparableConv"])
        make = getattr(layers, f"{kind}{rank - 1}D")
        if kind == "DepthwiseConv":
            return make(kernel, depth_multiplier=draw.choice([1, 1, 2]), **options)(x)
        if kind == "Conv" and x.shape[-1] % 2 == 0 and draw.random() < 0.2:
            options["groups"] = 2
            return make(4, kernel, **options)(x)
        if kind == "Conv" and rank == 2 and draw.random() < 0.3:
            options["padding"] = "causal"
        return make(draw.randint(2, 6), kernel, **options)(x)

    def _weighted_like(self, x: Any, channels: int, **options: Any) -> Any:
        options = self._options() | options
        if len(x.shape) == 2:
            return self._layers.Dense(channels, **options)(x)
        make = self._layers.Conv1D if len(x.shape) == 3 else self._layers.Conv2D
        return make(channels, self._random.choice([1, 3]), padding="same", **options)(x)

    def _options(self) -> dict[str, Any]:
        draw = self._random
        function = draw.choice(_ACTIVATIONS) if draw.random() < 0.4 else None
        return {"use_bias": draw.random() < 0.5, "activation": function}

    def _norm(self, x: Any) -> Any:
        return self._layers.BatchNormalization()(x)

    def _activation(self, x: Any) -> Any:
        draw, layers = self._random, self._layers
        if draw.random() < 0.03:
            return layers.Activation(draw.choice(_FOREIGN))(x)
        if draw.random() < 0.4:
            return draw.choice([layers.ReLU(), layers.ReLU(6.0), layers.LeakyReLU()])(x)
        return layers.Activation(draw.choice(_ACTIVATIONS))(x)

    def _constant(self, x: Any) -> Any:
        draw = self._random
        single = round(draw.uniform(0.2, 2.7), 3)
        vector = np.linspace(0.3, single, x.shape[-1], dtype=np.float32)
        value = single if draw.random() < 0.6 else vector
        made: list[Callable[[], Any]] = [
            lambda: x + value,
            lambda: x - value,
            lambda: self._keras.ops.subtract(value, x),
            lambda: x * value,
            lambda: x / value,
            lambda: self._layers.Rescaling(single, draw.choice([0.0, -1.0]))(x),
        ]
        return draw.choice(made)()

    def _pool(self, x: Any) -> Any:
        draw, dims = self._random, len(x.shape) - 2
        if min(x.shape[1:-1]) < 2:
            return self._activation(x)
        make = getattr(self._layers, f"{draw.choice(['Max', 'Average'])}Pooling{dims}D")
        return make(2, draw.choice([1, 2]), padding=draw.choice(["same", "valid"]))(x)

    def _padding(self, x: Any) -> Any:
        dims = len(x.shape) - 2
        zeros = self._random.choice([1, 1, 2])
        x = getattr(self._layers, f"ZeroPadding{dims}D")(zeros)(x)
        return self._weighted(x) if self._random.random() < 0.7 else x

    def _reshape(self, x: Any) -> Any:
        first, *rest = x.shape[1:]
        if len(rest) == 1:
            return self._layers.Reshape((1, first, *rest))(x)
        return self._layers.Reshape((rest[0], first, rest[1]))(x)

    def _head(self, x: Any) -> Any:
        layers, draw, dims = self._layers, self._random, len(x.shape) - 2
        pools = [
            getattr(layers, f"Global{kind}Pooling{dims}D")(keepdims=keep)
            for kind in ("Average", "Max")
            for keep in (False, True)
        ]
        x = layers.Flatten()(draw.choice([lambda x: x, *pools])(x))
        x = self._maybe(self._norm, x)
        return layers.Dense(3, activation=draw.choice(["softmax", "sigmoid", None]))(x)

    def _maybe(self, part: Callable[[Any], Any], x: Any) -> Any:
        return part(x) if self._random.random() < 0.5 else x
