"""Keras models of all that hwnas reads, for the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hwnas._tensorflow import import_keras

keras = import_keras()
layers = keras.layers

Build = Callable[[], Any]
MAP = (8, 8, 4)


def sequential(shape: tuple[int | None, ...], *parts: Any) -> Any:
    return keras.Sequential([keras.Input(shape), *parts])


def functional(shape: tuple[int, ...], body: Callable[[Any], Any]) -> Any:
    inputs = keras.Input(shape)
    return keras.Model(inputs, body(inputs))


def same_conv(**options: Any) -> Any:
    return layers.Conv2D(4, 3, padding="same", **options)


def lenet() -> Any:
    return sequential(
        (32, 32, 1),
        layers.Conv2D(6, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(24, activation="relu"),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    )


def resnet8() -> Any:
    def normalized(x: Any, filters: int, kernel: int, strides: int) -> Any:
        x = layers.Conv2D(filters, kernel, strides, padding="same")(x)
        return layers.BatchNormalization()(x)

    def body(x: Any) -> Any:
        x = layers.ReLU()(normalized(x, 8, 3, 1))
        for filters, strides in ((8, 1), (12, 2), (16, 2)):
            y = layers.ReLU()(normalized(x, filters, 3, strides))
            y = normalized(y, filters, 3, 1)
            short = x if strides == 1 else normalized(x, filters, 1, strides)
            x = layers.ReLU()(layers.Add()([short, y]))
        x = layers.AveragePooling2D(4)(x)
        return layers.Dense(10, activation="softmax")(layers.Flatten()(x))

    return functional((16, 16, 3), body)


def ds_cnn() -> Any:
    parts = [layers.Conv2D(8, (10, 4), (2, 2), padding="same", use_bias=False)]
    for _ in range(2):
        parts += [layers.BatchNormalization(), layers.ReLU()]
        parts += [layers.DepthwiseConv2D(3, padding="same")]
        parts += [layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(8, 1, use_bias=False)]
    parts += [layers.BatchNormalization(), layers.ReLU(), layers.Dropout(0.2)]
    parts += [layers.GlobalAveragePooling2D(), layers.Dense(12), layers.Softmax()]
    return sequential((25, 10, 1), *parts)


def mobilenet() -> Any:
    def body(x: Any) -> Any:
        x = layers.Conv2D(8, 3, 2, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        for filters, strides in ((8, 1), (12, 2), (12, 1)):
            y = layers.Conv2D(24, 1, use_bias=False)(x)
            y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
            if strides == 2:
                y = layers.ZeroPadding2D(((0, 1), (0, 1)))(y)
            padding = "valid" if strides == 2 else "same"
            y = layers.DepthwiseConv2D(3, strides, padding=padding, use_bias=False)(y)
            y = layers.ReLU(6.0)(layers.BatchNormalization()(y))
            y = layers.BatchNormalization()(layers.Conv2D(filters, 1, use_bias=False)(y))
            x = layers.Add()([x, y]) if x.shape == y.shape else y
        x = layers.GlobalAveragePooling2D(keepdims=True)(x)
        return layers.Dense(5, activation="softmax")(layers.Flatten()(layers.Dropout(0.1)(x)))

    return functional((16, 16, 3), body)


def separable() -> Any:
    return sequential(
        MAP,
        layers.ZeroPadding2D(1),
        layers.SpatialDropout2D(0.1),
        layers.SeparableConv2D(6, 3, activation="relu6"),
        layers.SeparableConv2D(5, 3, 2, padding="same", depth_multiplier=2, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.GaussianNoise(0.1),
        layers.SeparableConv2D(3, 3, dilation_rate=2, padding="same"),
    )


def zeros_that_vanish() -> Any:
    def body(x: Any) -> Any:
        padded = layers.ZeroPadding2D(1)(x)
        x = layers.Add()([layers.Conv2D(4, 3)(padded), layers.DepthwiseConv2D(3)(padded)])
        x = layers.Conv2D(4, 3, dilation_rate=2)(layers.ZeroPadding2D(2)(x))
        x = layers.Conv2D(4, 3, 2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(x))
        x = layers.Conv2D(4, (3, 1))(layers.ZeroPadding2D((1, 0))(x))
        return layers.Conv2D(4, 3)(layers.ZeroPadding2D(0)(x))

    return functional(MAP, body)


def unfused_where_others_read() -> Any:
    def body(x: Any) -> Any:
        x = same_conv()(x)
        x = layers.Add()([layers.ReLU()(x), same_conv()(x)])
        x = layers.Add()([layers.ReLU(6.0)(x), same_conv(activation="relu")(x)])
        x = layers.BatchNormalization()(same_conv()(x))
        return layers.Add()([same_conv()(x), layers.ReLU()(x)])

    return functional(MAP, body)


def fused_into_pools_and_sums() -> Any:
    def body(x: Any) -> Any:
        x = layers.Add()([x, same_conv()(x), same_conv()(x)])
        x = layers.MaxPooling2D(3, 1, padding="same")(layers.ReLU()(x))
        x = layers.AveragePooling2D(2)(layers.ReLU()(x))
        x = layers.GlobalAveragePooling2D()(layers.ReLU(6.0)(x))
        return layers.ReLU()(x)

    return functional(MAP, body)


def rectified_twice() -> Any:
    return sequential(
        MAP,
        layers.ReLU(),
        layers.ReLU(),
        layers.Conv2D(4, 3, activation="relu"),
        layers.ReLU(),
        layers.ReLU(6.0),
        layers.Conv2D(4, 3, activation="relu6"),
        layers.ReLU(),
    )


def activations_behind_reshapes() -> Any:
    return sequential(
        MAP,
        same_conv(),
        layers.Reshape((16, 4, 4)),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Reshape((64, 4)),
        layers.Flatten(),
        layers.ReLU(),
        layers.Dense(5),
        layers.Reshape((5, 1)),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dense(3),
    )


def norms_around_dense() -> Any:
    return sequential(
        (12,),
        layers.BatchNormalization(),
        layers.Dense(9, activation="relu"),
        layers.BatchNormalization(),
        layers.Dense(7),
        layers.BatchNormalization(scale=False, center=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Dense(3, activation="softmax"),
    )


def norm_before_two_dense() -> Any:
    def body(x: Any) -> Any:
        x = layers.BatchNormalization()(layers.Dense(8, activation="relu")(x))
        return layers.Add()([layers.Dense(3)(x), layers.Dense(3)(x)])

    return functional((12,), body)


def computed_twice() -> Any:
    def body(x: Any) -> Any:
        y = same_conv()(x)
        y = layers.Add()([same_conv()(layers.ReLU()(y)), same_conv()(layers.ReLU()(y))])
        return layers.Add()([same_conv()(layers.MaxPooling2D()(z)) for z in (y, y)])

    return functional(MAP, body)


def nested() -> Any:
    inner = sequential(MAP, same_conv(), layers.BatchNormalization())
    block = functional(MAP, lambda x: layers.Add()([x, inner(x)]))
    return sequential(MAP, block, layers.ReLU(), layers.Flatten(), layers.Dense(3))


def operations_without_layers() -> Any:
    def body(x: Any) -> Any:
        x = keras.ops.relu6(keras.ops.relu(same_conv()(x)) + x + x)
        return keras.ops.divide(x, 3.0) - keras.ops.amax(x, axis=(1, 2), keepdims=True)

    return functional(MAP, body)


def activations_without_layers() -> Any:
    def body(x: Any) -> Any:
        x = keras.activations.relu(same_conv()(x), max_value=6)
        x = keras.activations.relu(same_conv()(x))
        x = keras.ops.hard_silu(same_conv()(keras.ops.silu(same_conv()(x))))
        x = keras.ops.hard_sigmoid(same_conv()(keras.ops.sigmoid(x)))
        return keras.activations.softmax(keras.ops.softmax(same_conv()(x)))

    return functional(MAP, body)


def augmented() -> Any:
    return sequential(
        MAP,
        layers.RandomFlip(),
        layers.RandomRotation(0.1),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomZoom(0.1),
        layers.RandomContrast(0.1),
        layers.RandomBrightness(0.1),
        same_conv(),
    )


def regularized() -> Any:
    return sequential(
        MAP,
        layers.GaussianDropout(0.1),
        same_conv(),
        layers.ActivityRegularization(0.1),
        layers.AlphaDropout(0.1),
        layers.Identity(),
        layers.Reshape((64, 4)),
        layers.SpatialDropout1D(0.1),
        layers.Conv1D(3, 3),
    )


def called_in_training() -> Any:
    def body(x: Any) -> Any:
        x = layers.BatchNormalization()(same_conv(use_bias=False)(x), training=True)
        x = sequential(MAP, layers.GaussianNoise(0.1), same_conv())(x, training=True)
        return layers.ReLU()(layers.Dropout(0.5)(x, training=True))

    return functional(MAP, body)


def windows_of_all_kinds() -> Any:
    return sequential(
        (19, 17, 3),
        layers.Conv2D(4, (3, 5), (1, 2), use_bias=False),
        layers.DepthwiseConv2D((1, 3), depth_multiplier=3, padding="same", use_bias=False),
        layers.Conv2D(4, 3, dilation_rate=(1, 2), padding="same", activation="relu"),
        layers.DepthwiseConv2D(3, dilation_rate=2),
        layers.MaxPooling2D((3, 2), 2, padding="same"),
        layers.AveragePooling2D((2, 3), (1, 2), padding="same"),
        layers.Conv2D(2, 4, 3, padding="same"),
        layers.Softmax(),
    )


def keyword_spotting_1d() -> Any:
    parts: list[Any] = [layers.ZeroPadding1D(1), layers.Conv1D(6, 3, 2, use_bias=False)]
    parts += [layers.BatchNormalization(), layers.ReLU(), layers.MaxPooling1D(2)]
    parts += [layers.DepthwiseConv1D(3, 2, padding="same", depth_multiplier=2)]
    parts += [layers.Activation("hard_silu"), layers.SeparableConv1D(5, 3, activation="relu6")]
    parts += [layers.AveragePooling1D(2, 1, padding="same"), layers.LeakyReLU()]
    return sequential((40, 4), *parts, layers.GlobalAveragePooling1D(), layers.Dense(3))


def temporal_convolutions() -> Any:
    def body(x: Any) -> Any:
        for rate in (1, 2, 4):
            y = layers.Conv1D(4, 3, padding="causal", dilation_rate=rate, activation="relu")(x)
            x = layers.ReLU()(layers.Add()([layers.BatchNormalization()(y), x]))
        x = layers.Concatenate()([layers.GlobalMaxPooling1D()(x), layers.Flatten()(x)])
        return layers.Dense(3, activation="sigmoid")(x)

    return functional((12, 4), body)


def squeeze_and_excite() -> Any:
    def gated(x: Any, gate: str) -> Any:
        s = layers.GlobalAveragePooling2D(keepdims=True)(x)
        s = layers.Conv2D(2, 1, activation="relu")(s)
        return layers.Multiply()([x, layers.Conv2D(4, 1, activation=gate)(s)])

    def body(x: Any) -> Any:
        x = gated(same_conv(activation="hard_silu")(x), "sigmoid")
        x = gated(same_conv(groups=2, activation="silu")(x), "hard_sigmoid")
        s = layers.Dense(4, activation="sigmoid")(layers.GlobalMaxPooling2D()(x))
        return layers.Multiply()([x, s])

    return functional(MAP, body)


def norms_that_stay() -> Any:
    def body(x: Any) -> Any:
        x = layers.BatchNormalization()(x)
        x = layers.BatchNormalization()(same_conv(activation="relu")(x))
        y = layers.BatchNormalization()(layers.MaxPooling2D(3, 1, padding="same")(x))
        x = layers.ReLU(6.0)(layers.BatchNormalization()(layers.Add()([x, y])))
        x = layers.Concatenate()([x, layers.BatchNormalization()(x)])
        return layers.Dense(3, use_bias=False)(layers.BatchNormalization()(layers.Flatten()(x)))

    return functional(MAP, body)


def arithmetic() -> Any:
    def body(x: Any) -> Any:
        vector = np.linspace(0.1, 0.9, 4, dtype=np.float32)
        y = same_conv()(layers.Rescaling(1 / 127.5, -1.0)(x))
        z = layers.Average()([y, x, layers.Subtract()([x, y])])
        y = (z + 0.5) * y / 3.0 - layers.MaxPooling2D(3, 1, padding="same")(x)
        y = keras.ops.tanh(keras.ops.multiply(y, vector) - vector + vector)
        return keras.ops.leaky_relu(2.0 + y * y) - keras.ops.mean(z, axis=(1, 2), keepdims=True)

    return functional(MAP, body)


def constants_that_fold() -> Any:
    def body(x: Any) -> Any:
        vector = np.linspace(0.1, 0.9, 4, dtype=np.float32)
        x = layers.Conv2D(4, 3, use_bias=False)((x - 1.0) * 2.0)
        x = same_conv(use_bias=False)(layers.ReLU()(x * vector - vector) / 4.0)
        x = layers.Reshape((9, 4, 4))(x) + 1.0
        x = layers.Dense(4, use_bias=False)(layers.Flatten()(layers.MaxPooling2D(4)(x)) + 2.0)
        x = layers.Dense(4, activation="relu")(layers.ReLU()(x * vector) + vector)
        return layers.Dense(4)(x * vector) + vector

    return functional(MAP, body)


def zeros_that_stay() -> Any:
    def body(x: Any) -> Any:
        x = layers.ReLU()(layers.ZeroPadding2D(1)(same_conv()(x)))
        y = layers.ZeroPadding2D(1)(x)
        x = layers.Add()([layers.Conv2D(4, 3)(y), layers.MaxPooling2D(3, 1)(y)])
        x = layers.Conv2D(4, 3, 2)(layers.ZeroPadding2D(1)(x))
        return same_conv()(layers.ZeroPadding2D(((1, 0), (0, 2)))(x))

    return functional(MAP, body)


def hard_swish_by_hand() -> Any:
    def body(x: Any) -> Any:
        x = same_conv()(x)
        x = same_conv()(x * (layers.ReLU(6.0)(x + 3.0) * (1 / 6)))
        x = same_conv()(x * layers.ReLU(6.0)(x + 3.0) * (1 / 6))
        return layers.Multiply()([layers.Activation("hard_sigmoid")(x), x])

    return functional(MAP, body)


def views() -> Any:
    def body(x: Any) -> Any:
        x = layers.Permute((1, 2, 3))(layers.LeakyReLU()(x))
        x = layers.Concatenate(axis=1)([x, layers.ReLU()(x)])
        x = keras.ops.squeeze(keras.ops.expand_dims(layers.Reshape((-1, 4))(x), 1), 1)
        x = layers.Permute((2, 1, 3))(layers.Reshape((1, -1, 4))(x))
        x = keras.ops.max(keras.ops.relu(x), axis=(1, 2), keepdims=True)
        return layers.Activation("tanh")(layers.GlobalAveragePooling2D(keepdims=True)(x))

    return functional(MAP, body)


def scales_that_are_joined() -> Any:
    def body(x: Any) -> Any:
        y = layers.Activation("tanh")(same_conv()(x))
        z = layers.Concatenate()([layers.MaxPooling2D(3, 1, padding="same")(y), x])
        z = layers.Concatenate()([same_conv()(y), z, layers.Softmax()(x)])
        z = layers.Concatenate()([layers.GlobalAveragePooling2D()(y), layers.Flatten()(z)])
        z = layers.Dense(3, activation="sigmoid")(z)
        return layers.Activation("tanh")(layers.Concatenate()([z, layers.Dense(2)(z)]))

    return functional(MAP, body)


def subtracted_from_constants() -> Any:
    def body(x: Any) -> Any:
        vector = np.linspace(0.1, 0.9, 4, dtype=np.float32)
        gate = layers.Activation("sigmoid")(same_conv()(x))
        x = gate * x + (1.0 - gate) * layers.Activation("tanh")(same_conv()(x))
        x = same_conv()(keras.ops.subtract(vector, layers.Conv2D(4, 3)(1.0 - x)))
        x = layers.ReLU()(0.0 - layers.Reshape((3, 12, 4))(2.0 - (1.5 - x)))
        return layers.Dense(3)(1.0 - layers.Dense(4)(1.0 - layers.GlobalMaxPooling2D()(x)))

    return functional(MAP, body)


class Doubled(layers.Layer):
    def call(self, x: Any) -> Any:
        return x * 2
